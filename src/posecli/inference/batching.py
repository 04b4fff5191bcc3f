"""The batch size of a run, found by trying a few sizes on its own frames."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from posecli.errors import EngineError, PoseCliError
from posecli.inference.pipeline import Reader
from posecli.inference.step import Step
from posecli.support.hardware import free_memory
from posecli.video.batch import Batch

Images: TypeAlias = npt.NDArray[np.uint8]

#: Sizes that are tried, smallest first.
SIZES = (1, 4, 8, 16, 32, 64, 128)
#: Items of the video in a trial, and the bytes that they may take; larger batches repeat them.
TRIAL_ITEMS, TRIAL_BYTES = 32, 32 * 640 * 480 * 3
#: A size is timed for at least so long and so many calls.
TRIAL_SECONDS = 0.4
TRIAL_CALLS = 3
#: Longer calls gain nothing: what a call costs besides the network is milliseconds.
LONGEST_CALL_SECONDS = 2.0
#: Sizes this close in speed are as fast: two trials of one size differ by more. The smallest takes the least memory.
AS_FAST = 0.98
#: Upper bound of what a network holds per pixel of a batch (130 to 170 were measured, in fp32 with both engines).
BYTES_PER_PIXEL = 250
#: How OpenVINO, TensorFlow, OpenCV and FFmpeg say that there is no memory.
OUT_OF_MEMORY = ("bad_alloc", "out of memory", "allocate memory", "failed to allocate", "oom when allocating")
#: Share of the free memory that a trial may take.
MEMORY_SHARE = 0.5


@dataclass(frozen=True)
class BatchTrial:
    """Items per second of one batch size, network and decoder; ``None`` where an obstacle ended the trials."""

    batch_size: int
    fps: float | None
    obstacle: str = ""

    def __str__(self) -> str:
        if self.fps is None:
            return f"{self.batch_size} and more left out: {self.obstacle}"
        return f"{self.batch_size} at {self.fps:.{1 if self.fps < 100 else 0}f} fps"


@dataclass(frozen=True)
class BatchChoice:
    """The batch size of a run, and the trials that led to it; no trials where the size was given.

    >>> print(BatchChoice(8, (BatchTrial(1, 44.0), BatchTrial(8, 91.6), BatchTrial(16, None, "3 s a call"))))
    8 (1 at 44.0 fps, 8 at 91.6 fps, 16 and more left out: 3 s a call)
    """

    batch_size: int
    trials: tuple[BatchTrial, ...] = ()

    def __str__(self) -> str:
        return f"{self.batch_size} ({', '.join(map(str, self.trials))})"

    def as_list(self) -> list[dict[str, Any]]:
        """The trials as plain values, for manifests."""
        return [asdict(trial) for trial in self.trials]


def choose_batch(step: Step, items: Batch, sizes: Sequence[int] = SIZES) -> BatchChoice:
    """Try batch sizes, smallest first, on items of the video; take the smallest of those that are as fast as the best.

    An `EngineError` if even the smallest cannot be run.
    """
    trials: list[BatchTrial] = []
    for size in sizes:
        obstacle = _foreseen(size, items.images[0], trials)
        trials.append(BatchTrial(size, None, obstacle) if obstacle else _tried(step, items, size))
        if trials[-1].fps is None:
            break
    speeds = {trial.batch_size: trial.fps for trial in trials if trial.fps is not None}
    if not speeds:
        raise EngineError(
            f"no batch size could be run, not even {trials[0].batch_size} ({trials[0].obstacle}): free some memory, or "
            "choose a smaller --scale"
        )
    enough = AS_FAST * max(speeds.values())
    return BatchChoice(min(size for size, fps in speeds.items() if fps >= enough), tuple(trials))


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error is a runtime's way to say that there is not enough memory.

    >>> is_out_of_memory(RuntimeError("std::bad_alloc")), is_out_of_memory(ValueError("bad shape"))
    (True, False)
    """
    if isinstance(error, PoseCliError):
        return False
    text = str(error).casefold()
    return isinstance(error, MemoryError) or any(words in text for words in OUT_OF_MEMORY)


def first_items(reader: Reader) -> Batch:
    """Items of a video for trials, at least one; the reader is closed."""
    one = reader.new_buffer(1)
    count = max(1, min(TRIAL_ITEMS, TRIAL_BYTES // one.size))
    with closing(reader):
        batch = reader.read_into(reader.new_buffer(count))
    return Batch.of(np.zeros_like(one)) if batch is None else batch


def _foreseen(size: int, item: Images, trials: Sequence[BatchTrial]) -> str:
    """Why a size is not worth trying, or not safe: a system short of memory kills without asking."""
    need = size * item[..., 0].size * BYTES_PER_PIXEL
    free = free_memory()
    if need > MEMORY_SHARE * free:
        return f"may need {need / 2**30:.1f} GiB of {free / 2**30:.1f} that are free"
    if trials and trials[-1].fps is not None and (seconds := size / trials[-1].fps) > LONGEST_CALL_SECONDS:
        return f"{seconds:.0f} s a call"
    return ""


def _tried(step: Step, items: Batch, size: int) -> BatchTrial:
    batch = items[np.arange(size) % len(items)]
    try:
        step.warm_up(size)
        seconds = _call_seconds(lambda: step(batch))
    except (MemoryError, RuntimeError, EngineError) as error:  # runtimes say it in different ways
        return BatchTrial(size, None, str(error).strip().partition("\n")[0] or "not enough memory")
    return BatchTrial(size, size / seconds)


def _call_seconds(call: Callable[[], object]) -> float:
    """Median over calls, so that a moment in which the machine was busy elsewhere does not count."""
    lasted: list[float] = []
    while len(lasted) < TRIAL_CALLS or sum(lasted) < TRIAL_SECONDS:
        start = time.perf_counter()
        call()
        lasted.append(time.perf_counter() - start)
    return statistics.median(lasted)

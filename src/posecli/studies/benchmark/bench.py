"""One condition on the bench: the network compiled and warm, alone, and in a pipeline whose stages are noted.

The whole loop is what ``posecli analyze`` or ``posecli classify`` does with a video once its network is compiled: read,
network, decode, write.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.behaviour.chunks import ChunkPlan, ClipReader
from posecli.engine import Shape
from posecli.inference.pipeline import Line, Reader, run_pipeline
from posecli.inference.predictor import ClipModel, Model, PoseModel
from posecli.inference.step import Step, Values
from posecli.model.folder import AnyFolder, read_clip_folder, read_model_folder
from posecli.options import EngineOptions, InputSize
from posecli.studies.benchmark.study import Condition
from posecli.support.hardware import busy_seconds, usable_cores
from posecli.support.results import StageReport
from posecli.tables.pose_table import PoseTableWriter, pose_columns
from posecli.video.batch import Batch
from posecli.video.geometry import Geometry
from posecli.video.probe import probe
from posecli.video.reader import Frame, VideoReader

#: Part of a run that counts as ramp-up: the first batch at least.
RAMP_UP_SHARE = 0.1
#: Points kept of a ramp-up curve, and spans kept of a timeline.
MOST_POINTS, MOST_SPANS = 60, 600

#: Frames done, and seconds since the run began.
Mark = tuple[int, float]
#: A stage at work on a thread: its name, the thread's, start and end in seconds since the run began.
Span = tuple[str, str, float, float]
Images = npt.NDArray[np.uint8]
T = TypeVar("T")


def evenly(items: Sequence[T], count: int) -> list[T]:
    """Up to so many of them, from first to last."""
    places = np.linspace(0, len(items) - 1, min(len(items), count)).round().astype(int)
    return [items[place] for place in places]


@dataclass
class Recorder:
    """Notes of one run. Appending to a list is one step for every thread, so nothing is locked."""

    origin: float = field(default_factory=time.perf_counter)
    spans: list[Span] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    @contextmanager
    def span(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            end = time.perf_counter()
            self.spans.append((stage, threading.current_thread().name, start - self.origin, end - self.origin))

    def mark(self, frames: int) -> None:
        done = self.marks[-1][0] if self.marks else 0
        self.marks.append((done + frames, time.perf_counter() - self.origin))

    def curve(self) -> list[Mark]:
        return evenly(self.marks, MOST_POINTS)

    def first_spans(self) -> list[Span]:
        first = sorted(self.spans, key=lambda span: span[2])[:MOST_SPANS]
        return [(stage, thread, round(start, 6), round(end, 6)) for stage, thread, start, end in first]

    def steady_rate(self, otherwise: float) -> float:
        """Frames per second from the end of the ramp-up on; `otherwise` where there is nothing behind it.

        >>> Recorder(marks=[(8, 2.0), (16, 3.0), (24, 4.0)]).steady_rate(6.0)
        8.0
        """
        last_frames, last = self.marks[-1]
        started = next(mark for mark in self.marks if mark[0] >= RAMP_UP_SHARE * last_frames)
        frames, seconds = last_frames - started[0], last - started[1]
        return frames / seconds if frames and seconds > 0 else otherwise


@dataclass
class NotedPool(Executor):
    """A pool whose jobs are noted as ``prepare``."""

    pool: Executor
    recorder: Recorder

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self.pool.submit(self.recorder.span("prepare")(fn), *args, **kwargs)


@dataclass
class NotedStep(Step):
    """A step whose parts are noted as ``network`` and ``decode``."""

    step: Step
    recorder: Recorder

    def infer(self, batch: Batch) -> Any:
        with self.recorder.span("network"):
            return self.step.infer(batch)

    def finish(self, batch: Batch, output: Any) -> Values:
        with self.recorder.span("decode"):
            return self.step.finish(batch, output)


class NoStep(Step):
    """Makes a zero of each item: what is left of a pipeline then is reading."""

    def infer(self, batch: Batch) -> None:
        pass

    def finish(self, batch: Batch, _output: None) -> Values:
        return np.zeros((len(batch), 1))


class FirstFrames(VideoReader):
    """The first frames of a video, at most `frames`, scaled to a size; reading them is noted as ``read``.

    Some seconds after it was first asked, it gives no more.
    """

    def __init__(
        self, clip: Path, frames: int, recorder: Recorder, size: InputSize | None = None, seconds: float = math.inf
    ) -> None:
        info = probe(clip)
        whole = Geometry.plan(info.width, info.height)
        super().__init__(info, whole if size is None else whole.brought_to(size.width, size.height))
        self._left = min(frames, info.expected_frames)
        self._recorder = recorder
        self._seconds_left = seconds
        self._deadline: float | None = None

    def read_into(self, buffer: Images, pool: Executor | None = None) -> Batch | None:
        if self._is_over():
            return None
        noted = None if pool is None else NotedPool(pool, self._recorder)
        with self._recorder.span("read"):
            batch = super().read_into(buffer[: self._left], noted)
        self._left -= 0 if batch is None else len(batch)
        return batch

    def decoded(self) -> Iterator[Frame]:
        frames = super().decoded()
        while not self._is_over():
            with self._recorder.span("read"):
                item = next(frames, None)
            if item is None:
                return
            self._left -= 1
            yield item

    def _is_over(self) -> bool:
        now = time.perf_counter()
        if self._deadline is None:
            self._deadline = now + self._seconds_left
        return self._left == 0 or now >= self._deadline


class FirstChunks(ClipReader):
    """The first frames of a video as chunks; reading one is noted as ``read``."""

    def __init__(self, frames: FirstFrames, plan: ChunkPlan, recorder: Recorder) -> None:
        super().__init__(frames, plan)
        self._recorder = recorder

    def read_into(self, buffer: Images, pool: Executor | None = None) -> Batch | None:
        noted = None if pool is None else NotedPool(pool, self._recorder)
        with self._recorder.span("read"):
            return super().read_into(buffer, noted)


#: Length of the network-only measurement, relative to a run.
NETWORK_SHARE = 0.3


@dataclass(frozen=True)
class Job:
    """What a worker is asked for."""

    condition: Condition
    clip: Path
    model: Path  # a model folder
    frames: int  # of a run, at most those of the clip
    repeats: tuple[int, ...]  # numbers of those that are measured one after the other
    #: Where what was found in the first repeat goes: poses as ``(N, K, 3)`` float64 in px of the clip's frame, or
    #: probabilities as ``(N, C)``.
    poses: Path

    @property
    def items(self) -> int:
        return self.condition.items_in(self.frames)


class Bench(ABC):
    """A condition's network, compiled and warm."""

    read_folder: ClassVar[Callable[[Path], AnyFolder]]
    model_class: ClassVar[type[Model[Any, Any]]]
    read_seconds: ClassVar[float]  # of the read-only measurement

    def __init__(self, job: Job) -> None:
        self.job = job
        condition = job.condition
        options = EngineOptions(condition.engine, condition.precision, condition.cores)
        self.model: Any = self.model_class(type(self).read_folder(job.model), options)
        chunk = (condition.length,) if condition.has_chunks else ()
        self.shape: Shape = (*chunk, condition.height, condition.width, 3)
        start = time.perf_counter()
        self.info = self.model.engine_for(self.shape).info
        opened = time.perf_counter()
        self.step.warm_up(min(condition.batch_size, job.items))
        self._start = {"open_seconds": opened - start, "warm_up_seconds": time.perf_counter() - opened}

    @cached_property
    def step(self) -> Step:
        """From items to values, with the condition's decoder where there is one."""
        decoder = self.job.condition.decoder
        step: Step = self.model.step(self.shape, *([decoder] if decoder else []))
        return step

    @abstractmethod
    def reader(self, recorder: Recorder, seconds: float = math.inf) -> Reader:
        """Gives the clip; after so many seconds, no more of it."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Callable[[Values], object]]:
        """Takes values to where a run puts them."""

    def item_cost(self) -> int | None:
        """Multiply-adds that an item costs the network; ``None`` where they are not counted."""
        return None

    def measured(self) -> list[dict[str, Any]]:
        """A row for each repeat, for JSON: whole loop (``fps`` is the steady state's), network only, reading only."""
        return [self._row(number) for number in self.job.repeats]

    def _row(self, number: int) -> dict[str, Any]:
        row = {"repeat": number, "load_before": os.getloadavg()[0]}
        row |= {"network_fps": self.network_fps(), "read_fps": self.read_fps()}
        recorder = Recorder()
        wall, own, busy = time.perf_counter(), time.process_time(), busy_seconds()
        stages, values = self._loop(recorder)
        own, busy, wall = time.process_time() - own, busy_seconds() - busy, time.perf_counter() - wall
        if number == 0:
            self.job.poses.parent.mkdir(parents=True, exist_ok=True)
            np.save(self.job.poses, values)
        cost, loop_fps = self.item_cost(), stages.frames / stages.seconds
        return row | {
            "frames": stages.frames,
            "items": len(values),
            "seconds": stages.seconds,
            "fps": recorder.steady_rate(otherwise=loop_fps),
            "loop_fps": loop_fps,
            "gmac_per_item": None if cost is None else cost / 1e9,
            "cpu_seconds": own,
            "background_cores": max(0.0, (busy - own) / wall),
            "peak_mib": peak_mib(),
            **self._start,
            "network_threads": self.info.threads,
            "device": self.info.device,
            **{f"{stage}_seconds": seconds for stage, seconds in stages.stage_seconds.items()},
            "curve": recorder.curve(),
            "spans": recorder.first_spans() if number == 0 else [],
        }

    def network_fps(self) -> float:
        """Frames of video per second of the network alone, over and over on the clip's first batch."""
        _ = self._first_batch  # read before the clock starts
        start = time.perf_counter()
        return self.run_network() * self.job.condition.stride / (time.perf_counter() - start)

    def run_network(self) -> int:
        """Run the network alone for part of a run's length; how many items it was given."""
        calls = max(1, math.ceil(NETWORK_SHARE * self.job.items / len(self._first_batch)))
        for _ in range(calls):
            self.step.infer(self._first_batch)
        return calls * len(self._first_batch)

    def read_fps(self) -> float:
        """Frames per second of loading alone: the condition's pipeline, without a network or anything behind it."""
        report = self._through(self.reader(Recorder(), self.read_seconds), NoStep(), lambda _batch, _values: None)
        return report.frames / report.seconds

    def _loop(self, recorder: Recorder) -> tuple[StageReport, Values]:
        kept: list[Values] = []
        with self.writing() as write:

            def sink(batch: Batch, values: Values) -> None:
                with recorder.span("write"):
                    write(values)
                    kept.append((values[:, :, 0] if values.ndim == 4 else values).copy())  # of poses, the best peak
                    recorder.mark(batch.frames)

            reader = self.reader(recorder)
            recorder.origin = time.perf_counter()
            stages = self._through(reader, NotedStep(self.step, recorder), sink)
        return stages, np.concatenate(kept)

    def _through(self, reader: Reader, step: Step, sink: Callable[[Batch, Values], None]) -> StageReport:
        condition = self.job.condition
        with closing(reader):
            return run_pipeline(condition.pipeline, Line(reader, step, sink, condition.batch_size, usable_cores()))

    @cached_property
    def _first_batch(self) -> Batch:
        with closing(self.reader(Recorder())) as reader:
            batch = reader.read_into(reader.new_buffer(self.job.condition.batch_size))
        assert batch is not None  # a clip has frames
        return batch


class PoseBench(Bench):
    """Frames to poses."""

    read_folder = read_model_folder
    model_class = PoseModel
    read_seconds = 0.5

    def reader(self, recorder: Recorder, seconds: float = math.inf) -> FirstFrames:
        # The clip has the size that the network sees.
        return FirstFrames(self.job.clip, self.job.frames, recorder, seconds=seconds)

    @contextmanager
    def writing(self) -> Iterator[Callable[[Values], object]]:
        description = self.model.description
        columns = pose_columns(description.scorer, description.bodyparts)
        with tempfile.TemporaryDirectory(prefix="posecli-benchmark-") as folder, ExitStack() as stack:
            writer = PoseTableWriter(Path(folder) / "poses.h5", columns)
            stack.callback(writer.discard)
            yield writer.append


class ClipBench(Bench):
    """Chunks of frames to probabilities."""

    read_folder = read_clip_folder
    model_class = ClipModel
    #: Long enough for a few chunks of large frames.
    read_seconds = 1.5

    def reader(self, recorder: Recorder, seconds: float = math.inf) -> FirstChunks:
        condition = self.job.condition
        size = InputSize(condition.width, condition.height)
        frames = FirstFrames(self.job.clip, self.job.frames, Recorder(), size, seconds)
        return FirstChunks(frames, ChunkPlan(condition.length, condition.stride, condition.frame_step), recorder)

    @contextmanager
    def writing(self) -> Iterator[Callable[[Values], object]]:
        """Row by row into a file, as a run's journal has them; the table itself is made when a video has ended."""
        with tempfile.TemporaryFile(buffering=0, prefix="posecli-benchmark-") as stream:
            yield lambda values: stream.write(values.tobytes())

    def item_cost(self) -> int:
        return sum(self.model.description.network.multiplications(self.shape[:3]).values())


def peak_mib() -> float:
    """Most memory that this process has held so far, MiB.

    On Linux from its own status: what ``getrusage`` says may be the parent's, from before the program was started.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource
        import sys

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024

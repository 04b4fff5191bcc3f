"""One condition on the bench: the network compiled and warm, alone, and at the end of a pipeline.

The whole loop is what ``posecli analyze`` or ``posecli classify`` does with a video once its network is compiled: read,
network, decode, write.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from posecli.behaviour.chunks import ChunkPlan
from posecli.engine import Shape
from posecli.inference.pipeline import Line, Reader, run_pipeline
from posecli.inference.predictor import ClipModel, Model, PoseModel
from posecli.inference.step import Step, Values
from posecli.model.folder import AnyFolder, read_clip_folder, read_model_folder
from posecli.options import EngineOptions, InputSize
from posecli.studies.benchmark.recorder import FirstChunks, FirstFrames, NoStep, NotedStep, Recorder
from posecli.studies.benchmark.study import Condition
from posecli.support.hardware import busy_seconds, usable_cores
from posecli.support.results import StageReport
from posecli.tables.pose_table import PoseTableWriter, pose_columns
from posecli.video.batch import Batch

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
        """Frames or chunks of a run."""
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
        """A row for each repeat, for JSON: whole loop, network only, reading only.

        ``fps`` is the steady state's; ``curve`` holds frames done and seconds, ``spans`` the first repeat's stages as
        (stage, thread, start, end).
        """
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
        try:
            return run_pipeline(condition.pipeline, Line(reader, step, sink, condition.batch_size, usable_cores()))
        finally:
            reader.close()

    @cached_property
    def _first_batch(self) -> Batch:
        reader = self.reader(Recorder())
        batch = reader.read_into(reader.new_buffer(self.job.condition.batch_size))
        reader.close()
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
        with tempfile.TemporaryDirectory(prefix="posecli-benchmark-") as folder:
            writer = PoseTableWriter(Path(folder) / "poses.h5", columns)
            try:
                yield writer.append
            finally:
                writer.discard()


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

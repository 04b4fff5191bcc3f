"""One condition on the bench: the network compiled and warm, alone, and at the end of a pipeline.

The whole loop is what ``posecli analyze`` or ``posecli classify`` does with a video once its network is compiled: read,
network, decode, write. What differs between frames and chunks of them is said here, and nowhere else in a worker.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from posecli.engine import Engine, Shape
from posecli.inference.kind import Values
from posecli.inference.pipeline import Line, Reader, run_pipeline
from posecli.inference.predictor import Model
from posecli.inference.step import Step
from posecli.options import EngineOptions
from posecli.studies.benchmark.conditions import Condition
from posecli.studies.benchmark.load import BackgroundLoad
from posecli.studies.benchmark.options import NetworkName
from posecli.studies.benchmark.recorder import NoStep, NotedStep, Recorder, steady_rate
from posecli.support.hardware import usable_cores
from posecli.support.results import StageReport
from posecli.video.batch import Batch

ModelT = TypeVar("ModelT", bound=Model[Any, Any])

#: Share of a run's frames by which the network-only measurement is shorter.
NETWORK_SHARE = 0.3


@dataclass(frozen=True)
class Job:
    """What a worker is asked for.

    Attributes
    ----------
    network
        The kind of network.
    condition
        What is measured.
    clip
        The video.
    model
        A model folder.
    frames
        Frames of a run, at most those of the clip.
    repeats
        Numbers of the repeats that are measured one after the other.
    poses
        Where what was found in the first repeat goes: poses as ``(N, K, 3)`` float64 in px of the clip's frame, or
        probabilities as ``(N, C)``.
    """

    network: NetworkName
    condition: Condition
    clip: Path
    model: Path
    frames: int
    repeats: tuple[int, ...]
    poses: Path

    @property
    def items(self) -> int:
        """Frames or chunks of a run."""
        return self.condition.items_in(self.frames)


@dataclass(frozen=True)
class Run:
    """One whole loop.

    Attributes
    ----------
    stages
        Frames, seconds, and how long each stage was busy.
    recorder
        Spans and marks.
    values
        What was found: ``(N, K, 3)`` x px, y px, likelihood; or ``(N, C)`` probabilities.
    cpu_seconds
        Processor time of this process, all threads.
    background_cores
        Cores that other processes kept busy meanwhile; ``None`` where the system does not tell.
    """

    stages: StageReport
    recorder: Recorder
    values: Values
    cpu_seconds: float
    background_cores: float | None

    @property
    def loop_fps(self) -> float:
        """Frames per second from the first frame read to the last row written."""
        return self.stages.frames / self.stages.seconds

    @property
    def steady_fps(self) -> float:
        """Frames per second after the ramp-up; of the whole loop where there is only one batch."""
        return steady_rate(self.recorder.marks, self.loop_fps)


class Bench(ABC, Generic[ModelT]):
    """A condition's network, compiled and warm.

    Parameters
    ----------
    job
        What to measure.

    Attributes
    ----------
    open_seconds, warm_up_seconds
        How long it took to compile, and to run the first batch.
    """

    #: Seconds of the read-only measurement.
    read_seconds: ClassVar[float]

    def __init__(self, job: Job) -> None:
        self.job = job
        condition = job.condition
        self.model = self.opened(EngineOptions(condition.engine, condition.precision, condition.cores))
        start = time.perf_counter()
        self.engine: Engine[Any] = self.model.engine_for(self.shape)
        opened = time.perf_counter()
        self.step.warm_up(min(condition.batch_size, job.items))
        self.open_seconds = opened - start
        self.warm_up_seconds = time.perf_counter() - opened

    @abstractmethod
    def opened(self, options: EngineOptions) -> ModelT:
        """The job's model."""

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """Of an item."""

    @property
    @abstractmethod
    def multiply_adds(self) -> int | None:
        """What an item costs the network; ``None`` where that is not counted."""

    @abstractmethod
    def reader(self, recorder: Recorder, seconds: float = math.inf) -> Reader:
        """Gives the clip; after so many seconds, no more of it."""

    @cached_property
    def step(self) -> Step:
        """From items to values."""
        return self.model.step(self.shape)

    @abstractmethod
    def writing(self) -> AbstractContextManager[Callable[[Values], object]]:
        """Takes values to where a run puts them."""

    def kept(self, values: Values) -> Values:
        """What is remembered of a batch's values."""
        return values.copy()

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
        reader = self.reader(Recorder(), self.read_seconds)
        report = self._through(Line(reader, NoStep(), _forget, self._batch, usable_cores()))
        return report.frames / report.seconds

    def run(self) -> Run:
        """The whole loop, once."""
        kept: list[Values] = []
        recorder = Recorder()
        load = BackgroundLoad()
        with self.writing() as write:

            def sink(batch: Batch, values: Values) -> None:
                write(values)
                kept.append(self.kept(values))
                recorder.mark(batch.frames)

            line = Line(
                self.reader(recorder),
                NotedStep(self.step, recorder),
                recorder.timed("write", sink),
                self._batch,
                usable_cores(),
            )
            recorder.origin = time.perf_counter()
            stages = self._through(line)
        return Run(stages, recorder, np.concatenate(kept), *load.since())

    def _through(self, line: Line) -> StageReport:
        try:
            return run_pipeline(self.job.condition.pipeline, line)
        finally:
            line.reader.close()

    @property
    def _batch(self) -> int:
        return self.job.condition.batch_size

    @cached_property
    def _first_batch(self) -> Batch:
        reader = self.reader(Recorder())
        batch = reader.read_into(reader.new_buffer(self._batch))
        reader.close()
        assert batch is not None  # a clip has frames
        return batch


def _forget(_batch: Batch, _values: Values) -> None:
    """What is read to be timed is looked at by nobody."""

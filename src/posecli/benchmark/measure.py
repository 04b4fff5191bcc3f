"""One condition, measured: whole loop, network only, reading only, and which stage ran when on which thread.

The whole loop is what ``posecli analyze`` does with a video once its network is compiled: read, network, decode, write
into a pose table. Everything is measured in the process that calls.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.benchmark.design import Condition
from posecli.decode import Pose
from posecli.engine import Engine, EngineInfo, NetworkOutput
from posecli.hardware import usable_cores
from posecli.model.folder import ModelFolder, read_model_folder
from posecli.options import EngineOptions, FixedPrecision
from posecli.pipeline import Line, run_pipeline
from posecli.predictor import PoseModel
from posecli.results import StageReport
from posecli.table import PoseTableWriter, pose_columns
from posecli.video.probe import probe
from posecli.video.reader import FrameBatch, VideoReader

P = ParamSpec("P")
R = TypeVar("R")

#: Share of a run's frames by which the network-only measurement is shorter, and seconds of the read-only one.
NETWORK_SHARE = 0.3
READ_SECONDS = 0.5
#: Part of a run that counts as ramp-up: the first batch at least.
RAMP_UP_SHARE = 0.1
#: Points kept of a ramp-up curve, and spans kept of a timeline.
MOST_POINTS = 60
MOST_SPANS = 600


@dataclass(frozen=True)
class Job:
    """What a worker is asked for.

    Attributes
    ----------
    condition
        What is measured.
    clip
        The video, of the condition's frame size.
    model
        A model folder.
    frames
        Frames of a run, at most those of the clip.
    repeats
        Numbers of the repeats that are measured one after the other.
    poses
        Where the poses of the first repeat go, as ``(N, K, 3)`` float64 in px of the clip's frame.
    """

    condition: Condition
    clip: Path
    model: Path
    frames: int
    repeats: tuple[int, ...]
    poses: Path


@dataclass(frozen=True)
class Span:
    """A stage at work: from `start` to `end`, in seconds since the run began, on a thread."""

    stage: str
    thread: str
    start: float
    end: float


@dataclass
class Recorder:
    """Notes of one run: spans of all threads, and when how many frames were done.

    Appending to a list is one step for every thread, so nothing is locked.
    """

    origin: float = field(default_factory=time.perf_counter)
    spans: list[Span] = field(default_factory=list)
    marks: list[tuple[int, float]] = field(default_factory=list)

    @contextmanager
    def span(self, stage: str) -> Iterator[None]:
        """Note when the block runs."""
        start = time.perf_counter()
        try:
            yield
        finally:
            end = time.perf_counter()
            name = threading.current_thread().name
            self.spans.append(Span(stage, name, start - self.origin, end - self.origin))

    def timed(self, stage: str, function: Callable[P, R]) -> Callable[P, R]:
        """The same function, noting when it runs."""

        def noted(*arguments: P.args, **named: P.kwargs) -> R:
            with self.span(stage):
                return function(*arguments, **named)

        return noted

    def mark(self, frames: int) -> None:
        """Note that so many more frames are done."""
        done = self.marks[-1][0] if self.marks else 0
        self.marks.append((done + frames, time.perf_counter() - self.origin))


class NotedPool(Executor):
    """A pool whose jobs are noted as ``prepare``."""

    def __init__(self, pool: Executor, recorder: Recorder) -> None:
        self._pool = pool
        self._recorder = recorder

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand a job to the pool."""
        return self._pool.submit(self._recorder.timed("prepare", fn), *args, **kwargs)


class FirstFrames(VideoReader):
    """The first frames of a video, noted as ``read``."""

    def __init__(self, clip: Path, frames: int, recorder: Recorder) -> None:
        super().__init__(probe(clip))
        self._left = min(frames, self.info.n_frames)
        self._recorder = recorder

    def read_into(self, buffer: npt.NDArray[np.uint8], pool: Executor | None = None) -> FrameBatch | None:
        """Fill a buffer, until as many frames as wanted have been given."""
        if self._left == 0:
            return None
        noted = None if pool is None else NotedPool(pool, self._recorder)
        with self._recorder.span("read"):
            batch = super().read_into(buffer[: self._left], noted)
        self._left -= 0 if batch is None else len(batch)
        return batch

    def decoded(self) -> Iterator[tuple[int, npt.NDArray[np.uint8] | None]]:
        """The next frames, not prepared: what `tf.data` asks for."""
        frames = super().decoded()
        while self._left:
            with self._recorder.span("read"):
                item = next(frames, None)
            if item is None:
                return
            self._left -= 1
            yield item


class NotedEngine:
    """An engine whose calls are noted as ``network``."""

    def __init__(self, engine: Engine, recorder: Recorder) -> None:
        self._engine = engine
        self.info: EngineInfo = engine.info
        self._call = recorder.timed("network", engine)

    @staticmethod
    def obstacle(_folder: ModelFolder, _precision: FixedPrecision) -> str | None:
        """It runs already."""
        return None

    def warm_up(self, batch_size: int) -> None:
        """As the engine does."""
        self._engine.warm_up(batch_size)

    def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
        """Run the network."""
        return self._call(images)


class Bench:
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

    def __init__(self, job: Job) -> None:
        self.job = job
        condition = job.condition
        options = EngineOptions(condition.engine, condition.precision, condition.cores)
        self.model = PoseModel(read_model_folder(job.model), options)
        start = time.perf_counter()
        self.engine = self.model.engine(condition.height, condition.width)
        opened = time.perf_counter()
        self.engine.warm_up(min(condition.batch_size, job.frames))
        self.open_seconds = opened - start
        self.warm_up_seconds = time.perf_counter() - opened

    def network_fps(self) -> float:
        """Frames per second of the network alone, over and over on the clip's first batch."""
        _ = self._first_images  # read before the clock starts
        start = time.perf_counter()
        return self.run_network() / (time.perf_counter() - start)

    def run_network(self) -> int:
        """Run the network alone for part of a run's length; how many frames it was given."""
        calls = max(1, math.ceil(NETWORK_SHARE * self.job.frames / len(self._first_images)))
        for _ in range(calls):
            self.engine(self._first_images)
        return calls * len(self._first_images)

    def read_fps(self) -> float:
        """Frames per second of reading alone: decoding and preparing into a buffer that is used again."""
        reader = FirstFrames(self.job.clip, self.job.frames, Recorder())
        buffer = reader.new_buffer(self.job.condition.batch_size)
        frames = 0
        start = time.perf_counter()
        while (seconds := time.perf_counter() - start) < READ_SECONDS:
            batch = reader.read_into(buffer)
            if batch is None:
                seconds = time.perf_counter() - start
                break
            frames += len(batch)
        reader.close()
        return frames / seconds

    def run(self) -> Run:
        """The whole loop, once."""
        description = self.model.description
        columns = pose_columns(description.scorer, description.bodyparts)
        poses: list[Pose] = []
        load = _BackgroundLoad()
        with tempfile.TemporaryDirectory(prefix="posecli-benchmark-") as folder:
            writer = PoseTableWriter(Path(folder) / "poses.h5", columns)
            recorder = Recorder()

            def sink(batch: FrameBatch, pose: Pose) -> None:
                writer.append(pose)
                poses.append(pose[:, :, 0].copy())
                recorder.mark(len(batch))

            try:
                stages = self._through(recorder, sink)
            finally:
                writer.discard()
        return Run(stages, recorder, np.concatenate(poses), *load.since())

    def _through(self, recorder: Recorder, sink: Callable[[FrameBatch, Pose], None]) -> StageReport:
        condition = self.job.condition

        def decode(output: NetworkOutput) -> Pose:
            return self.model.decode(output, condition.decoder)

        reader = FirstFrames(self.job.clip, self.job.frames, recorder)
        line = Line(
            reader,
            NotedEngine(self.engine, recorder),
            recorder.timed("decode", decode),
            recorder.timed("write", sink),
            condition.batch_size,
            usable_cores(),
        )
        try:
            recorder.origin = time.perf_counter()
            return run_pipeline(condition.pipeline, line)
        finally:
            reader.close()

    @cached_property
    def _first_images(self) -> npt.NDArray[np.uint8]:
        reader = FirstFrames(self.job.clip, self.job.frames, Recorder())
        batch = reader.read_into(reader.new_buffer(self.job.condition.batch_size))
        reader.close()
        assert batch is not None  # a clip has frames
        return batch.images


@dataclass(frozen=True)
class Run:
    """One whole loop.

    Attributes
    ----------
    stages
        Frames, seconds, and how long each stage was busy.
    recorder
        Spans and marks.
    poses
        ``(N, K, 3)``: x px, y px, likelihood.
    cpu_seconds
        Processor time of this process, all threads.
    background_cores
        Cores that other processes kept busy meanwhile; ``None`` where the system does not tell.
    """

    stages: StageReport
    recorder: Recorder
    poses: Pose
    cpu_seconds: float
    background_cores: float | None

    @property
    def loop_fps(self) -> float:
        """Frames per second from the first frame read to the last pose written."""
        return self.stages.frames / self.stages.seconds

    @property
    def steady_fps(self) -> float:
        """Frames per second after the ramp-up; of the whole loop where there is only one batch."""
        return steady_rate(self.recorder.marks, self.loop_fps)


def steady_rate(marks: list[tuple[int, float]], otherwise: float) -> float:
    """Frames per second from the end of the ramp-up on.

    Parameters
    ----------
    marks
        Frames done, and seconds since the start.
    otherwise
        Where there is nothing behind the ramp-up.

    >>> steady_rate([(8, 2.0), (16, 3.0), (24, 4.0)], 6.0)
    8.0
    """
    last_frames, last = marks[-1]
    started = next(mark for mark in marks if mark[0] >= RAMP_UP_SHARE * last_frames)
    frames, seconds = last_frames - started[0], last - started[1]
    return frames / seconds if frames and seconds > 0 else otherwise


class _BackgroundLoad:
    """Processor time of this process, and of all others beside it."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._own = time.process_time()
        self._all = busy_seconds()

    def since(self) -> tuple[float, float | None]:
        """Own processor seconds, and cores that others kept busy."""
        own = time.process_time() - self._own
        busy = busy_seconds()
        if busy is None or self._all is None:
            return own, None
        return own, max(0.0, (busy - self._all - own) / (time.perf_counter() - self._wall))


def busy_seconds() -> float | None:
    """Processor seconds that the whole machine has spent working since it was started; ``None`` off Linux."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        user, nice, system, _idle, _wait, irq, softirq = (int(text) for text in fields[1:8])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def peak_mib() -> float:
    """Most memory that this process has held so far, MiB.

    On Linux from its own status: what ``getrusage`` says may be the parent's, from before the program was started.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except (OSError, ValueError):
        pass
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024


def measure(job: Job) -> list[dict[str, Any]]:
    """Measure a condition's repeats; one row each.

    Parameters
    ----------
    job
        What to measure.

    Returns
    -------
    list of dict
        Plain values, for JSON. ``fps`` is the steady state's; ``curve`` holds frames done and seconds, ``spans`` the
        first repeat's stages as (stage, thread, start, end).
    """
    bench = Bench(job)
    rows = []
    for number in job.repeats:
        load_before = os.getloadavg()[0]
        network_fps, read_fps = bench.network_fps(), bench.read_fps()
        run = bench.run()
        if number == 0:
            job.poses.parent.mkdir(parents=True, exist_ok=True)
            np.save(job.poses, run.poses)
        rows.append(
            {
                "repeat": number,
                "frames": run.stages.frames,
                "seconds": run.stages.seconds,
                "fps": run.steady_fps,
                "loop_fps": run.loop_fps,
                "network_fps": network_fps,
                "read_fps": read_fps,
                "cpu_seconds": run.cpu_seconds,
                "peak_mib": peak_mib(),
                "open_seconds": bench.open_seconds,
                "warm_up_seconds": bench.warm_up_seconds,
                "load_before": load_before,
                "background_cores": run.background_cores,
                "network_threads": bench.engine.info.threads,
                "device": bench.engine.info.device,
                **{f"{stage}_seconds": busy for stage, busy in run.stages.stage_seconds.items()},
                "curve": _thinned(run.recorder.marks, MOST_POINTS),
                "spans": _spans(run.recorder) if number == 0 else [],
            }
        )
    return rows


def _thinned(marks: list[tuple[int, float]], count: int) -> list[tuple[int, float]]:
    if len(marks) <= count:
        return marks
    return [marks[place] for place in np.linspace(0, len(marks) - 1, count).round().astype(int)]


def _spans(recorder: Recorder) -> list[tuple[str, str, float, float]]:
    first = sorted(recorder.spans, key=lambda span: span.start)[:MOST_SPANS]
    return [(span.stage, span.thread, round(span.start, 6), round(span.end, 6)) for span in first]

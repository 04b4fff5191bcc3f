"""Reading, network, decoding and writing: one after the other, or overlapped.

The three ways are those of Govindarajan et al. (2022), figure 1:

``sync``      each batch is read, goes through the network, is decoded and written before the next one is read
``parallel``  a pool of workers prepares a batch's frames side by side; the network waits meanwhile
``async``     the next batches are read while the network works; poses are decoded and written behind it

Three more, for the TensorFlow engine, read through a `tf.data.Dataset` (`posecli.inference.tfdata`) as that paper did:
``tf-sync``, ``tf-parallel`` and ``tf-prefetch``.

All give the same batches to the same engine, and so the same bits. What overlaps is bounded: a fixed set of
buffers goes round, and a stage that is ahead waits. An error in any stage stops all of them and surfaces once.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.inference.kind import Values
from posecli.inference.step import Step
from posecli.inference.tfdata import dataset_batches
from posecli.options import DatasetMode, EngineName, PipelineName
from posecli.support.results import STAGES, StageReport
from posecli.video.batch import Batch
from posecli.video.reader import VideoReader

#: Buffers that go round in the async pipeline: one being filled, one in the network, one ready between them.
BUFFERS = 3
#: Seconds after which a waiting stage looks whether it should stop.
PATIENCE = 0.1

Buffer: TypeAlias = npt.NDArray[np.uint8]
T = TypeVar("T")


class Reader(Protocol):
    """Gives a video batch by batch, as `VideoReader` gives its frames."""

    @property
    def video(self) -> VideoReader:
        """What reads the frames."""

    def new_buffer(self, batch_size: int) -> Buffer:
        """An array for `read_into`."""

    def read_into(self, buffer: Buffer, pool: Executor | None = None) -> Batch | None:
        """Fill a buffer with the next items, preparing them side by side in a pool; ``None`` at the end."""

    def skip(self, count: int) -> None:
        """Pass over the next items."""

    def close(self) -> None:
        """Let the decoders go."""


@dataclass(frozen=True)
class Line:
    """What a pipeline is made of.

    Attributes
    ----------
    reader, step, sink
        The stages. The sink takes a batch, whose images may be overwritten already, and its values.
    batch_size
        Items per batch.
    workers
        Threads that prepare frames in the parallel pipelines.
    """

    reader: Reader
    step: Step
    sink: Callable[[Batch, Values], None]
    batch_size: int
    workers: int = 2


#: Takes a video through all stages, and counts its frames.
Pipeline: TypeAlias = "Callable[[Line, _StageClock], int]"


def run_pipeline(name: PipelineName, line: Line) -> StageReport:
    """Take a whole video through the network."""
    clock = _StageClock()
    start = time.perf_counter()
    frames = _PIPELINES[name](line, clock)
    return StageReport(frames, time.perf_counter() - start, clock.seconds)


@dataclass
class _StageClock:
    """Seconds that each stage was busy; each stage is timed by one thread."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


def _run_sync(line: Line, clock: _StageClock) -> int:
    return _one_after_the_other(line, clock, _read(line, clock))


def _run_parallel(line: Line, clock: _StageClock) -> int:
    with ThreadPoolExecutor(line.workers, thread_name_prefix="posecli-prepare") as pool:
        return _one_after_the_other(line, clock, _read(line, clock, pool))


def _run_dataset(mode: DatasetMode) -> Pipeline:
    """Batches come from a `tf.data.Dataset`, which reads ahead of this thread or not as its mode says."""

    def run(line: Line, clock: _StageClock) -> int:
        assert isinstance(line.reader, VideoReader), "only frames come through datasets"
        batches = dataset_batches(line.reader, mode, line.batch_size, line.workers, lambda: clock.stage("read"))
        with closing(batches):  # also when a later stage fails: no thread may read on
            return _one_after_the_other(line, clock, batches)

    return run


def _read(line: Line, clock: _StageClock, pool: ThreadPoolExecutor | None = None) -> Iterator[Batch]:
    """Batches until the end, all in one buffer."""
    buffer = line.reader.new_buffer(line.batch_size)
    while True:
        with clock.stage("read"):
            batch = line.reader.read_into(buffer, pool)
        if batch is None:
            return
        yield batch


def _one_after_the_other(line: Line, clock: _StageClock, batches: Iterable[Batch]) -> int:
    frames = 0
    for batch in batches:
        with clock.stage("network"):
            output = line.step.infer(batch)
        _finish(line, clock, batch, output)
        frames += batch.frames
    return frames


def _run_async(line: Line, clock: _StageClock) -> int:
    """Reader and finisher in threads of their own; the network in this one."""
    crew = _Crew()
    free: _Lane[Buffer] = _Lane(crew)
    ready: _Lane[tuple[Buffer, Batch] | None] = _Lane(crew)
    done: _Lane[tuple[Batch, Any] | None] = _Lane(crew)

    def read() -> None:
        while True:
            buffer = free.take()
            with clock.stage("read"):
                batch = line.reader.read_into(buffer)
            ready.put(None if batch is None else (buffer, batch))
            if batch is None:
                return

    def finish() -> None:
        while (item := done.take()) is not None:
            _finish(line, clock, *item)

    for _ in range(BUFFERS):
        free.put(line.reader.new_buffer(line.batch_size))
    frames = 0
    with crew.working(read, finish):
        while (item := ready.take()) is not None:
            buffer, batch = item
            with clock.stage("network"):
                output = line.step.infer(batch)
            free.put(buffer)
            done.put((batch, output))
            frames += batch.frames
        done.put(None)
    return frames


_PIPELINES: dict[PipelineName, Pipeline] = {
    "async": _run_async,
    "parallel": _run_parallel,
    "sync": _run_sync,
    "tf-sync": _run_dataset("sync"),
    "tf-parallel": _run_dataset("parallel"),
    "tf-prefetch": _run_dataset("prefetch"),
}

#: Pipelines that are for one engine; the others run with any.
ENGINES_OF_PIPELINES: dict[PipelineName, EngineName] = {
    "tf-sync": "tensorflow",
    "tf-parallel": "tensorflow",
    "tf-prefetch": "tensorflow",
}


def _finish(line: Line, clock: _StageClock, batch: Batch, output: Any) -> None:
    with clock.stage("decode"):
        values = line.step.finish(batch, output)
    with clock.stage("write"):
        line.sink(batch, values)


class _Stopped(Exception):  # noqa: N818  # a message between threads, never an error of its own
    """Another stage has failed: leave."""


class _Crew:
    """Threads that stop together; what the first of them raised is raised once, in the thread that waits."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._error: BaseException | None = None

    @contextmanager
    def working(self, *jobs: Callable[[], None]) -> Iterator[None]:
        """Run jobs beside the body; leave when all have ended."""
        threads = [
            threading.Thread(target=self._guarded, args=(job,), name=f"posecli-{job.__name__}", daemon=True)
            for job in jobs
        ]
        # Ctrl-C may come at any moment, while threads are being started too: each must learn of it.
        try:
            for thread in threads:
                thread.start()
            yield
        except _Stopped:
            pass  # the job that failed has left its error below
        except BaseException:
            self.stop.set()
            raise
        finally:
            self._join(threads)
        if self._error is not None:
            raise self._error

    def _join(self, threads: list[threading.Thread]) -> None:
        started = [thread for thread in threads if thread.ident is not None]
        try:
            for thread in started:
                thread.join()
        except BaseException:
            self.stop.set()
            for thread in started:
                thread.join()
            raise

    def _guarded(self, job: Callable[[], None]) -> None:
        try:
            job()
        except _Stopped:
            pass
        except BaseException as error:  # whatever it is, it is raised again in the waiting thread
            if self._error is None:
                self._error = error
            self.stop.set()


class _Lane(Generic[T]):
    """A bounded queue between two stages that does not outlive its crew."""

    def __init__(self, crew: _Crew) -> None:
        self._crew = crew
        self._queue: queue.Queue[T] = queue.Queue(BUFFERS)

    def put(self, item: T) -> None:
        """Wait for room, and add."""
        self._patiently(lambda: self._queue.put(item, timeout=PATIENCE))

    def take(self) -> T:
        """Wait for an item, and take it."""
        return self._patiently(lambda: self._queue.get(timeout=PATIENCE))

    def _patiently(self, attempt: Callable[[], T | None]) -> T:
        while not self._crew.stop.is_set():
            try:
                return attempt()  # type: ignore[return-value]  # None is an item of its own, or put's nothing
            except (queue.Empty, queue.Full):
                continue
        raise _Stopped

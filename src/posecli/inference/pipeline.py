"""How reading, inference and decoding overlap.

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

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from posecli.inference.kind import Values
from posecli.inference.step import Step
from posecli.inference.tfdata import dataset_batches
from posecli.options import DatasetMode, PipelineName
from posecli.support.results import STAGES, StageReport
from posecli.video.batch import Batch
from posecli.video.reader import VideoReader

#: Buffers that go round in the async pipeline: one being filled, one in the network, one ready between them.
BUFFERS = 3

Buffer: TypeAlias = npt.NDArray[np.uint8]


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

    def read(buffer: Buffer) -> tuple[Buffer, Batch | None]:
        with clock.stage("read"):
            return buffer, line.reader.read_into(buffer)

    def finish(before: Future[None] | None, batch: Batch, output: Any) -> None:
        if before is not None:
            before.result()  # nothing is written behind a batch that was not
        _finish(line, clock, batch, output)

    frames = 0
    finished: deque[Future[None]] = deque()
    with _thread("posecli-read") as reading, _thread("posecli-finish") as finishing:
        coming = deque(reading.submit(read, line.reader.new_buffer(line.batch_size)) for _ in range(BUFFERS))
        while True:
            buffer, batch = coming.popleft().result()
            if batch is None:
                break
            with clock.stage("network"):
                output = line.step.infer(batch)
            coming.append(reading.submit(read, buffer))
            finished.append(finishing.submit(finish, finished[-1] if finished else None, batch, output))
            frames += batch.frames
            while finished and (len(finished) > BUFFERS or finished[0].done()):
                finished.popleft().result()
        for job in finished:
            job.result()
    return frames


@contextmanager
def _thread(name: str) -> Iterator[Executor]:
    """A thread for one job after the other; those that still wait when the block fails are dropped."""
    pool = ThreadPoolExecutor(1, initializer=lambda: setattr(threading.current_thread(), "name", name))
    try:
        pool.submit(int).result()  # should Ctrl-C come while the thread is started, it has nothing to do
        yield pool
    finally:
        try:
            pool.shutdown(cancel_futures=True)
        except BaseException:  # Ctrl-C again: no thread may go on reading or writing
            pool.shutdown()
            raise


_PIPELINES: dict[PipelineName, Pipeline] = {
    "async": _run_async,
    "parallel": _run_parallel,
    "sync": _run_sync,
    "tf-sync": _run_dataset("sync"),
    "tf-parallel": _run_dataset("parallel"),
    "tf-prefetch": _run_dataset("prefetch"),
}


def _finish(line: Line, clock: _StageClock, batch: Batch, output: Any) -> None:
    with clock.stage("decode"):
        values = line.step.finish(batch, output)
    with clock.stage("write"):
        line.sink(batch, values)

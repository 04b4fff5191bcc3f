"""How reading, inference and decoding overlap.

The three ways are those of Govindarajan et al. (2022), figure 1:

``sync``      each batch is read, inferred, decoded and written before the next one is read
``parallel``  a pool of workers prepares the frames of a batch; the network waits meanwhile
``async``     the next batches are read during inference; values are decoded and written behind it

For the TensorFlow engine, ``tf-sync``, ``tf-parallel`` and ``tf-prefetch`` read through a `tf.data.Dataset`
(`posecli.inference.tfdata`), as that paper did.

All give the same batches to the same step, and so the same bits. A stage that is ahead waits: there are only so many
buffers. An error in any stage stops all of them and is raised once.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from posecli.inference.step import Step, Values
from posecli.inference.tfdata import dataset_batches
from posecli.options import DatasetMode, PipelineName
from posecli.support.results import STAGES, StageReport
from posecli.video.batch import Batch
from posecli.video.reader import VideoReader

#: Buffers of the async pipeline: one is being filled, one is in the network, one is ready between them.
BUFFERS = 3

#: Pipelines whose batches come from a `tf.data.Dataset`, which reads ahead of the network or not as its mode says.
DATASETS: dict[PipelineName, DatasetMode] = {"tf-sync": "sync", "tf-parallel": "parallel", "tf-prefetch": "prefetch"}

Buffer: TypeAlias = npt.NDArray[np.uint8]


class Reader(Protocol):
    """Gives a video batch by batch, as `VideoReader` gives its frames."""

    @property
    def video(self) -> VideoReader: ...

    def new_buffer(self, batch_size: int) -> Buffer: ...

    def read_into(self, buffer: Buffer, pool: Executor | None = None) -> Batch | None:
        """Fill a buffer with the next items, preparing them side by side in a pool; ``None`` at the end."""

    def skip(self, count: int) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Line:
    """What a pipeline is made of."""

    reader: Reader
    step: Step
    sink: Callable[[Batch, Values], None]  # takes a batch, whose images may be overwritten already, and its values
    batch_size: int
    workers: int = 2  # threads that prepare frames in the parallel pipelines


def run_pipeline(name: PipelineName, line: Line) -> StageReport:
    """Take a whole video through the network."""
    stages = _Stages(line)
    start = time.perf_counter()
    if name == "async":
        frames = stages.overlapped()
    else:
        with closing(stages.batches(name)) as batches:  # also when a later stage fails: no thread may read on
            frames = stages.in_turn(batches)
    return StageReport(frames, time.perf_counter() - start, stages.seconds)


class _Stages:
    """The stages of one run, each timed by the one thread that it works in."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.seconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    def read(self, buffer: Buffer, pool: Executor | None = None) -> Batch | None:
        with self.timed("read"):
            return self.line.reader.read_into(buffer, pool)

    def infer(self, batch: Batch) -> Any:
        with self.timed("network"):
            return self.line.step.infer(batch)

    def finish(self, batch: Batch, output: Any) -> None:
        with self.timed("decode"):
            values = self.line.step.finish(batch, output)
        with self.timed("write"):
            self.line.sink(batch, values)

    def batches(self, name: PipelineName) -> Generator[Batch]:
        """Batches until the end: all in one buffer, or those of a dataset."""
        line = self.line
        if name in DATASETS:
            assert isinstance(line.reader, VideoReader), "only frames come through datasets"
            reading = partial(self.timed, "read")
            yield from dataset_batches(line.reader, DATASETS[name], line.batch_size, line.workers, reading)
            return
        buffer = line.reader.new_buffer(line.batch_size)
        workers = ThreadPoolExecutor(line.workers, "posecli-prepare") if name == "parallel" else nullcontext()
        with workers as pool:
            while (batch := self.read(buffer, pool)) is not None:
                yield batch

    def in_turn(self, batches: Iterable[Batch]) -> int:
        """One stage after the other; how many frames came through."""
        frames = 0
        for batch in batches:
            self.finish(batch, self.infer(batch))
            frames += batch.frames
        return frames

    def overlapped(self) -> int:
        """Reader and finisher in threads of their own, the network in this one; how many frames came through."""

        def finish(before: Future[None] | None, batch: Batch, output: Any) -> None:
            if before is not None:
                before.result()  # nothing is written behind a batch that was not
            self.finish(batch, output)

        frames = 0
        finished: deque[Future[None]] = deque()
        with _thread("posecli-read") as reading, _thread("posecli-finish") as finishing:
            buffers = deque(self.line.reader.new_buffer(self.line.batch_size) for _ in range(BUFFERS))
            coming = deque(reading.submit(self.read, buffer) for buffer in buffers)
            while (batch := coming.popleft().result()) is not None:
                output = self.infer(batch)
                buffers.rotate(-1)  # the batch's own comes last, and is filled again
                coming.append(reading.submit(self.read, buffers[-1]))
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

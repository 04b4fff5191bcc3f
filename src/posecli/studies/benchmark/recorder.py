"""Notes of one run: which stage ran when on which thread, and when how much was done; readers and steps that note."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.behaviour.chunks import ChunkPlan, ClipReader
from posecli.inference.step import Step, Values
from posecli.options import InputSize
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
        if len(self.marks) <= MOST_POINTS:
            return self.marks
        return [self.marks[place] for place in np.linspace(0, len(self.marks) - 1, MOST_POINTS).round().astype(int)]

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

"""Notes of one run: which stage ran when on which thread, and when how much was done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import numpy as np

from posecli.inference.kind import Values
from posecli.inference.step import Step
from posecli.video.batch import Batch

P = ParamSpec("P")
R = TypeVar("R")

#: Part of a run that counts as ramp-up: the first batch at least.
RAMP_UP_SHARE = 0.1
#: Points kept of a ramp-up curve, and spans kept of a timeline.
MOST_POINTS = 60
MOST_SPANS = 600

#: Frames done, and seconds since the run began.
Mark = tuple[int, float]


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
    marks: list[Mark] = field(default_factory=list)

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

    def curve(self) -> list[Mark]:
        """Some of the marks, from first to last."""
        if len(self.marks) <= MOST_POINTS:
            return self.marks
        return [self.marks[place] for place in np.linspace(0, len(self.marks) - 1, MOST_POINTS).round().astype(int)]

    def first_spans(self) -> list[tuple[str, str, float, float]]:
        """The first spans as plain values."""
        first = sorted(self.spans, key=lambda span: span.start)[:MOST_SPANS]
        return [(span.stage, span.thread, round(span.start, 6), round(span.end, 6)) for span in first]


class NotedPool(Executor):
    """A pool whose jobs are noted as ``prepare``."""

    def __init__(self, pool: Executor, recorder: Recorder) -> None:
        self._pool = pool
        self._recorder = recorder

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand a job to the pool."""
        return self._pool.submit(self._recorder.timed("prepare", fn), *args, **kwargs)


class NotedStep(Step):
    """A step whose parts are noted as ``network`` and ``decode``."""

    def __init__(self, step: Step, recorder: Recorder) -> None:
        self._step = step
        self._recorder = recorder

    def infer(self, batch: Batch) -> Any:
        """Run the network."""
        with self._recorder.span("network"):
            return self._step.infer(batch)

    def finish(self, batch: Batch, output: Any) -> Values:
        """Decode."""
        with self._recorder.span("decode"):
            return self._step.finish(batch, output)


class NoStep(Step):
    """Makes a zero of each item: what is left of a pipeline then is reading."""

    def infer(self, batch: Batch) -> None:
        """Nothing."""

    def finish(self, batch: Batch, _output: None) -> Values:
        """Zeros."""
        return np.zeros((len(batch), 1))


def steady_rate(marks: list[Mark], otherwise: float) -> float:
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

"""Ctrl-C that waits until a step is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class InterruptRequest:
    """Whether Ctrl-C was pressed."""

    asked = False


@contextmanager
def held_back_interrupts() -> Iterator[InterruptRequest]:
    """Note Ctrl-C instead of raising it at once; the second time it is raised as ever.

    A step changes tens of millions of numbers. Interrupted within it, they would belong neither to the step before nor
    to the one after, and could not be continued. Outside of the main thread, or where a caller handles the signal
    outside of Python, nothing is held back.
    """
    request = InterruptRequest()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield request
        return

    def note(number: int, frame: FrameType | None) -> None:
        if request.asked:
            before(number, frame)
        request.asked = True

    signal.signal(signal.SIGINT, note)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, before)

"""Who is told how a sweep goes; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

#: Is told how many more frames are done.
Progress = Callable[[int], object]


class SweepObserver:
    """Is told how a sweep goes. This one does nothing; a command's own prints."""

    def say(self, line: str) -> None:
        """A sentence on what happens."""

    def work(self, _name: str, _frames: int) -> AbstractContextManager[Progress]:
        """So many frames are about to be gone through; what it gives is told of progress."""
        return nullcontext(lambda _count: None)

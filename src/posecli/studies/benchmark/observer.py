"""Who is told how a benchmark goes; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posecli.studies.benchmark.design import Visit
    from posecli.studies.benchmark.study import Benchmark


class BenchmarkObserver:
    """Is told how a benchmark goes. This one does nothing; a command's own prints."""

    def say(self, line: str) -> None:
        """A sentence on what happens."""

    def planned(self, study: Benchmark) -> None:
        """The design is laid out, or found; it is about to be followed."""

    def visit_started(self, number: int, total: int, visit: Visit, seconds_left: float) -> None:
        """A condition is about to be measured; `number` counts from 1."""

    def visit_done(self, rows: Sequence[dict[str, Any]]) -> None:
        """A condition was measured, or failed."""

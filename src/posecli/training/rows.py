"""What a run tells of itself while it goes on: rows of losses, and rows of what held-out examples gave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Row(ABC):
    """What was found after so many steps; a line of a CSV file."""

    step: int

    @property
    @abstractmethod
    def text(self) -> str:
        """The row in words."""

    @staticmethod
    @abstractmethod
    def draw(axes: Axes, rows: Sequence[Any]) -> None:
        """Draw rows of this kind against steps."""


@dataclass(frozen=True)
class MeasureRow(Row):
    """What held-out examples of one source gave."""

    #: The file of such rows, and what the last ones are called in a command's result and in the model folder.
    FILE: ClassVar[str]
    LAST_KEY: ClassVar[str]
    SOURCE_KEY: ClassVar[str]

    source: str

    @staticmethod
    @abstractmethod
    def overall(rows: Sequence[Any]) -> float:
        """One number to choose a snapshot by, lower being better; infinite without rows."""

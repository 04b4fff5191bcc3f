"""What a run reports while it goes on: rows of losses, and rows of measurements on held-out examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from posecli.support.figures import COLORS, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Row(ABC):
    """Something measured after a step; one line of a CSV file."""

    step: int

    @property
    @abstractmethod
    def text(self) -> str:
        """What the terminal shows of it."""

    @staticmethod
    @abstractmethod
    def draw(axes: Axes, rows: Sequence[Any]) -> None:
        """Draw rows of this kind against steps."""


@dataclass(frozen=True)
class MeasureRow(Row):
    """A measurement on held-out examples of one source."""

    #: The file of such rows, and what the last ones are called in a command's result and in the model folder.
    FILE: ClassVar[str]
    LAST_KEY: ClassVar[str]
    SOURCE_KEY: ClassVar[str]

    source: str

    @staticmethod
    @abstractmethod
    def overall(rows: Sequence[Any]) -> float:
        """The number by which snapshots are compared, lower is better; infinite without rows."""


def draw_lines(axes: Axes, points: Sequence[tuple[tuple[str, ...], int, float]]) -> None:
    """Draw values against steps, a line for each name: its first part is the marker, its last one the colour."""
    markers = list(dict.fromkeys(name[0] for name, _, _ in points))
    colors = list(dict.fromkeys(name[-1] for name, _, _ in points))
    for name in dict.fromkeys(name for name, _, _ in points):
        axes.plot(
            [step for own, step, _ in points if own == name],
            [value for own, _, value in points if own == name],
            color=COLORS[colors.index(name[-1]) % len(COLORS)],
            marker=MARKERS[markers.index(name[0]) % len(MARKERS)],
            label=", ".join(name),
        )
    axes.set(xlabel="step")
    if points:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))

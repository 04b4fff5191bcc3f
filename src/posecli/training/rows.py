"""What a run reports while it goes on: rows of losses, and rows of measurements on held-out examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

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
class LossRow(Row):
    """Means since the row before."""

    #: Columns that are drawn, and their names in the legend.
    LINES: ClassVar[dict[str, str]]
    YLABEL: ClassVar[str] = "loss"

    phase: int
    learning_rate: float

    @classmethod
    def draw(cls, axes: Axes, rows: Sequence[Any]) -> None:
        steps = [row.step for row in rows]
        for color, (column, label) in zip(COLORS, cls.LINES.items(), strict=False):
            axes.plot(steps, [getattr(row, column) for row in rows], color=color, label=label)
        axes.set(xlabel="step", ylabel=cls.YLABEL, yscale="log", title="Training loss")
        if len(cls.LINES) > 1:
            axes.legend(loc="upper right")


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


@dataclass(frozen=True)
class PoseLossRow(LossRow):
    """Losses of the two heads of a pose network."""

    LINES = {"scoremap_loss": "scoremap", "locref_loss": "location refinement"}  # noqa: RUF012

    scoremap_loss: float
    locref_loss: float
    steps_per_second: float

    @property
    def text(self) -> str:
        losses = f"scoremap loss {self.scoremap_loss:.4f}, location loss {self.locref_loss:.3f}"
        return f"{losses}, {self.steps_per_second:.2f} steps/s"


@dataclass(frozen=True)
class ErrorRow(MeasureRow):
    """Errors on held-out examples at one scale, in px of the labelled images."""

    FILE = "errors.csv"
    LAST_KEY = "last_errors"
    SOURCE_KEY = "held_out_errors"

    scale: float
    points: int
    mean_px: float
    median_px: float

    @property
    def text(self) -> str:
        return (
            f"{self.source}, scale {self.scale:g}: mean {self.mean_px:.1f} px, median {self.median_px:.1f} px "
            f"({self.points} points)"
        )

    @staticmethod
    def draw(axes: Axes, rows: Sequence[ErrorRow]) -> None:
        from matplotlib.ticker import LogFormatter

        draw_lines(axes, [((row.source, f"scale {row.scale:g}"), row.step, row.mean_px) for row in rows])
        axes.set(ylabel="mean error (px of the full frame)", yscale="log", title="Held-out error")
        # Numbers written out, between the powers of ten too where these are few.
        axes.yaxis.set_major_formatter(LogFormatter())
        axes.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))

    @staticmethod
    def overall(rows: Sequence[ErrorRow]) -> float:
        """The geometric mean over sources and scales of the mean errors.

        >>> rows = ErrorRow(1, "labels", 1.0, 4, 2.0, 2.0), ErrorRow(1, "labels", 0.5, 4, 8.0, 8.0)
        >>> round(ErrorRow.overall(rows), 6)
        4.0
        """
        if not rows:
            return float("inf")
        return float(np.exp(np.mean([np.log(row.mean_px + 1e-9) for row in rows])).round(9))


@dataclass(frozen=True)
class BehaviourLossRow(LossRow):
    """Cross-entropy of a network for behaviours, and the share of examples that were right."""

    LINES = {"loss": "cross-entropy"}  # noqa: RUF012
    YLABEL = "cross-entropy"

    loss: float
    accuracy: float
    steps_per_second: float

    @property
    def text(self) -> str:
        return f"loss {self.loss:.3f}, {100 * self.accuracy:.0f} % right, {self.steps_per_second:.2f} steps/s"


@dataclass(frozen=True)
class AccuracyRow(MeasureRow):
    """Balanced accuracy (0 to 1) on held-out examples of one source, of so many behaviours, and mean cross-entropy."""

    FILE = "accuracy.csv"
    LAST_KEY = "last_accuracies"
    SOURCE_KEY = "held_out_accuracies"

    examples: int
    classes: int
    balanced_accuracy: float
    loss: float

    @property
    def text(self) -> str:
        return (
            f"{self.source}: balanced accuracy {100 * self.balanced_accuracy:.1f} % over {self.classes} behaviours, "
            f"loss {self.loss:.3f} ({self.examples} examples)"
        )

    @staticmethod
    def draw(axes: Axes, rows: Sequence[AccuracyRow]) -> None:
        draw_lines(axes, [((row.source,), row.step, 100 * row.balanced_accuracy) for row in rows])
        axes.set(ylabel="balanced accuracy (%)", ylim=(0, 100), title="Held-out examples")

    @staticmethod
    def overall(rows: Sequence[AccuracyRow]) -> float:
        """What balanced accuracy lacks of 1, the mean over sources.

        >>> AccuracyRow.overall([AccuracyRow(1, "a", 9, 3, 0.75, 1.0), AccuracyRow(1, "b", 9, 3, 0.25, 1.0)])
        0.5
        """
        return float(np.mean([1 - row.balanced_accuracy for row in rows]).round(9)) if rows else float("inf")

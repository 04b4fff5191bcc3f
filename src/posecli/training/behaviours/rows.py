"""What a run of a network for behaviours tells: cross-entropy, and accuracy on held-out examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from posecli.support.figures import COLORS
from posecli.training.rows import MeasureRow, Row, draw_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class BehaviourLossRow(Row):
    """Mean loss since the row before, and the share of examples that were right."""

    phase: int
    learning_rate: float
    loss: float
    accuracy: float
    steps_per_second: float

    @property
    def text(self) -> str:
        """What the terminal shows of it."""
        return f"loss {self.loss:.3f}, {100 * self.accuracy:.0f} % right, {self.steps_per_second:.2f} steps/s"

    @staticmethod
    def draw(axes: Axes, rows: Sequence[BehaviourLossRow]) -> None:
        """Draw one line of cross-entropies."""
        axes.plot([row.step for row in rows], [row.loss for row in rows], color=COLORS[0])
        axes.set(xlabel="step", ylabel="cross-entropy", yscale="log", title="Training loss")


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
        """What the terminal shows of it."""
        return (
            f"{self.source}: balanced accuracy {100 * self.balanced_accuracy:.1f} % over {self.classes} behaviours, "
            f"loss {self.loss:.3f} ({self.examples} examples)"
        )

    @staticmethod
    def draw(axes: Axes, rows: Sequence[AccuracyRow]) -> None:
        """Draw one line for each source."""
        draw_lines(axes, [((row.source,), row.step, 100 * row.balanced_accuracy) for row in rows])
        axes.set(ylabel="balanced accuracy (%)", ylim=(0, 100), title="Held-out examples")

    @staticmethod
    def overall(rows: Sequence[AccuracyRow]) -> float:
        """What balanced accuracy lacks of 1, the mean over sources.

        >>> AccuracyRow.overall([AccuracyRow(1, "a", 9, 3, 0.75, 1.0), AccuracyRow(1, "b", 9, 3, 0.25, 1.0)])
        0.5
        """
        return float(np.mean([1 - row.balanced_accuracy for row in rows]).round(9)) if rows else float("inf")

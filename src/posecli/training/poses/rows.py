"""What a run of a pose network tells: losses of its two heads, and errors on held-out examples."""

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
class PoseLossRow(Row):
    """Mean losses since the row before."""

    phase: int
    learning_rate: float
    scoremap_loss: float
    locref_loss: float
    steps_per_second: float

    @property
    def text(self) -> str:
        """What the terminal shows of them."""
        losses = f"scoremap loss {self.scoremap_loss:.4f}, location loss {self.locref_loss:.3f}"
        return f"{losses}, {self.steps_per_second:.2f} steps/s"

    @staticmethod
    def draw(axes: Axes, rows: Sequence[PoseLossRow]) -> None:
        """Draw one line for each of the two heads."""
        steps = [row.step for row in rows]
        axes.plot(steps, [row.scoremap_loss for row in rows], color=COLORS[0], label="scoremap")
        axes.plot(steps, [row.locref_loss for row in rows], color=COLORS[1], label="location refinement")
        axes.set(xlabel="step", ylabel="loss", yscale="log", title="Training loss")
        axes.legend(loc="upper right")


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
        """What the terminal shows of them."""
        return (
            f"{self.source}, scale {self.scale:g}: mean {self.mean_px:.1f} px, median {self.median_px:.1f} px "
            f"({self.points} points)"
        )

    @staticmethod
    def draw(axes: Axes, rows: Sequence[ErrorRow]) -> None:
        """One line per source and scale."""
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

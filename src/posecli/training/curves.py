"""Curves of a run: losses, and what was measured on held-out examples, against steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from posecli.support.figures import COLORS, MARKERS, new_figure
from posecli.training.rows import AccuracyRow, AnyLossRow, AnyMeasureRow, ClipLossRow, ErrorRow, Kind, LossRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def curves(kind: Kind, losses: Sequence[AnyLossRow], measures: Sequence[AnyMeasureRow]) -> Figure:
    """Losses on the left, held-out measures on the right."""
    figure = new_figure(12, 4.2)
    left, right = figure.subplots(1, 2)
    draw_losses, draw_measures = PANELS[kind]
    draw_losses(left, losses)
    draw_measures(right, measures)
    return figure


def _draw_losses(axes: Axes, losses: Sequence[LossRow]) -> None:
    steps = [row.step for row in losses]
    axes.plot(steps, [row.scoremap_loss for row in losses], color=COLORS[0], label="scoremap")
    axes.plot(steps, [row.locref_loss for row in losses], color=COLORS[1], label="location refinement")
    axes.set(xlabel="step", ylabel="loss", yscale="log", title="Training loss")
    axes.legend(loc="upper right")


def _draw_errors(axes: Axes, errors: Sequence[ErrorRow]) -> None:
    """One line per source and scale: the scale is its colour, the source its marker."""
    from matplotlib.ticker import LogFormatter

    curves = _by_curve(errors)
    sources = list(dict.fromkeys(source for source, _ in curves))
    scales = list(dict.fromkeys(scale for _, scale in curves))
    for (source, scale), rows in curves.items():
        axes.plot(
            [row.step for row in rows],
            [row.mean_px for row in rows],
            color=COLORS[scales.index(scale) % len(COLORS)],
            marker=MARKERS[sources.index(source) % len(MARKERS)],
            label=f"{source}, scale {scale:g}",
        )
    axes.set(xlabel="step", ylabel="mean error (px of the full frame)", yscale="log", title="Held-out error")
    # Numbers written out, between the powers of ten too where these are few.
    axes.yaxis.set_major_formatter(LogFormatter())
    axes.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    if errors:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))


def _by_curve(errors: Sequence[ErrorRow]) -> dict[tuple[str, float], list[ErrorRow]]:
    curves: dict[tuple[str, float], list[ErrorRow]] = {}
    for row in errors:
        curves.setdefault((row.source, row.scale), []).append(row)
    return curves


def _draw_clip_losses(axes: Axes, losses: Sequence[ClipLossRow]) -> None:
    axes.plot([row.step for row in losses], [row.loss for row in losses], color=COLORS[0])
    axes.set(xlabel="step", ylabel="cross-entropy", yscale="log", title="Training loss")


def _draw_accuracies(axes: Axes, rows: Sequence[AccuracyRow]) -> None:
    """One line per source."""
    for number, source in enumerate(dict.fromkeys(row.source for row in rows)):
        own = [row for row in rows if row.source == source]
        axes.plot(
            [row.step for row in own],
            [100 * row.balanced_accuracy for row in own],
            color=COLORS[number % len(COLORS)],
            marker=MARKERS[number % len(MARKERS)],
            label=source,
        )
    axes.set(xlabel="step", ylabel="balanced accuracy (%)", ylim=(0, 100), title="Held-out examples")
    if rows:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))


#: What each kind of network draws, of rows of its own.
PANELS: dict[Kind, tuple[Callable[[Axes, Any], None], Callable[[Axes, Any], None]]] = {
    "pose": (_draw_losses, _draw_errors),
    "clip": (_draw_clip_losses, _draw_accuracies),
}

"""Behaviours beside labelled ones as a figure: what was taken for what, and how much of each behaviour was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from posecli.behaviour.agreement import Agreement, BehaviourEvaluation
from posecli.support.figures import COLORS, GREY, house_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Share of a row, %, above which white text is easier to read than black.
WHITE_FROM = 55.0
#: Recall, %, above which a bar has room for its number.
ROOM_FOR_NUMBER = 12.0
#: Inches per class, and around them.
CLASS_INCHES, MARGIN_INCHES = 0.48, 1.7


@house_style()
def draw_agreement(evaluation: BehaviourEvaluation) -> Figure:
    """Draw the confusion of all scored frames as percentages of each true behaviour, and the recalls beside it."""
    frames, classes = evaluation.frames(), evaluation.classes
    side = CLASS_INCHES * len(classes) + MARGIN_INCHES
    figure = new_figure(max(side + 4.4, 8.0), max(side, 3.2))
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _draw_confusion(left, frames, classes)
    _draw_recalls(right, frames, classes)
    return figure


def _draw_confusion(axes: Axes, frames: Agreement, classes: tuple[str, ...]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    true = frames.confusion.sum(axis=1, keepdims=True)
    shares = np.full(frames.confusion.shape, np.nan)
    np.divide(100 * frames.confusion, true, out=shares, where=true > 0)
    colors = LinearSegmentedColormap.from_list("share", ["white", COLORS[0]])
    image = axes.imshow(shares, cmap=colors, vmin=0, vmax=100, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        text = "-" if np.isnan(share) else _percent(float(share))
        axes.text(column, row, text, ha="center", va="center", fontsize="small", color=_ink(float(share)))
    places = range(len(classes))
    axes.set(xticks=places, yticks=places, xlabel="predicted behaviour", ylabel="labelled behaviour (frames)")
    axes.set_xticklabels(classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticklabels(f"{name} ({count:,})" for name, count in zip(classes, true[:, 0], strict=True))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.set_title("What was taken for what")
    axes.figure.colorbar(image, ax=axes, label="share of the labelled frames (%)", shrink=0.8)


def _percent(share: float) -> str:
    """A percentage; nothing but 0 and 100 rounds to them.

    >>> _percent(0.0), _percent(0.3), _percent(99.8), _percent(100.0), _percent(41.6)
    ('0', '<1', '>99', '100', '42')
    """
    if 0 < share < 1:
        return "<1"
    return ">99" if 99 < share < 100 else f"{share:.0f}"


def _ink(share: float) -> str:
    """Text colour on a cell; zero and NaN stay in the background."""
    if not share > 0:
        return GREY
    return "white" if share >= WHITE_FROM else "black"


def _draw_recalls(axes: Axes, frames: Agreement, classes: tuple[str, ...]) -> None:
    recalls = 100 * frames.scores.recall
    places = np.arange(len(classes))
    axes.barh(places, np.nan_to_num(recalls), height=0.7, color=COLORS[0])
    for place, recall in enumerate(recalls):
        text = "not labelled" if np.isnan(recall) else _percent(float(recall))
        is_inside = recall >= ROOM_FOR_NUMBER
        start, color = (0.0, "white") if is_inside else (np.nan_to_num(recall), "black")
        axes.text(start + 1.5, place, text, va="center", fontsize="small", color=color)
    if np.isfinite(frames.balanced_accuracy):
        axes.axvline(100 * frames.balanced_accuracy, color="black", linestyle="--", linewidth=1.2)
    axes.set(yticks=places, yticklabels=classes, xlim=(0, 102), ylim=(len(classes) - 0.5, -0.5))
    axes.set(xticks=range(0, 101, 20), xlabel=f"recall (%){_dashed(frames)}")
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_title("How much of each was found")


def _dashed(frames: Agreement) -> str:
    """What the dashed line is, if there is one."""
    mean = frames.balanced_accuracy
    return "" if np.isnan(mean) else f"; dashed: balanced accuracy, {100 * mean:.1f} %"

"""Evaluations as figures.

Of poses: error against scale for each body part, and how many points lie how near. Of behaviours: what was taken for
what, and how much of each behaviour was found.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from posecli.behaviour.agreement import Agreement, BehaviourEvaluation
from posecli.evaluation import ALL, Evaluation
from posecli.support.figures import COLORS, GREY, MARKERS, house_style, new_figure, plain_log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The right-hand panels reach at least this many px, or what most points have at the best scale.
LEAST_REACH_PX = 20.0
ERROR_TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
LINES = ("-", "--", ":")
#: Share of a row, %, above which white text is easier to read than black.
WHITE_FROM = 55.0
#: Recall, %, above which a bar has room for its number.
ROOM_FOR_NUMBER = 12.0
#: Inches per class, and around them.
CLASS_INCHES, MARGIN_INCHES = 0.48, 1.7


@house_style()
def draw_evaluation(evaluation: Evaluation) -> Figure:
    """Draw one row of two panels for each group of frames.

    Left: mean error of each body part at each scale; right: share of all points within a distance, a line per scale.
    """
    figure = new_figure(10.0, 4.0 * len(evaluation.splits))
    panels = figure.subplots(len(evaluation.splits), 2, squeeze=False, width_ratios=(1.25, 1))
    for split, (left, right) in zip(evaluation.splits, panels, strict=True):
        _draw_means(left, evaluation, split)
        _draw_shares(right, evaluation, split)
    return figure


def _draw_means(axes: Axes, evaluation: Evaluation, split: str) -> None:
    scales = sorted(evaluation.scales, reverse=True)
    for number, part in enumerate(evaluation.bodyparts):
        means = [evaluation.summary(split, scale, part).mean for scale in scales]
        axes.plot(scales, means, marker=MARKERS[number % len(MARKERS)], label=part, **_line_style(number))
    overall = np.array([evaluation.summary(split, scale).mean for scale in scales])
    axes.plot(scales, overall, color="black", linewidth=2.8, label="all points", zorder=1)
    plain_log_ticks(axes, "x", scales)
    axes.invert_xaxis()
    _show_errors(axes, evaluation)
    axes.set(xlabel="scale of the frame", ylabel="mean error (px of the full frame)")
    frames = int(evaluation.splits[split].sum())
    axes.set_title(f"Error by body part ({'' if split == ALL else f'{split}, '}{frames} frames)")
    axes.legend(loc="upper left", fontsize="small", ncols=1 + len(evaluation.bodyparts) // 6)


def _line_style(number: int) -> dict[str, Any]:
    """Colours first, black left out; dashes once they are used up."""
    dashes, color = divmod(number, len(COLORS) - 1)
    return {"color": COLORS[color], "linestyle": LINES[dashes % len(LINES)]}


def _show_errors(axes: Axes, evaluation: Evaluation) -> None:
    """A logarithmic axis with plain numbers, the same in all panels, with room for the legend."""
    parts = (*evaluation.bodyparts, ALL)
    every = itertools.product(evaluation.splits, evaluation.scales, parts)
    means = np.array([evaluation.summary(split, scale, part).mean for split, scale, part in every])
    means = means[means > 0]  # a logarithmic axis shows neither NaN nor zero
    if means.size:
        low, high = means.min() / 1.5, means.max() * 3
        plain_log_ticks(axes, "y", [tick for tick in ERROR_TICKS if low <= tick <= high])
        axes.set_ylim(low, high)


def _draw_shares(axes: Axes, evaluation: Evaluation, split: str) -> None:
    scales = sorted(evaluation.scales, reverse=True)
    best = evaluation.summary(split, scales[0]).p99
    reach = max(LEAST_REACH_PX, 2 * best if np.isfinite(best) else 0.0)
    for number, scale in enumerate(scales):
        errors = evaluation.errors[evaluation.scales.index(scale)][evaluation.splits[split]]
        near = np.sort(errors[~np.isnan(errors)])
        distance = [0.0, *near, max([reach, *near[-1:]])]
        share = [*np.arange(near.size + 1), near.size] / np.array(max(1, near.size)) * 100
        axes.step(distance, share, where="post", label=f"{scale:g}", **_line_style(number))
    axes.set(xlim=(0, reach), xlabel="distance from the label (px of the full frame)")
    axes.set(ylim=(0, 102), ylabel="points within it (%)")
    axes.set_title("How many points lie how near")
    axes.legend(title="scale", loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")


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
        # Zero and NaN stay in the background.
        ink = ("white" if share >= WHITE_FROM else "black") if share > 0 else GREY
        axes.text(column, row, text, ha="center", va="center", fontsize="small", color=ink)
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


def _draw_recalls(axes: Axes, frames: Agreement, classes: tuple[str, ...]) -> None:
    recalls = 100 * frames.scores.recall
    places = np.arange(len(classes))
    axes.barh(places, np.nan_to_num(recalls), height=0.7, color=COLORS[0])
    for place, recall in enumerate(recalls):
        text = "not labelled" if np.isnan(recall) else _percent(float(recall))
        is_inside = recall >= ROOM_FOR_NUMBER
        start, color = (0.0, "white") if is_inside else (np.nan_to_num(recall), "black")
        axes.text(start + 1.5, place, text, va="center", fontsize="small", color=color)
    mean, dashed = 100 * frames.balanced_accuracy, ""
    if np.isfinite(mean):
        axes.axvline(mean, color="black", linestyle="--", linewidth=1.2)
        dashed = f"; dashed: balanced accuracy, {mean:.1f} %"
    axes.set(yticks=places, yticklabels=classes, xlim=(0, 102), ylim=(len(classes) - 0.5, -0.5))
    axes.set(xticks=range(0, 101, 20), xlabel=f"recall (%){dashed}")
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_title("How much of each was found")

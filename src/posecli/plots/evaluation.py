"""An evaluation as a figure: error against scale for each body part, and how many points lie how near."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from posecli.evaluation import ALL, Evaluation
from posecli.support.figures import COLORS, MARKERS, house_style, new_figure, plain_log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The right-hand panels reach at least this many px, or what most points have at the best scale.
LEAST_REACH_PX = 20.0
ERROR_TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
LINES = ("-", "--", ":")


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

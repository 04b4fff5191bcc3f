"""Errors against size and speed: what nothing else beats, and what a scale costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from posecli.studies.sweep.charts.axes import (
    RATE_TICKS,
    SMALLEST_PX,
    draw_intervals,
    error_axis,
    plain_ticks,
    tolerance_line,
    totals,
)
from posecli.studies.sweep.measures import Floats
from posecli.studies.sweep.study import Sweep
from posecli.studies.sweep.versions import Version
from posecli.support.figures import COLORS, GREY, MARKERS, new_figure, part_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


#: Keeps names legible where they lie on lines.
HALO = 2.5
#: Factor by which the axis of sizes goes on beyond the outermost, whose names stand outside.
ROOM_FOR_NAMES = 2.2
WORST_ERROR = "upper bound of the worst part's mean error (px)"


def draw_frontier(sweep: Sweep) -> Figure:
    """Size, error and speed of every version at once; those on the Pareto front are joined."""
    versions, codecs = sweep.compared, list(sweep.codecs)
    several = len(codecs) > 1
    figure = new_figure(8.0, 6.6 if several else 5.0)
    axes = figure.subplots()
    sizes = totals(sweep, versions, "bytes_per_hour") / 1e6
    errors = _errors(sweep, versions)
    speeds = totals(sweep, versions, "read_fps")
    known = bool(np.isfinite(speeds).all())
    order = _join_best(axes, sizes, errors)
    look: Any = {"cmap": "viridis", "vmin": speeds.min(), "vmax": speeds.max()} if known else {"color": COLORS[0]}
    dots = []
    for number, codec in enumerate(codecs):
        of = np.array([version.codec == codec for version in versions])
        if known:
            look["c"] = speeds[of]
        # Dots lie above the names.
        outline: Any = {"marker": MARKERS[number], "edgecolor": "black", "linewidth": 0.6, "zorder": 4}
        dots.append(axes.scatter(sizes[of], errors[of], s=60, **outline, **look))
    if several:
        figure.legend(dots, list(map(str, codecs)), loc="outside upper right", ncols=len(codecs), fontsize="small")
    # Of several codecs all names would be a heap, and what is beaten lies above the line.
    for rank, place in enumerate(order if several else np.argsort(sizes)):
        above = not several and rank % 2 == 0
        _name_dot(axes, versions[place].label, (sizes[place], errors[place]), above=above)
    tolerance_line(axes, sweep)
    axes.set_xscale("log")
    plain_ticks(axes, "x", sizes, RATE_TICKS, room=ROOM_FOR_NAMES)
    error_axis(axes)
    axes.set_xlabel("MB per hour of video")
    axes.set_ylabel(WORST_ERROR)
    axes.set_title("Size, error, speed of reading" if known else "Size, error")
    if known:
        figure.colorbar(dots[0], ax=axes, label="frames read per second")
    return figure


def _errors(sweep: Sweep, versions: Sequence[Version]) -> Floats:
    return np.array([max(sweep.worst(version).mean.high, SMALLEST_PX) for version in versions])


def _join_best(axes: Axes, costs: Floats, errors: Floats, sign: int = 1) -> list[int]:
    """Draw the Pareto front, and return its places; with `sign` -1 larger is better."""
    order: list[int] = []
    for place in sorted(range(len(costs)), key=lambda place: (sign * costs[place], errors[place])):
        if not order or errors[place] < errors[order[-1]]:
            order.append(place)
    axes.plot(costs[order], errors[order], color=GREY, linewidth=1.2, zorder=1)
    return order


def _name_dot(axes: Axes, name: str, dot: tuple[float, float], *, above: bool) -> None:
    """Write a version's name on one of the two free sides of a falling curve."""
    from matplotlib.patheffects import withStroke

    axes.annotate(
        name,
        dot,
        textcoords="offset points",
        xytext=(7, 5) if above else (-7, -5),
        ha="left" if above else "right",
        va="bottom" if above else "top",
        fontsize="small",
        path_effects=[withStroke(linewidth=HALO, foreground="white")],
    )


def draw_settings(sweep: Sweep, best: Version) -> Figure:
    """Speed against error of every scale and precision; those on the Pareto front are joined."""
    figure = new_figure(8.0, 5.0)
    axes = figure.subplots()
    versions = sweep.usable
    speeds, errors = totals(sweep, versions, "analysis_fps"), _errors(sweep, versions)
    _join_best(axes, speeds, errors, sign=-1)
    for number, precision in enumerate(dict.fromkeys(version.precision for version in versions)):
        of = np.array([version.precision == precision for version in versions])
        look: Any = {"color": COLORS[number], "marker": MARKERS[number], "linestyle": "none", "markersize": 8}
        axes.plot(speeds[of], errors[of], label=precision, **look)
    for version, speed, error in zip(versions, speeds, errors, strict=True):
        axes.annotate(
            f"scale {version.scale:g}",
            (speed, error),
            textcoords="offset points",
            xytext=(8, -11),
            fontsize="small",
            weight="bold" if version == best else "normal",
        )
    tolerance_line(axes, sweep)
    axes.set_xscale("log")
    plain_ticks(axes, "x", speeds, RATE_TICKS)
    error_axis(axes)
    axes.set_xlabel("frames per second")
    axes.set_ylabel(WORST_ERROR)
    axes.set_title(f"Speed and error; chosen: {best.label}")
    axes.legend(loc="upper left")
    return figure


def draw_scales(sweep: Sweep) -> Figure:
    """Error of each body part, and speed, against the width that the network sees."""
    figure = new_figure(10.0, 4.6)
    left, right = figure.subplots(1, 2)
    versions = sweep.versions[::-1]
    widths = totals(sweep, versions, "network_width")
    of, reference = ("truth_mean", "the truth") if sweep.has_truth else ("mean", "the full frame")
    shown = versions if sweep.has_truth else versions[:-1]
    for number, (name, color) in enumerate(zip(sweep.bodyparts, part_colors(len(sweep.bodyparts)), strict=True)):
        intervals = [getattr(sweep.measure(version, name), of) for version in shown]
        draw_intervals(left, widths[: len(shown)], intervals, (color, number, name))
    if sweep.trained_scales is not None:
        low, high = (widths[-1] * scale for scale in sweep.trained_scales)
        left.axvspan(low, high, color=COLORS[2], alpha=0.1, linewidth=0, label="scales trained on")
    if not sweep.has_truth:
        tolerance_line(left, sweep)
    left.set_ylabel(f"mean distance from {reference} (px of the full frame)")
    left.set_title("Error by body part")
    error_axis(left)
    # What lies between the stretches of a sample is read, and takes its time.
    whole = "whole analysis, frames between stretches\nread too" if sweep.sampled else "whole analysis"
    speeds = [totals(sweep, versions, name) for name in ("analysis_fps", "network_fps")]
    for number, (label, values) in enumerate(zip((whole, "network alone"), speeds, strict=True)):
        right.plot(widths, values, color=COLORS[number], marker=MARKERS[number], label=label)
    right.set_yscale("log")
    plain_ticks(right, "y", np.concatenate(speeds), RATE_TICKS)
    right.set_ylabel("frames per second")
    right.set_title("Speed")
    right.legend()
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xticks(widths, [f"{width:g}" for width in widths])
        axes.set_xticks([], minor=True)
        axes.set_xlim(min(widths) / 1.2, max(widths) * 1.2)
        axes.set_xlabel("width that the network sees (px)")
    left.legend(loc="upper right", fontsize="small")
    return figure

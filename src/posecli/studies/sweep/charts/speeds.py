"""Errors against size and speed: what nothing else beats, and what a scale costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posecli.studies.sweep.charts.axes import (
    RATE_TICKS,
    SMALLEST_PX,
    draw_intervals,
    error_axis,
    plain_ticks,
    tolerance_line,
)
from posecli.studies.sweep.summary import SweepSummary
from posecli.studies.sweep.versions import Version
from posecli.support.figures import COLORS, GREY, MARKERS, new_figure, part_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure


#: Keeps names legible where they lie on lines.
HALO = 2.5
#: Factor by which the axis of sizes goes on beyond the outermost, whose names stand outside.
ROOM_FOR_NAMES = 2.2


def draw_frontier(summary: SweepSummary) -> Figure:
    """Size, error and speed of every version at once; those that nothing beats are joined."""
    versions = summary.compared
    codecs = list(dict.fromkeys(str(version.codec) for version in versions))
    several = len(codecs) > 1
    figure = new_figure(8.0, 6.6 if several else 5.0)
    axes = figure.subplots()
    sizes = np.array([summary.totals(version)["bytes_per_hour"] / 1e6 for version in versions])
    errors = np.array([max(summary.worst(version).mean.high, SMALLEST_PX) for version in versions])
    speeds = [summary.totals(version)["read_fps"] for version in versions]
    order = _not_beaten(sizes, errors)
    axes.plot(sizes[order], errors[order], color=GREY, linewidth=1.2, zorder=1)
    known = None not in speeds
    dots = _codec_dots(axes, [codecs.index(str(version.codec)) for version in versions], sizes, errors, speeds)
    if several:
        figure.legend(dots, codecs, loc="outside upper right", ncols=len(codecs), fontsize="small")
    # Of several codecs all names would be a heap, and what is beaten lies above the line.
    for rank, place in enumerate(order if several else np.argsort(sizes)):
        above = not several and rank % 2 == 0
        _name_dot(axes, versions[place].label, (sizes[place], errors[place]), above=above)
    tolerance_line(axes, summary)
    axes.set_xscale("log")
    plain_ticks(axes, "x", sizes, RATE_TICKS, room=ROOM_FOR_NAMES)
    error_axis(axes)
    axes.set_xlabel("MB per hour of video")
    axes.set_ylabel("upper bound of the worst part's mean error (px)")
    axes.set_title("Size, error, speed of reading" if known else "Size, error")
    if known:
        figure.colorbar(dots[0], ax=axes, label="frames read per second")
    return figure


def _codec_dots(
    axes: Axes,
    numbers: Sequence[int],
    sizes: npt.NDArray[np.float64],
    errors: npt.NDArray[np.float64],
    speeds: Sequence[float | None],
) -> list[PathCollection]:
    """A dot for each version, shaped by the number of its codec and coloured by its speed, where all are known."""
    known = [speed for speed in speeds if speed is not None]
    dots = []
    for number in range(max(numbers) + 1):
        places = [place for place, of in enumerate(numbers) if of == number]
        look: Any = {"color": COLORS[0]}
        if len(known) == len(speeds):
            look = {"c": [known[place] for place in places], "cmap": "viridis", "vmin": min(known), "vmax": max(known)}
        dots.append(
            axes.scatter(
                sizes[places],
                errors[places],
                s=60,
                marker=MARKERS[number],
                edgecolor="black",
                linewidth=0.6,
                zorder=4,  # above the names
                **look,
            )
        )
    return dots


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


def draw_settings(summary: SweepSummary, best: Version) -> Figure:
    """Speed against error of every scale and precision; those that nothing beats are joined."""
    figure = new_figure(8.0, 5.0)
    axes = figure.subplots()
    versions = list(summary.study.usable)
    speeds = np.array([summary.totals(version)["analysis_fps"] for version in versions])
    errors = np.array([max(summary.worst(version).mean.high, SMALLEST_PX) for version in versions])
    order = _not_beaten(-speeds, errors)
    axes.plot(speeds[order], errors[order], color=GREY, linewidth=1.2, zorder=1)
    precisions = list(dict.fromkeys(version.precision for version in versions))
    for number, precision in enumerate(precisions):
        places = [place for place, version in enumerate(versions) if version.precision == precision]
        axes.plot(
            speeds[places],
            errors[places],
            color=COLORS[number],
            marker=MARKERS[number],
            linestyle="none",
            markersize=8,
            label=precision,
        )
    for version, speed, error in zip(versions, speeds, errors, strict=True):
        weight = "bold" if version == best else "normal"
        axes.annotate(
            f"scale {version.scale:g}",
            (speed, error),
            textcoords="offset points",
            xytext=(8, -11),
            fontsize="small",
            weight=weight,
        )
    tolerance_line(axes, summary)
    axes.set_xscale("log")
    plain_ticks(axes, "x", speeds, RATE_TICKS)
    error_axis(axes)
    axes.set_xlabel("frames per second")
    axes.set_ylabel("upper bound of the worst part's mean error (px)")
    axes.set_title(f"Speed and error; chosen: {best.label}")
    axes.legend(loc="upper left")
    return figure


def draw_scales(summary: SweepSummary) -> Figure:
    """Error of each body part, and speed, against the width that the network sees."""
    figure = new_figure(10.0, 4.6)
    left, right = figure.subplots(1, 2)
    versions = list(reversed(summary.study.versions))
    widths = [summary.totals(version)["network_width"] for version in versions]
    against_truth = summary.has_truth
    shown = versions if against_truth else versions[:-1]
    for number, (name, colour) in enumerate(zip(summary.bodyparts, part_colors(len(summary.bodyparts)), strict=True)):
        intervals = [
            summary.measure(version, name).truth_mean if against_truth else summary.measure(version, name).mean
            for version in shown
        ]
        draw_intervals(left, widths[: len(shown)], intervals, colour, number, name)
    _trained_range(left, summary)
    if not against_truth:
        tolerance_line(left, summary)
    left.set_ylabel(f"mean distance from {'the truth' if against_truth else 'the full frame'} (px of the full frame)")
    left.set_title("Error by body part")
    error_axis(left)
    # What lies between the stretches of a sample is read, and takes its time.
    whole = "whole analysis, frames between stretches\nread too" if summary.sampled else "whole analysis"
    for label, key, number in ((whole, "analysis_fps", 0), ("network alone", "network_fps", 1)):
        right.plot(
            widths,
            [summary.totals(version)[key] for version in versions],
            color=COLORS[number],
            marker=MARKERS[number],
            label=label,
        )
    right.set_yscale("log")
    speeds = [summary.totals(version)[key] for version in versions for key in ("analysis_fps", "network_fps")]
    plain_ticks(right, "y", np.array(speeds), RATE_TICKS)
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


def _trained_range(axes: Axes, summary: SweepSummary) -> None:
    """Shade the scales that the network was trained on, where its model folder says so."""
    trained = summary.trained_scales
    if trained is None:
        return
    full = summary.totals(summary.reference)["network_width"]
    low, high = (full * scale for scale in trained)
    axes.axvspan(low, high, color=COLORS[2], alpha=0.1, linewidth=0, label="scales trained on")


def _not_beaten(sizes: npt.NDArray[np.float64], errors: npt.NDArray[np.float64]) -> list[int]:
    """Versions that no other is smaller and better than, by size."""
    order = sorted(range(len(sizes)), key=lambda place: (sizes[place], errors[place]))
    chosen: list[int] = []
    for place in order:
        if not chosen or errors[place] < errors[chosen[-1]]:
            chosen.append(place)
    return chosen

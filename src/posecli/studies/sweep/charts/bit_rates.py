"""Errors against bit rate: by body part, by codec, against the truth, and after a median filter."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from posecli.studies.sweep.charts.axes import draw_against_rate, error_axis, rate_axis, tolerance_line
from posecli.studies.sweep.measures import MEDIAN, RAW
from posecli.studies.sweep.study import Sweep
from posecli.support.figures import COLORS, GREY, new_figure, part_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DISTANCE = "mean distance from the original (px)"


def draw_bit_rates(sweep: Sweep) -> Figure:
    """Error of each body part against bit rate, one panel per codec."""
    figure = new_figure(max(7.0, 4.6 * len(sweep.codecs)), 4.8)
    panels = figure.subplots(1, len(sweep.codecs), squeeze=False, sharey=True)[0]
    names, colors = sweep.bodyparts, part_colors(len(sweep.bodyparts))
    for axes, (codec, versions) in zip(panels, sweep.codecs.items(), strict=True):
        for number, (name, color) in enumerate(zip(names, colors, strict=True)):
            measured = partial(sweep.measure, bodypart=name)
            draw_against_rate(axes, sweep, measured, versions, (color, number, name))
        rate_axis(axes, sweep)
        axes.set_title(str(codec))
    for axes in panels:
        tolerance_line(axes, sweep)
        error_axis(axes)
    panels[0].set_ylabel(DISTANCE)
    panels[-1].legend(loc="upper right")
    return figure


def draw_repair(sweep: Sweep) -> Figure:
    """Error and jitter over all body parts with and without the median filter, against bit rate."""
    figure = new_figure(10.0, 4.4)
    left, right = figure.subplots(1, 2)
    filtered = f"median filter, {sweep.options.window} frames"
    for number, (filtering, label) in enumerate(((RAW, "as found"), (MEDIAN, filtered))):
        measured = partial(sweep.measure, filtering=filtering)
        for place, versions in enumerate(sweep.codecs.values()):
            look = COLORS[number], number, None if place else label
            draw_against_rate(left, sweep, measured, versions, look)
            draw_against_rate(right, sweep, measured, versions, look, of="jitter")
    rate_axis(left, sweep)
    rate_axis(right, sweep)
    tolerance_line(left, sweep)
    _label_errors(left, DISTANCE, "Error, all body parts")
    right.set_ylabel("step beyond the original's (px per frame)")
    right.set_title("Jitter, all body parts")
    right.axhline(0, color=GREY, linewidth=1)
    return figure


def draw_truth(sweep: Sweep) -> Figure:
    """Error against truth over all body parts beside the original's own, against bit rate."""
    figure = new_figure(7.0, 4.4)
    axes = figure.subplots()
    _draw_codecs(axes, sweep, "truth_mean")
    own = sweep.measure(sweep.reference).truth_mean
    axes.axhline(own.value, color="black", linewidth=1.4, label="original")
    axes.axhspan(own.low, own.high, color="black", alpha=0.1, linewidth=0)
    _label_errors(axes, "mean distance from the truth (px)", "Error against truth, all body parts")
    return figure


def draw_codecs(sweep: Sweep) -> Figure:
    """Error over all body parts against bit rate, a line per codec."""
    figure = new_figure(7.0, 4.6)
    axes = figure.subplots()
    _draw_codecs(axes, sweep, "mean")
    tolerance_line(axes, sweep)
    _label_errors(axes, DISTANCE, "Codecs at equal bit rates, all body parts")
    return figure


def _draw_codecs(axes: Axes, sweep: Sweep, of: str) -> None:
    for number, (codec, versions) in enumerate(sweep.codecs.items()):
        draw_against_rate(axes, sweep, sweep.measure, versions, (COLORS[number], number, str(codec)), of)
    rate_axis(axes, sweep)


def _label_errors(axes: Axes, label: str, title: str) -> None:
    error_axis(axes)
    axes.set_ylabel(label)
    axes.set_title(title)
    axes.legend(loc="upper right")

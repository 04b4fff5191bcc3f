"""Errors against bit rate: by body part, by codec, against the truth, and after a median filter."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from posecli.studies.sweep.charts.axes import draw_errors, error_axis, rate_axis, tolerance_line
from posecli.studies.sweep.measures import MEDIAN, RAW, PartMeasures
from posecli.studies.sweep.summary import SweepSummary
from posecli.studies.sweep.versions import Version
from posecli.support.figures import COLORS, GREY, new_figure, part_colors

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_bit_rates(summary: SweepSummary) -> Figure:
    """Error of each body part against bit rate, one panel per codec."""
    codecs = list(dict.fromkeys(version.codec for version in summary.compared))
    figure = new_figure(max(7.0, 4.6 * len(codecs)), 4.8)
    panels = figure.subplots(1, len(codecs), squeeze=False, sharey=True)[0]
    for axes, codec in zip(panels, codecs, strict=True):
        versions = [version for version in summary.compared if version.codec == codec]
        for number, (name, colour) in enumerate(
            zip(summary.bodyparts, part_colors(len(summary.bodyparts)), strict=True)
        ):
            draw_errors(axes, summary, versions, partial(summary.measure, bodypart=name), colour, number, name)
        rate_axis(axes, summary, summary.compared)
        axes.set_title(str(codec))
    for axes in panels:
        tolerance_line(axes, summary)
        error_axis(axes)
    panels[0].set_ylabel("mean distance from the original (px)")
    panels[-1].legend(loc="upper right")
    return figure


def draw_repair(summary: SweepSummary) -> Figure:
    """Error and jitter over all body parts with and without the median filter, against bit rate."""
    figure = new_figure(10.0, 4.4)
    left, right = figure.subplots(1, 2)
    window = summary.study.options.window
    for number, (filtering, label) in enumerate(((RAW, "as found"), (MEDIAN, f"median filter, {window} frames"))):
        for codec in dict.fromkeys(version.codec for version in summary.compared):
            versions = [version for version in summary.compared if version.codec == codec]
            first = codec == summary.compared[0].codec

            def measured(version: Version, filtering: str = filtering) -> PartMeasures:
                return summary.measure(version, filtering=filtering)

            style = COLORS[number], number, label if first else None
            draw_errors(left, summary, versions, measured, *style)
            draw_errors(right, summary, versions, measured, *style, of="jitter")
    for axes in (left, right):
        rate_axis(axes, summary, summary.compared)
    tolerance_line(left, summary)
    error_axis(left)
    left.set_ylabel("mean distance from the original (px)")
    left.set_title("Error, all body parts")
    right.set_ylabel("step beyond the original's (px per frame)")
    right.set_title("Jitter, all body parts")
    right.axhline(0, color=GREY, linewidth=1)
    left.legend(loc="upper right")
    return figure


def draw_truth(summary: SweepSummary) -> Figure:
    """Error against truth over all body parts beside the original's own, against bit rate."""
    figure = new_figure(7.0, 4.4)
    axes = figure.subplots()
    codecs = list(dict.fromkeys(version.codec for version in summary.compared))
    for number, codec in enumerate(codecs):
        versions = [version for version in summary.compared if version.codec == codec]
        draw_errors(axes, summary, versions, summary.measure, COLORS[number], number, str(codec), of="truth_mean")
    own = summary.measure(summary.reference).truth_mean
    axes.axhline(own.value, color="black", linewidth=1.4, label="original")
    axes.axhspan(own.low, own.high, color="black", alpha=0.1, linewidth=0)
    rate_axis(axes, summary, summary.compared)
    error_axis(axes)
    axes.set_ylabel("mean distance from the truth (px)")
    axes.set_title("Error against truth, all body parts")
    axes.legend(loc="upper right")
    return figure


def draw_codecs(summary: SweepSummary) -> Figure:
    """Error over all body parts against bit rate, a line per codec."""
    figure = new_figure(7.0, 4.6)
    axes = figure.subplots()
    for number, codec in enumerate(dict.fromkeys(version.codec for version in summary.compared)):
        versions = [version for version in summary.compared if version.codec == codec]
        draw_errors(axes, summary, versions, summary.measure, COLORS[number], number, str(codec))
    rate_axis(axes, summary, summary.compared)
    tolerance_line(axes, summary)
    error_axis(axes)
    axes.set_ylabel("mean distance from the original (px)")
    axes.set_title("Codecs at equal bit rates, all body parts")
    axes.legend(loc="upper right")
    return figure

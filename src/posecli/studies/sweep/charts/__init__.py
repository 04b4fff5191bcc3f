"""The figures of a sweep, after those of Mathis & Warren (2018)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from posecli.studies.sweep.charts.bit_rates import draw_bit_rates, draw_codecs, draw_repair, draw_truth
from posecli.studies.sweep.charts.looks import draw_frames, draw_traces
from posecli.studies.sweep.charts.speeds import draw_frontier, draw_scales, draw_settings
from posecli.studies.sweep.summary import Summary
from posecli.support.figures import Chart, house_style, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "COMPRESSION_CHARTS",
    "SCALE_CHARTS",
    "draw_bit_rates",
    "draw_charts",
    "draw_codecs",
    "draw_frames",
    "draw_frontier",
    "draw_repair",
    "draw_scales",
    "draw_settings",
    "draw_traces",
    "draw_truth",
]

#: Name of a figure's files, what draws it, and its caption.
Drawing = tuple[str, Callable[[Summary], "Figure"], str]

COMPRESSION_CHARTS: tuple[Drawing, ...] = (
    ("first-frames", draw_frames, "First frame of each version, with what the network found and the file's size."),
    (
        "trajectories",
        draw_traces,
        "One body part along time in every version: its x, and its distance from where it is in the original.",
    ),
    (
        "error-bit-rate",
        draw_bit_rates,
        "Mean distance from the original's trajectory against bit rate, by body part, with 95 % intervals.",
    ),
    ("codecs", draw_codecs, "The same over all body parts, codecs beside each other."),
    ("median-filter", draw_repair, "What a median filter over time repairs, over all body parts."),
    ("truth", draw_truth, "Mean distance from the true points, over all body parts."),
    ("frontier", draw_frontier, "Size against error; colour is the speed at which frames are read, where it is known."),
)
SCALE_CHARTS: tuple[Drawing, ...] = (
    ("scale-error-speed", draw_scales, "Error and speed against the width that the network sees."),
    (
        "trajectories",
        draw_traces,
        "One body part along time at every scale: its x, and its distance from where the full frame has it.",
    ),
)


def draw_charts(summary: Summary, folder: Path) -> tuple[Chart, ...]:
    """Draw what can be drawn of a sweep into a folder.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    encoded = any(version.encode is not None for version in summary.compared)
    wanted = COMPRESSION_CHARTS if encoded else SCALE_CHARTS
    charts = []
    for name, draw, caption in wanted if summary.compared else ():
        if not _says_something(name, summary):
            continue
        with house_style():
            charts.append(Chart(name, caption, *save_figure(draw(summary), folder / name)))
    return tuple(charts)


def _says_something(name: str, summary: Summary) -> bool:
    """Whether a figure would show more than the others do."""
    if name == "truth":
        return summary.has_truth
    return name != "codecs" or len({version.codec for version in summary.compared}) > 1

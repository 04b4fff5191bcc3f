"""The figures of a sweep, after those of Mathis & Warren (2018)."""

from __future__ import annotations

from posecli.studies.common.report import Drawing
from posecli.studies.sweep.charts.bit_rates import draw_bit_rates, draw_codecs, draw_repair, draw_truth
from posecli.studies.sweep.charts.pictures import draw_frames, draw_traces
from posecli.studies.sweep.charts.speeds import draw_frontier, draw_scales, draw_settings
from posecli.studies.sweep.study import Sweep

__all__ = ["COMPRESSION_CHARTS", "SCALE_CHARTS", "draw_settings", "drawings"]

COMPRESSION_CHARTS: dict[str, Drawing[Sweep]] = {
    "first-frames": (draw_frames, "First frame of each version, with what the network found and the file's size."),
    "trajectories": (
        draw_traces,
        "One body part along time in every version: its x, and its distance from where it is in the original.",
    ),
    "error-bit-rate": (
        draw_bit_rates,
        "Mean distance from the original's trajectory against bit rate, by body part, with 95 % intervals.",
    ),
    "codecs": (draw_codecs, "The same over all body parts, codecs beside each other."),
    "median-filter": (draw_repair, "What a median filter over time repairs, over all body parts."),
    "truth": (draw_truth, "Mean distance from the true points, over all body parts."),
    "frontier": (draw_frontier, "Size against error; colour is the speed at which frames are read, where it is known."),
}
SCALE_CHARTS: dict[str, Drawing[Sweep]] = {
    "scale-error-speed": (draw_scales, "Error and speed against the width that the network sees."),
    "trajectories": (
        draw_traces,
        "One body part along time at every scale: its x, and its distance from where the full frame has it.",
    ),
}


def drawings(sweep: Sweep) -> dict[str, Drawing[Sweep]]:
    """The figures of a sweep by name; none where nothing could be compared."""
    if not sweep.compared:
        return {}
    if not sweep.encoded:
        return SCALE_CHARTS
    drawn = COMPRESSION_CHARTS.copy()
    if not sweep.has_truth:
        del drawn["truth"]
    if len(sweep.codecs) == 1:
        del drawn["codecs"]
    return drawn

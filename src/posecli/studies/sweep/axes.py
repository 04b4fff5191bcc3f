"""What the figures of a sweep share: axes of px, bit rates and speeds, lines with intervals, the tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from posecli.studies.sweep.measures import Floats, PartMeasures
from posecli.studies.sweep.study import Sweep
from posecli.studies.sweep.versions import Version
from posecli.support.figures import GREY, MARKERS, part_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colour, number of the marker, and label of a line.
Look: TypeAlias = tuple[str, int, str | None]

#: Errors below this share one place at the foot of an axis.
SMALLEST_PX = 0.02
ERROR_TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
RATE_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000)


def totals(sweep: Sweep, versions: Sequence[Version], name: str) -> Floats:
    """One of the sizes or speeds of each version."""
    return np.array([sweep.totals(version)[name] for version in versions], np.float64)


def part_looks(sweep: Sweep) -> list[Look]:
    """How the line of each body part looks."""
    colors = part_colors(len(sweep.bodyparts))
    return [(color, number, name) for number, (name, color) in enumerate(zip(sweep.bodyparts, colors, strict=True))]


def draw_against_rate(
    axes: Axes, sweep: Sweep, versions: Sequence[Version], look: Look, of: str = "mean", **which: str
) -> None:
    """A line against bit rate; `which` body part and filtering is as of `Sweep.measure`."""
    rates = totals(sweep, versions, "bit_rate") / 1e3
    draw_line(axes, rates, [sweep.measure(version, **which) for version in versions], look, of)


def draw_line(axes: Axes, places: Floats, measures: Sequence[PartMeasures], look: Look, of: str = "mean") -> None:
    """A line of one measure with its intervals; errors too small to show stand at the foot of the axis."""
    color, number, label = look
    least = -np.inf if of == "jitter" else SMALLEST_PX
    intervals = [getattr(item, of) for item in measures]
    values, low, high = (
        np.maximum([getattr(item, name) for item in intervals], least) for name in ("value", "low", "high")
    )
    style: Any = {"color": color, "marker": MARKERS[number % len(MARKERS)], "capsize": 2.5, "elinewidth": 1}
    axes.errorbar(places, values, yerr=np.maximum([values - low, high - values], 0), label=label, **style)


def rate_axis(axes: Axes, sweep: Sweep) -> None:
    """Bit rate below, compression against raw pixels above."""
    rates = totals(sweep, sweep.compared, "bit_rate") / 1e3
    reference = sweep.totals(sweep.reference)
    raw = reference["raw_compression"] * reference["bit_rate"] / 1e3
    plain_ticks(axes, "x", rates)
    axes.set_xlabel("bit rate (kbit/s)")
    above = axes.secondary_xaxis("top", functions=(lambda rate: raw / np.maximum(rate, 1e-9),) * 2)
    factors = raw / rates
    ticks = [10.0**power for power in range(8) if factors.min() / 2 <= 10**power <= factors.max() * 2]
    above.set_ticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    above.set_ticks([], minor=True)
    above.set_xlabel("times smaller than raw", fontsize="small")
    above.tick_params(labelsize="small")


def error_axis(axes: Axes, label: str | None = None) -> None:
    """A logarithmic axis of px with plain numbers; the smallest stands for all below it."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    low, high = max(low, SMALLEST_PX * 0.8), max(high, SMALLEST_PX * 10)
    ticks = [tick for tick in ERROR_TICKS if low <= tick <= high]
    axes.set_yticks(ticks, [f"{'< ' if tick == SMALLEST_PX else ''}{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylim(low, high)
    if label is not None:
        axes.set_ylabel(label)


def plain_ticks(axes: Axes, axis: str, values: Floats, room: float = 1.6) -> None:
    """A logarithmic axis with plain numbers, `room` times wider than the values; of too many ticks powers of ten."""
    low, high = float(np.min(values)) / room, float(np.max(values)) * room
    chosen = [tick for tick in RATE_TICKS if low <= tick <= high]
    if len(chosen) > 8:
        chosen = [tick for tick in chosen if str(tick)[0] == "1"]
    axes.set(**{f"{axis}scale": "log"})
    target = axes.xaxis if axis == "x" else axes.yaxis
    target.set_ticks(chosen, [f"{tick:,g}" if tick < 1e5 else f"{tick:,.0f}" for tick in chosen])
    target.set_ticks([], minor=True)
    axes.set(**{f"{axis}lim": (low, high)})


def tolerance_line(axes: Axes, tolerance: float) -> None:
    """Mark the error, px, up to which a study counts a version as good."""
    axes.axhline(tolerance, color=GREY, linestyle="--", linewidth=1.2)
    place: Any = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "xytext": (-2, 3)}
    style: Any = {"ha": "right", "fontsize": "small", "color": "#555555", "annotation_clip": True}
    note = axes.annotate("tolerance", (0.99, tolerance), **place, **style)
    note.set_in_layout(False)  # a tolerance off the axis must not make room for its name

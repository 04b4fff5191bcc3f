"""What the figures of a sweep share: axes of px, bit rates and speeds, lines with intervals, the tolerance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from posecli.studies.sweep.measures import Floats, PartMeasures
from posecli.studies.sweep.resampling import ConfidenceInterval
from posecli.studies.sweep.study import Sweep
from posecli.studies.sweep.versions import Version
from posecli.support.figures import GREY, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Errors below this share one place at the foot of an axis.
SMALLEST_PX = 0.02
ERROR_TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
RATE_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000)


def totals(sweep: Sweep, versions: Sequence[Version], name: str) -> Floats:
    """One of the sizes or speeds of each version."""
    return np.array([sweep.totals(version)[name] for version in versions], np.float64)


def draw_against_rate(
    axes: Axes,
    sweep: Sweep,
    measured: Callable[[Version], PartMeasures],
    versions: Sequence[Version],
    look: tuple[str, int, str | None],
    of: str = "mean",
) -> None:
    """One line with intervals against bit rate; of a look, see `draw_intervals`."""
    rates = totals(sweep, versions, "bit_rate") / 1e3
    least = -np.inf if of == "jitter" else SMALLEST_PX
    draw_intervals(axes, rates, [getattr(measured(version), of) for version in versions], look, least)


def draw_intervals(
    axes: Axes,
    places: Sequence[float] | Floats,
    intervals: Sequence[ConfidenceInterval],
    look: tuple[str, int, str | None],
    least: float = SMALLEST_PX,
) -> None:
    """One line with an interval at each place, in a colour, with the marker of a number, and a label.

    What is too small to show stands at the foot of the axis.
    """
    color, number, label = look
    values, low, high = (
        np.maximum([getattr(item, name) for item in intervals], least) for name in ("value", "low", "high")
    )
    axes.errorbar(
        places,
        values,
        yerr=np.maximum([values - low, high - values], 0),
        color=color,
        marker=MARKERS[number % len(MARKERS)],
        capsize=2.5,
        elinewidth=1,
        label=label,
    )


def rate_axis(axes: Axes, sweep: Sweep) -> None:
    """Bit rate below, compression against raw pixels above."""
    rates = totals(sweep, sweep.compared, "bit_rate") / 1e3
    reference = sweep.totals(sweep.reference)
    raw = reference["raw_compression"] * reference["bit_rate"] / 1e3
    axes.set_xscale("log")
    plain_ticks(axes, "x", rates, RATE_TICKS)
    axes.set_xlabel("bit rate (kbit/s)")
    above = axes.secondary_xaxis("top", functions=(lambda rate: raw / np.maximum(rate, 1e-9),) * 2)
    factors = raw / rates
    ticks = [10.0**power for power in range(8) if factors.min() / 2 <= 10**power <= factors.max() * 2]
    above.set_ticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    above.set_ticks([], minor=True)
    above.set_xlabel("times smaller than raw", fontsize="small")
    above.tick_params(labelsize="small")


def error_axis(axes: Axes) -> None:
    """A logarithmic axis of px with plain numbers; the smallest stands for all below it."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    low, high = max(low, SMALLEST_PX * 0.8), max(high, SMALLEST_PX * 10)
    ticks = [tick for tick in ERROR_TICKS if low <= tick <= high]
    axes.set_yticks(ticks, [f"{'< ' if tick == SMALLEST_PX else ''}{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylim(low, high)


def plain_ticks(axes: Axes, axis: str, values: Floats, ticks: Sequence[float], room: float = 1.6) -> None:
    """Label those of the ticks that the values reach, as plain numbers; of too many only powers of ten.

    The axis goes on beyond the values by the factor `room`.
    """
    low, high = float(np.min(values)) / room, float(np.max(values)) * room
    chosen = [tick for tick in ticks if low <= tick <= high]
    if len(chosen) > 8:
        chosen = [tick for tick in chosen if str(tick)[0] == "1"]
    target = axes.xaxis if axis == "x" else axes.yaxis
    target.set_ticks(chosen, [f"{tick:,g}" if tick < 1e5 else f"{tick:,.0f}" for tick in chosen])
    target.set_ticks([], minor=True)
    (axes.set_xlim if axis == "x" else axes.set_ylim)(low, high)


def tolerance_line(axes: Axes, sweep: Sweep) -> None:
    """Mark the error up to which the study counts a version as good."""
    axes.axhline(sweep.options.tolerance, color=GREY, linestyle="--", linewidth=1.2)
    note = axes.annotate(
        "tolerance",
        (0.99, sweep.options.tolerance),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        xytext=(-2, 3),
        ha="right",
        fontsize="small",
        color="#555555",
        annotation_clip=True,
    )
    note.set_in_layout(False)  # a tolerance off the axis must not make room for its name

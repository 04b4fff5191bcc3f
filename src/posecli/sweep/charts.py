"""The figures of a sweep, after those of Mathis & Warren (2018)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from posecli.figures import COLOURS, GREY, MARKERS, Chart, house_style, new_figure, part_colours, save_figure
from posecli.sweep.measures import MEDIAN, RAW, PartMeasures
from posecli.sweep.resampling import Interval
from posecli.sweep.runner import frame_path
from posecli.sweep.summary import Summary
from posecli.sweep.versions import Version

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Errors below this share one place at the foot of an axis.
SMALLEST_PX = 0.02
ERROR_TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
RATE_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000)
#: Seconds of the trajectory figure: more would be a tangle.
TRACE_SECONDS = 20.0
#: Panels in a row of first frames, and most panels.
COLUMNS, MOST_PANELS = 5, 15


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


def draw_frames(summary: Summary) -> Figure:
    """First frames with predicted body parts and sizes."""
    shown = [summary.reference, *_spread(summary.compared, MOST_PANELS - 1)]
    source = summary.study.sources[0]
    aspect = source.info.height / source.info.width
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = new_figure(2.45 * columns, rows * (2.45 * aspect + 0.28) + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, version in zip(panels, shown, strict=False):
        _draw_first_frame(axes, summary, version)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(8, len(labels)))
    return figure


def _draw_first_frame(axes: Axes, summary: Summary, version: Version) -> None:
    source = summary.study.sources[0]
    image = cv2.imread(str(frame_path(summary.study.folder, source, version)))
    if image is not None:
        axes.imshow(image[..., ::-1], extent=(0, source.info.width, source.info.height, 0))
    pose = summary.study.poses(source, version)[0]
    for point, name, colour in zip(pose, summary.bodyparts, part_colours(len(pose)), strict=True):
        seen = point[2] >= summary.study.cutoff
        axes.plot(
            *point[:2],
            marker="o",
            linestyle="none",
            markersize=5,
            markerfacecolor=colour if seen else "none",
            markeredgecolor="white" if seen else colour,
            markeredgewidth=0.7,
            label=name,
        )
    size = summary.study.row(source, version)["bytes"]
    axes.set_title(f"{version.label}, {_bytes(size)}", fontsize="small", weight="normal")
    axes.set_xlim(0, source.info.width)
    axes.set_ylim(source.info.height, 0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)


def draw_traces(summary: Summary) -> Figure:
    """The first body part's x against time, and its distance from the original, for all versions."""
    source, part = summary.study.sources[0], _most_seen(summary)
    rate = source.info.frame_rate
    count = min(source.frames, round(TRACE_SECONDS * rate))
    seconds = np.arange(count) / rate
    original = summary.study.poses(source, summary.reference)[:count, part]
    figure = new_figure(10.0, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True)
    versions = sorted(summary.compared, key=lambda version: -summary.totals(version)["bytes"])
    for version, colour in zip(versions, _ramp(len(versions)), strict=True):
        pose = summary.study.poses(source, version)[:count, part]
        upper.plot(seconds, pose[:, 0], color=colour, linewidth=1.1, label=version.label)
        distance = np.hypot(*(pose[:, :2] - original[:, :2]).T)
        lower.plot(seconds, np.maximum(distance, SMALLEST_PX), color=colour, linewidth=0.9)
    upper.plot(seconds, original[:, 0], color="black", linewidth=1.4, label=summary.reference.label)
    unseen = original[:, 2] < summary.study.cutoff
    for axes in (upper, lower):
        axes.fill_between(
            seconds, 0, 1, where=unseen, transform=axes.get_xaxis_transform(), color="#EFEFEF", linewidth=0, zorder=0
        )
    name = summary.bodyparts[part]
    upper.set_ylabel(f"{name}: x (px)")
    upper.set_title(f"{name} in {source.name}" + (" (grey: not seen in the original)" if unseen.any() else ""))
    lower.axhline(summary.study.options.tolerance, color=GREY, linestyle="--", linewidth=1)
    _error_axis(lower)
    lower.set_ylabel("distance from the original (px)")
    lower.set_xlabel("time (s)")
    figure.legend(*upper.get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    return figure


def draw_bit_rates(summary: Summary) -> Figure:
    """Error of each body part against bit rate, one panel per codec."""
    codecs = list(dict.fromkeys(version.codec for version in summary.compared))
    figure = new_figure(max(7.0, 4.6 * len(codecs)), 4.8)
    panels = figure.subplots(1, len(codecs), squeeze=False, sharey=True)[0]
    for axes, codec in zip(panels, codecs, strict=True):
        versions = [version for version in summary.compared if version.codec == codec]
        for number, (name, colour) in enumerate(
            zip(summary.bodyparts, part_colours(len(summary.bodyparts)), strict=True)
        ):
            _draw_errors(axes, summary, versions, partial(summary.measure, bodypart=name), colour, number, name)
        _rate_axis(axes, summary, summary.compared)
        axes.set_title(str(codec))
    for axes in panels:
        _tolerance_line(axes, summary)
        _error_axis(axes)
    panels[0].set_ylabel("mean distance from the original (px)")
    panels[-1].legend(loc="upper right")
    return figure


def draw_repair(summary: Summary) -> Figure:
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

            style = COLOURS[number], number, label if first else None
            _draw_errors(left, summary, versions, measured, *style)
            _draw_errors(right, summary, versions, measured, *style, of="jitter")
    for axes in (left, right):
        _rate_axis(axes, summary, summary.compared)
    _tolerance_line(left, summary)
    _error_axis(left)
    left.set_ylabel("mean distance from the original (px)")
    left.set_title("Error, all body parts")
    right.set_ylabel("step beyond the original's (px per frame)")
    right.set_title("Jitter, all body parts")
    right.axhline(0, color=GREY, linewidth=1)
    left.legend(loc="upper right")
    return figure


def draw_truth(summary: Summary) -> Figure:
    """Error against truth over all body parts beside the original's own, against bit rate."""
    figure = new_figure(7.0, 4.4)
    axes = figure.subplots()
    codecs = list(dict.fromkeys(version.codec for version in summary.compared))
    for number, codec in enumerate(codecs):
        versions = [version for version in summary.compared if version.codec == codec]
        _draw_errors(axes, summary, versions, summary.measure, COLOURS[number], number, str(codec), of="truth_mean")
    own = summary.measure(summary.reference).truth_mean
    axes.axhline(own.value, color="black", linewidth=1.4, label="original")
    axes.axhspan(own.low, own.high, color="black", alpha=0.1, linewidth=0)
    _rate_axis(axes, summary, summary.compared)
    _error_axis(axes)
    axes.set_ylabel("mean distance from the truth (px)")
    axes.set_title("Error against truth, all body parts")
    axes.legend(loc="upper right")
    return figure


def draw_codecs(summary: Summary) -> Figure:
    """Error over all body parts against bit rate, a line per codec."""
    figure = new_figure(7.0, 4.6)
    axes = figure.subplots()
    for number, codec in enumerate(dict.fromkeys(version.codec for version in summary.compared)):
        versions = [version for version in summary.compared if version.codec == codec]
        _draw_errors(axes, summary, versions, summary.measure, COLOURS[number], number, str(codec))
    _rate_axis(axes, summary, summary.compared)
    _tolerance_line(axes, summary)
    _error_axis(axes)
    axes.set_ylabel("mean distance from the original (px)")
    axes.set_title("Codecs at equal bit rates, all body parts")
    axes.legend(loc="upper right")
    return figure


def draw_frontier(summary: Summary) -> Figure:
    """Size, error and speed of every version at once; those that nothing beats are joined."""
    figure = new_figure(8.0, 5.0)
    axes = figure.subplots()
    versions = summary.compared
    sizes = np.array([summary.totals(version)["bytes_per_hour"] / 1e6 for version in versions])
    errors = np.array([max(summary.worst(version).mean.high, SMALLEST_PX) for version in versions])
    speeds = np.array([summary.totals(version)["read_fps"] for version in versions])
    order = _not_beaten(sizes, errors)
    axes.plot(sizes[order], errors[order], color=GREY, linewidth=1.2, zorder=1)
    dots = axes.scatter(sizes, errors, c=speeds, cmap="viridis", s=60, edgecolor="black", linewidth=0.6, zorder=2)
    for version, size, error in zip(versions, sizes, errors, strict=True):
        axes.annotate(version.label, (size, error), textcoords="offset points", xytext=(7, 5), fontsize="small")
    _tolerance_line(axes, summary)
    axes.set_xscale("log")
    _plain_ticks(axes, "x", sizes, RATE_TICKS)
    _error_axis(axes)
    axes.margins(x=0.12)
    axes.set_xlabel("MB per hour of video")
    axes.set_ylabel("upper bound of the worst part's mean error (px)")
    axes.set_title("Size, error, speed of reading")
    figure.colorbar(dots, ax=axes, label="frames read per second")
    return figure


def draw_settings(summary: Summary, best: Version) -> Figure:
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
            color=COLOURS[number],
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
    _tolerance_line(axes, summary)
    axes.set_xscale("log")
    _plain_ticks(axes, "x", speeds, RATE_TICKS)
    _error_axis(axes)
    axes.set_xlabel("frames per second")
    axes.set_ylabel("upper bound of the worst part's mean error (px)")
    axes.set_title(f"Speed and error; chosen: {best.label}")
    axes.legend(loc="upper left")
    return figure


def draw_scales(summary: Summary) -> Figure:
    """Error of each body part, and speed, against the width that the network sees."""
    figure = new_figure(10.0, 4.6)
    left, right = figure.subplots(1, 2)
    versions = list(reversed(summary.study.versions))
    widths = [summary.totals(version)["network_width"] for version in versions]
    against_truth = summary.has_truth
    shown = versions if against_truth else versions[:-1]
    for number, (name, colour) in enumerate(zip(summary.bodyparts, part_colours(len(summary.bodyparts)), strict=True)):
        intervals = [
            summary.measure(version, name).truth_mean if against_truth else summary.measure(version, name).mean
            for version in shown
        ]
        _draw_intervals(left, widths[: len(shown)], intervals, colour, number, name)
    _trained_range(left, summary)
    if not against_truth:
        _tolerance_line(left, summary)
    left.set_ylabel(f"mean distance from {'the truth' if against_truth else 'the full frame'} (px of the full frame)")
    left.set_title("Error by body part")
    _error_axis(left)
    for label, key, number in (("whole analysis", "analysis_fps", 0), ("network alone", "network_fps", 1)):
        right.plot(
            widths,
            [summary.totals(version)[key] for version in versions],
            color=COLOURS[number],
            marker=MARKERS[number],
            label=label,
        )
    right.set_yscale("log")
    speeds = [summary.totals(version)[key] for version in versions for key in ("analysis_fps", "network_fps")]
    _plain_ticks(right, "y", np.array(speeds), RATE_TICKS)
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


def _trained_range(axes: Axes, summary: Summary) -> None:
    """Shade the scales that the network was trained on, where its model folder says so."""
    trained = summary.trained_scales
    if trained is None:
        return
    full = summary.totals(summary.reference)["network_width"]
    low, high = (full * scale for scale in trained)
    axes.axvspan(low, high, color=COLOURS[2], alpha=0.1, linewidth=0, label="scales trained on")


def _draw_errors(
    axes: Axes,
    summary: Summary,
    versions: Sequence[Version],
    measured: Callable[[Version], PartMeasures],
    colour: str,
    number: int,
    label: str | None,
    of: str = "mean",
) -> None:
    """One line with intervals against bit rate."""
    rates = [summary.totals(version)["bit_rate"] / 1e3 for version in versions]
    _draw_intervals(axes, rates, [getattr(measured(version), of) for version in versions], colour, number, label, of)


def _draw_intervals(
    axes: Axes,
    places: Sequence[float],
    intervals: Sequence[Interval],
    colour: str,
    number: int,
    label: str | None,
    of: str = "mean",
) -> None:
    least = -np.inf if of == "jitter" else SMALLEST_PX
    values, low, high = (
        np.maximum([getattr(item, name) for item in intervals], least) for name in ("value", "low", "high")
    )
    axes.errorbar(
        places,
        values,
        yerr=np.maximum([values - low, high - values], 0),
        color=colour,
        marker=MARKERS[number % len(MARKERS)],
        capsize=2.5,
        elinewidth=1,
        label=label,
    )


def _rate_axis(axes: Axes, summary: Summary, versions: Sequence[Version]) -> None:
    """Bit rate below, compression against raw pixels above."""
    rates = np.array([summary.totals(version)["bit_rate"] / 1e3 for version in versions])
    reference = summary.totals(summary.reference)
    raw = reference["raw_compression"] * reference["bit_rate"] / 1e3
    axes.set_xscale("log")
    _plain_ticks(axes, "x", rates, RATE_TICKS)
    axes.set_xlabel("bit rate (kbit/s)")
    above = axes.secondary_xaxis("top", functions=(lambda rate: raw / np.maximum(rate, 1e-9),) * 2)
    factors = raw / rates
    ticks = [10.0**power for power in range(8) if factors.min() / 2 <= 10**power <= factors.max() * 2]
    above.set_ticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    above.set_ticks([], minor=True)
    above.set_xlabel("times smaller than raw", fontsize="small")
    above.tick_params(labelsize="small")


def _error_axis(axes: Axes) -> None:
    """A logarithmic axis of px with plain numbers; the smallest stands for all below it."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    low, high = max(low, SMALLEST_PX * 0.8), max(high, SMALLEST_PX * 10)
    ticks = [tick for tick in ERROR_TICKS if low <= tick <= high]
    axes.set_yticks(ticks, [f"{'< ' if tick == SMALLEST_PX else ''}{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylim(low, high)


def _plain_ticks(axes: Axes, axis: str, values: npt.NDArray[np.float64], ticks: Sequence[float]) -> None:
    low, high = float(np.min(values)) / 1.6, float(np.max(values)) * 1.6
    chosen = [tick for tick in ticks if low <= tick <= high]
    if len(chosen) > 8:
        chosen = [tick for tick in chosen if str(tick)[0] == "1"]
    target = axes.xaxis if axis == "x" else axes.yaxis
    target.set_ticks(chosen, [f"{tick:,g}" if tick < 1e5 else f"{tick:,.0f}" for tick in chosen])
    target.set_ticks([], minor=True)
    (axes.set_xlim if axis == "x" else axes.set_ylim)(low, high)


def _tolerance_line(axes: Axes, summary: Summary) -> None:
    axes.axhline(summary.study.options.tolerance, color=GREY, linestyle="--", linewidth=1.2)
    note = axes.annotate(
        "tolerance",
        (0.99, summary.study.options.tolerance),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        xytext=(-2, 3),
        ha="right",
        fontsize="small",
        color="#555555",
        annotation_clip=True,
    )
    note.set_in_layout(False)  # a tolerance off the axis must not make room for its name


def _not_beaten(sizes: npt.NDArray[np.float64], errors: npt.NDArray[np.float64]) -> list[int]:
    """Versions that no other is smaller and better than, by size."""
    order = sorted(range(len(sizes)), key=lambda place: (sizes[place], errors[place]))
    chosen: list[int] = []
    for place in order:
        if not chosen or errors[place] < errors[chosen[-1]]:
            chosen.append(place)
    return chosen


def _spread(versions: Sequence[Version], most: int) -> list[Version]:
    if len(versions) <= most:
        return list(versions)
    places = np.linspace(0, len(versions) - 1, most).round().astype(int)
    return [versions[place] for place in places]


def _most_seen(summary: Summary) -> int:
    """The first body part, unless it is hardly ever seen."""
    shares = summary.seen.mean(axis=0)
    return 0 if shares[0] >= 0.5 * shares.max() else int(shares.argmax())


def _ramp(count: int) -> list[str]:
    """Colours from the best quality to the worst."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["plasma_r"](0.12 + 0.88 * place / max(count - 1, 1))) for place in reversed(range(count))]


def _bytes(size: float) -> str:
    """A size as people say it.

    >>> _bytes(2.1e9), _bytes(150_400)
    ('2.1 GB', '150 kB')
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}" if size / scale < 100 else f"{size / scale:.0f} {unit}"
    return f"{size:.0f} B"


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
    ("frontier", draw_frontier, "Size against error; colour is the speed at which frames are read."),
)
SCALE_CHARTS: tuple[Drawing, ...] = (
    ("scale-error-speed", draw_scales, "Error and speed against the width that the network sees."),
    (
        "trajectories",
        draw_traces,
        "One body part along time at every scale: its x, and its distance from where the full frame has it.",
    ),
)

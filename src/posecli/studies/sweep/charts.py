"""The figures of a sweep, after those of Mathis & Warren (2018): errors against bit rate, size and speed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from posecli.precision.gate import GateFigures
from posecli.studies.common.folder import Drawing
from posecli.studies.sweep.axes import (
    SMALLEST_PX,
    draw_against_rate,
    draw_line,
    error_axis,
    part_looks,
    plain_ticks,
    rate_axis,
    tolerance_line,
    totals,
)
from posecli.studies.sweep.measures import MEDIAN, RAW, Floats
from posecli.studies.sweep.study import Sweep, frame_path
from posecli.studies.sweep.versions import Version
from posecli.support.figures import COLORS, GREY, MARKERS, new_figure, part_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Seconds of the trajectory figure: more would be a tangle.
TRACE_SECONDS = 20.0
#: Panels in a row of first frames, and most panels.
COLUMNS, MOST_PANELS = 5, 15
DISTANCE = "mean distance from the original (px)"
WORST_ERROR = "upper bound of the worst part's mean error (px)"


def draw_frames(sweep: Sweep) -> Figure:
    """First frames with predicted body parts and sizes."""
    compared = sweep.compared
    places = np.linspace(0, len(compared) - 1, min(len(compared), MOST_PANELS - 1)).round().astype(int)
    shown = [sweep.reference, *(compared[place] for place in places)]
    info = sweep.videos[0].info
    aspect = info.height / info.width
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = new_figure(2.45 * columns, rows * (2.45 * aspect + 0.28) + 0.3)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, version in zip(panels, shown, strict=False):
        _draw_first_frame(axes, sweep, version)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(8, len(labels)))
    return figure


def _draw_first_frame(axes: Axes, sweep: Sweep, version: Version) -> None:
    video = sweep.videos[0]
    image = cv2.imread(str(frame_path(sweep.folder, video, version)))
    if image is not None:
        axes.imshow(image[..., ::-1], extent=(0, video.info.width, video.info.height, 0))
    pose = sweep.poses(video, version)[0]
    for point, name, color in zip(pose, sweep.bodyparts, part_colors(len(pose)), strict=True):
        seen = point[2] >= sweep.cutoff
        dot: Any = {"marker": "o", "linestyle": "none", "markersize": 5, "markeredgewidth": 0.7}
        dot |= {"markerfacecolor": color if seen else "none", "markeredgecolor": "white" if seen else color}
        axes.plot(*point[:2], label=name, **dot)
    size = sweep.rows[video.name, version.name]["bytes"]
    axes.set_title(f"{version.label}, {_bytes(size)}", fontsize="small", weight="normal")
    axes.set(xlim=(0, video.info.width), ylim=(video.info.height, 0), xticks=[], yticks=[])
    axes.grid(visible=False)


def draw_traces(sweep: Sweep) -> Figure:
    """A body part's x against time, and its distance from the original, for all versions."""
    from matplotlib import colormaps

    shares = sweep.seen.mean(axis=0)
    part = 0 if shares[0] >= 0.5 * shares.max() else int(shares.argmax())  # the first, unless hardly ever seen
    video = sweep.videos[0]
    rate = video.info.frame_rate
    count = min(video.looked_at, round(TRACE_SECONDS * rate))
    seconds = np.arange(count) / rate
    # Stretches stand side by side: at their places in a long video they could not be seen.
    gaps = np.flatnonzero(np.diff(video.places[:count]) > 1) + 1
    along = _broken(seconds, gaps)
    original = sweep.poses(video, sweep.reference)[:count, part]
    figure = new_figure(10.0, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True)
    versions = sorted(sweep.compared, key=lambda version: -sweep.totals(version)["bytes"])
    colors = colormaps["plasma_r"](0.12 + 0.88 * np.arange(len(versions)) / max(len(versions) - 1, 1))
    for version, color in zip(versions, colors[::-1], strict=True):
        pose = sweep.poses(video, version)[:count, part]
        upper.plot(along, _broken(pose[:, 0], gaps), color=color, linewidth=1.1, label=version.label)
        distance = np.hypot(*(pose[:, :2] - original[:, :2]).T)
        lower.plot(along, _broken(np.maximum(distance, SMALLEST_PX), gaps), color=color, linewidth=0.9)
    upper.plot(along, _broken(original[:, 0], gaps), color="black", linewidth=1.4, label=sweep.reference.label)
    unseen = original[:, 2] < sweep.cutoff
    for axes in (upper, lower):
        full_height: Any = {"transform": axes.get_xaxis_transform(), "zorder": 0}
        axes.fill_between(seconds, 0, 1, where=unseen, color="#EFEFEF", linewidth=0, **full_height)
        axes.vlines(seconds[gaps] - 0.5 / rate, 0, 1, color=GREY, linewidth=0.8, **full_height)
    name = sweep.bodyparts[part]
    upper.set_ylabel(f"{name}: x (px)")
    upper.set_title(f"{name} in {video.name}" + (" (grey: not seen in the original)" if unseen.any() else ""))
    lower.axhline(sweep.options.tolerance, color=GREY, linestyle="--", linewidth=1)
    error_axis(lower, "distance from the original (px)")
    left_out = f"; the first {count / rate:.0f} of {video.looked_at / rate:.0f} s" if count < video.looked_at else ""
    lower.set_xlabel(("time looked at (s), stretches side by side" if gaps.size else "time (s)") + left_out)
    figure.legend(*upper.get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    return figure


def _broken(values: npt.NDArray[np.float64], gaps: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The values with NaN before these places, so that no line joins two stretches of the video."""
    return np.insert(values, gaps, np.nan)


def _bytes(size: float) -> str:
    """A size with its unit, for people.

    >>> _bytes(2.1e9), _bytes(150_400)
    ('2.1 GB', '150 kB')
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}" if size / scale < 100 else f"{size / scale:.0f} {unit}"
    return f"{size:.0f} B"


def draw_bit_rates(sweep: Sweep) -> Figure:
    """Error of each body part against bit rate, one panel per codec."""
    figure = new_figure(max(7.0, 4.6 * len(sweep.codecs)), 4.8)
    panels = figure.subplots(1, len(sweep.codecs), squeeze=False, sharey=True)[0]
    for axes, (codec, versions) in zip(panels, sweep.codecs.items(), strict=True):
        for look, name in zip(part_looks(sweep), sweep.bodyparts, strict=True):
            draw_against_rate(axes, sweep, versions, look, bodypart=name)
        rate_axis(axes, sweep)
        axes.set_title(str(codec))
    for axes in panels:
        tolerance_line(axes, sweep.options.tolerance)
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
        for place, versions in enumerate(sweep.codecs.values()):
            look = COLORS[number], number, None if place else label
            for axes, of in ((left, "mean"), (right, "jitter")):
                draw_against_rate(axes, sweep, versions, look, of, filtering=filtering)
    rate_axis(left, sweep)
    rate_axis(right, sweep)
    tolerance_line(left, sweep.options.tolerance)
    error_axis(left, DISTANCE)
    left.set_title("Error, all body parts")
    left.legend(loc="upper right")
    right.set_ylabel("step beyond the original's (px per frame)")
    right.set_title("Jitter, all body parts")
    right.axhline(0, color=GREY, linewidth=1)
    return figure


def draw_truth(sweep: Sweep) -> Figure:
    """Error against truth over all body parts beside the original's own, against bit rate."""
    figure, axes = _codec_lines(sweep, "truth_mean", 4.4)
    own = sweep.measure(sweep.reference).truth_mean
    axes.axhline(own.value, color="black", linewidth=1.4, label="original")
    axes.axhspan(own.low, own.high, color="black", alpha=0.1, linewidth=0)
    error_axis(axes, "mean distance from the truth (px)")
    axes.set_title("Error against truth, all body parts")
    axes.legend(loc="upper right")
    return figure


def draw_codecs(sweep: Sweep) -> Figure:
    """Error over all body parts against bit rate, a line per codec."""
    figure, axes = _codec_lines(sweep, "mean", 4.6)
    tolerance_line(axes, sweep.options.tolerance)
    error_axis(axes, DISTANCE)
    axes.set_title("Codecs at equal bit rates, all body parts")
    axes.legend(loc="upper right")
    return figure


def _codec_lines(sweep: Sweep, of: str, height: float) -> tuple[Figure, Axes]:
    figure = new_figure(7.0, height)
    axes = figure.subplots()
    for number, (codec, versions) in enumerate(sweep.codecs.items()):
        draw_against_rate(axes, sweep, versions, (COLORS[number], number, str(codec)), of)
    rate_axis(axes, sweep)
    return figure, axes


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
    tolerance_line(axes, sweep.options.tolerance)
    plain_ticks(axes, "x", sizes, room=2.2)  # names stand outside the outermost sizes
    error_axis(axes, WORST_ERROR)
    axes.set_xlabel("MB per hour of video")
    axes.set_title("Size, error, speed of reading" if known else "Size, error")
    if known:
        figure.colorbar(dots[0], ax=axes, label="frames read per second")
    return figure


def _errors(sweep: Sweep, versions: Sequence[Version]) -> Floats:
    return np.array([max(sweep.worst(version).mean.high, SMALLEST_PX) for version in versions])


def _join_best(axes: Axes, costs: Floats, errors: Floats) -> list[int]:
    """Draw the Pareto front of least cost and error, and return its places."""
    order: list[int] = []
    for place in np.lexsort((errors, costs)).tolist():
        if not order or errors[place] < errors[order[-1]]:
            order.append(place)
    axes.plot(np.abs(costs[order]), errors[order], color=GREY, linewidth=1.2, zorder=1)
    return order


def _name_dot(axes: Axes, name: str, dot: tuple[float, float], *, above: bool) -> None:
    """Write a version's name on one of the two free sides of a falling curve."""
    from matplotlib.patheffects import withStroke

    outline = [withStroke(linewidth=2.5, foreground="white")]  # legible where it lies on a line
    side: Any = {"xytext": (7, 5) if above else (-7, -5), "ha": "left" if above else "right"}
    side["va"] = "bottom" if above else "top"
    axes.annotate(name, dot, textcoords="offset points", fontsize="small", path_effects=outline, **side)


def draw_settings(tried: Sequence[GateFigures], chosen: Sequence[GateFigures], verdict: str) -> Figure:
    """Work against shift of every setting that was tried; those on the Pareto front are joined."""
    figure = new_figure(8.0, 5.0)
    axes = figure.subplots()
    works = 100 * np.array([each.frame_work for each in tried])
    shifts = np.array([max(each.p99_px, SMALLEST_PX) for each in tried])
    _join_best(axes, works, shifts)
    for number, precision in enumerate(dict.fromkeys(each.precision for each in tried)):
        of = np.array([each.precision == precision for each in tried])
        look: Any = {"color": COLORS[number], "marker": MARKERS[number], "linestyle": "none", "markersize": 8}
        axes.plot(works[of], shifts[of], label=precision, **look)
    for each, work, shift in zip(tried, works, shifts, strict=True):
        name = each.setting.removeprefix(f"{each.precision} at ")
        style: Any = {"fontsize": "small", "weight": "bold" if each in chosen else "normal"}
        axes.annotate(name, (work, shift), textcoords="offset points", xytext=(8, -11), **style)
    tolerance_line(axes, tried[0].limit_px)
    plain_ticks(axes, "x", works)
    error_axis(axes, "shift against fp32 on the full frame, 99th percentile (px)")
    axes.set_xlabel("work on a frame (% of the full frame's in fp32)")
    axes.set_title(verdict, fontsize="medium", wrap=True)
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
    for look, name in zip(part_looks(sweep), sweep.bodyparts, strict=True):
        draw_line(left, widths[: len(shown)], [sweep.measure(version, name) for version in shown], look, of)
    if sweep.trained_scales is not None:
        low, high = (widths[-1] * scale for scale in sweep.trained_scales)
        left.axvspan(low, high, color=COLORS[2], alpha=0.1, linewidth=0, label="scales trained on")
    if not sweep.has_truth:
        tolerance_line(left, sweep.options.tolerance)
    error_axis(left, f"mean distance from {reference} (px of the full frame)")
    left.set_title("Error by body part")
    # What lies between the stretches of a sample is read, and takes its time.
    whole = "whole analysis, frames between stretches\nread too" if sweep.sampled else "whole analysis"
    speeds = [totals(sweep, versions, name) for name in ("analysis_fps", "network_fps")]
    for number, (label, values) in enumerate(zip((whole, "network alone"), speeds, strict=True)):
        right.plot(widths, values, color=COLORS[number], marker=MARKERS[number], label=label)
    plain_ticks(right, "y", np.concatenate(speeds))
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

"""Figures of one table: trajectories, paths over the frame, likelihoods, jumps and occupancy; or an ethogram."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posecli.errors import OutputError
from posecli.support.figures import DPI, GREY, house_style, new_figure, part_colors
from posecli.support.files import partial_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from posecli.behaviour.table import Behaviours

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Size = tuple[int, int]
#: Left, right, top and bottom of what is shown, px.
Limits = tuple[float, float, float, float]

#: Intervals of a line that are drawn at most: more than a figure has dots.
MOST_STRETCHES = 3000
#: Points above which a line is rasterised in SVG files too: viewers could not show it otherwise.
RASTER_POINTS = 20_000
#: Most columns of a legend, and most letters on one of its lines.
LEGEND_COLUMNS, LEGEND_LETTERS = 8, 110
#: Columns of the likelihoods' histogram, and squares along the longer side of the occupancy map.
LIKELIHOOD_BINS = 50
OCCUPANCY_BINS = 64
#: Width of the frame in a figure, inches; height at most and at least.
PICTURE_WIDTH, TALLEST, LOWEST = 7.5, 8.5, 2.5
#: Shorter steps, px, are drawn at this one on the logarithmic axis.
SHORTEST_STEP = 0.1
#: Frames that are drawn at most: more than a figure has dots.
MOST_MOMENTS = 20_000
#: Seconds above which the axis is in minutes, and in hours.
MINUTES_FROM, HOURS_FROM = 300.0, 3 * 3600.0


@house_style()
def draw_trajectories(
    poses: Floats,
    bodyparts: tuple[str, ...],
    seconds: Floats | None,
    pcutoff: float,
    truth: Floats | None = None,
    frames: Places | None = None,
) -> Figure:
    """Draw x, y and likelihood of ``(N, K, 3)`` poses against time.

    `seconds` are ``(N,)`` times of the frames, else frames are counted; points less likely than `pcutoff` are left out
    of x and y; `truth` is ``(N, K, 2)``, drawn as thin black lines; `frames` are ``(N,)`` rising numbers of the frames,
    where some are missing.
    """
    shown = np.where(poses[..., 2:] >= pcutoff, poses[..., :2], np.nan)
    places = np.arange(len(poses)) if frames is None else frames
    times = places.astype(np.float64) if seconds is None else seconds
    figure = new_figure(9.0, 6.0)
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(2, 2, 1))
    for part, (name, color) in enumerate(colored(bodyparts)):
        for axis, label in enumerate((name, None)):
            draw_line(panels[axis], times, shown[:, part, axis], places, color=color, label=label)
            if truth is not None:
                draw_line(panels[axis], times, truth[:, part, axis], places, color="black", linewidth=0.5)
        draw_line(panels[2], times, poses[:, part, 2], places, color=color, linewidth=1.0)
    panels[2].axhline(pcutoff, color="black", linewidth=0.8, linestyle="--")
    for axes, quantity in zip(panels, ("x (px)", "y (px)", "likelihood"), strict=True):
        axes.set_ylabel(quantity)
    panels[1].invert_yaxis()
    panels[2].set(xlabel="frame" if seconds is None else "time (s)", ylim=(0, 1.05))
    if truth is not None:
        panels[0].plot([], [], color="black", linewidth=0.5, label="truth")
    legend_above(figure, panels[0])
    return figure


def draw_line(axes: Axes, x: Floats, y: Floats, places: Places | None = None, **style: Any) -> None:
    """Draw a line of any length, no finer than can be seen."""
    thin_x, thin_y = thinned(x, y, places)
    axes.plot(thin_x, thin_y, rasterized=len(x) > RASTER_POINTS, **style)


def thinned(
    x: Floats, y: Floats, places: Places | None = None, stretches: int = MOST_STRETCHES
) -> tuple[Floats, Floats]:
    """The lowest and the highest point of each of so many stretches of a line; a short line as it is.

    A stretch of which nothing is known stays a gap. Stretches are equally long in `places`, rising numbers of the
    points, of which some may be missing; by default none is.

    >>> x = np.arange(8.0)
    >>> y = np.array([0.0, 9, 1, 2, np.nan, np.nan, np.nan, np.nan])
    >>> thinned(x, y, stretches=2)
    (array([0., 1., 4., 4.]), array([ 0.,  9., nan, nan]))
    """
    offsets = np.arange(len(y)) if places is None else places - places[:1]
    length = -(-(int(offsets[-1]) + 1) // stretches) if len(offsets) else 0
    if length < 3:
        return x, y
    stretch = offsets // length
    starts = np.flatnonzero(np.diff(stretch, prepend=-1))
    lowest = _first_least(np.where(np.isnan(y), np.inf, y), starts)
    highest = _first_least(np.where(np.isnan(y), np.inf, -y), starts)
    kept = np.sort(np.stack([lowest, highest], axis=1), axis=1).ravel()
    behind_gaps = 2 * (np.flatnonzero(np.diff(stretch[starts]) > 1) + 1)
    return np.insert(x[kept], behind_gaps, x[kept[behind_gaps]]), np.insert(y[kept], behind_gaps, np.nan)


def _first_least(values: Floats, starts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Where the least value of each stretch first occurs."""
    least = np.repeat(np.minimum.reduceat(values, starts), np.diff(starts, append=len(values)))
    found = np.flatnonzero(values == least)
    _, first = np.unique(np.searchsorted(starts, found, "right"), return_index=True)
    return np.asarray(found[first], np.intp)


@house_style()
def draw_paths(
    shown: Floats, names: tuple[str, ...], size: Size | None, background: npt.NDArray[np.uint8] | None = None
) -> Figure:
    """Draw where body parts went, over the frame: y points down, px are square.

    `shown` is ``(N, K, 2)`` px, NaN where nothing is drawn; without `size` the figure shows what the points need;
    `background` is ``(H, W, 3)`` uint8 RGB, drawn pale behind the paths.
    """
    limits = _limits(shown.reshape(-1, 2), size)
    figure = new_figure(*_inches(limits))
    axes = figure.subplots()
    if background is not None:
        axes.imshow(background, extent=(0, background.shape[1], background.shape[0], 0), alpha=0.6)
        axes.grid(visible=False)
    for part, (name, color) in enumerate(colored(names)):
        path = without_rests(shown[:, part])
        style: dict[str, Any] = {"rasterized": len(path) > RASTER_POINTS, "alpha": 0.7, "linewidth": 0.8}
        axes.plot(path[:, 0], path[:, 1], color=color, label=name, **style)
    _as_picture(axes, limits)
    legend_above(figure, axes)
    return figure


def without_rests(path: Floats) -> Floats:
    """A path ``(N, 2)`` without frames in which the point moves less than half a pixel; a gap becomes one NaN.

    >>> without_rests(np.array([[1.0, 1], [1.1, 1], [5, 1], [np.nan, np.nan], [np.nan, np.nan]]))
    array([[ 1.,  1.],
           [ 5.,  1.],
           [nan, nan]])
    """
    known = np.asarray(np.isfinite(path).all(axis=1))
    cells = np.where(known[:, None], np.round(np.nan_to_num(path) * 2), np.inf)
    moved = np.ones(len(path), np.bool_)
    moved[1:] = (cells[1:] != cells[:-1]).any(axis=1)
    kept: Floats = np.where(known[:, None], path, np.nan)[moved]
    return kept


@house_style()
def draw_likelihoods(likelihoods: Floats, names: tuple[str, ...], pcutoff: float) -> Figure:
    """Draw the distribution of likelihoods, and the share of frames that each cut-off leaves; ``(N, K)``."""
    edges = np.linspace(0, 1, LIKELIHOOD_BINS + 1)
    figure = new_figure(9.0, 4.4)
    left, right = figure.subplots(1, 2)
    for part, (name, color) in enumerate(colored(names)):
        values = likelihoods[:, part]
        counts = np.histogram(np.clip(values[np.isfinite(values)], 0, 1), edges)[0]
        left.stairs(100 * counts / len(values), edges, color=color, linewidth=1.4)
        kept = np.concatenate([np.cumsum(counts[::-1])[::-1], [0]])
        right.plot(edges, 100 * kept / len(values), color=color, label=name)
    for axes in (left, right):
        axes.axvline(pcutoff, color="black", linewidth=0.8, linestyle="--")
        axes.set_xlim(0, 1)
    left.set(xlabel="likelihood", ylabel=f"frames per {1 / LIKELIHOOD_BINS:g} (%)", yscale="log", ylim=(None, 130))
    left.set_title("How likelihoods are spread")
    right.set(xlabel="cut-off (likelihood)", ylabel="frames at or above it (%)", ylim=(-3, 103))
    right.set_title(f"What a cut-off leaves (dashed: {pcutoff:g})")
    legend_above(figure, right)
    left.yaxis.set_major_formatter("{x:g}")
    return figure


@house_style()
def draw_jumps(steps: Floats, names: tuple[str, ...]) -> Figure:
    """Draw the share of frame-to-frame steps longer than each distance; ``(N - 1, K)`` px, NaN left out."""
    figure = new_figure(7.5, 4.8)
    axes = figure.subplots()
    for part, (name, color) in enumerate(colored(names)):
        lengths = np.sort(steps[:, part][np.isfinite(steps[:, part])])
        shares = 100 * np.arange(len(lengths), 0, -1) / max(len(lengths), 1)
        places = _evenly(np.log10(np.maximum(lengths, SHORTEST_STEP)))
        axes.plot(np.maximum(lengths[places], SHORTEST_STEP), shares[places], color=color, label=name)
    axes.set(xscale="log", yscale="log", xlabel="step from frame to frame (px)", ylabel="steps at least as long (%)")
    if not np.isfinite(steps).any():
        axes.set(xlim=(0.1, 100), ylim=(0.1, 100))
        _say_empty(axes)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    legend_above(figure, axes)
    return figure


@house_style()
def draw_occupancy(centers: Floats, frame_seconds: float | None, size: Size | None) -> Figure:
    """Draw how long the middle of the body, ``(M, 2)`` px, was where: in frames, where `frame_seconds` is not known."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import LogLocator, NullFormatter

    limits = left, right, top, bottom = _limits(centers, size)
    figure = new_figure(*_inches(limits, bar=1.1))
    axes = figure.subplots()
    side = max(right - left, bottom - top) / OCCUPANCY_BINS
    x, y = np.arange(left, right + side, side), np.arange(top, bottom + side, side)
    counts = np.histogram2d(centers[:, 1], centers[:, 0], (y, x))[0] * (frame_seconds or 1.0)
    if len(centers):
        norm = LogNorm(counts[counts > 0].min(), counts.max() * 1.0001)
        mesh = axes.pcolormesh(x, y, np.ma.masked_equal(counts, 0), cmap="viridis", norm=norm, rasterized=True)
        unit = "frames" if frame_seconds is None else "s"
        beside = axes.inset_axes((1.02, 0.0, 0.03, 1.0))
        bar = figure.colorbar(mesh, cax=beside, label=f"time per square of {side:.3g} px ({unit})")
        bar.set_ticks(LogLocator(subs=(1.0, 2.0, 5.0)))
        bar.ax.yaxis.set_major_formatter("{x:.3g}")
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        _say_empty(axes)
    _as_picture(axes, limits)
    axes.set_title("Where the middle of the body was")
    return figure


def _evenly(places: Floats, most: int = 2000) -> npt.NDArray[np.intp]:
    """Indices that spread a falling curve's points over both logarithmic axes, first and last included."""
    count = len(places)
    if count <= most:
        return np.arange(count)
    by_share = count - np.geomspace(count, 1, most // 2)
    by_length = np.searchsorted(places, np.linspace(places[0], places[-1], most // 2))
    return np.unique(np.clip(np.concatenate([by_share, by_length, [0, count - 1]]), 0, count - 1).astype(np.intp))


def _limits(points: Floats, size: Size | None) -> Limits:
    known = points[np.isfinite(points).all(axis=1)]
    if size is not None or not len(known):
        width, height = size or (1, 1)
        return 0.0, float(width), 0.0, float(height)
    low, high = known.min(axis=0), known.max(axis=0)
    margin = 0.03 * float(max(*(high - low), 1.0))
    (left, top), (right, bottom) = (low - margin).tolist(), (high + margin).tolist()
    return left, right, top, bottom


def _inches(limits: Limits, bar: float = 0.0) -> tuple[float, float]:
    left, right, top, bottom = limits
    tall = min(max((PICTURE_WIDTH - 0.7) * (bottom - top) / (right - left), LOWEST), TALLEST)
    return PICTURE_WIDTH + bar, tall + 1.0


def _as_picture(axes: Axes, limits: Limits) -> None:
    left, right, top, bottom = limits
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xlabel="x (px)", ylabel="y (px)")


def _say_empty(axes: Axes) -> None:
    axes.text(0.5, 0.5, "no point above the cut-off", transform=axes.transAxes, ha="center", color=GREY)


def colored(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each body part with its color."""
    return zip(names, part_colors(len(names)), strict=True)


def legend_above(figure: Figure, axes: Axes) -> None:
    """Name the lines of a panel above all panels, in as many columns as fit."""
    handles, names = axes.get_legend_handles_labels()
    if not names:
        return
    longest = max(len(name) for name in names) + 6
    columns = max(1, min(len(names), LEGEND_COLUMNS, LEGEND_LETTERS // longest))
    legend = figure.legend(handles, names, loc="outside upper center", ncols=columns)
    for line in legend.get_lines():
        line.set_linewidth(2.0)


@house_style()
def draw_ethogram(found: Behaviours, title: str) -> Figure:
    """Draw an ethogram: which behaviour when, its share of the time, and the probability of the most likely one."""
    last = len(found.seconds) - 1
    frames = np.unique(np.linspace(0, last, min(last + 1, MOST_MOMENTS)).round().astype(np.int64))
    probabilities = _at(found, frames)
    times, unit = _times(found.seconds[frames])
    labels = np.where(np.isfinite(probabilities[:, 0]), np.nan_to_num(probabilities).argmax(axis=1), -1)
    figure = new_figure(9.0, 1.9 + 0.26 * len(found.classes))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(0.26 * len(found.classes), 1))
    _draw_bouts(above, times, labels, found.classes)
    above.set_title(title)
    below.plot(times, probabilities.max(axis=1), color=GREY, linewidth=0.8, rasterized=True)
    below.set(ylim=(0, 1.02), ylabel="probability", xlabel=f"time ({unit})", xlim=(times[0], times[-1]))
    return figure


def _at(found: Behaviours, frames: Places) -> Floats:
    """Probabilities of single frames, ``(len(frames), C)``; all frames in pieces, so that memory stays flat."""
    pieces = []
    for start in range(0, len(found.seconds), MOST_MOMENTS):
        piece = range(start, min(start + MOST_MOMENTS, len(found.seconds)))
        wanted = frames[(frames >= piece.start) & (frames < piece.stop)] - start
        pieces.append(found.frame_probabilities(piece)[wanted])
    return np.concatenate(pieces)


def _times(seconds: Floats) -> tuple[Floats, str]:
    """Times since the first frame, in a suitable unit; frame numbers where times are not known."""
    if not np.isfinite(seconds).all():
        return np.arange(len(seconds), dtype=np.float64), "frames"
    passed = seconds - seconds[0]
    if passed[-1] >= HOURS_FROM:
        return passed / 3600, "h"
    return (passed / 60, "min") if passed[-1] >= MINUTES_FROM else (passed, "s")


def _draw_bouts(axes: Axes, times: Floats, labels: Places, classes: tuple[str, ...]) -> None:
    """A line for each behaviour, filled while it lasts."""
    edges = np.flatnonzero(np.diff(labels)) + 1
    starts, stops = np.concatenate([[0], edges]), np.concatenate([edges, [len(labels)]])
    ends = np.append(times, times[-1] + (times[-1] - times[0]) / max(len(times) - 1, 1))
    for number, color in enumerate(part_colors(len(classes))):
        mine = labels[starts] == number
        spans = [(ends[start], ends[stop] - ends[start]) for start, stop in zip(starts[mine], stops[mine], strict=True)]
        axes.broken_barh(spans, (number - 0.4, 0.8), color=color, linewidth=0)
    shares = [f"{name}  {100 * np.mean(labels == number):.0f} %" for number, name in enumerate(classes)]
    axes.set(ylim=(len(classes) - 0.4, -0.6), yticks=range(len(classes)), yticklabels=shares)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="x")


def save_ethogram(path: Path, found: Behaviours, title: str) -> None:
    """Write the figure as PNG under its partial name (`posecli.support.files.partial_path`)."""
    try:
        with house_style():
            draw_ethogram(found, title).savefig(partial_path(path), format="png", dpi=DPI)
    except OSError as error:
        partial_path(path).unlink(missing_ok=True)
        raise OutputError(
            f"'{path}' cannot be written ({error.strerror or error}): check its folder and disk"
        ) from error

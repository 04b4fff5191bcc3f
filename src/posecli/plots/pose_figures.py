"""The figures of `posecli plot`: paths over the frame, likelihoods, jumps, occupancy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posecli.plots.trajectory import RASTER_POINTS, legend_above
from posecli.support.figures import GREY, house_style, new_figure, part_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
Size = tuple[int, int]

#: Columns of the likelihoods' histogram, and squares along the longer side of the occupancy map.
LIKELIHOOD_BINS = 50
OCCUPANCY_BINS = 64
#: Width of the frame in a figure, inches; height at most and at least.
PICTURE_WIDTH, TALLEST, LOWEST = 7.5, 8.5, 2.5
#: Steps shorter than this, px, are drawn at it on the logarithmic axis.
SHORTEST_STEP = 0.1


def draw_paths(
    shown: Floats, names: tuple[str, ...], size: Size | None, background: npt.NDArray[np.uint8] | None = None
) -> Figure:
    """Draw where body parts went, over the frame: y points down, px are square.

    Parameters
    ----------
    shown
        ``(N, K, 2)`` px; NaN is not drawn.
    size
        Width and height of the frame, px; ``None`` shows what the points need.
    background
        ``(H, W, 3)`` uint8 RGB, drawn pale behind the paths.
    """
    with house_style():
        width, height, limits = _extent(shown.reshape(-1, 2), size)
        figure = new_figure(*_inches(width, height))
        axes = figure.subplots()
        if background is not None:
            axes.imshow(background, extent=(0, background.shape[1], background.shape[0], 0), alpha=0.6)
            axes.grid(visible=False)
        for part, (name, colour) in enumerate(zip(names, part_colours(len(names)), strict=True)):
            path = without_rests(shown[:, part])
            style: dict[str, Any] = {"rasterized": len(path) > RASTER_POINTS, "alpha": 0.7, "linewidth": 0.8}
            axes.plot(path[:, 0], path[:, 1], color=colour, label=name, **style)
        _as_picture(axes, limits)
        legend_above(figure, axes)
    return figure


def without_rests(path: Floats) -> Floats:
    """A path ``(N, 2)`` without frames in which the point stays on its half pixel; of a gap one NaN stays.

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


def draw_likelihoods(likelihoods: Floats, names: tuple[str, ...], pcutoff: float) -> Figure:
    """Draw how likelihoods are spread, and which share of frames each cut-off would leave; ``(N, K)``."""
    edges = np.linspace(0, 1, LIKELIHOOD_BINS + 1)
    with house_style():
        figure = new_figure(9.0, 4.4)
        left, right = figure.subplots(1, 2)
        for part, (name, colour) in enumerate(zip(names, part_colours(len(names)), strict=True)):
            values = likelihoods[:, part]
            counts = np.histogram(np.clip(values[np.isfinite(values)], 0, 1), edges)[0]
            left.stairs(100 * counts / len(values), edges, color=colour, linewidth=1.4)
            kept = np.concatenate([np.cumsum(counts[::-1])[::-1], [0]])
            right.plot(edges, 100 * kept / len(values), color=colour, label=name)
        for axes in (left, right):
            axes.axvline(pcutoff, color="black", linewidth=0.8, linestyle="--")
            axes.set_xlim(0, 1)
        left.set(xlabel="likelihood", ylabel=f"frames per {1 / LIKELIHOOD_BINS:g} (%)", yscale="log", ylim=(None, 130))
        left.set_title("How likelihoods are spread")
        right.set(xlabel="cut-off (likelihood)", ylabel="frames at or above it (%)", ylim=(-3, 103))
        right.set_title(f"What a cut-off leaves (dashed: {pcutoff:g})")
        legend_above(figure, right)
        _plain_percent(left)
    return figure


def draw_jumps(steps: Floats, names: tuple[str, ...]) -> Figure:
    """Draw which share of frame-to-frame steps is longer than any distance; ``(N - 1, K)`` px, NaN left out."""
    with house_style():
        figure = new_figure(7.5, 4.8)
        axes = figure.subplots()
        for part, (name, colour) in enumerate(zip(names, part_colours(len(names)), strict=True)):
            lengths = np.sort(steps[:, part][np.isfinite(steps[:, part])])
            shares = 100 * np.arange(len(lengths), 0, -1) / max(len(lengths), 1)
            places = _evenly(np.log10(np.maximum(lengths, SHORTEST_STEP)))
            axes.plot(np.maximum(lengths[places], SHORTEST_STEP), shares[places], color=colour, label=name)
        axes.set(
            xscale="log", yscale="log", xlabel="step from frame to frame (px)", ylabel="steps at least as long (%)"
        )
        if not np.isfinite(steps).any():
            axes.set(xlim=(0.1, 100), ylim=(0.1, 100))
            _say_empty(axes)
        _plain_percent(axes)
        axes.xaxis.set_major_formatter(lambda value, _place: f"{value:g}")
        legend_above(figure, axes)
    return figure


def draw_occupancy(centres: Floats, frame_seconds: float | None, size: Size | None) -> Figure:
    """Draw how long the middle of the body was where.

    Parameters
    ----------
    centres
        ``(M, 2)`` px, all known.
    frame_seconds
        How long a frame lasts; ``None`` counts frames.
    size
        Width and height of the frame, px, if known.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import LogLocator, NullFormatter

    with house_style():
        width, height, limits = _extent(centres, size)
        figure = new_figure(*_inches(width, height, bar=1.1))
        axes = figure.subplots()
        side = max(width, height) / OCCUPANCY_BINS
        x = np.arange(limits[0], limits[1] + side, side)
        y = np.arange(limits[2], limits[3] + side, side)
        counts = np.histogram2d(centres[:, 1], centres[:, 0], (y, x))[0] * (frame_seconds or 1.0)
        if len(centres):
            norm = LogNorm(counts[counts > 0].min(), counts.max() * 1.0001)
            mesh = axes.pcolormesh(x, y, np.ma.masked_equal(counts, 0), cmap="viridis", norm=norm, rasterized=True)
            unit = "frames" if frame_seconds is None else "s"
            beside = axes.inset_axes((1.02, 0.0, 0.03, 1.0))
            bar = figure.colorbar(mesh, cax=beside, label=f"time per square of {side:.3g} px ({unit})")
            bar.set_ticks(LogLocator(subs=(1.0, 2.0, 5.0)))
            bar.ax.yaxis.set_major_formatter(lambda value, _place: f"{value:.3g}")
            bar.ax.yaxis.set_minor_formatter(NullFormatter())
        else:
            _say_empty(axes)
        _as_picture(axes, limits)
        axes.set_title("Where the middle of the body was")
    return figure


def _evenly(places: Floats, most: int = 2000) -> npt.NDArray[np.intp]:
    """Indices of a falling curve that are spread over both its logarithmic axes, first and last among them."""
    count = len(places)
    if count <= most:
        return np.arange(count)
    by_share = count - np.geomspace(count, 1, most // 2)
    by_length = np.searchsorted(places, np.linspace(places[0], places[-1], most // 2))
    return np.unique(np.clip(np.concatenate([by_share, by_length, [0, count - 1]]), 0, count - 1).astype(np.intp))


def _extent(points: Floats, size: Size | None) -> tuple[float, float, tuple[float, float, float, float]]:
    """Width, height, and the limits left, right, top, bottom of what is shown, px."""
    if size is not None:
        return size[0], size[1], (0.0, float(size[0]), 0.0, float(size[1]))
    known = points[np.isfinite(points).all(axis=1)]
    if not len(known):
        return 1.0, 1.0, (0.0, 1.0, 0.0, 1.0)
    low, high = known.min(axis=0), known.max(axis=0)
    margin = 0.03 * float(max(*(high - low), 1.0))
    (left, top), (right, bottom) = low - margin, high + margin
    return float(right - left), float(bottom - top), (float(left), float(right), float(top), float(bottom))


def _inches(width: float, height: float, bar: float = 0.0) -> tuple[float, float]:
    tall = min(max((PICTURE_WIDTH - 0.7) * height / width, LOWEST), TALLEST)
    return PICTURE_WIDTH + bar, tall + 1.0


def _as_picture(axes: Axes, limits: tuple[float, float, float, float]) -> None:
    left, right, top, bottom = limits
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xlabel="x (px)", ylabel="y (px)")


def _plain_percent(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(lambda value, _place: f"{value:g}")


def _say_empty(axes: Axes) -> None:
    axes.text(0.5, 0.5, "no point above the cut-off", transform=axes.transAxes, ha="center", color=GREY)

"""A pose table as a figure: where body parts went, and how sure the network was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posecli.support.figures import house_style, new_figure, part_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
Poses = Floats
Places = npt.NDArray[np.int64]

#: Stretches of time that a line is drawn in at most: more than a figure has dots.
MOST_STRETCHES = 3000
#: Points from which on a line is a picture in SVG files too, which viewers could not show otherwise.
RASTER_POINTS = 20_000
#: Columns of a legend at most, and letters that fit on one of its lines.
LEGEND_COLUMNS, LEGEND_LETTERS = 8, 110


def draw_trajectories(
    poses: Poses,
    bodyparts: tuple[str, ...],
    seconds: Floats | None,
    pcutoff: float,
    truth: Poses | None = None,
    frames: Places | None = None,
) -> Figure:
    """Draw x, y and likelihood of every body part against time.

    Parameters
    ----------
    poses
        ``(N, K, 3)``: x px, y px, likelihood.
    bodyparts
        Their names.
    seconds
        ``(N,)`` times of the frames; ``None`` counts frames.
    pcutoff
        Points less likely than this are left out of x and y.
    truth
        ``(N, K, 2)`` true positions, drawn as thin black lines where they are known.
    frames
        ``(N,)`` rising numbers of the frames, where some are missing; by default all are there.

    Returns
    -------
    Figure
        Of Matplotlib, to be saved with `posecli.support.figures.save_figure`.
    """
    shown = np.where(poses[..., 2:] >= pcutoff, poses[..., :2], np.nan)
    places = np.arange(len(poses)) if frames is None else frames
    times = places.astype(np.float64) if seconds is None else seconds
    with house_style():
        figure = new_figure(9.0, 6.0)
        panels = figure.subplots(3, 1, sharex=True, height_ratios=(2, 2, 1))
        for part, (name, colour) in enumerate(zip(bodyparts, part_colours(len(bodyparts)), strict=True)):
            for axis in (0, 1):
                label = name if axis == 0 else None
                draw_line(panels[axis], times, shown[:, part, axis], places, color=colour, label=label)
                if truth is not None:
                    draw_line(panels[axis], times, truth[:, part, axis], places, color="black", linewidth=0.5)
            draw_line(panels[2], times, poses[:, part, 2], places, color=colour, linewidth=1.0)
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
    """Where the least value of each stretch first stands."""
    least = np.repeat(np.minimum.reduceat(values, starts), np.diff(starts, append=len(values)))
    found = np.flatnonzero(values == least)
    _, first = np.unique(np.searchsorted(starts, found, "right"), return_index=True)
    return np.asarray(found[first], np.intp)


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

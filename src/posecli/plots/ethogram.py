"""An ethogram: when the animal did what, how much of the time, and how sure the network was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posecli.behaviour.table import Behaviours
from posecli.errors import OutputError
from posecli.support.figures import DPI, GREY, house_style, new_figure, part_colors
from posecli.support.files import partial_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

#: Frames that are drawn at most: more than a figure has dots.
MOST_MOMENTS = 20_000
#: Seconds above which the axis is in minutes, and in hours.
MINUTES_FROM, HOURS_FROM = 300.0, 3 * 3600.0


@house_style()
def draw_ethogram(found: Behaviours, title: str) -> Figure:
    """Draw which behaviour was found when, its share of the time, and the probability of the most likely one."""
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

"""A sweep's versions as one sees them: first frames with what was found, and one body part along time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from posecli.studies.sweep.axes import SMALLEST_PX, error_axis
from posecli.studies.sweep.study import Sweep, frame_path
from posecli.studies.sweep.versions import Version
from posecli.support.figures import GREY, new_figure, part_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Seconds of the trajectory figure: more would be a tangle.
TRACE_SECONDS = 20.0
#: Panels in a row of first frames, and most panels.
COLUMNS, MOST_PANELS = 5, 15


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
        axes.plot(
            *point[:2],
            marker="o",
            linestyle="none",
            markersize=5,
            markerfacecolor=color if seen else "none",
            markeredgecolor="white" if seen else color,
            markeredgewidth=0.7,
            label=name,
        )
    size = sweep.row(video, version)["bytes"]
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

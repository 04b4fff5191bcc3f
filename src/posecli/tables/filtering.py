"""Trajectories smoothed over time; the raw ones are left as they are.

A point counts as a *gap* where it is not known, or where its likelihood is below a cut-off that the user named. Gaps
are bridged with straight lines before a filter runs (the Kalman smoother goes without), so that it does not see the
wild positions of unseen points; then they are NaN again, except those that are not longer than the user allows. Frames
without a row are gaps too: rows on both sides of one are not neighbours.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from posecli import __version__
from posecli.errors import UsageError
from posecli.options import TableChoice, at_least, check_pcutoff
from posecli.support.files import make_folder, move_into_place, refuse_existing, write_whole
from posecli.tables.manifest import encode_manifest
from posecli.tables.pose_table import LEVEL_NAMES, PoseTableWriter, table_to_csv
from posecli.tables.poses import COORDS, Floats, Frames, PoseData, one_animal, read_poses

Flags = npt.NDArray[np.bool_]
#: What is known of the speed before the first frame, px per frame: next to nothing.
START_SPEED = 100.0
#: Frames that a table may span, unless it has a row for one in so many of them: each takes memory.
MOST_FRAMES, SPARSEST = 10_000_000, 100
#: What a filtered table's name ends in, as DeepLabCut has it.
SUFFIX = "_filtered"


@dataclass(frozen=True)
class Median:
    """DeepLabCut's own filter, to the last bit where every point is known: SciPy's `medfilt`, zeros beyond the ends."""

    #: Frames, odd.
    window: int = 5
    name = "median"

    def __post_init__(self) -> None:
        _check_window(self.window)

    def smoothed(self, values: Floats, _known: Flags) -> Floats:
        from scipy.signal import medfilt

        # SciPy warns where the window is longer than the line; zeros beyond its end are what it would take too.
        padded = np.concatenate([values, np.zeros(max(0, self.window - len(values)))])
        return np.asarray(medfilt(padded, self.window), np.float64)[: len(values)]


@dataclass(frozen=True)
class SavitzkyGolay:
    """Fits a polynomial to each stretch of frames, which keeps peaks that an average would flatten."""

    window: int = 5  #: Frames, odd.
    order: int = 2  #: Degree of the polynomial.
    name = "savgol"

    def __post_init__(self) -> None:
        _check_window(self.window)
        if not 0 <= self.order < self.window:
            raise UsageError(f"order {self.order} does not fit window {self.window}: give 0 or more, below the window")

    def smoothed(self, values: Floats, _known: Flags) -> Floats:
        from scipy.signal import savgol_filter

        return np.asarray(savgol_filter(values, self.window, self.order), np.float64)


@dataclass(frozen=True)
class Kalman:
    """Takes a point for a body of steady velocity that is pushed a little in every frame.

    It looks at the frames before and after: pykalman's smoother, after Rauch, Tung and Striebel.
    """

    noise: float = 1.0  #: Standard deviation of a found position around the true one, px.
    push: float = 1.0  #: Standard deviation of the change of velocity from frame to frame, px per frame.
    name = "kalman"

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 < value < np.inf:
                raise UsageError(f"{name} {value:g} is out of range: give a number of px above 0")

    def smoothed(self, values: Floats, known: Flags) -> Floats:
        """``(N,)`` values, smoothed; those that are not known are not looked at."""
        from pykalman import KalmanFilter

        smoother = KalmanFilter(
            transition_matrices=[[1, 1], [0, 1]],
            observation_matrices=[[1, 0]],
            transition_covariance=np.diag([1e-9, self.push**2]),
            observation_covariance=[[self.noise**2]],
            initial_state_mean=[values[known][0], 0],
            initial_state_covariance=np.diag([self.noise**2, START_SPEED**2]),
        )
        states, _ = smoother.smooth(np.ma.masked_array(values, mask=~known))
        return np.asarray(states[:, 0], np.float64)


FilterMethod: TypeAlias = Median | SavitzkyGolay | Kalman


def _check_window(window: int) -> None:
    if window < 3 or window % 2 == 0:
        raise UsageError(f"window {window} has no middle: give an odd number of frames, 3 or more")


@dataclass(frozen=True)
class FilterOptions:
    """How trajectories are smoothed; a `UsageError` if a value is out of range."""

    #: The filter.
    method: FilterMethod = Median()
    #: Likelihood below which a point counts as a gap; ``None`` means that every known point counts.
    pcutoff: float | None = None
    #: Length of the longest gap that is filled, frames; longer ones are NaN.
    fill: int = 0

    def __post_init__(self) -> None:
        check_pcutoff(self.pcutoff)
        at_least(0, **{"fill-gaps": self.fill})

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: the settings of all methods, at their defaults where another one is used."""
        settings = asdict(SavitzkyGolay()) | asdict(Kalman()) | asdict(self.method)
        return {"method": self.method.name} | settings | {"pcutoff": self.pcutoff, "fill": self.fill}


def filter_pose(pose: Floats, options: FilterOptions = FilterOptions(), frames: Frames | None = None) -> Floats:
    """Smooth positions over time; likelihoods stay.

    Parameters
    ----------
    pose
        ``(N, K, 3)`` float64: x px, y px, likelihood; NaN where not known.
    options
        How.
    frames
        ``(N,)`` rising frame numbers, where some are missing: those are not known.

    Returns
    -------
    ndarray
        A new array; NaN in gaps that are not filled, and of body parts that are never known.

    Raises
    ------
    UsageError
        If there are fewer frames than the window of `SavitzkyGolay`, or far more are missing than are there.

    Examples
    --------
    >>> x = np.array([9.0, 9, 9, 80, 9, 9, 9])
    >>> pose = np.stack([x, x, np.ones(7)], axis=1)[:, None]
    >>> filter_pose(pose)[:, 0, 0]
    array([9., 9., 9., 9., 9., 9., 9.])
    """
    places = np.arange(len(pose)) if frames is None else frames - frames[0]
    count = int(places[-1]) + 1 if len(places) else 0
    if count > max(MOST_FRAMES, SPARSEST * len(pose)):
        raise UsageError(
            f"{len(pose)} rows span {count} frames, too many to filter: check the frame numbers, or filter each "
            "stretch of them by itself"
        )
    if isinstance(options.method, SavitzkyGolay) and count < options.method.window:
        raise UsageError(f"{count} frames are fewer than the window {options.method.window}: give a smaller one")
    smooth = pose.copy()
    for part in range(pose.shape[1]):
        whole = pose[:, part]
        if count > len(pose):
            whole = np.full((count, 3), np.nan)
            whole[places] = pose[:, part]
        smooth[:, part, :2] = _filtered_part(whole, options)[places]
    return smooth


def _filtered_part(points: Floats, options: FilterOptions) -> Floats:
    """``(N, 2)`` positions of one body part, of ``(N, 3)`` points in frames without a gap."""
    smooth = np.full((len(points), 2), np.nan)
    likely = True if options.pcutoff is None else points[:, 2] >= options.pcutoff
    known = np.asarray(np.isfinite(points[:, :2]).all(axis=1) & likely, np.bool_)
    if known.any():
        frames = np.arange(len(points))
        for axis in range(2):
            values = points[:, axis]
            if not known.all():  # straight lines over gaps; the first and last known value beyond them
                values = np.interp(frames, frames[known], values[known])
            smooth[:, axis] = options.method.smoothed(values, known)
        smooth[_long_gaps(known, options.fill)] = np.nan
    return smooth


def _long_gaps(known: Flags, longest: int) -> Flags:
    """Frames of gaps longer than `longest`, or open to one side."""
    run = np.cumsum(np.diff(known, prepend=known[:1]))
    is_at_end = (run == run[0]) | (run == run[-1])
    return np.asarray(~known & (is_at_end | (np.bincount(run)[run] > longest)), np.bool_)


@dataclass(frozen=True)
class FilteredTable:
    """A pose table that was smoothed."""

    source: Path  #: The raw table.
    path: Path  #: The new one.
    rows: int  #: Frames.
    moved: float  #: Mean distance by which known points moved, px.
    gaps: int  #: Points that are not known in the new table.

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"source": str(self.source), "path": str(self.path)}


def filter_table(
    source: str | Path,
    options: FilterOptions = FilterOptions(),
    out_dir: Path | None = None,
    *,
    overwrite: bool = False,
    csv: bool = False,
    choice: TableChoice = TableChoice(),
) -> FilteredTable:
    """Smooth a pose table into ``<its name>_filtered.h5``; the raw table is only read.

    Parameters
    ----------
    source
        A single animal's pose table, posecli's or DeepLabCut's. Frames that it lacks, the new one lacks too.
    options
        How.
    out_dir
        Folder for the new table; ``None`` puts it beside the raw one, where DeepLabCut looks for it.
    overwrite
        Replace a filtered table that is there already.
    csv
        Write it as CSV too.
    choice
        Which table of a file with several, and whose points.

    Raises
    ------
    UsageError
        If the file is not such a table, or is a filtered one already.
    OutputExistsError
        If the new table is there already.
    OutputError
        If it cannot be written.
    """
    raw_path = Path(source)
    if raw_path.stem.endswith(SUFFIX):
        raise UsageError(f"'{raw_path}' is filtered already: give the raw table '{raw_path.stem[: -len(SUFFIX)]}.h5'")
    raw = one_animal(read_poses(raw_path, choice), UsageError)
    # Further peaks of a body part are smoothed as parts of their own.
    pose = raw.peaks.reshape(len(raw), -1, 3)
    target = (out_dir or raw_path.parent) / f"{raw_path.stem}{SUFFIX}.h5"
    refuse_existing(target, overwrite=overwrite)
    smooth = filter_pose(pose, options, raw.frames)
    _write_table(raw, smooth, target, options)
    if csv:
        table_to_csv(target, target.with_suffix(".csv"))
    distance = np.hypot(*np.moveaxis(smooth[..., :2] - pose[..., :2], -1, 0))
    known = distance[np.isfinite(distance)]
    gaps = int(np.isnan(smooth[..., 0]).sum())
    return FilteredTable(raw_path, target, len(pose), float(known.mean()) if known.size else 0.0, gaps)


def _write_table(raw: PoseData, smooth: Floats, target: Path, options: FilterOptions) -> None:
    make_folder(target.parent)
    # Times as the file keeps them, at the places of their frames.
    times = np.full(len(raw) if raw.seconds is None else raw.frames[-1] + 1, np.nan)
    if raw.seconds is not None:
        times[raw.frames] = raw.seconds
    # DeepLabCut's order of columns, whatever order they had.
    peaks = ["", *map(str, range(2, raw.peaks.shape[2] + 1))]
    labels = [(raw.scorer, *point, f"{coord}{peak}") for point in raw.labels for peak in peaks for coord in COORDS]
    writer = PoseTableWriter(target, pd.MultiIndex.from_tuples(labels, names=LEVEL_NAMES[len(labels[0])]))
    try:
        writer.append(smooth.astype(raw.dtype).reshape(raw.peaks.shape), raw.frames)
        writer.close(times)
    except BaseException:
        writer.discard()
        raise
    manifest = {
        "format": "posecli-filtered",
        "posecli": __version__,
        "source": raw.path.resolve(),
        "source_sha256": hashlib.sha256(raw.path.read_bytes()).hexdigest(),
        "key": raw.choice.key,
        "scorer": raw.scorer,
        "options": options.as_dict(),
    }
    write_whole(target.with_suffix(".json"), encode_manifest(manifest))
    move_into_place(writer.partial_path, target)

"""Pose tables as arrays: of one animal or several, posecli's or DeepLabCut's.

A file is read as plain data: nothing in it is run.

>>> poses = read_poses(Path("m1DLC_resnet50_openfieldOct30shuffle1_4000.h5"))  # doctest: +SKIP
>>> poses.points.shape, poses.names  # doctest: +SKIP
((2330, 4, 3), ('snout', 'leftear', 'rightear', 'tailbase'))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.errors import PoseCliError, UsageError, VideoError
from posecli.options import TableChoice
from posecli.tables.hdf5 import Labels, read_plain_array, read_plain_table
from posecli.tables.manifest import mapping, read_manifest
from posecli.tables.pose_table import KEY, LEVEL_NAMES, SECONDS_NODE, of_one_scorer

Floats = npt.NDArray[np.float64]
Frames = npt.NDArray[np.int64]

COORDS = ("x", "y", "likelihood")
PCUTOFF = 0.6  #: Likelihood below which a point counts as unseen, by default: DeepLabCut's own.


@dataclass(frozen=True)
class PoseData:
    """The content of a pose table, with one entry for each body part of each animal."""

    path: Path  #: The file.
    scorer: str  #: Who or what found the points, by the columns.
    #: ``K`` names of points as in the columns: body part, or animal and body part.
    labels: tuple[tuple[str, ...], ...]
    #: ``(N, K, P, 3)`` float64: x px, y px, likelihood of each peak, the best one first; NaN where not known.
    peaks: Floats = field(repr=False)
    #: ``(N,)`` int64: the number of each row's frame in its video; rising, possibly with gaps.
    frames: Frames = field(repr=False)
    #: ``(N,)`` presentation times of the frames; ``None`` where the file has none.
    seconds: Floats | None = field(default=None, repr=False)
    dtype: np.dtype[Any] = np.dtype(np.float64)  #: Float type that keeps the numbers as they are stored.
    choice: TableChoice = TableChoice()  #: Which table of the file it is, where that had to be said.

    def __len__(self) -> int:
        return len(self.peaks)

    @property
    def points(self) -> Floats:
        """``(N, K, 3)``: the best of several peaks."""
        return self.peaks[:, :, 0]

    @property
    def bodyparts(self) -> tuple[str, ...]:
        """``K`` names of body parts, which several animals share."""
        return tuple(label[-1] for label in self.labels)

    @property
    def individuals(self) -> tuple[str, ...]:
        """``K`` names of animals; empty where there is only one, whatever its name."""
        animals = tuple(label[0] for label in self.labels if len(label) > 1)
        return animals if len(set(animals)) > 1 else ()

    @property
    def names(self) -> tuple[str, ...]:
        """``K`` names, all different."""
        return tuple(map(" ".join, self.labels)) if self.individuals else self.bodyparts

    def shown(self, pcutoff: float) -> Floats:
        """``(N, K, 2)`` positions; NaN where less likely than the cut-off."""
        return np.where(self.points[..., 2:] >= pcutoff, self.points[..., :2], np.nan)

    def select(self, places: Sequence[int]) -> PoseData:
        """The points at these places among the ``K``."""
        return replace(self, labels=tuple(self.labels[place] for place in places), peaks=self.peaks[:, places])

    def broken_at_gaps(self) -> PoseData:
        """The same with a row of NaN in every gap, so that no line crosses it.

        Its frame is the first that is missing, its time the middle of the gap.
        """
        gaps = np.flatnonzero(np.diff(self.frames) > 1) + 1
        seconds = self.seconds
        if seconds is not None:
            seconds = np.insert(seconds, gaps, (seconds[gaps - 1] + seconds[gaps]) / 2)
        return replace(
            self,
            peaks=np.insert(self.peaks, gaps, np.nan, axis=0),
            frames=np.insert(self.frames, gaps, self.frames[gaps - 1] + 1),
            seconds=seconds,
        )

    def belongs_to(self, video: Path, n_frames: int, failure: type[PoseCliError]) -> None:
        """Raise `failure` if the video lacks frames of the table."""
        if self.frames[-1] >= n_frames:
            raise failure(
                f"'{video}' has {n_frames} frames, and '{self.path}' a row for frame {self.frames[-1]} (the first one "
                "is 0): give the table that was made from this video"
            )


def read_poses(
    path: Path,
    choice: TableChoice = TableChoice(),
    failure: type[PoseCliError] = UsageError,
    *,
    needs_likelihood: bool = True,
) -> PoseData:
    """Read a pose table; columns are found by name, and rows by frame number.

    Parameters
    ----------
    path
        The file.
    choice
        Which table of the file, and whose points, where it holds several.
    failure
        Error to raise.
    needs_likelihood
        Whether points without a likelihood are an error; it is NaN otherwise.

    Raises
    ------
    PoseCliError
        `failure`, if the file is missing or damaged, holds something else, has no rows, or rows that are not frames or
        are there twice; or if it leaves a choice that was not made.
    """
    content = read_plain_table(_table_file(path, failure), failure, choice)
    needed = COORDS if needs_likelihood else COORDS[:2]
    if {len(label) for label in content.columns} not in [{levels} for levels in LEVEL_NAMES]:
        raise _no_pose_table(path, failure, needed)
    content = of_one_scorer(path, content, choice, failure)
    labels, places = _layout(path, content.columns, failure, needed)
    if not len(content.values):
        raise failure(f"'{path}' has no rows: give the table of a video with frames")
    frames, order = frame_numbers(path, content.index, failure)
    peaks = np.take(content.values[order], places, axis=1)
    peaks[:, places < 0] = np.nan
    seconds = _seconds_of(path, frames, failure) if content.key == KEY else None
    is_single = all(content.stored[place] == np.float32 for place in places[places >= 0])
    dtype = np.dtype(np.float32 if is_single else np.float64)
    return PoseData(path, str(content.columns[0][0]), labels, peaks, frames, seconds, dtype, choice)


def frame_numbers(path: Path, index: Labels, failure: type[PoseCliError]) -> tuple[Frames, npt.NDArray[np.intp]]:
    """Rising frame numbers of the rows, and the places of these rows.

    A `failure` if they are not whole numbers from 0 on, or one is there twice.

    >>> frame_numbers(Path("poses.h5"), ((7,), (3,), (4,)), UsageError)
    (array([3, 4, 7]), array([1, 2, 0]))
    """
    if len(index[0]) != 1 or isinstance(index[0][0], str):
        raise failure(
            f"'{path}' has a row named '{'/'.join(map(str, index[0]))}', as labelled images have: give a pose table, "
            "whose rows are numbered by the frames of a video"
        )
    numbers = np.array([label[0] for label in index])
    wrong = np.flatnonzero(~((numbers >= 0) & (numbers < 2**53) & (numbers == np.floor(numbers))))
    if wrong.size:
        raise failure(
            f"'{path}' has a row labelled {numbers[wrong[0]]} (row {wrong[0]}), which is not a frame number: number "
            "its rows by the frames of the video, from 0 on"
        )
    frames = numbers.astype(np.int64)
    order = np.argsort(frames, kind="stable")
    twice = np.flatnonzero(np.diff(frames[order]) == 0)
    if twice.size:
        first, second = order[twice[0]], order[twice[0] + 1]
        raise failure(
            f"'{path}' has frame {frames[first]} twice (rows {first} and {second}, and {twice.size} such in all): "
            "keep one row of each frame"
        )
    return frames[order], order


def model_pcutoff(path: Path) -> float:
    """The cut-off of the model that made a table, by its manifest; `PCUTOFF` where that does not say."""
    found = mapping(read_manifest(path.with_suffix(".json")), "model").get("pcutoff")
    return float(found) if isinstance(found, int | float) and 0 <= found <= 1 else PCUTOFF


def find_table(video: Path) -> Path:
    """The one pose table beside a video, ``<video stem>DLC*.h5``.

    A `VideoError` if there is no such video; a `UsageError` if it has no table, or several.
    """
    if not video.exists():
        raise VideoError(f"video '{video}' does not exist: check the path")
    found = sorted(path for path in video.parent.glob("*.h5") if path.name.startswith(f"{video.stem}DLC"))
    if not found:
        raise UsageError(
            f"'{video}' has no pose table ({video.stem}DLC*.h5) beside it: give the table's path after the video's, or "
            "make one with 'posecli analyze'"
        )
    if len(found) > 1:
        names = ", ".join(f"'{path.name}'" for path in found)
        raise UsageError(f"'{video}' has {len(found)} pose tables beside it ({names}): give one after the video")
    return found[0]


def one_animal(poses: PoseData, failure: type[PoseCliError]) -> PoseData:
    """The same poses if they are those of one animal; raises `failure` otherwise."""
    animals = list(dict.fromkeys(poses.individuals))
    if animals:
        raise failure(
            f"'{poses.path}' holds {len(animals)} animals ({', '.join(animals)}), where one is expected: give a "
            "table of one of them"
        )
    return poses


def _table_file(path: Path, failure: type[PoseCliError]) -> Path:
    """The file, unless it is plainly a wrong argument rather than a damaged table."""
    import h5py

    if path.is_dir():
        raise failure(f"'{path}' is a folder: give the pose table in it, a file that ends in .h5")
    if path.is_file() and not h5py.is_hdf5(path):
        raise failure(
            f"'{path}' is not an HDF5 file: give a pose table as 'posecli analyze' or DeepLabCut write it (.h5)"
        )
    return path


def _layout(
    path: Path, columns: Labels, failure: type[PoseCliError], needed: Sequence[str]
) -> tuple[tuple[tuple[str, ...], ...], npt.NDArray[np.intp]]:
    """Labels of the ``K`` points, and the ``(K, P, 3)`` column of each coordinate of each peak; -1 where there is none.

    They are found by the columns' names, in whatever order these are.
    """
    points: dict[tuple[str, ...], dict[str, int]] = {}
    for place, label in enumerate(columns):
        *name, coord = map(str, label[1:])
        if points.setdefault(tuple(name), {}).setdefault(coord, place) != place:
            raise failure(f"'{path}' has two columns '{coord}' of '{' '.join(name)}': keep one of them")
    if any(set(needed) - set(coords) for coords in points.values()):
        raise _no_pose_table(path, failure, needed)
    peaks = range(max(_peaks(coords) for coords in points.values()))
    places = [
        [[coords.get(f"{coord}{peak + 1 if peak else ''}", -1) for coord in COORDS] for peak in peaks]
        for coords in points.values()
    ]
    return tuple(points), np.array(places, np.intp)


def _peaks(coords: Mapping[str, int]) -> int:
    """Number of peaks of a body part: x, y and likelihood, x2, y2 and likelihood2, ..."""
    return next(n for n in count(1) if not all(f"{coord}{n + 1}" in coords for coord in COORDS))


def _no_pose_table(path: Path, failure: type[PoseCliError], needed: Sequence[str]) -> PoseCliError:
    return failure(
        f"'{path}' is not a pose table: its columns should be {', '.join(needed)} by scorer (, individual) and body "
        "part"
    )


def _seconds_of(path: Path, frames: Frames, failure: type[PoseCliError]) -> Floats | None:
    """Times of the frames, where the file knows them all."""
    seconds = read_plain_array(path, SECONDS_NODE, failure)
    if seconds is None or seconds.ndim != 1 or frames[-1] >= len(seconds):
        return None
    return seconds[frames] if np.isfinite(seconds[frames]).all() else None

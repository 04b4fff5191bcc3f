"""Pose tables as arrays: one animal's or several animals', posecli's or DeepLabCut's.

A file is read as plain data: nothing in it is run.

>>> poses = read_poses(Path("m1DLC_resnet50_openfieldOct30shuffle1_4000.h5"))  # doctest: +SKIP
>>> poses.points.shape, poses.names  # doctest: +SKIP
((2330, 4, 3), ('snout', 'leftear', 'rightear', 'tailbase'))
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.errors import UsageError, VideoError
from posecli.hdf5 import Labels, read_plain_table
from posecli.manifest import read_manifest
from posecli.table import SECONDS_NODE

Floats = npt.NDArray[np.float64]

COORDS = ("x", "y", "likelihood")
#: Likelihood below which a point counts as unseen, where nobody says otherwise: DeepLabCut's own.
PCUTOFF = 0.6


@dataclass(frozen=True)
class PoseData:
    """What a pose table holds, with one entry for each body part of each animal.

    Attributes
    ----------
    path
        The file.
    scorer
        What the columns say found the points.
    individuals
        ``K`` names of animals; empty where the table has one animal, which has no name.
    bodyparts
        ``K`` names of body parts; of several animals each has its own.
    points
        ``(N, K, 3)`` float64: x px, y px, likelihood; NaN where not known. Of several peaks the best.
    seconds
        ``(N,)`` presentation times of the frames; ``None`` where the file has none.
    """

    path: Path
    scorer: str
    individuals: tuple[str, ...]
    bodyparts: tuple[str, ...]
    points: Floats = field(repr=False)
    seconds: Floats | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def names(self) -> tuple[str, ...]:
        """``K`` names that tell every point from every other."""
        if not self.individuals:
            return self.bodyparts
        return tuple(f"{animal} {part}" for animal, part in zip(self.individuals, self.bodyparts, strict=True))

    def shown(self, pcutoff: float) -> Floats:
        """``(N, K, 2)`` positions; NaN where less likely than the cut-off."""
        return np.where(self.points[..., 2:] >= pcutoff, self.points[..., :2], np.nan)


def read_poses(path: Path) -> PoseData:
    """Read a pose table.

    Raises
    ------
    UsageError
        If the file is missing or damaged, holds something else, or has no rows.
    """
    content = read_plain_table(_table_file(path), UsageError)
    places, scorer, individuals, bodyparts = _layout(path, content.columns)
    if not len(content.values):
        raise UsageError(f"'{path}' has no rows: give the table of a video with frames")
    poses = content.values[:, places].reshape(len(content.values), len(bodyparts), 3)
    return PoseData(path, scorer, individuals, bodyparts, poses, _seconds_of(path, len(poses)))


def model_pcutoff(path: Path) -> float:
    """The cut-off of the model that made a table, as its manifest says; `PCUTOFF` where it does not."""
    manifest = read_manifest(path.with_suffix(".json"))
    model = manifest.get("model") if manifest else None
    found = model.get("pcutoff") if isinstance(model, dict) else None
    return float(found) if isinstance(found, int | float) and 0 <= found <= 1 else PCUTOFF


def find_table(video: Path) -> Path:
    """The one pose table beside a video, ``<video stem>DLC*.h5``.

    Raises
    ------
    VideoError
        If there is no such video.
    UsageError
        If it has no table, or several.
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


def _table_file(path: Path) -> Path:
    """Tell a wrong argument from a damaged file."""
    import h5py

    if path.is_dir():
        raise UsageError(f"'{path}' is a folder: give the pose table in it, a file that ends in .h5")
    if path.is_file() and not h5py.is_hdf5(path):
        raise UsageError(
            f"'{path}' is no HDF5 file: give a pose table as 'posecli analyze' or DeepLabCut write it (.h5)"
        )
    return path


def _layout(path: Path, columns: Labels) -> tuple[list[int], str, tuple[str, ...], tuple[str, ...]]:
    """Places of each point's x, y and likelihood among the columns; scorer, individuals, body parts."""
    levels = {len(label) for label in columns}
    points: dict[tuple[str, ...], dict[str, int]] = {}
    for place, label in enumerate(columns):
        points.setdefault(tuple(map(str, label[1:-1])), {})[str(label[-1])] = place
    if not columns or levels not in ({3}, {4}) or any(set(COORDS) - set(coords) for coords in points.values()):
        raise UsageError(
            f"'{path}' is no pose table: its columns should be x, y, likelihood by scorer (, individual) and body part"
        )
    places = [coords[name] for coords in points.values() for name in COORDS]
    individuals = tuple(point[0] for point in points) if levels == {4} else ()
    return places, str(columns[0][0]), individuals, tuple(point[-1] for point in points)


def _seconds_of(path: Path, rows: int) -> Floats | None:
    """Times of the frames, where the file knows them all."""
    import h5py

    with h5py.File(path, "r") as file:
        node = file.get(SECONDS_NODE)
        seconds = None if node is None else np.asarray(node[()], np.float64)
    return seconds if seconds is not None and seconds.shape == (rows,) and np.isfinite(seconds).all() else None

"""A finished sweep: where its parts lie, and what is read of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posecli.errors import OutputError
from posecli.inference.decode import Pose
from posecli.inference.predictor import PoseModel
from posecli.studies.common.folder import Row
from posecli.studies.sweep.material import SweepVideo
from posecli.studies.sweep.options import SweepOptions
from posecli.studies.sweep.versions import Version
from posecli.support.files import make_folder, partial_path

POSES_FOLDER, FRAMES_FOLDER, VIDEOS_FOLDER, SCENE_FOLDER = "poses", "frames", "videos", "scene"


@dataclass(frozen=True)
class Sweep:
    """A sweep, finished.

    Attributes
    ----------
    folder
        Where it lies.
    options
        What was asked.
    versions
        The reference first.
    sources
        The videos.
    model
        The network, in the precision of the sweep.
    cutoff
        Likelihood from which on a point counts as seen.
    truths
        Of each video: ``(N, K, 2)`` px, or ``None``.
    design
        What ``design.json`` says.
    rows
        By video and version.
    """

    folder: Path
    options: SweepOptions
    versions: tuple[Version, ...]
    sources: tuple[SweepVideo, ...]
    model: PoseModel
    cutoff: float
    truths: tuple[Any, ...]
    design: dict[str, Any]
    rows: dict[tuple[str, str], Row]

    def poses(self, source: SweepVideo, version: Version) -> Pose:
        """``(N, K, 3)`` float64."""
        return np.asarray(np.load(poses_path(self.folder, source, version), allow_pickle=False), np.float64)

    def row(self, source: SweepVideo, version: Version) -> Row:
        """What is known of a version of a video."""
        return self.rows[source.name, version.name]

    @property
    def usable(self) -> tuple[Version, ...]:
        """The versions whose frames are those of the original, in every video."""
        return tuple(
            version
            for version in self.versions
            if all(self.row(source, version)["problem"] is None for source in self.sources)
        )


def poses_path(folder: Path, source: SweepVideo, version: Version) -> Path:
    """Where a version's poses are."""
    return folder / POSES_FOLDER / f"{source.name}-{version.name}.npy"


def frame_path(folder: Path, source: SweepVideo, version: Version) -> Path:
    """Where a version's first frame is."""
    return folder / FRAMES_FOLDER / f"{source.name}-{version.name}.png"


def save_poses(path: Path, poses: Pose) -> None:
    """Write a version's poses, whole or not at all.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    make_folder(path.parent)
    try:
        with partial_path(path).open("wb") as stream:
            np.save(stream, poses, allow_pickle=False)
        partial_path(path).replace(path)
    except OSError as error:
        partial_path(path).unlink(missing_ok=True)
        raise OutputError(f"'{path}' cannot be written ({error.strerror or error}): check its disk") from error

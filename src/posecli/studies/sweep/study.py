"""A sweep on the disk: what identifies it, and what is read of it when it is finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posecli.inference.decode import Pose
from posecli.inference.predictor import PoseModel
from posecli.studies.common.folder import Row, StudyKind
from posecli.studies.sweep.material import Floats, SweepVideo
from posecli.studies.sweep.options import SweepOptions
from posecli.studies.sweep.versions import Version
from posecli.video.probe import content_fingerprint

POSES_FOLDER, FRAMES_FOLDER, VIDEOS_FOLDER, SCENE_FOLDER = "poses", "frames", "videos", "scene"
SWEEP = StudyKind("sweep", "versions.jsonl", (POSES_FOLDER, FRAMES_FOLDER, VIDEOS_FOLDER, SCENE_FOLDER))


@dataclass(frozen=True)
class Sweep:
    """A finished sweep: what was asked, and what is known of every version."""

    folder: Path
    options: SweepOptions
    #: The reference first.
    versions: tuple[Version, ...]
    videos: tuple[SweepVideo, ...]
    #: In the precision of the sweep.
    model: PoseModel
    #: Likelihood from which on a point counts as seen.
    cutoff: float
    #: Of each video ``(N, K, 2)`` px, or ``None``.
    truths: tuple[Floats | None, ...]
    #: What ``design.json`` says.
    design: dict[str, Any]
    #: By video and version.
    rows: dict[tuple[str, str], Row]

    def poses(self, video: SweepVideo, version: Version) -> Pose:
        """Poses of a version of a video, ``(N, K, 3)`` float64."""
        return np.asarray(np.load(poses_path(self.folder, video, version), allow_pickle=False), np.float64)

    def row(self, video: SweepVideo, version: Version) -> Row:
        """Sizes and speeds of a version of a video."""
        return self.rows[video.name, version.name]

    @property
    def usable(self) -> tuple[Version, ...]:
        """The versions whose frames match the original's in every video."""
        return tuple(
            version
            for version in self.versions
            if all(self.row(video, version)["problem"] is None for video in self.videos)
        )


def identity_fields(
    kind: str, options: SweepOptions, versions: Sequence[Version], given: Sequence[SweepVideo], model: PoseModel
) -> dict[str, Any]:
    """What two sweeps must share for one to continue the other."""
    analysis = options.analysis
    return {
        "kind": kind,
        "videos": {video.name: content_fingerprint(video.info.path) for video in given} or "scene",
        "frames": options.frames,
        "sample": options.sample,
        "scene_seed": None if given else options.seed,
        "model": model.folder.identity,
        "engine": analysis.engine.engine,
        "precision": analysis.engine.precision,
        "crop": None if analysis.crop is None else str(analysis.crop),
        "scale": float(analysis.exact_scale),
        "versions": [
            {name: asdict(version)[name] for name in ("name", "encode", "scale", "precision")} for version in versions
        ],
    }


def poses_path(folder: Path, video: SweepVideo, version: Version) -> Path:
    """Where a version's poses are."""
    return folder / POSES_FOLDER / f"{video.name}-{version.name}.npy"


def frame_path(folder: Path, video: SweepVideo, version: Version) -> Path:
    """Where a version's first frame is."""
    return folder / FRAMES_FOLDER / f"{video.name}-{version.name}.png"

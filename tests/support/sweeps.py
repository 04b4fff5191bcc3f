"""A sweep as it lies on the disk when all versions are analysed, without video or network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.inference.predictor import PoseModel
from posecli.model.folder import ModelFolder
from posecli.studies.sweep.material import SweepVideo
from posecli.studies.sweep.options import SweepOptions
from posecli.studies.sweep.study import Sweep, poses_path
from posecli.studies.sweep.versions import Version
from posecli.video.probe import VideoInfo
from posecli.video.timeline import Timeline

Floats = npt.NDArray[np.float64]
RATE = 30.0


def video_info(path: Path, frames: int, width: int = 160, height: int = 120) -> VideoInfo:
    """What would be known of a video of 30 frames per second."""
    return VideoInfo(
        path=path,
        codec="h264",
        pixel_format="yuv420p",
        width=width,
        height=height,
        frame_rate=RATE,
        time_base=Fraction(1, 30),
        expected_frames=frames,
        promised_frames=frames,
        announced=Timeline.of(range(frames)),
    )


def walk(frames: int, parts: int = 3, seed: int = 0) -> Floats:
    """``(N, K, 3)``: points that wander about the frame, all seen."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 1, (frames, parts, 2)).cumsum(axis=0)
    return np.concatenate([80 + steps, np.full((frames, parts, 1), 0.95)], axis=2)


def moved(poses: Floats, by: float, seed: int = 1) -> Floats:
    """The same poses with every point off by a mean of `by` px, in directions and by amounts drawn anew each frame."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, poses.shape[:2])
    length = by * rng.uniform(0, 2, poses.shape[:2])
    shifted = poses.copy()
    shifted[..., 0] += length * np.cos(angle)
    shifted[..., 1] += length * np.sin(angle)
    return shifted


def make_study(
    folder: Path,
    model: ModelFolder,
    versions: Sequence[Version],
    poses: Mapping[str, Sequence[Floats]],
    options: SweepOptions = SweepOptions(),
    truths: Sequence[Floats | None] | None = None,
    problems: Mapping[str, str] | None = None,
) -> Sweep:
    """Write a study whose versions have these poses, one array per video."""
    count = len(poses[versions[0].name])
    videos = tuple(
        SweepVideo(
            f"video{number}",
            video_info(folder / f"video{number}.mp4", len(first)),
            len(first),
            (range(len(first)),),
            40_000_000,
        )
        for number, first in enumerate(poses[versions[0].name])
    )
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for version in versions:
        for video, pose in zip(videos, poses[version.name], strict=True):
            path = poses_path(folder, video, version)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, pose)
            rows[video.name, version.name] = _row(version, video, (problems or {}).get(version.name))
    return Sweep(
        folder,
        options,
        tuple(versions),
        videos,
        PoseModel(model),
        0.6,
        tuple(truths or [None] * count),
        {
            "determined_by": {"kind": "scale-sweep" if versions[0].name.startswith("scale") else "compress-sweep"},
            "precision": "fp32",
            "posecli": "0",
            "written": "2026-01-01",
            "ffmpeg": "9",
            "model": {"scorer": model.description.scorer},
            "machine": {"platform": "abacus", "cores": 2},
        },
        rows,
    )


def _row(version: Version, video: SweepVideo, problem: str | None) -> dict[str, Any]:
    size = video.given_bytes if version.crf is None else video.given_bytes * 0.8 ** (1 + version.crf)
    return {
        "video": video.name,
        "version": version.name,
        "codec": version.codec,
        "crf": version.crf,
        "scale": version.scale,
        "frames": video.frames,
        "looked_at": video.looked_at,
        "bytes": size,
        "bit_rate": 8 * size / video.seconds,
        "bytes_per_hour": 3600 * size / video.seconds,
        "raw_compression": video.raw_bytes / size,
        "given_compression": video.given_bytes / size,
        "encode_fps": None if version.crf is None else 200.0,
        "read_fps": 500.0,
        "network_fps": 10 / version.scale**2,
        "analysis_fps": 9 / version.scale**2,
        "network_width": round(160 * version.scale),
        "network_height": round(120 * version.scale),
        "psnr": None if version.crf is None else 40.0,
        "worst_psnr": None if version.crf is None else 38.0,
        "problem": problem,
    }

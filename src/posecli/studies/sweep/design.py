"""What was asked of a sweep, ``design.json``: by it the same command continues, and another one is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from posecli.inference.predictor import PoseModel
from posecli.studies.common.folder import StudyKind
from posecli.studies.sweep.material import SweepVideo
from posecli.studies.sweep.options import SweepOptions
from posecli.studies.sweep.study import FRAMES_FOLDER, POSES_FOLDER, SCENE_FOLDER, VIDEOS_FOLDER
from posecli.studies.sweep.versions import Version
from posecli.video.probe import content_fingerprint

SWEEP = StudyKind("sweep", "versions.jsonl", (POSES_FOLDER, FRAMES_FOLDER, VIDEOS_FOLDER, SCENE_FOLDER))


def identity_fields(
    kind: str, options: SweepOptions, versions: Sequence[Version], sources: Sequence[SweepVideo], model: PoseModel
) -> dict[str, Any]:
    """What two sweeps must share for one to continue the other."""
    analysis = options.analysis
    return {
        "kind": kind,
        "videos": {source.name: content_fingerprint(source.info.path) for source in sources} or "scene",
        "frames": options.frames,
        "sample": options.sample,
        "scene_seed": None if sources else options.seed,
        "model": model.folder.identity,
        "engine": analysis.engine.engine,
        "precision": analysis.engine.precision,
        "crop": None if analysis.crop is None else str(analysis.crop),
        "scale": float(analysis.exact_scale),
        "versions": [_plain_version(version) for version in versions],
    }


def _plain_version(version: Version) -> dict[str, Any]:
    plain = asdict(version)
    return {name: plain[name] for name in ("name", "encode", "scale", "precision")}


def plain_source(source: SweepVideo) -> dict[str, Any]:
    """A video, for ``design.json``."""
    info = source.info
    return {
        "name": source.name,
        "path": str(info.path.resolve()),
        "rendered": source.rendered,
        "codec": info.codec,
        "pixel_format": info.pixel_format,
        "width": info.width,
        "height": info.height,
        "frames": source.frames,
        "stretches": [[part.start, part.stop] for part in source.stretches],
        "frame_rate": info.frame_rate,
        "bytes": source.given_bytes,
        "raw_bytes": source.raw_bytes,
        "truth": None if source.truth is None else str(source.truth),
    }

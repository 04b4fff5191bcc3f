"""What was asked of a sweep, ``design.json``: by it the same command continues, and another one is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from posecli.errors import OutputExistsError
from posecli.inference.predictor import PoseModel
from posecli.studies.sweep.journal import read_json
from posecli.studies.sweep.material import Source
from posecli.studies.sweep.options import SweepOptions
from posecli.studies.sweep.study import FRAMES_FOLDER, POSES_FOLDER, SCENE_FOLDER, VIDEOS_FOLDER, remove_folder
from posecli.studies.sweep.versions import Version
from posecli.video.probe import content_fingerprint

FORMAT = "posecli-sweep"
FORMAT_VERSION = 1
DESIGN_FILE, ROWS_FILE = "design.json", "versions.jsonl"


def what_determines(
    kind: str, options: SweepOptions, versions: Sequence[Version], sources: Sequence[Source], model: PoseModel
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


def plain_source(source: Source) -> dict[str, Any]:
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


def refuse_another(folder: Path, asked: dict[str, Any], *, overwrite: bool) -> None:
    """Refuse a folder in which another sweep lies, or clear it.

    Raises
    ------
    OutputExistsError
        If it is not to be overwritten.
    """
    design = folder / DESIGN_FILE
    if overwrite:
        for name in (DESIGN_FILE, ROWS_FILE):
            (folder / name).unlink(missing_ok=True)
        for name in (POSES_FOLDER, FRAMES_FOLDER, VIDEOS_FOLDER, SCENE_FOLDER):
            remove_folder(folder / name)
        return
    found = read_json(design)
    if found is None:
        return
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise OutputExistsError(f"'{design}' is no sweep's: choose another folder with --out-dir")
    old = found.get("determined_by", {})
    wanted = json.loads(json.dumps(asked))
    changes = [name for name in wanted if old.get(name) != wanted[name]]
    if changes:
        raise OutputExistsError(
            f"'{folder}' holds a sweep with another {', '.join(changes)}: choose another folder with --out-dir, or "
            "pass --overwrite"
        )

"""A DeepLabCut network to a model folder, by hand or into the cache."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import platformdirs

from posecli import __version__
from posecli.errors import ModelError, OutputExistsError
from posecli.model.checkpoint import read_checkpoint, read_frozen_graph
from posecli.model.deeplabcut import Choice, Source, find_source
from posecli.model.folder import (
    FORMAT_VERSION,
    ModelDescription,
    ModelFolder,
    check_tensors,
    is_model_folder,
    read_model_folder,
    write_model_folder,
)
from posecli.network.variables import UNITS_PER_BLOCK
from posecli.yamlfile import brief


def import_model(path: Path, destination: Path, choice: Choice = Choice(), *, overwrite: bool = False) -> ModelFolder:
    """Copy a DeepLabCut network into a model folder.

    Parameters
    ----------
    path
        As for `posecli.model.deeplabcut.find_source`.
    destination
        The folder to make.
    choice
        Which of a project's networks.

    Raises
    ------
    ModelError
        If the source is not usable; the message names the tensor, net type or file.
    OutputError
        If the folder cannot be made.
    """
    return _import(find_source(path, choice), destination, overwrite=overwrite)


def open_model(path: Path, choice: Choice = Choice()) -> ModelFolder:
    """Open a model folder, or a DeepLabCut network, imported into the cache the first time it is met.

    The cached folder is keyed by the place, size and time of the source's files, so that a network that was
    trained on is imported anew.
    """
    if is_model_folder(path):
        if choice != Choice():
            raise ModelError(
                f"'{path}' is a model folder, which holds one network: --shuffle, --snapshot and --trainset-index "
                "choose among those of a DeepLabCut project"
            )
        return read_model_folder(path)
    source = find_source(path, choice)
    cached = cache_directory() / "models" / _cache_key(source)
    if is_model_folder(cached):
        return read_model_folder(cached)
    try:
        return _import(source, cached, overwrite=False)
    except OutputExistsError:
        # Another process that imports the same network was faster: its folder is as good.
        return read_model_folder(cached)


def cache_directory() -> Path:
    """Where posecli keeps what it can make again: ``POSECLI_CACHE_DIR``, else the system's place for caches."""
    chosen = os.environ.get("POSECLI_CACHE_DIR")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("posecli", appauthor=False))


def _import(source: Source, destination: Path, *, overwrite: bool) -> ModelFolder:
    description = _describe(source)
    shapes = description.shapes()
    read = read_frozen_graph if source.is_frozen_graph else read_checkpoint
    tensors = read(source.checkpoint, shapes)
    check_tensors(tensors, shapes, where=f"'{source.checkpoint}'")
    return write_model_folder(destination, description, tensors, overwrite=overwrite)


def _describe(source: Source) -> ModelDescription:
    cfg = source.pose_cfg
    net_type = str(cfg.get("net_type"))
    if net_type not in UNITS_PER_BLOCK or cfg["multi_stage"]:
        found = " ".join((f"multi-stage {net_type}" if cfg["multi_stage"] else net_type).split())[:80]
        raise ModelError(
            f"net type '{found}' of '{source.pose_cfg_path}' is not supported yet: "
            f"posecli runs {', '.join(UNITS_PER_BLOCK)}"
        )
    if cfg["partaffinityfield_predict"] or cfg["pairwise_predict"]:
        raise ModelError(
            f"'{source.pose_cfg_path}' describes a multi-animal network, which is not supported yet: "
            "use a single-animal one"
        )
    try:
        return ModelDescription(
            net_type=net_type,
            bodyparts=tuple(str(name) for name in cfg["all_joints_names"]),
            scorer=source.scorer,
            stride=float(cfg["stride"]),
            locref_stdev=float(cfg["locref_stdev"]),
            location_refinement=bool(cfg["location_refinement"]),
            mean_pixel=_rgb(cfg["mean_pixel"]),
            pcutoff=source.pcutoff,
            source=_provenance(source),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        reason = brief(str(error))
        raise ModelError(f"'{source.pose_cfg_path}' is not a usable pose_cfg.yaml ({reason}): copy it again") from error


def _rgb(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _provenance(source: Source) -> dict[str, Any]:
    return {
        "tool": "DeepLabCut (TensorFlow engine)",
        "path": str(source.path.resolve()),
        "checkpoint": source.checkpoint.name,
        "global_scale": float(source.pose_cfg.get("global_scale", 1.0)),
        "imported": datetime.now(UTC).isoformat(timespec="seconds"),
        "imported_by": f"posecli {__version__}",
    }


def _cache_key(source: Source) -> str:
    parts = [f"{FORMAT_VERSION} {source.scorer} {source.pcutoff}"]
    for path in source.files():
        status = path.stat()
        parts.append(f"{path.resolve()} {status.st_size} {status.st_mtime_ns}")
    return f"{source.scorer}-{hashlib.sha256(os.linesep.join(parts).encode()).hexdigest()[:16]}"

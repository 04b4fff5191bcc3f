"""Networks trained elsewhere to model folders: DeepLabCut's, by hand or into the cache, and published I3D ones."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import platformdirs

from posecli import __version__
from posecli.errors import ModelError, OutputExistsError
from posecli.model.checkpoint import read_i3d_checkpoint
from posecli.model.deeplabcut import DeepLabCutNetwork, NetworkChoice
from posecli.model.deeplabcut_project import find_source
from posecli.model.description import ClipDescription
from posecli.model.folder import (
    FORMAT_VERSION,
    LEFT_OUT,
    AnyFolder,
    ClipModelFolder,
    ModelFolder,
    is_model_folder,
    named_model,
    read_any_folder,
    read_model_folder,
    write_folder,
)
from posecli.support.textfile import NOTES

#: Raised when posecli reads the same files as something else: what is in the cache is then outdated.
READING = 3


def import_model(
    path: Path, destination: Path, choice: NetworkChoice = NetworkChoice(), *, overwrite: bool = False
) -> ModelFolder:
    """Copy a DeepLabCut network, found by `find_source`, into a model folder.

    Raises `ModelError` if the source is not usable, naming the tensor, net type or file, and `OutputError` if the
    folder cannot be made.
    """
    return _import(find_source(path, choice), destination, choice, overwrite=overwrite)


def import_i3d(
    checkpoint: Path, destination: Path, description: ClipDescription, *, overwrite: bool = False
) -> tuple[ClipModelFolder, tuple[str, ...]]:
    """Copy an I3D network from a TensorFlow checkpoint into a model folder; also, what was left out and why.

    Checkpoint and errors are those of `posecli.model.checkpoint.read_i3d_checkpoint`; the description's source is
    filled in.
    """
    found, notes = read_i3d_checkpoint(checkpoint, description.spec)
    # Only the last layer may be missing: at zero it says that all classes are equally likely.
    zeros = {name: np.zeros(shape, np.float32) for name, shape in description.network.variable_shapes().items()}
    source = {
        "kind": "I3D checkpoint",
        "checkpoint": checkpoint.name,
        "notes": list(notes),
        "imported": datetime.now(UTC).isoformat(timespec="seconds"),
        "imported_with": f"posecli {__version__}",
    }
    folder = write_folder(destination, replace(description, source=source), zeros | found, overwrite=overwrite)
    return folder, notes


def open_any_model(path: Path, choice: NetworkChoice = NetworkChoice()) -> AnyFolder:
    """Open what `open_model` opens, or the model folder of a network for behaviours."""
    path = named_model(path)
    if is_model_folder(path) and choice == NetworkChoice():
        return read_any_folder(path)
    return open_model(path, choice)


def open_model(path: Path, choice: NetworkChoice = NetworkChoice()) -> ModelFolder:
    """Open a model folder, or a DeepLabCut network, imported into the cache the first time it is met.

    The cached folder is keyed by the place, size and time of the source's files, so that a network that was
    trained on is imported anew. ``built-in`` is the network that comes with posecli.
    """
    path = named_model(path)
    if not path.exists():
        raise ModelError(f"model '{path}' does not exist: check the path, or give 'built-in'")
    if is_model_folder(path):
        if choice != NetworkChoice():
            raise ModelError(
                f"'{path}' is a model folder, which holds one network: --shuffle, --snapshot and the like "
                "choose among those of a DeepLabCut project"
            )
        return read_model_folder(path)
    source = find_source(path, choice)
    cached = cache_directory() / "models" / _cache_key(source, choice)
    if is_model_folder(cached):
        return read_model_folder(cached)
    try:
        return _import(source, cached, choice, overwrite=False)
    except OutputExistsError:
        # Another process that imports the same network was faster: its folder is as good.
        return read_model_folder(cached)


def cache_directory() -> Path:
    """Where posecli keeps what it can make again: ``POSECLI_CACHE_DIR``, else the system's place for caches."""
    chosen = os.environ.get("POSECLI_CACHE_DIR")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("posecli", appauthor=False))


def _import(source: DeepLabCutNetwork, destination: Path, choice: NetworkChoice, *, overwrite: bool) -> ModelFolder:
    description = source.describe()
    if choice.statistics not in (None, description.layout.get("statistics")):
        raise ModelError(
            f"'{source.path}' is a {description.net_type}, whose normalisation leaves no choice: leave out --statistics"
        )
    if (name := description.source.get(LEFT_OUT)) is not None:
        NOTES.warning(
            "its detector '%s' is not supported and is left out: boxes must come from a table (--boxes)", name
        )
    tensors = source.read(description.network)
    return write_folder(destination, description, tensors, overwrite=overwrite, detector=source.read_detector())


def _cache_key(source: DeepLabCutNetwork, choice: NetworkChoice) -> str:
    files = ((path.resolve(), path.stat()) for path in source.files())
    parts = [f"{FORMAT_VERSION} {READING} {source.scorer} {source.pcutoff}"]
    parts += [f"{path} {status.st_size} {status.st_mtime_ns}" for path, status in files]
    parts += [] if choice.statistics is None else [choice.statistics]
    return f"{source.scorer}-{hashlib.sha256(os.linesep.join(parts).encode()).hexdigest()[:16]}"

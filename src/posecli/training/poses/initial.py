"""Weights to begin with, by checkpoint name: drawn at random, a model folder's, or a checkpoint's."""

from __future__ import annotations

import glob
import math
import shutil
import tarfile
import tempfile
import urllib.request
from http.client import HTTPException
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.errors import ModelError, OutputError
from posecli.model.checkpoint import read_checkpoint
from posecli.model.folder import check_tensors, file_sha256, read_model_folder
from posecli.model.importing import cache_directory
from posecli.network.architectures import pose_network
from posecli.network.folding import Tensors
from posecli.network.network import PoseSpec
from posecli.network.resnet import SCOREMAP_HEAD, backbone_scope
from posecli.training.config import IMAGENET
from posecli.training.objective import begun_from

#: Share of cells that hold a body part, roughly: the scoremap begins by saying so everywhere.
PRIOR = 0.01
#: Where TensorFlow's model garden offers archives of ImageNet's weights; nobody publishes their hashes.
URL = "https://storage.googleapis.com/download.tensorflow.org/models/{scope}_2016_08_28.tar.gz"
#: The archive of ResNet-152 has a fifth of it.
LARGEST_BYTES = 1 << 30
#: Seconds without a byte after which a connection counts as broken.
PATIENCE = 60.0


def initial_weights(spec: PoseSpec, start: str, sha256: str, seed: int) -> Tensors:
    """The weights that the settings' `initial_weights` name (of a checkpoint only the backbone), random elsewhere.

    `sha256` is what the checkpoint's data file, or the archive of ``imagenet``, must hash to; empty for no check.
    """
    drawn = scratch_weights(spec, seed)
    if start == IMAGENET:
        return drawn | _from_checkpoint(imagenet_checkpoint(spec.net_type, sha256), "", spec)
    return begun_from(
        start, drawn, lambda folder: _from_folder(folder, spec), lambda path: _from_checkpoint(path, sha256, spec)
    )


def scratch_weights(spec: PoseSpec, seed: int) -> Tensors:
    """Random weights: He et al. (2015) for kernels; the last normalisation of each unit is zero.

    So every residual unit begins as its shortcut, which makes training from nothing steadier (Goyal et al. 2017).
    """
    rng = np.random.default_rng(seed)
    return {name: _drawn(rng, name, shape) for name, shape in pose_network(spec).variable_shapes().items()}


def _drawn(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    if name.endswith("/weights"):
        is_head = name.startswith("pose/")
        fan_in = shape[0] * shape[1] * (shape[3] if is_head else shape[2])
        deviation = 0.01 if is_head else math.sqrt(2 / fan_in)
        return (rng.standard_normal(shape, np.float32) * deviation).astype(np.float32)
    if name == f"{SCOREMAP_HEAD}/biases":
        return np.full(shape, math.log(PRIOR / (1 - PRIOR)), np.float32)
    ones = name.endswith("moving_variance") or (name.endswith("gamma") and "/conv3/" not in name)
    return np.full(shape, 1.0 if ones else 0.0, np.float32)


def _from_folder(path: Path, spec: PoseSpec) -> Tensors:
    """A model folder's weights; its heads only if they are for as many body parts."""
    folder = read_model_folder(path)
    if folder.description.net_type != spec.net_type:
        raise ModelError(
            f"'{path}' is a {folder.description.net_type} and cannot begin a {spec.net_type}: "
            "set net_type or initial_weights"
        )
    wanted = pose_network(spec).variable_shapes()
    return {name: tensor for name, tensor in folder.weights().items() if tensor.shape == wanted.get(name)}


def _from_checkpoint(path: Path, sha256: str, spec: PoseSpec) -> Tensors:
    scope = backbone_scope(spec.net_type)
    files = [path, *path.parent.glob(f"{glob.escape(path.name)}.data-*")]
    data = next((file for file in reversed(files) if file.is_file()), None)
    if data is None:
        raise ModelError(
            f"initial weights '{path}' are not there: give 'scratch', 'imagenet', a model folder, or the path of the "
            f"{scope} checkpoint, which TensorFlow's model garden offers as {scope}_2016_08_28.tar.gz"
        )
    found = file_sha256(data)
    if sha256 and found != sha256.lower():
        raise ModelError(f"'{data}' has SHA-256 {found}, not {sha256}: fetch it again, or correct initial_sha256")
    wanted = pose_network(spec).variable_shapes()
    shapes = {name: shape for name, shape in wanted.items() if name.startswith(f"{scope}/")}
    tensors = read_checkpoint(path, shapes)
    check_tensors(tensors, shapes, where=f"'{path}'")
    return tensors


def imagenet_checkpoint(net_type: str, sha256: str) -> Path:
    """The slim ResNet v1 checkpoint of a backbone, from the cache or from the network.

    `sha256` is what the archive must hash to; empty takes what comes, and notes its hash beside the checkpoint.
    """
    scope = backbone_scope(net_type)
    checkpoint = cache_directory() / "imagenet" / f"{scope}.ckpt"
    note = checkpoint.with_name(f"{scope}.sha256")
    if not (checkpoint.is_file() and note.is_file()):
        try:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            _fetch(URL.format(scope=scope), sha256, checkpoint, note)
        except OSError as error:
            raise OutputError(
                f"'{checkpoint}' cannot be written ({error.strerror or error}): set POSECLI_CACHE_DIR to another folder"
            ) from error
    _check(checkpoint, note.read_text(encoding="ascii").strip(), sha256)
    return checkpoint


def _fetch(url: str, sha256: str, checkpoint: Path, note: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=checkpoint.parent) as scratch:
        archive, unpacked = Path(scratch) / "archive", Path(scratch) / "checkpoint"
        _download(url, archive)
        found = file_sha256(archive)
        _check(url, found, sha256)
        _unpack(archive, checkpoint.name, unpacked, url)
        note.write_text(f"{found}\n", encoding="ascii")
        unpacked.replace(checkpoint)


def _download(url: str, archive: Path) -> None:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as stream, archive.open("wb") as file:  # noqa: S310  # ours
            while block := stream.read(1 << 20):
                file.write(block)
                if file.tell() > LARGEST_BYTES:
                    raise ModelError(f"what {url} gives is too large for such an archive: give the checkpoint's path")
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ModelError(
            f"the ImageNet weights cannot be fetched from {url} ({reason}): give initial_weights the path of the "
            "checkpoint, a model folder, or 'scratch'"
        ) from error


def _check(where: object, found: str, sha256: str) -> None:
    if sha256 and found != sha256.lower():
        raise ModelError(
            f"the archive of '{where}' has SHA-256 {found}, not {sha256}: correct initial_sha256, or remove the file"
        )


def _unpack(archive: Path, name: str, destination: Path, url: str) -> None:
    """The one file that is wanted, whatever else is in the archive, and wherever it says that it belongs."""
    try:
        with tarfile.open(archive) as content:
            member = next(entry for entry in content if entry.isfile() and Path(entry.name).name == name)
            source = content.extractfile(member)
            assert source is not None  # it is a file
            with destination.open("wb") as file:
                shutil.copyfileobj(source, file)
    except (tarfile.TarError, EOFError, StopIteration) as error:
        raise ModelError(f"what {url} gives is not an archive with '{name}': give the checkpoint's path") from error

"""Weights to begin with, by checkpoint name: drawn at random, a model folder's, or a checkpoint's."""

from __future__ import annotations

import glob
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.errors import ModelError
from posecli.model.checkpoint import read_checkpoint
from posecli.model.folder import check_tensors, file_sha256, read_model_folder
from posecli.network.architectures import pose_network
from posecli.network.folding import Tensors
from posecli.network.network import PoseSpec
from posecli.network.resnet import SCOREMAP_HEAD, backbone_scope
from posecli.training.objective import begun_from
from posecli.training.poses.imagenet import imagenet_checkpoint
from posecli.training.settings import IMAGENET

#: Share of cells that hold a body part, roughly: the scoremap begins by saying so everywhere.
PRIOR = 0.01


def initial_weights(spec: PoseSpec, start: str, sha256: str, seed: int) -> Tensors:
    """Weights for a network that is about to be trained.

    They are those that the settings' `initial_weights` name (of a checkpoint only the backbone), and random elsewhere.
    `sha256` is what the checkpoint's data file, or the archive of ``imagenet``, must hash to; empty for no check.

    Raises
    ------
    ModelError
        If there is nothing at the path, or it is for another network.
    """
    drawn = scratch_weights(spec, seed)
    if start == IMAGENET:
        return drawn | _from_checkpoint(imagenet_checkpoint(spec.net_type, sha256), "", spec)
    return begun_from(
        start, drawn, lambda folder: _from_folder(folder, spec), lambda path: _from_checkpoint(path, sha256, spec)
    )


def scratch_weights(spec: PoseSpec, seed: int) -> Tensors:
    """Random weights: He et al. (2015) for kernels, and the last normalisation of each unit at zero.

    With that last scale at zero every residual unit begins as its shortcut, which makes training from nothing
    steadier (Goyal et al. 2017).
    """
    rng = np.random.default_rng(seed)
    return {name: _drawn(rng, name, shape) for name, shape in _shapes(spec).items()}


def _shapes(spec: PoseSpec) -> dict[str, tuple[int, ...]]:
    return pose_network(spec).variable_shapes()


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
    wanted = _shapes(spec)
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
    shapes = {name: shape for name, shape in _shapes(spec).items() if name.startswith(f"{scope}/")}
    tensors = read_checkpoint(path, shapes)
    check_tensors(tensors, shapes, where=f"'{path}'")
    return tensors

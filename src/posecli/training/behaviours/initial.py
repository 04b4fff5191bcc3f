"""Weights for a network of behaviours to begin with: drawn at random, a model folder's, or a published checkpoint's."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.errors import ModelError
from posecli.model.folder import read_clip_folder
from posecli.model.i3d_checkpoint import read_i3d_checkpoint
from posecli.network.folding import Tensors
from posecli.network.i3d import LOGITS, I3DSpec, i3d
from posecli.training.objective import begun_from


def initial_weights(spec: I3DSpec, classes: tuple[str, ...], start: str, seed: int) -> Tensors:
    """Weights for a network that is about to tell these classes apart.

    They are those that the settings' `initial_weights` name, and random elsewhere; errors are those of poses.
    """
    return begun_from(
        start,
        scratch_weights(spec, seed),
        lambda folder: _from_folder(folder, spec, classes),
        lambda path: read_i3d_checkpoint(path, spec).tensors,
    )


def scratch_weights(spec: I3DSpec, seed: int) -> Tensors:
    """Random weights: He et al. (2015) for kernels, small ones for the logits, which begin by favouring no class."""
    rng = np.random.default_rng(seed)
    return {name: _drawn(rng, name, shape) for name, shape in i3d(spec).variable_shapes().items()}


def _drawn(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    if name.endswith("/w"):
        deviation = 0.01 if name.startswith(LOGITS) else math.sqrt(2 / math.prod(shape[:-1]))
        return (rng.standard_normal(shape, np.float32) * deviation).astype(np.float32)
    return np.full(shape, 1.0 if name.endswith("moving_variance") else 0.0, np.float32)


def _from_folder(path: Path, spec: I3DSpec, classes: tuple[str, ...]) -> Tensors:
    """A model folder's weights, the logits only if they tell the same behaviours apart."""
    folder = read_clip_folder(path)
    found = folder.description
    if found.width != spec.width:
        raise ModelError(
            f"'{path}' has a network of width {found.width:g} and cannot begin one of width {spec.width:g}: set "
            "network_width or initial_weights"
        )
    return {
        name: tensor
        for name, tensor in folder.weights().items()
        if found.classes == classes or not name.startswith(f"{LOGITS}/")
    }

"""Networks with random weights, kept in the cache: as fast as trained ones, and blind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from posecli.behaviour.chunks import ChunkPlan
from posecli.engine.openvino import FoldedGraph
from posecli.errors import OutputExistsError
from posecli.model.clip import BEHAVIOURS, ClipDescription
from posecli.model.description import ModelDescription
from posecli.model.folder import (
    ClipModelFolder,
    ModelFolder,
    is_model_folder,
    read_clip_folder,
    read_model_folder,
    write_folder,
)
from posecli.model.importing import cache_directory
from posecli.model.int8 import has_int8, write_int8
from posecli.network.architectures import pose_network
from posecli.network.int8 import Int8Plan
from posecli.network.network import PoseSpec
from posecli.options import InputSize
from posecli.precision.behaviours import sample_chunks
from posecli.video.geometry import Geometry
from posecli.video.probe import probe

Tensor = npt.NDArray[np.float32]
FolderT = TypeVar("FolderT")

POSE_NET = "resnet_50"
#: Chunks that ranges for eight bits are taken from.
CALIBRATION_CHUNKS = 2


def untrained_model(n_bodyparts: int, seed: int) -> ModelFolder:
    """A ResNet-50 pose network."""
    bodyparts = tuple(f"part{number}" for number in range(1, n_bodyparts + 1))
    description = ModelDescription(POSE_NET, bodyparts, "DLC_resnet50_untrained", source={"tool": "random weights"})
    name = f"untrained-{POSE_NET}-{n_bodyparts}-seed{seed}"
    return _kept(
        name,
        lambda path: write_folder(path, description, random_weights(n_bodyparts, seed)),
        read_model_folder,
    )


def untrained_clip_model(seed: int, width: float = 1.0) -> ClipModelFolder:
    """An I3D network for the nine behaviours; of the published size unless told otherwise."""
    description = ClipDescription(BEHAVIOURS, "I3D_untrained", width, source={"tool": "random weights"})
    name = f"untrained-i3d-{len(BEHAVIOURS)}-width{width:g}-seed{seed}"
    return _kept(
        name,
        lambda path: write_folder(path, description, random_clip_weights(description, seed)),
        read_clip_folder,
    )


def _kept(name: str, write: Callable[[Path], FolderT], read: Callable[[Path], FolderT]) -> FolderT:
    """The folder of this name in the cache, made where it is not there."""
    folder = cache_directory() / "benchmark" / name
    if is_model_folder(folder):
        return read(folder)
    try:
        return write(folder)
    except OutputExistsError:  # another process was faster
        return read(folder)


def give_int8(folder: ClipModelFolder, video: Path, size: InputSize, length: int) -> None:
    """Give an untrained network an eight-bit version, if it has none: all convolutions, ranges from one video.

    Nothing is compared with anything, since there is nothing that a blind network could get wrong. Its speed is that
    of a trained network's.
    """
    if has_int8(folder):
        return
    info = probe(video)
    geometry = Geometry.plan(info.width, info.height).brought_to(size.width, size.height)
    chunks = sample_chunks(info, geometry, ChunkPlan(length, length), CALIBRATION_CHUNKS)
    ranges = FoldedGraph(folder).entering_ranges(chunks)
    write_int8(folder, Int8Plan(ranges), {"purpose": "speed only: ranges of an untrained network"})


def random_weights(n_bodyparts: int, seed: int) -> dict[str, Tensor]:
    """Weights that keep activations near 1 through all layers: numbers that vanish or overflow would be slower."""
    return _tensors(pose_network(PoseSpec(POSE_NET, n_bodyparts)).variable_shapes(), seed, _pose_tensor)


def random_clip_weights(description: ClipDescription, seed: int) -> dict[str, Tensor]:
    """The same for an I3D network."""
    return _tensors(description.network.variable_shapes(), seed, _clip_tensor)


def _tensors(
    shapes: Mapping[str, tuple[int, ...]],
    seed: int,
    make: Callable[[np.random.Generator, str, tuple[int, ...]], Tensor],
) -> dict[str, Tensor]:
    random = np.random.default_rng(seed)
    return {name: make(random, name, shape) for name, shape in shapes.items()}


def _pose_tensor(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> Tensor:
    scope, _, variable = name.rpartition("/")
    if variable == "weights":
        inputs = shape[3] if scope.startswith("pose/") else np.prod(shape[:3])
        return _normal(random, shape, float(inputs))
    if variable == "gamma":  # the last of a unit's convolutions is added to what goes past it
        return np.full(shape, 0.3 if "/conv3/" in name else 1.0, np.float32)
    if variable == "moving_variance":
        return np.full(shape, 1.0 if "/block" in scope else 5e3, np.float32)  # the first layer sees 0..255
    return np.zeros(shape, np.float32)


def _clip_tensor(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> Tensor:
    if name.endswith("/w"):
        return _normal(random, shape, float(np.prod(shape[:4])))
    return np.full(shape, 1.0 if name.endswith("moving_variance") else 0.0, np.float32)


def _normal(random: np.random.Generator, shape: tuple[int, ...], inputs: float) -> Tensor:
    """Of a size that leaves the size of what it is applied to as it is, behind a rectifier."""
    return random.standard_normal(shape, np.float32) * np.float32((2 / inputs) ** 0.5)

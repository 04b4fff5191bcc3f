"""Networks with random weights, kept in the cache: as fast as trained ones, and blind."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

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
from posecli.network.int8 import Int8Plan
from posecli.options import InputSize
from posecli.precision.gate import sample_chunks
from posecli.video.geometry import Geometry
from posecli.video.probe import probe

Tensor = npt.NDArray[np.float32]

POSE_NET = "resnet_50"
#: Chunks that ranges for eight bits are taken from.
CALIBRATION_CHUNKS = 2


def untrained_model(n_bodyparts: int, seed: int) -> ModelFolder:
    """A ResNet-50 pose network."""
    bodyparts = tuple(f"part{number}" for number in range(1, n_bodyparts + 1))
    description = ModelDescription(POSE_NET, bodyparts, "DLC_resnet50_untrained", source={"tool": "random weights"})
    return read_model_folder(_kept(f"untrained-{POSE_NET}-{n_bodyparts}-seed{seed}", description, seed))


def untrained_clip_model(seed: int, width: float = 1.0) -> ClipModelFolder:
    """An I3D network for the nine behaviours; of the published size unless told otherwise."""
    description = ClipDescription(BEHAVIOURS, "I3D_untrained", width, source={"tool": "random weights"})
    name = f"untrained-i3d-{len(BEHAVIOURS)}-width{width:g}-seed{seed}"
    return read_clip_folder(_kept(name, description, seed))


def _kept(name: str, description: ModelDescription | ClipDescription, seed: int) -> Path:
    """The folder of this name in the cache, made where it is not there."""
    folder = cache_directory() / "benchmark" / name
    if not is_model_folder(folder):
        with suppress(OutputExistsError):  # another process was faster
            write_folder(folder, description, random_weights(description, seed))
    return folder


def give_int8(folder: ClipModelFolder, video: Path, size: InputSize, length: int) -> None:
    """Give an untrained network an eight-bit version, if it has none: all convolutions, ranges from one video.

    No gate: a network that was not trained has no accuracy to lose.
    """
    if has_int8(folder):
        return
    info = probe(video)
    geometry = Geometry.plan(info.width, info.height).brought_to(size.width, size.height)
    chunks = sample_chunks(info, geometry, ChunkPlan(length, length), CALIBRATION_CHUNKS)
    ranges = FoldedGraph(folder).entering_ranges(chunks)
    write_int8(folder, Int8Plan(ranges), {"purpose": "speed only: ranges of an untrained network"})


def random_weights(description: ModelDescription | ClipDescription, seed: int) -> dict[str, Tensor]:
    """Weights that keep activations near 1 through all layers: numbers that vanish or overflow would be slower."""
    random = np.random.default_rng(seed)
    tensor = _clip_tensor if isinstance(description, ClipDescription) else _pose_tensor
    return {name: tensor(random, name, shape) for name, shape in description.network.variable_shapes().items()}


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

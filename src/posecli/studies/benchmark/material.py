"""What the conditions need: videos, rendered where none are given, clips of them, and networks with random weights."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posecli.behaviour.chunks import ChunkPlan
from posecli.engine.openvino import FoldedGraph
from posecli.errors import OutputError, OutputExistsError
from posecli.model.description import BEHAVIOURS, ClipDescription, ModelDescription
from posecli.model.folder import (
    ClipModelFolder,
    ModelFolder,
    has_int8,
    is_model_folder,
    read_clip_folder,
    read_model_folder,
    write_folder,
    write_int8,
)
from posecli.model.importing import cache_directory
from posecli.network.int8 import Int8Plan
from posecli.options import InputSize
from posecli.precision.gate import sample_chunks
from posecli.studies.benchmark.study import DataSet
from posecli.video.encode import EncodeOptions, VideoEncoder, find_ffmpeg
from posecli.video.geometry import Geometry
from posecli.video.probe import probe

if TYPE_CHECKING:
    from posecli.synthetic.scene import Scene

#: Constant rate factor of clips: what a camera's own H.264 looks like.
CLIP_CRF = 12

Say = Callable[[str], None]


def render_scene(name: str, frames: int, seed: int, folder: Path, say: Say) -> tuple[Scene, Path]:
    """A scene, and its first frames as a video in a folder; a video that is already there is reused."""
    from posecli.synthetic import SceneOptions, open_scene

    scene = open_scene(SceneOptions(scene=name, frames=frames, seed=seed))
    video = folder / f"{name}.mp4"
    if not video.exists():
        say(f"rendering {frames} frames of the {name} scene")
        folder.mkdir(parents=True, exist_ok=True)
        with VideoEncoder(video, scene.width, scene.height, scene.fps, EncodeOptions(crf=CLIP_CRF)) as encoder:
            for index in range(scene.n_frames):
                encoder.write(scene.frame(index).image)
    return scene, video


def make_clip(data: DataSet, width: int | None, frames: int, folder: Path) -> Path:
    """The first frames of a data set's video, averaged to a width, as H.264; a short video is repeated.

    Every frame of the video is one of the clip, whatever its times.
    """
    clip = folder / f"{data.name}-{'own' if width is None else f'w{width}'}-{frames}.mp4"
    if clip.exists():
        return clip
    folder.mkdir(parents=True, exist_ok=True)
    partial = clip.with_name(f"{clip.name}.partial")
    columns, rows = (data.width, data.height) if width is None else (width, data.height_at(width))
    # 4:2:0 needs even sides; a recording may have odd ones.
    filters = f"scale={columns - columns % 2}:{rows - rows % 2}:flags=area,setpts=N/(30*TB)"
    command = [str(find_ffmpeg().path), "-y", "-loglevel", "error", "-stream_loop", "-1"]
    command += ["-i", str(data.video.absolute())]
    command += ["-an", "-frames:v", str(frames), "-vf", filters, "-c:v", "libx264", "-preset", "veryfast"]
    command += ["-crf", str(CLIP_CRF), "-pix_fmt", "yuv420p", "-r", "30", "-f", "mp4", str(partial.absolute())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # a list, no shell
    if done.returncode:
        partial.unlink(missing_ok=True)
        words = done.stderr.strip().splitlines() or ["no word"]
        raise OutputError(f"clip '{clip}' cannot be made (ffmpeg: {words[-1]}): check the video and the disk's space")
    partial.replace(clip)
    return clip


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

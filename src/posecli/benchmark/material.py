"""What the conditions need: videos, clips of them at every width, and a network for each."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.benchmark.design import DataSet
from posecli.benchmark.options import BenchmarkOptions
from posecli.errors import ModelError, OutputError, OutputExistsError, UsageError
from posecli.model.builtin import builtin_model_path
from posecli.model.folder import ModelDescription, ModelFolder, is_model_folder, read_model_folder, write_model_folder
from posecli.model.importing import cache_directory, open_model
from posecli.network.variables import variable_shapes
from posecli.video.encode import EncodeOptions, VideoEncoder, find_ffmpeg
from posecli.video.probe import probe

#: Frames that are rendered of a scene; longer clips repeat them.
SCENE_FRAMES = 120
#: Constant rate factor of clips: what a camera's own H.264 looks like.
CLIP_CRF = 12
UNTRAINED_NET = "resnet_50"

Say = Callable[[str], None]


def gather_data(options: BenchmarkOptions, folder: Path, say: Say) -> tuple[DataSet, ...]:
    """The videos that are looked at, each with its network.

    Parameters
    ----------
    options
        Videos and model.
    folder
        Where rendered scenes are kept.
    say
        Is told what takes time.

    Raises
    ------
    VideoError, ModelError
        If one of them cannot be used.
    UsageError
        If two videos have the same name.
    """
    if options.videos:
        data = [_own_video(path, options) for path in options.videos]
    else:
        data = [_scene(name, options, folder, say) for name in _scene_names()]
    names = [item.name for item in data]
    if len(set(names)) < len(names):
        raise UsageError(f"videos {', '.join(names)} do not have distinct names: rename one")
    return tuple(data)


def _own_video(path: Path, options: BenchmarkOptions) -> DataSet:
    info = probe(path)
    model = open_model(options.model) if options.model else own_model()
    trained = model is not None
    if model is None:
        model = untrained_model(4, options.seed)
    return DataSet(path.stem, path, info.width, info.height, model.path, trained)


def _scene(name: str, options: BenchmarkOptions, folder: Path, say: Say) -> DataSet:
    from posecli.synthetic import SceneOptions, open_scene

    scene = open_scene(SceneOptions(scene=name, frames=SCENE_FRAMES, seed=options.seed))
    video = folder / f"{name}.mp4"
    if not video.exists():
        say(f"rendering {SCENE_FRAMES} frames of the {name} scene")
        folder.mkdir(parents=True, exist_ok=True)
        with VideoEncoder(video, scene.width, scene.height, scene.fps, EncodeOptions(crf=CLIP_CRF)) as encoder:
            for index in range(scene.n_frames):
                encoder.write(scene.frame(index).image)
    model = open_model(options.model) if options.model else own_model(scene.bodyparts)
    trained = model is not None
    if model is None:
        model = untrained_model(len(scene.bodyparts), options.seed)
    return DataSet(name, video, scene.width, scene.height, model.path, trained)


def _scene_names() -> Sequence[str]:
    from posecli.synthetic import SCENES

    return SCENES


def own_model(bodyparts: Sequence[str] | None = None) -> ModelFolder | None:
    """The network that comes with posecli, if there is one and it knows these body parts."""
    try:
        model = read_model_folder(builtin_model_path())
    except ModelError:
        return None
    fits = bodyparts is None or set(bodyparts) == set(model.description.bodyparts)
    return model if fits else None


def untrained_model(n_bodyparts: int, seed: int) -> ModelFolder:
    """A ResNet-50 pose network with random weights, kept in the cache: as fast as a trained one, and blind."""
    folder = cache_directory() / "benchmark" / f"untrained-{UNTRAINED_NET}-{n_bodyparts}-seed{seed}"
    if is_model_folder(folder):
        return read_model_folder(folder)
    bodyparts = tuple(f"part{number}" for number in range(1, n_bodyparts + 1))
    description = ModelDescription(
        UNTRAINED_NET, bodyparts, "DLC_resnet50_untrained", source={"tool": "random weights"}
    )
    try:
        return write_model_folder(folder, description, random_weights(n_bodyparts, seed))
    except OutputExistsError:  # another process was faster
        return read_model_folder(folder)


def random_weights(n_bodyparts: int, seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """Weights that keep activations near 1 through all layers: numbers that vanish or overflow would be slower."""
    random = np.random.default_rng(seed)
    shapes = variable_shapes(UNTRAINED_NET, n_bodyparts)
    return {name: _random_tensor(random, name, shape) for name, shape in shapes.items()}


def _random_tensor(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    scope, _, variable = name.rpartition("/")
    if variable == "weights":
        inputs = shape[3] if scope.startswith("pose/") else np.prod(shape[:3])
        return random.standard_normal(shape, np.float32) * np.float32((2 / inputs) ** 0.5)
    if variable == "gamma":  # the last of a unit's convolutions is added to what goes past it
        return np.full(shape, 0.3 if "/conv3/" in name else 1.0, np.float32)
    if variable == "moving_variance":
        return np.full(shape, 1.0 if "/block" in scope else 5e3, np.float32)  # the first layer sees 0..255
    return np.zeros(shape, np.float32)


def make_clip(data: DataSet, width: int, frames: int, folder: Path) -> Path:
    """The first frames of a data set's video, averaged to a width, as H.264; a short video is repeated.

    Raises
    ------
    OutputError
        If ffmpeg cannot make it.
    """
    clip = folder / f"{data.name}-w{width}-{frames}.mp4"
    if clip.exists():
        return clip
    folder.mkdir(parents=True, exist_ok=True)
    partial = clip.with_name(f"{clip.name}.partial")
    size = f"scale={width}:{data.height_at(width)}:flags=area"
    command = [
        str(find_ffmpeg().path),
        "-y",
        "-loglevel",
        "error",
        "-stream_loop",
        "-1",
        "-i",
        str(data.video.absolute()),
    ]
    command += ["-an", "-frames:v", str(frames), "-vf", size, "-c:v", "libx264", "-preset", "veryfast"]
    command += ["-crf", str(CLIP_CRF), "-pix_fmt", "yuv420p", "-r", "30", "-f", "mp4", str(partial.absolute())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # a list, no shell
    if done.returncode:
        partial.unlink(missing_ok=True)
        words = done.stderr.strip().splitlines() or ["no word"]
        raise OutputError(f"clip '{clip}' cannot be made (ffmpeg: {words[-1]}): check the video and the disk's space")
    partial.replace(clip)
    return clip

"""Training of a pose network: labelled images and scenes, scoremaps and location refinement, errors in px."""

from __future__ import annotations

import glob
import math
import shutil
import tarfile
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from posecli.engine.keras_layers import build_keras
from posecli.engine.outputs import Maps
from posecli.errors import ModelError, OutputError
from posecli.inference.decode import DecodeOptions, decode
from posecli.inference.step import POSES, NetworkStep
from posecli.model.checkpoint import read_checkpoint
from posecli.model.deeplabcut_tensorflow import scorer_name
from posecli.model.description import ModelDescription
from posecli.model.folder import check_tensors, file_sha256, read_model_folder
from posecli.model.importing import cache_directory
from posecli.network.architectures import PUBLISHED_WEIGHTS, TRAINED_LAYOUTS, pose_network
from posecli.network.folding import Tensors
from posecli.network.network import Network, PoseSpec
from posecli.network.operations import (
    Add,
    BatchNormalization,
    DepthwiseConvolution,
    Operation,
    TransposedConvolution,
    Weighted,
)
from posecli.synthetic import SceneOptions, open_scene
from posecli.training.config import IMAGENET, PoseConfig
from posecli.training.objective import HELD_OUT_SEED, ErrorRow, MeasureRow, Objective, Trial, begun_from, spread
from posecli.training.poses.examples import (
    Example,
    LabeledSource,
    PoseBatchMaker,
    PoseTrainingData,
    open_sources,
    scene_example,
)
from posecli.video.batch import prepared
from posecli.video.geometry import SMALLEST_SIDE, Geometry

#: Size of the trial by which the arithmetic is chosen.
SIDE = 96
TRIAL_BATCH = 4
#: Multiply-adds that the trial may take: half of what a ResNet-50 does for those frames.
TRIAL_WORK = 2e9
#: Beyond this the logarithm of a probability says nothing more in float32.
SMALLEST_PROBABILITY = 1e-7
#: Held-out images per source: the full test belongs to 'posecli evaluate'.
MOST_IMAGES = 16
SCENE_FRAMES = 8
TAUGHT_FRAMES = 64
#: Share of cells that hold a body part, roughly: the scoremap begins by saying so everywhere.
PRIOR = 0.01
#: The archive of ResNet-152 has a fifth of it.
LARGEST_BYTES = 1 << 30
#: Seconds without a byte after which a connection counts as broken.
PATIENCE = 60.0

Predict: TypeAlias = Callable[[npt.NDArray[np.uint8]], Maps]


class PoseObjective(Objective):
    """Training of a pose network."""

    LOG_NAMES = ("scoremap_loss", "locref_loss")
    description: ModelDescription

    def __init__(self, config: PoseConfig) -> None:
        self.config = config
        self.data = open_sources(config)
        self.held_out = held_out_examples(self.data, config)
        self.description = ModelDescription(
            config.net_type,
            self.data.bodyparts,
            scorer_name(config.net_type, config.name, "1", f"snapshot-{config.steps}"),
            layout=TRAINED_LAYOUTS[config.net_type],
            pcutoff=config.pcutoff,
        )
        self.network = self.description.network
        self.subject = f"{config.net_type} for {', '.join(self.data.bodyparts)}"
        self.notes = tuple(note for data in self.data.train for note in data.notes)
        self.fingerprint = self.data.fingerprint
        train, test = ([name for part in role for name in part.names] for role in (self.data.train, self.data.test))
        self.split = train, test
        self.losses = {
            "loss": {"scoremap": scoremap_loss, "locref": locref_loss},
            "loss_weights": {"scoremap": 1.0, "locref": config.locref_weight},
        }

    def initial_weights(self) -> Tensors:
        config = self.config
        return initial_weights(self.description.spec, config.initial_weights, config.initial_sha256, config.seed)

    def build(self, policy: str) -> keras.Model:
        return build_keras(self.network, policy=policy)

    def trial(self, policy: str) -> Trial:
        """A network of one body part, and frames of 96x96 px; for a small network a batch as it is trained with."""
        spec = replace(self.description.spec, n_bodyparts=1, mean_pixel=(0.0, 0.0, 0.0))
        network, phase = pose_network(spec), self.config.phases[0]
        work = phase.batch_size * sum(network.multiplications((phase.crop, phase.crop)).values())
        side, count = (phase.crop, phase.batch_size) if work <= TRIAL_WORK else (SIDE, TRIAL_BATCH)
        model = build_keras(network, (side, side), policy=policy)
        model.compile("sgd", loss={"scoremap": "mse", "locref": "mse"}, jit_compile=False)
        zeros = partial(np.zeros, dtype=np.float32)
        targets = {name: zeros((count, *maps.shape[1:])) for name, maps in model.output.items()}
        return model, zeros((count, side, side, 3)), targets

    def maker(self, phase: int) -> PoseBatchMaker:
        return PoseBatchMaker(self.data, self.config, self.config.phases[phase], self.network)

    def measure(self, model: keras.Model, step: int) -> list[MeasureRow]:
        decode = DecodeOptions(self.description.stride, self.description.locref_stdev)
        rows = [
            kept.errors(step, scale, partial(predict, model), decode)
            for kept in self.held_out
            for scale in dict.fromkeys(self.config.augment.scales)
        ]
        return [row for row in rows if row is not None]


def predict(model: keras.Model, images: npt.NDArray[np.uint8]) -> Maps:
    """Run a network that is being trained on ``(B, H, W, 3)`` RGB images."""
    outputs = model.predict_on_batch(images.astype(np.float32))
    scoremap, locref = (np.asarray(outputs[name], np.float32) for name in ("scoremap", "locref"))
    return Maps(scoremap, locref.reshape(*scoremap.shape, 2))


# Targets carry their weights in their last axis, so that Keras hands both over as one array.


def scoremap_loss(target: Any, probability: Any) -> Any:
    """Mean binary cross-entropy over cells and body parts.

    Targets are ``(B, h, w, K, 2)``: what should be said, and its weight (0 where a source does not know the body part).
    """
    ops = keras.ops
    wanted, weight = target[..., 0], target[..., 1]
    p = ops.clip(ops.cast(probability, "float32"), SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
    entropy = -(wanted * ops.log(p) + (1.0 - wanted) * ops.log(1.0 - p))
    return ops.sum(weight * entropy) / ops.maximum(ops.sum(weight), 1.0)


def locref_loss(target: Any, offset: Any) -> Any:
    """Huber loss (delta 1) of the offsets, averaged over the cells within a body part's radius.

    Targets are ``(B, h, w, K, 3)``: x, y, and 1 within the radius; offsets ``(B, h, w, 2 K)``, x and y in turn.
    """
    ops = keras.ops
    offset = ops.reshape(offset, ops.shape(target[..., :2]))
    mask = target[..., 2:]
    distance = ops.abs(target[..., :2] - ops.cast(offset, "float32"))
    huber = ops.where(distance <= 1.0, 0.5 * distance * distance, distance - 0.5)
    return ops.sum(mask * huber) / ops.maximum(2.0 * ops.sum(mask), 1.0)


@dataclass(frozen=True)
class HeldOut:
    """Examples of one source that are never trained on."""

    source: str
    examples: tuple[Example, ...]

    def errors(self, step: int, scale: float, predict: Predict, options: DecodeOptions) -> ErrorRow | None:
        """Distance of predicted from known body parts; ``None`` where no example is large enough for the scale."""
        network = NetworkStep(predict, partial(decode, options=options), POSES)
        distances: list[npt.NDArray[np.float64]] = []
        for example in self.examples:
            height, width = example.image.shape[:2]
            if round(min(height, width) * scale) < SMALLEST_SIDE:
                continue
            geometry = Geometry.plan(width, height, scale=Fraction(scale).limit_denominator(10_000))
            (batch,) = prepared([np.ascontiguousarray(example.image[..., ::-1])], geometry, 1)
            seen = np.where(example.hidden[:, None], np.nan, example.points)
            distances.append(np.linalg.norm(network(batch)[0, :, 0, :2] - seen, axis=-1))
        found = np.concatenate([*distances, []])
        found = found[np.isfinite(found)]
        if not len(found):
            return None
        median, p99 = np.quantile(found, (0.5, 0.99)).tolist()
        return ErrorRow(step, self.source, scale, len(found), float(found.mean()), median, p99)


def held_out_examples(data: PoseTrainingData, config: PoseConfig) -> list[HeldOut]:
    """A few examples of every source: held-out labelled images, frames of an unseen synthetic video."""
    kept = []
    for labeled in data.test:
        source, frames = LabeledSource(labeled, data.bodyparts), spread(labeled.frames, MOST_IMAGES)
        kept.append(HeldOut("labels", tuple(source.example(frame) for frame in frames)))
    for name in (source.scene for source in config.data if source.scene is not None):
        scene = open_scene(SceneOptions(scene=name, seed=HELD_OUT_SEED))
        shown = spread(range(scene.n_frames), SCENE_FRAMES)
        kept.append(HeldOut(name, tuple(scene_example(scene, index, data.bodyparts) for index in shown)))
    kept += [HeldOut("teacher", tuple(source.held_out(TAUGHT_FRAMES))) for source in data.taught]
    return kept


def initial_weights(spec: PoseSpec, start: str, sha256: str, seed: int) -> Tensors:
    """The weights that the settings' `initial_weights` name (of a checkpoint only the backbone), random elsewhere.

    `sha256` is what the checkpoint's data file, or the archive of ``imagenet``, must hash to; empty for no check.
    """
    drawn = scratch_weights(spec, seed)
    if start == IMAGENET:
        if spec.net_type not in PUBLISHED_WEIGHTS:
            raise ModelError(
                f"nobody offers weights of a {spec.net_type} from ImageNet: give 'scratch', or the model folder of one"
            )
        return drawn | _from_checkpoint(imagenet_checkpoint(spec.net_type, sha256), "", spec)
    return begun_from(
        start, drawn, lambda folder: _from_folder(folder, spec), lambda path: _from_checkpoint(path, sha256, spec)
    )


def scratch_weights(spec: PoseSpec, seed: int) -> Tensors:
    """Random weights: He et al. (2015) for kernels; the last normalisation of each unit is zero.

    So every residual unit begins as its shortcut, which makes training from nothing steadier (Goyal et al. 2017).
    """
    rng, network = np.random.default_rng(seed), pose_network(spec)
    silent = unit_ends(network)
    weights: Tensors = {}
    for operation, shapes in network.variables():
        for name, shape in shapes.items():
            if isinstance(operation, Weighted) and name == operation.weights:
                is_last = operation in network.last_layers.values()
                deviation = 0.01 if is_last else math.sqrt(2 / _fan_in(operation, shape))
                weights[name] = (rng.standard_normal(shape, np.float32) * deviation).astype(np.float32)
            else:
                is_one = isinstance(operation, BatchNormalization) and (
                    name == operation.variance or (name == operation.gamma and operation.name not in silent)
                )
                weights[name] = np.full(shape, 1.0 if is_one else 0.0, np.float32)
    scoremap = network.last_layers[network.head.outputs[0]]
    if scoremap.bias is not None:
        weights[scoremap.bias][:] = math.log(PRIOR / (1 - PRIOR))
    return weights


def unit_ends(network: Network) -> set[str]:
    """The last normalisation of each residual unit: of those that go into a sum alone, the first.

    A shortcut's is behind it, and that of the unit before goes into this one too.
    """
    uses = Counter(name for operation in network.operations for name in operation.inputs)
    norms = [each.name for each in network.operations if isinstance(each, BatchNormalization) and uses[each.name] == 1]
    sums = [each.inputs for each in network.operations if isinstance(each, Add)]
    return {next(name for name in norms if name in inputs) for inputs in sums if set(inputs) & set(norms)}


def _fan_in(operation: Operation, shape: tuple[int, ...]) -> int:
    """Numbers that one number of the output is made of."""
    if isinstance(operation, DepthwiseConvolution):
        return math.prod(operation.kernel)
    return math.prod(shape[:-2]) * shape[-1 if isinstance(operation, TransposedConvolution) else -2]


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
    files = [path, *path.parent.glob(f"{glob.escape(path.name)}.data-*")]
    data = next((file for file in reversed(files) if file.is_file()), None)
    if data is None and spec.net_type not in PUBLISHED_WEIGHTS:
        raise ModelError(f"initial weights '{path}' are not there: give 'scratch', or the model folder of a student")
    if data is None:
        published = PUBLISHED_WEIGHTS[spec.net_type]
        raise ModelError(
            f"initial weights '{path}' are not there: give 'scratch', 'imagenet', a model folder, or the path of the "
            f"{published.checkpoint.removesuffix('.ckpt')} checkpoint, which TensorFlow's model garden offers as "
            f"{published.url.rpartition('/')[2]}"
        )
    found = file_sha256(data)
    if sha256 and found != sha256.lower():
        raise ModelError(f"'{data}' has SHA-256 {found}, not {sha256}: fetch it again, or correct initial_sha256")
    network = pose_network(spec)
    heads = {name for layer in network.last_layers.values() for name in (layer.weights, layer.bias)}
    shapes = {name: shape for name, shape in network.variable_shapes().items() if name not in heads}
    tensors = read_checkpoint(path, shapes)
    check_tensors(tensors, shapes, where=f"'{path}'")
    return tensors


def imagenet_checkpoint(net_type: str, sha256: str) -> Path:
    """The published checkpoint of a backbone, from the cache or from the network.

    `sha256` is what the archive must hash to; empty takes what comes, and notes its hash beside the checkpoint.
    """
    published = PUBLISHED_WEIGHTS[net_type]
    checkpoint = cache_directory() / "imagenet" / published.checkpoint
    note = checkpoint.with_suffix(".sha256")
    if not note.is_file():
        try:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            _fetch(published.url, sha256, checkpoint, note)
        except OSError as error:
            raise OutputError(
                f"'{checkpoint}' cannot be written ({error.strerror or error}): set POSECLI_CACHE_DIR to another folder"
            ) from error
    _check(checkpoint, note.read_text(encoding="ascii").strip(), sha256)
    return checkpoint


def _fetch(url: str, sha256: str, checkpoint: Path, note: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=checkpoint.parent) as scratch:
        archive, unpacked = Path(scratch) / "archive", Path(scratch) / "unpacked"
        _download(url, archive)
        found = file_sha256(archive)
        _check(url, found, sha256)
        unpacked.mkdir()
        _unpack(archive, checkpoint.name, unpacked, url)
        for file in unpacked.iterdir():
            file.replace(checkpoint.with_name(file.name))
        note.write_text(f"{found}\n", encoding="ascii")


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
    """The files of one checkpoint, whatever else is in the archive, and wherever it says that they belong."""
    not_it = f"what {url} gives is not an archive with '{name}': give the checkpoint's path"
    try:
        with tarfile.open(archive) as content:
            for entry in content:
                file = Path(entry.name).name
                if entry.isfile() and (file == name or file.startswith((f"{name}.index", f"{name}.data-"))):
                    source = content.extractfile(entry)
                    assert source is not None  # it is a file
                    with (destination / file).open("wb") as kept:
                        shutil.copyfileobj(source, kept)
    except (tarfile.TarError, EOFError) as error:
        raise ModelError(not_it) from error
    if not any(destination.iterdir()):
        raise ModelError(not_it)

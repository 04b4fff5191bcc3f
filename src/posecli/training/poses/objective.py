"""Training of a pose network: labelled images and scenes, scoremaps and location refinement, errors in px."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from posecli.engine.keras_layers import build_keras
from posecli.engine.outputs import Maps
from posecli.inference.decode import DecodeOptions, decode
from posecli.inference.step import POSES, NetworkStep
from posecli.labels import LabeledData
from posecli.model.description import ModelDescription
from posecli.model.folder import write_folder
from posecli.network.architectures import pose_network
from posecli.network.folding import Tensors
from posecli.network.network import PoseSpec
from posecli.synthetic import SceneOptions, open_scene
from posecli.training.config import PoseConfig
from posecli.training.objective import HELD_OUT_SEED, Objective, Trial, spread
from posecli.training.poses.examples import (
    Example,
    LabeledSource,
    PoseBatchMaker,
    PoseTrainingData,
    open_sources,
    scene_example,
)
from posecli.training.poses.initial import initial_weights
from posecli.training.rows import ErrorRow, MeasureRow
from posecli.video.batch import prepared
from posecli.video.geometry import SMALLEST_SIDE, Geometry

#: Size of the trial by which the arithmetic is chosen.
SIDE = 96
TRIAL_BATCH = 4
#: Beyond this the logarithm of a probability says nothing more in float32.
SMALLEST_PROBABILITY = 1e-7
#: Held-out images per source: the full test belongs to 'posecli evaluate'.
MOST_IMAGES = 16
SCENE_FRAMES = 8

Predict: TypeAlias = Callable[[npt.NDArray[np.uint8]], Maps]


class PoseObjective(Objective):
    """Training of a pose network."""

    LOG_NAMES = ("scoremap_loss", "locref_loss")

    def __init__(self, config: PoseConfig) -> None:
        self.config = config
        self.data = open_sources(config)
        self.held_out = held_out_examples(self.data, config)
        self.description = ModelDescription(
            config.net_type,
            self.data.bodyparts,
            f"DLC_{config.net_type.replace('_', '')}_{config.name}shuffle1_{config.steps}",
        )
        self.network = self.description.network
        self.subject = f"{config.net_type} for {', '.join(self.data.bodyparts)}"
        self.notes = tuple(note for data in self.data.train for note in data.notes)
        self.fingerprint = self.data.fingerprint
        self.split = _names(self.data.train), _names(self.data.test)
        self.losses = {
            "loss": {"scoremap": scoremap_loss, "locref": locref_loss},
            "loss_weights": {"scoremap": 1.0, "locref": config.locref_weight},
        }

    def initial_weights(self) -> Tensors:
        config = self.config
        return initial_weights(self.description.spec, config.initial_weights, config.initial_sha256, config.seed)

    def build(self, policy: str) -> keras.Model:
        """The network, for frames of any size."""
        return build_keras(self.network, policy=policy)

    def trial(self, policy: str) -> Trial:
        """A network of one body part, and frames of 96x96 px."""
        model = build_keras(pose_network(PoseSpec("resnet_50", 1, (0.0, 0.0, 0.0))), (SIDE, SIDE), policy=policy)
        model.compile("sgd", loss={"scoremap": "mse", "locref": "mse"}, jit_compile=False)
        zeros = partial(np.zeros, dtype=np.float32)
        targets = {name: zeros((TRIAL_BATCH, *maps.shape[1:])) for name, maps in model.output.items()}
        return model, zeros((TRIAL_BATCH, SIDE, SIDE, 3)), targets

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

    def write_model(self, path: Path, weights: Tensors, source: Mapping[str, Any]) -> None:
        description = replace(self.description, pcutoff=self.config.pcutoff, source=source)
        write_folder(path, description, weights, overwrite=True)


def _names(parts: Sequence[LabeledData]) -> list[str]:
    return [name for part in parts for name in part.names]


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
        return ErrorRow(step, self.source, scale, len(found), float(found.mean()), float(np.median(found)))


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
    return kept

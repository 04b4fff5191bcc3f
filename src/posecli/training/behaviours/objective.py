"""Training of a network for behaviours: labelled intervals and scenes, cross-entropy, balanced accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import keras
import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from posecli.behaviour.agreement import balanced_accuracy
from posecli.engine.keras_layers import build_keras
from posecli.errors import ModelError
from posecli.inference.step import BEHAVIOURS, NetworkStep
from posecli.model.checkpoint import read_i3d_checkpoint
from posecli.model.description import ClipDescription
from posecli.model.folder import read_clip_folder
from posecli.network.folding import Tensors
from posecli.network.i3d import LOGITS, I3DSpec, i3d
from posecli.training.behaviours.examples import ClipBatchMaker, Examples, Images, Numbers, open_sources
from posecli.training.config import BehaviourConfig, ClipOptions
from posecli.training.objective import AccuracyRow, MeasureRow, Objective, Trial, begun_from, spread
from posecli.video.batch import Batch

#: How much of the running averages of normalisation each step keeps: the published 0.999 is for runs of 100,000 steps.
MOMENTUM = 0.98
#: Size of the trial by which the arithmetic is chosen.
TRIAL_BATCH = 2
#: Held-out examples of each behaviour and source: the full test is made on whole videos.
MOST_EXAMPLES = 48

#: ``(B, T, H, W, 3)`` uint8 RGB to ``(B, n_classes)`` logits.
Predict: TypeAlias = Callable[[Images], npt.NDArray[np.float32]]


class BehaviourObjective(Objective):
    """Training of a network for behaviours."""

    LOG_NAMES = ("loss", "accuracy")
    description: ClipDescription

    def __init__(self, config: BehaviourConfig) -> None:
        self.config = config
        self.data = open_sources(config)
        clips = config.clips
        self.held_out = [HeldOutClips(examples, len(config.classes), clips) for examples in self.data.test]
        self.description = ClipDescription(
            config.classes,
            f"I3D_{config.name}_{config.steps}",
            width=config.network_width,
            length=clips.length,
            stride=clips.span,
            input_height=clips.height,
            input_width=clips.width,
            frame_step=clips.frame_step,
        )
        self.network = self.description.network
        shown = "the middle one repeated" if clips.still else f"one of {clips.frame_step}"
        self.subject = (
            f"i3d of width {config.network_width:g} for {', '.join(config.classes)}, from {clips.length} "
            f"frames ({shown}) of {clips.width}x{clips.height} px"
        )
        nothing = "no video is held out: nothing is measured, and the last snapshot is taken; name held_out_videos"
        self.notes = () if self.held_out else (nothing,)
        self.fingerprint = self.data.fingerprint
        roles = (self.data.train, self.data.test)
        train, test = ([video.name for examples in role for video in examples.videos] for role in roles)
        self.split = train, test
        self.losses = {
            "loss": keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing),
            "metrics": ["accuracy"],
        }

    def initial_weights(self) -> Tensors:
        config = self.config
        return initial_weights(self.description.spec, config.classes, config.initial_weights, config.seed)

    def build(self, policy: str) -> keras.Model:
        clips = self.config.clips
        network = self.network.with_dropout(self.config.dropout)
        built = build_keras(network, (clips.length, clips.height, clips.width), policy=policy)
        model = keras.Model(built.input, built.output["logits"], name=built.name)
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = MOMENTUM
            if isinstance(layer, keras.layers.Dropout):
                layer.seed_generator.state.assign([self.config.seed, 0])
        return model

    def trial(self, policy: str) -> Trial:
        """The network itself, on two examples."""
        model, clips = self.build(policy), self.config.clips
        model.compile("sgd", jit_compile=False, **self.losses)
        images = np.zeros((TRIAL_BATCH, clips.length, clips.height, clips.width, 3), np.float32)
        return model, images, np.eye(len(self.config.classes), dtype=np.float32)[:TRIAL_BATCH]

    def maker(self, phase: int) -> ClipBatchMaker:
        return ClipBatchMaker(self.data, self.config, self.config.phases[phase])

    def measure(self, model: keras.Model, step: int) -> list[MeasureRow]:
        def predict(clips: Images) -> npt.NDArray[np.float32]:
            return np.asarray(model.predict_on_batch(clips.astype(np.float32)), np.float32)

        size = max(phase.batch_size for phase in self.config.phases)
        return [kept.accuracy(step, predict, size) for kept in self.held_out]


class HeldOutClips:
    """Examples of one source that are never trained on, as many of each behaviour where there are as many."""

    def __init__(self, examples: Examples, classes: int, clips: ClipOptions) -> None:
        self._examples = examples
        self._n_classes = classes
        self._clips = clips
        chosen = [spread(np.flatnonzero(examples.labels == label).tolist(), MOST_EXAMPLES) for label in range(classes)]
        self._numbers: Numbers = np.array([number for numbers in chosen for number in numbers], np.int64)

    def accuracy(self, step: int, predict: Predict, batch_size: int) -> AccuracyRow:
        """Balanced accuracy and mean cross-entropy; behaviours of which there is no example are left out."""
        network = NetworkStep(predict, np.asarray, BEHAVIOURS)  # of the logits themselves: the loss is theirs
        found = []
        for first in range(0, len(self._numbers), batch_size):
            numbers = self._numbers[first : first + batch_size]
            clips = [self._examples.clip(int(number), self._clips) for number in numbers]
            # The last batch is filled up with its last example, since another size is compiled anew.
            clips += clips[-1:] * (batch_size - len(clips))
            found.append(network(Batch.of(np.stack(clips)))[: len(numbers)])
        logits, truth = np.concatenate(found), self._examples.labels[self._numbers]
        accuracy = balanced_accuracy(truth, logits.argmax(axis=1), self._n_classes)
        loss = -log_softmax(logits.astype(np.float64), axis=-1)[np.arange(len(truth)), truth].mean()
        return AccuracyRow(step, self._examples.name, len(truth), len(np.unique(truth)), accuracy, float(loss))


def initial_weights(spec: I3DSpec, classes: tuple[str, ...], start: str, seed: int) -> Tensors:
    """The weights that the settings' `initial_weights` name, and random ones elsewhere."""
    return begun_from(
        start,
        scratch_weights(spec, seed),
        lambda folder: _from_folder(folder, spec, classes),
        lambda path: read_i3d_checkpoint(path, spec)[0],
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

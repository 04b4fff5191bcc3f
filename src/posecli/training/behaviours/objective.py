"""Training of a network for behaviours: labelled intervals and scenes, cross-entropy, balanced accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from posecli.engine.keras_layers import build_keras
from posecli.model.clip import ClipDescription
from posecli.model.folder import write_clip_folder
from posecli.network.folding import Tensors
from posecli.training.behaviours.batches import ClipBatchMaker
from posecli.training.behaviours.config import BehaviourConfig
from posecli.training.behaviours.heldout import HeldOutClips
from posecli.training.behaviours.initial import initial_weights
from posecli.training.behaviours.sources import Examples, open_sources
from posecli.training.behaviours.videos import Images
from posecli.training.objective import Objective, Trial
from posecli.training.rows import MeasureRow

#: How much of the running averages of normalisation each step keeps: the published 0.999 is for runs of 100,000 steps.
MOMENTUM = 0.98
#: Size of the trial by which the arithmetic is chosen.
TRIAL_BATCH = 2


class BehaviourObjective(Objective):
    """What the loop needs to know of a network for behaviours."""

    LOG_NAMES = ("loss", "accuracy")

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
        self.split = _names(self.data.train), _names(self.data.test)
        self.losses = {
            "loss": keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing),
            "metrics": ["accuracy"],
        }

    def initial_weights(self) -> Tensors:
        """Weights to begin with, by checkpoint name."""
        config = self.config
        return initial_weights(self.description.spec, config.classes, config.initial_weights, config.seed)

    def build(self, policy: str) -> keras.Model:
        """The network, for examples of one size."""
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
        """Makes batches of clips."""
        return ClipBatchMaker(self.data, self.config, self.config.phases[phase])

    def measure(self, model: keras.Model, step: int) -> list[MeasureRow]:
        """Balanced accuracy on held-out examples of every source."""

        def predict(clips: Images) -> npt.NDArray[np.float32]:
            return np.asarray(model.predict_on_batch(clips.astype(np.float32)), np.float32)

        size = max(phase.batch_size for phase in self.config.phases)
        return [kept.accuracy(step, predict, size) for kept in self.held_out]

    def write_model(self, path: Path, weights: Tensors, source: Mapping[str, Any]) -> None:
        """Write a model folder, in place of one that is there."""
        write_clip_folder(path, replace(self.description, source=source), weights, overwrite=True)


def _names(parts: Sequence[Examples]) -> list[str]:
    return [video.name for examples in parts for video in examples.videos]

"""Training of a network for behaviours: labelled intervals and scenes, cross-entropy, balanced accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from posecli.model.clip import ClipDescription
from posecli.model.folder import write_clip_folder
from posecli.network.i3d.layers import assign_weights, build_i3d, read_weights
from posecli.training.clip_batches import ClipBatchMaker
from posecli.training.clip_config import ClipConfig
from posecli.training.clip_heldout import held_out_clips, overall_error
from posecli.training.clip_initial import initial_clip_weights
from posecli.training.clip_sources import ClipData, Examples, open_clip_sources
from posecli.training.clip_videos import Images
from posecli.training.rows import AccuracyRow, AnyMeasureRow
from posecli.training.task import Weights

#: How much of the running averages of normalisation each step keeps: the published 0.999 is for runs of 100,000 steps.
MOMENTUM = 0.98
#: Size of the trial by which the arithmetic is chosen.
TRIAL_BATCH = 2


class ClipTask:
    """What the loop needs to know of a network for behaviours; see `posecli.training.task.Task`.

    Parameters
    ----------
    config
        What to do.
    """

    log_names = ("loss", "accuracy")

    def __init__(self, config: ClipConfig) -> None:
        self.config = config
        self.data: ClipData = open_clip_sources(config)
        self.held_out = held_out_clips(self.data, config.clips)
        clips = config.clips
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

    @property
    def subject(self) -> str:
        """What is trained for what, for people."""
        clips = self.config.clips
        shown = "the middle one repeated" if clips.still else f"one of {clips.frame_step}"
        return (
            f"i3d of width {self.config.network_width:g} for {', '.join(self.config.classes)}, from {clips.length} "
            f"frames ({shown}) of {clips.width}x{clips.height} px"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """That nothing is held out, where that is so."""
        if self.held_out:
            return ()
        return ("no video is held out: nothing is measured, and the last snapshot is taken; name held_out_videos",)

    @property
    def fingerprint(self) -> str:
        """Hash of the labels and their roles."""
        return self.data.fingerprint

    @property
    def split(self) -> tuple[list[str], list[str]]:
        """Names of videos."""
        return _names(self.data.train), _names(self.data.test)

    def initial_weights(self) -> Weights:
        """Weights to begin with, by checkpoint name."""
        config = self.config
        return initial_clip_weights(self.description.network, config.classes, config.initial_weights, config.seed)

    def build(self, policy: str) -> keras.Model:
        """The network, for examples of one size."""
        clips = self.config.clips
        network = build_i3d(
            self.description.network,
            clips.length,
            clips.height,
            clips.width,
            batch_norm=True,
            dropout=self.config.dropout,
            policy=policy,
        )
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = MOMENTUM
            if isinstance(layer, keras.layers.Dropout):
                layer.seed_generator.state.assign([self.config.seed, 0])
        return network

    def assign(self, network: keras.Model, weights: Weights) -> None:
        """Give the network its weights."""
        assign_weights(network, weights)

    def losses(self) -> dict[str, Any]:
        """Cross-entropy, and the share of examples that are right."""
        smoothing = self.config.label_smoothing
        return {
            "loss": keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing),
            "metrics": ["accuracy"],
        }

    def trial(self, policy: str) -> tuple[keras.Model, Any, Any]:
        """The network itself, on two examples."""
        network, clips = self.build(policy), self.config.clips
        network.compile("sgd", jit_compile=False, **self.losses())
        images = np.zeros((TRIAL_BATCH, clips.length, clips.height, clips.width, 3), np.float32)
        return network, images, np.eye(len(self.config.classes), dtype=np.float32)[:TRIAL_BATCH]

    def maker(self, phase: int) -> ClipBatchMaker:
        """Makes the batches of a phase."""
        return ClipBatchMaker(self.data, self.config, self.config.phases[phase])

    def measure(self, network: keras.Model, step: int) -> list[AnyMeasureRow]:
        """Balanced accuracy on held-out examples of every source."""

        def predict(clips: Images) -> npt.NDArray[np.float32]:
            return np.asarray(network.predict_on_batch(clips.astype(np.float32)), np.float32)

        size = max(phase.batch_size for phase in self.config.phases)
        return [kept.accuracy(step, predict, size) for kept in self.held_out]

    def overall(self, rows: Sequence[AccuracyRow]) -> float:
        """What balanced accuracy lacks of 1."""
        return overall_error(rows)

    def write_model(self, path: Path, network: keras.Model, source: Mapping[str, Any]) -> None:
        """Write the model folder."""
        write_clip_folder(path, replace(self.description, source=source), read_weights(network), overwrite=True)


def _names(parts: Sequence[Examples]) -> list[str]:
    return [video.name for examples in parts for video in examples.videos]

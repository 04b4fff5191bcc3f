"""Training of a pose network: labelled images and scenes, scoremaps and location refinement, errors in px."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from posecli.engine.outputs import Maps
from posecli.inference.decode import DecodeOptions
from posecli.labels import LabeledData
from posecli.model.description import ModelDescription
from posecli.model.folder import write_model_folder
from posecli.network.pose import assign_weights, build_pose_network, read_weights
from posecli.network.spec import PoseNetworkSpec
from posecli.training.batches import BatchMaker
from posecli.training.heldout import held_out_examples, overall
from posecli.training.initial import initial_weights
from posecli.training.losses import locref_loss, scoremap_loss
from posecli.training.pose_config import PoseConfig
from posecli.training.rows import AnyMeasureRow, ErrorRow
from posecli.training.sources import TrainingData, open_sources
from posecli.training.task import Weights

#: Size of the trial by which the arithmetic is chosen.
TRIAL_SIDE = 96
TRIAL_BATCH = 4


class PoseTask:
    """What the loop needs to know of a pose network; see `posecli.training.task.Task`.

    Parameters
    ----------
    config
        What to do.
    """

    log_names = ("scoremap_loss", "locref_loss")

    def __init__(self, config: PoseConfig) -> None:
        self.config = config
        self.data: TrainingData = open_sources(config)
        self.held_out = held_out_examples(self.data, config)
        self.description = ModelDescription(
            config.net_type,
            self.data.bodyparts,
            f"DLC_{config.net_type.replace('_', '')}_{config.name}shuffle1_{config.steps}",
        )

    @property
    def subject(self) -> str:
        """What is trained for what, for people."""
        return f"{self.config.net_type} for {', '.join(self.data.bodyparts)}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What was passed over in the labels, a sentence each."""
        return self.data.notes

    @property
    def fingerprint(self) -> str:
        """Hash of the labels and their roles."""
        return self.data.fingerprint

    @property
    def split(self) -> tuple[list[str], list[str]]:
        """Names of labelled images."""
        return _names(self.data.train), _names(self.data.test)

    def initial_weights(self) -> Weights:
        """Weights to begin with, by checkpoint name."""
        config = self.config
        return initial_weights(self.description.network, config.initial_weights, config.initial_sha256, config.seed)

    def build(self, policy: str) -> keras.Model:
        """The network, for frames of any size."""
        return build_pose_network(self.description.network, batch_norm=True, policy=policy)

    def assign(self, network: keras.Model, weights: Weights) -> None:
        """Give the network its weights."""
        assign_weights(network, weights)

    def losses(self) -> dict[str, Any]:
        """Losses of the two heads."""
        return {
            "loss": {"scoremap": scoremap_loss, "locref": locref_loss},
            "loss_weights": {"scoremap": 1.0, "locref": self.config.locref_weight},
        }

    def trial(self, policy: str) -> tuple[keras.Model, Any, Any]:
        """A network of one body part, and frames of 96x96 px."""
        spec = PoseNetworkSpec("resnet_50", 1, (0.0, 0.0, 0.0))
        network = build_pose_network(spec, TRIAL_SIDE, TRIAL_SIDE, batch_norm=True, policy=policy)
        network.compile("sgd", loss={"scoremap": "mse", "locref": "mse"}, jit_compile=False)
        images = np.zeros((TRIAL_BATCH, TRIAL_SIDE, TRIAL_SIDE, 3), np.float32)
        targets = {
            name: np.zeros((TRIAL_BATCH, *output.shape[1:]), np.float32) for name, output in network.output.items()
        }
        return network, images, targets

    def maker(self, phase: int) -> BatchMaker:
        """Makes the batches of a phase."""
        return BatchMaker(self.data, self.config, self.config.phases[phase])

    def measure(self, network: keras.Model, step: int) -> list[AnyMeasureRow]:
        """Errors on held-out images, for every source and scale."""
        decode = DecodeOptions(self.description.stride, self.description.locref_stdev)

        def predict(images: npt.NDArray[np.uint8]) -> Maps:
            return self.predict(network, images)

        return [
            row
            for kept in self.held_out
            for scale in dict.fromkeys(self.config.augment.scales)
            if (row := kept.errors(step, scale, predict, decode)) is not None
        ]

    def predict(self, network: keras.Model, images: npt.NDArray[np.uint8]) -> Maps:
        """What the network says of ``(B, H, W, 3)`` RGB images."""
        outputs = network.predict_on_batch(images.astype(np.float32))
        return Maps(np.asarray(outputs["scoremap"], np.float32), np.asarray(outputs["locref"], np.float32))

    def overall(self, rows: Sequence[ErrorRow]) -> float:
        """Geometric mean of the errors."""
        return overall(rows)

    def write_model(self, path: Path, network: keras.Model, source: Mapping[str, Any]) -> None:
        """Write the model folder."""
        description = replace(self.description, pcutoff=self.config.pcutoff, source=source)
        write_model_folder(path, description, read_weights(network), overwrite=True)


def _names(parts: Sequence[LabeledData]) -> list[str]:
    return [frame.name for part in parts for frame in part.frames]

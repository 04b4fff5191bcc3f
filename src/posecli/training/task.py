"""What differs between kinds of networks that are trained; the loop asks for it and knows nothing else of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from posecli.training.batches import AnyBatch, Maker
from posecli.training.rows import AnyMeasureRow

Weights: TypeAlias = dict[str, npt.NDArray[np.float32]]


class Task(Protocol):
    """Data, network, losses, held-out measure and model folder of one kind of network."""

    @property
    def subject(self) -> str:
        """What is trained for what, for people."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was passed over in the data, a sentence each."""

    @property
    def fingerprint(self) -> str:
        """Hash of the labels and their roles; a run is continued only with the same."""

    @property
    def split(self) -> tuple[list[str], list[str]]:
        """Names of what is trained on, and of what is held out."""

    @property
    def log_names(self) -> tuple[str, str]:
        """What Keras calls the two numbers that a row of losses tells."""

    def initial_weights(self) -> Weights:
        """Weights to begin with, by checkpoint name."""

    def build(self, policy: str) -> keras.Model:
        """The network, with weights of no account."""

    def assign(self, network: keras.Model, weights: Weights) -> None:
        """Give the network its weights, by checkpoint name."""

    def losses(self) -> dict[str, Any]:
        """Arguments of ``keras.Model.compile``: losses, their weights, and metrics."""

    def trial(self, policy: str) -> tuple[keras.Model, Any, Any]:
        """A small compiled network, inputs and targets, by which the arithmetic is chosen."""

    def maker(self, phase: int) -> Maker[AnyBatch]:
        """Makes the batches of the phase of this number."""

    def measure(self, network: keras.Model, step: int) -> list[AnyMeasureRow]:
        """How the network does on held-out examples; empty where there are none."""

    def overall(self, rows: Sequence[Any]) -> float:
        """One number to choose a snapshot by, lower being better; infinite without rows."""

    def write_model(self, path: Path, network: keras.Model, source: Mapping[str, Any]) -> None:
        """Write the network as a model folder, in place of one that is there."""

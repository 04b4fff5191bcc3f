"""What differs between kinds of networks that are trained; the loop asks for it and knows nothing else of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from posecli.model.builtin import named_model
from posecli.model.folder import is_model_folder
from posecli.network.folding import Tensors
from posecli.network.network import Network
from posecli.training.examples import TrainingBatch
from posecli.training.rows import MeasureRow
from posecli.training.settings import SCRATCH

if TYPE_CHECKING:
    import keras

#: A small compiled network, inputs and targets, to time the arithmetic on.
Trial: TypeAlias = "tuple[keras.Model, Any, Any]"


class Objective(ABC):
    """Data, network, losses, held-out measure and model folder of one kind of network."""

    #: What Keras calls the two numbers that a row of losses tells.
    LOG_NAMES: ClassVar[tuple[str, str]]

    #: What is trained for what, and what was passed over in the data, for people.
    subject: str
    notes: tuple[str, ...]
    #: Hash of the labels and their roles; a run is continued only with the same.
    fingerprint: str
    #: Names of what is trained on, and of what is held out.
    split: tuple[list[str], list[str]]
    network: Network
    #: Arguments of ``keras.Model.compile``: losses, their weights, and metrics.
    losses: Mapping[str, Any]

    @abstractmethod
    def initial_weights(self) -> Tensors:
        """Weights to begin with, by checkpoint name."""

    @abstractmethod
    def build(self, policy: str) -> keras.Model:
        """Build the network; its weights are assigned afterwards."""

    @abstractmethod
    def trial(self, policy: str) -> Trial:
        """What the arithmetic is timed on."""

    @abstractmethod
    def maker(self, phase: int) -> Callable[[np.random.Generator], TrainingBatch]:
        """What makes the batches of a phase, given by its number."""

    @abstractmethod
    def measure(self, model: keras.Model, step: int) -> list[MeasureRow]:
        """Measure the network on held-out examples; empty where there are none."""

    @abstractmethod
    def write_model(self, path: Path, weights: Tensors, source: Mapping[str, Any]) -> None:
        """Write a model folder, in place of one that is there."""


def begun_from(
    start: str, drawn: Tensors, from_folder: Callable[[Path], Tensors], from_checkpoint: Callable[[Path], Tensors]
) -> Tensors:
    """Random weights, replaced where `initial_weights` of the settings names others."""
    if start == SCRATCH:
        return drawn
    path = named_model(Path(start))
    return drawn | (from_folder(path) if is_model_folder(path) else from_checkpoint(path))

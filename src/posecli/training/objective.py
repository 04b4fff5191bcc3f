"""What differs between kinds of networks that are trained; the loop asks for it and knows nothing else of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from posecli.model.builtin import named_model
from posecli.model.folder import is_model_folder
from posecli.training.examples import TrainingBatch
from posecli.training.rows import MeasureRow
from posecli.training.settings import SCRATCH

if TYPE_CHECKING:
    import keras

Weights: TypeAlias = dict[str, npt.NDArray[np.float32]]


class Objective(ABC):
    """Data, network, losses, held-out measure and model folder of one kind of network.

    Attributes
    ----------
    subject
        What is trained for what, for people.
    notes
        What was passed over in the data, a sentence each.
    fingerprint
        Hash of the labels and their roles; a run is continued only with the same.
    split
        Names of what is trained on, and of what is held out.
    losses
        Arguments of ``keras.Model.compile``: losses, their weights, and metrics.
    """

    #: What Keras calls the two numbers that a row of losses tells.
    LOG_NAMES: ClassVar[tuple[str, str]]

    subject: str
    notes: tuple[str, ...]
    fingerprint: str
    split: tuple[list[str], list[str]]
    losses: Mapping[str, Any]

    @abstractmethod
    def build(self, policy: str) -> keras.Model:
        """The network, with weights of no account."""

    @abstractmethod
    def assign(self, network: keras.Model, weights: Weights) -> None:
        """Give the network its weights, by checkpoint name."""

    @abstractmethod
    def read(self, network: keras.Model) -> Weights:
        """The network's weights, by checkpoint name."""

    @abstractmethod
    def initial_weights(self) -> Weights:
        """Weights to begin with, by checkpoint name."""

    @abstractmethod
    def trial(self, policy: str) -> tuple[keras.Model, Any, Any]:
        """A small compiled network, inputs and targets, by which the arithmetic is chosen."""

    @abstractmethod
    def maker(self, phase: int) -> Callable[[np.random.Generator], TrainingBatch]:
        """Makes the batches of the phase of this number."""

    @abstractmethod
    def measure(self, network: keras.Model, step: int) -> list[MeasureRow]:
        """How the network does on held-out examples; empty where there are none."""

    @abstractmethod
    def write_model(self, path: Path, network: keras.Model, source: Mapping[str, Any]) -> None:
        """Write the network as a model folder, in place of one that is there."""


def begun_from(
    start: str, drawn: Weights, from_folder: Callable[[Path], Weights], from_checkpoint: Callable[[Path], Weights]
) -> Weights:
    """Weights drawn at random and, over them, those that `initial_weights` of the settings names.

    Raises
    ------
    ModelError
        If there is nothing at the path, or it is for another network.
    """
    if start == SCRATCH:
        return drawn
    path = named_model(Path(start))
    return drawn | (from_folder(path) if is_model_folder(path) else from_checkpoint(path))

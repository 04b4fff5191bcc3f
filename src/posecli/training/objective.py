"""What differs between kinds of networks that are trained, and batches, each made from its number alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.model.folder import is_model_folder, named_model
from posecli.network.folding import Tensors
from posecli.network.network import Network
from posecli.training.config import SCRATCH
from posecli.training.rows import MeasureRow

if TYPE_CHECKING:
    import keras

#: Seeds of synthetic videos to train on begin here, so that small ones, which people choose, stay unseen.
FIRST_TRAINING_SEED = 1_000_000
#: A seed that no training video has.
HELD_OUT_SEED = 0
#: Batches made ahead, by one thread.
AHEAD = 4

T = TypeVar("T")
#: A small compiled network, inputs and targets, to time the arithmetic on.
Trial: TypeAlias = "tuple[keras.Model, Any, Any]"


@dataclass(frozen=True)
class TrainingBatch:
    """What one step sees."""

    inputs: npt.NDArray[np.uint8]  #: ``(B, ..., H, W, 3)`` uint8 RGB: images, or clips of them.
    targets: Any  #: What the losses of the network take.


def batches(make: Callable[[np.random.Generator], TrainingBatch], seed: int, steps: range) -> Iterator[TrainingBatch]:
    """The batches of these steps, counted over the whole run, some of them made ahead by another thread."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="posecli-batches")
    waiting: deque[Future[TrainingBatch]] = deque()
    try:
        for step in steps:
            waiting.append(pool.submit(make, np.random.default_rng((seed, step))))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` items, evenly spaced.

    >>> spread("abcdefg", 3)
    ['a', 'd', 'g']
    """
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[place] for place in places]


class Objective(ABC):
    """Data, network, losses, held-out measure and model folder of one kind of network."""

    LOG_NAMES: ClassVar[tuple[str, str]]  #: What Keras calls the two numbers that a row of losses tells.

    subject: str  #: What is trained for what, and what was passed over in the data, for people.
    notes: tuple[str, ...]
    fingerprint: str  #: Hash of the labels and their roles; a run is continued only with the same.
    split: tuple[list[str], list[str]]  #: Names of what is trained on, and of what is held out.
    network: Network
    losses: Mapping[str, Any]  #: Arguments of ``keras.Model.compile``: losses, their weights, and metrics.

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

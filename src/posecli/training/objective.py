"""What differs between kinds of networks that are trained, what they report, and batches, each made from its number."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.model.description import ClipDescription, ModelDescription
from posecli.model.folder import is_model_folder, named_model
from posecli.network.folding import Tensors
from posecli.network.network import Network
from posecli.support.figures import COLORS, MARKERS

if TYPE_CHECKING:
    import keras
    from matplotlib.axes import Axes

#: What `initial_weights` of the settings says for random ones.
SCRATCH = "scratch"
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


@dataclass(frozen=True)
class Row(ABC):
    """Something measured after a step; one line of a CSV file."""

    step: int

    @property
    @abstractmethod
    def text(self) -> str:
        """What the terminal shows of it."""

    @staticmethod
    @abstractmethod
    def draw(axes: Axes, rows: Sequence[Any]) -> None:
        """Draw rows of this kind against steps."""


@dataclass(frozen=True)
class LossRow(Row):
    """Means since the row before."""

    #: Columns that are drawn, and their names in the legend.
    LINES: ClassVar[dict[str, str]]
    YLABEL: ClassVar[str] = "loss"

    phase: int
    learning_rate: float

    @classmethod
    def draw(cls, axes: Axes, rows: Sequence[Any]) -> None:
        steps = [row.step for row in rows]
        for color, (column, label) in zip(COLORS, cls.LINES.items(), strict=False):
            axes.plot(steps, [getattr(row, column) for row in rows], color=color, label=label)
        axes.set(xlabel="step", ylabel=cls.YLABEL, yscale="log", title="Training loss")
        if len(cls.LINES) > 1:
            axes.legend(loc="upper right")


@dataclass(frozen=True)
class MeasureRow(Row):
    """A measurement on held-out examples of one source."""

    #: The file of such rows, and what the last ones are called in a command's result and in the model folder.
    FILE: ClassVar[str]
    LAST_KEY: ClassVar[str]
    SOURCE_KEY: ClassVar[str]

    source: str

    @staticmethod
    @abstractmethod
    def overall(rows: Sequence[Any]) -> float:
        """The number by which snapshots are compared, lower is better; infinite without rows."""


def draw_lines(axes: Axes, points: Sequence[tuple[tuple[str, ...], int, float]]) -> None:
    """Draw values against steps, a line for each name: its first part is the marker, its last one the colour."""
    markers = list(dict.fromkeys(name[0] for name, _, _ in points))
    colors = list(dict.fromkeys(name[-1] for name, _, _ in points))
    for name in dict.fromkeys(name for name, _, _ in points):
        axes.plot(
            [step for own, step, _ in points if own == name],
            [value for own, _, value in points if own == name],
            color=COLORS[colors.index(name[-1]) % len(COLORS)],
            marker=MARKERS[markers.index(name[0]) % len(MARKERS)],
            label=", ".join(name),
        )
    axes.set(xlabel="step")
    if points:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))


@dataclass(frozen=True)
class PoseLossRow(LossRow):
    """Losses of the two heads of a pose network."""

    LINES = {"scoremap_loss": "scoremap", "locref_loss": "location refinement"}  # noqa: RUF012

    scoremap_loss: float
    locref_loss: float
    steps_per_second: float

    @property
    def text(self) -> str:
        losses = f"scoremap loss {self.scoremap_loss:.4f}, location loss {self.locref_loss:.3f}"
        return f"{losses}, {self.steps_per_second:.2f} steps/s"


@dataclass(frozen=True)
class ErrorRow(MeasureRow):
    """Errors on held-out examples at one scale, in px of the labelled images."""

    FILE = "errors.csv"
    LAST_KEY = "last_errors"
    SOURCE_KEY = "held_out_errors"

    scale: float
    points: int
    mean_px: float
    median_px: float
    p99_px: float = math.nan  # of runs that were begun before it was measured

    @property
    def text(self) -> str:
        return (
            f"{self.source}, scale {self.scale:g}: mean {self.mean_px:.1f} px, median {self.median_px:.1f} px, 99th "
            f"percentile {self.p99_px:.1f} px ({self.points} points)"
        )

    @staticmethod
    def draw(axes: Axes, rows: Sequence[ErrorRow]) -> None:
        from matplotlib.ticker import LogFormatter

        draw_lines(axes, [((row.source, f"scale {row.scale:g}"), row.step, row.mean_px) for row in rows])
        axes.set(ylabel="mean error (px of the full frame)", yscale="log", title="Held-out error")
        # Numbers written out, between the powers of ten too where these are few.
        axes.yaxis.set_major_formatter(LogFormatter())
        axes.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))

    @staticmethod
    def overall(rows: Sequence[ErrorRow]) -> float:
        """The geometric mean over sources and scales of the mean errors.

        >>> rows = ErrorRow(1, "labels", 1.0, 4, 2.0, 2.0), ErrorRow(1, "labels", 0.5, 4, 8.0, 8.0)
        >>> round(ErrorRow.overall(rows), 6)
        4.0
        """
        if not rows:
            return float("inf")
        return float(np.exp(np.mean([np.log(row.mean_px + 1e-9) for row in rows])).round(9))


@dataclass(frozen=True)
class BehaviourLossRow(LossRow):
    """Cross-entropy of a network for behaviours, and the share of examples that were right."""

    LINES = {"loss": "cross-entropy"}  # noqa: RUF012
    YLABEL = "cross-entropy"

    loss: float
    accuracy: float
    steps_per_second: float

    @property
    def text(self) -> str:
        return f"loss {self.loss:.3f}, {100 * self.accuracy:.0f} % right, {self.steps_per_second:.2f} steps/s"


@dataclass(frozen=True)
class AccuracyRow(MeasureRow):
    """Balanced accuracy (0 to 1) on held-out examples of one source, of so many behaviours, and mean cross-entropy."""

    FILE = "accuracy.csv"
    LAST_KEY = "last_accuracies"
    SOURCE_KEY = "held_out_accuracies"

    examples: int
    classes: int
    balanced_accuracy: float
    loss: float

    @property
    def text(self) -> str:
        return (
            f"{self.source}: balanced accuracy {100 * self.balanced_accuracy:.1f} % over {self.classes} behaviours, "
            f"loss {self.loss:.3f} ({self.examples} examples)"
        )

    @staticmethod
    def draw(axes: Axes, rows: Sequence[AccuracyRow]) -> None:
        draw_lines(axes, [((row.source,), row.step, 100 * row.balanced_accuracy) for row in rows])
        axes.set(ylabel="balanced accuracy (%)", ylim=(0, 100), title="Held-out examples")

    @staticmethod
    def overall(rows: Sequence[AccuracyRow]) -> float:
        """What balanced accuracy lacks of 1, the mean over sources.

        >>> AccuracyRow.overall([AccuracyRow(1, "a", 9, 3, 0.75, 1.0), AccuracyRow(1, "b", 9, 3, 0.25, 1.0)])
        0.5
        """
        return float(np.mean([1 - row.balanced_accuracy for row in rows]).round(9)) if rows else float("inf")


class Objective(ABC):
    """Data, network, losses, held-out measure and model folder of one kind of network."""

    LOG_NAMES: ClassVar[tuple[str, str]]  #: What Keras calls the two numbers that a row of losses tells.

    subject: str  #: What is trained for what, and what was passed over in the data, for people.
    notes: tuple[str, ...]
    fingerprint: str  #: Hash of the labels and their roles; a run is continued only with the same.
    split: tuple[list[str], list[str]]  #: Names of what is trained on, and of what is held out.
    #: What the model folder says of the network, but for its source.
    description: ModelDescription | ClipDescription
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


def begun_from(
    start: str, drawn: Tensors, from_folder: Callable[[Path], Tensors], from_checkpoint: Callable[[Path], Tensors]
) -> Tensors:
    """Random weights, replaced where `initial_weights` of the settings names others."""
    if start == SCRATCH:
        return drawn
    path = named_model(Path(start))
    return drawn | (from_folder(path) if is_model_folder(path) else from_checkpoint(path))

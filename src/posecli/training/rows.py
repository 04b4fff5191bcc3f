"""What a run tells of itself while it goes on: a row of losses, a row of what is measured on held-out examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind = Literal["pose", "clip"]


@dataclass(frozen=True)
class LossRow:
    """Mean losses of a pose network since the row before."""

    step: int
    phase: int
    learning_rate: float
    scoremap_loss: float
    locref_loss: float
    steps_per_second: float

    @property
    def text(self) -> str:
        """For people."""
        return f"scoremap loss {self.scoremap_loss:.4f}, location loss {self.locref_loss:.3f}"


@dataclass(frozen=True)
class ErrorRow:
    """Errors of a pose network on held-out examples at one scale, in px of the labelled images."""

    step: int
    source: str
    scale: float
    points: int
    mean_px: float
    median_px: float

    @property
    def text(self) -> str:
        """For people."""
        return (
            f"{self.source}, scale {self.scale:g}: mean {self.mean_px:.1f} px, median {self.median_px:.1f} px "
            f"({self.points} points)"
        )


@dataclass(frozen=True)
class ClipLossRow:
    """Mean loss of a network for behaviours since the row before, and the share of examples that it got right."""

    step: int
    phase: int
    learning_rate: float
    loss: float
    accuracy: float
    steps_per_second: float

    @property
    def text(self) -> str:
        """For people."""
        return f"loss {self.loss:.3f}, {100 * self.accuracy:.0f} % right"


@dataclass(frozen=True)
class AccuracyRow:
    """How a network for behaviours does on held-out examples of one source.

    Attributes
    ----------
    step
        Steps done.
    source
        Where the examples come from.
    examples, classes
        How many examples there are, and how many different behaviours among them.
    balanced_accuracy
        Mean of the recalls of these behaviours, 0 to 1.
    loss
        Mean cross-entropy.
    """

    step: int
    source: str
    examples: int
    classes: int
    balanced_accuracy: float
    loss: float

    @property
    def text(self) -> str:
        """For people."""
        return (
            f"{self.source}: balanced accuracy {100 * self.balanced_accuracy:.1f} % over {self.classes} behaviours, "
            f"loss {self.loss:.3f} ({self.examples} examples)"
        )


AnyLossRow: TypeAlias = LossRow | ClipLossRow
AnyMeasureRow: TypeAlias = ErrorRow | AccuracyRow


@dataclass(frozen=True)
class RowKinds:
    """Which rows a kind of network has.

    Attributes
    ----------
    kind
        The kind of network.
    losses, measures
        Of training, and of held-out examples.
    measures_file
        Where the latter are kept.
    last_key, source_key
        What their last ones are called in the result of a command, and those of the snapshot in its model folder.
    """

    kind: Kind
    losses: type[AnyLossRow]
    measures: type[AnyMeasureRow]
    measures_file: str
    last_key: str
    source_key: str


POSE_ROWS = RowKinds("pose", LossRow, ErrorRow, "errors.csv", "last_errors", "held_out_errors")
CLIP_ROWS = RowKinds("clip", ClipLossRow, AccuracyRow, "accuracy.csv", "last_accuracies", "held_out_accuracies")

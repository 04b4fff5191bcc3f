"""What earlier processes of one run have found: results, what was settled by measurement, and videos that crashed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from posecli.analysis.task import Task
from posecli.engine.kinds import Shape
from posecli.inference.batching import BatchChoice, BatchTrial
from posecli.precision.gate import PrecisionChoice
from posecli.support.results import VideoResult


@dataclass
class Known:
    """What a run need not find out again; nothing at first.

    Attributes
    ----------
    results
        Of videos that are finished with.
    lost
        Videos that ended a process when they were opened: they are not opened again. Each has a result too.
    choice
        Precision and gate figures, as `precision_note` has them; ``None`` before they are settled.
    batches
        Batch size by the shape of an item.
    """

    results: dict[Path, VideoResult] = field(default_factory=dict)
    lost: set[Path] = field(default_factory=set)
    choice: dict[str, Any] | None = None
    batches: dict[Shape, BatchChoice] = field(default_factory=dict)

    def settled_choice(self, task: Task[Any]) -> PrecisionChoice[Any] | None:
        """The model in the precision that was settled."""
        if self.choice is None:
            return None
        figures = tuple(task.gate_figures(each) for each in self.choice["figures"])
        return PrecisionChoice(task.model.with_precision(self.choice["precision"]), figures)

    @classmethod
    def of(cls, notes: Iterable[dict[str, Any]]) -> Known:
        """From notes of earlier processes, oldest first; notes of other kinds are passed over."""
        known = cls()
        for note in notes:
            match note:
                case {"result": dict(content)}:
                    result = VideoResult.from_plain(content)
                    known.results[result.video] = result
                case {"lost": str(video)}:
                    known.lost.add(Path(video))
                case {"choice": dict(content)}:
                    known.choice = content
                case {"batch": dict(content)}:
                    trials = tuple(BatchTrial(**trial) for trial in content["trials"])
                    known.batches[tuple(content["shape"])] = BatchChoice(content["batch_size"], trials)
        return known


def precision_note(choice: PrecisionChoice[Any]) -> dict[str, Any]:
    """A note that the precision is settled."""
    figures = [each.as_plain() for each in choice.figures]
    return {"choice": {"precision": choice.model.options.fixed_precision, "figures": figures}}


def batch_note(shape: Shape, choice: BatchChoice) -> dict[str, Any]:
    """A note that the batch size is settled for items of that shape."""
    return {"batch": {"shape": list(shape)} | asdict(choice)}

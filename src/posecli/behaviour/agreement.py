"""How well a network's behaviours agree with labelled ones: over frames, and over chunks of one behaviour.

Frames without a label count nowhere. Labelled frames for which the network gave no probabilities, because they could
not be decoded or lie between chunks, are counted apart and enter no score.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.behaviour.intervals import UNLABELLED
from posecli.behaviour.metrics import (
    SLACK_FRAMES,
    Absent,
    ClassScores,
    balanced_accuracy,
    class_scores,
    confusion_matrix,
    slack_accuracy,
)
from posecli.errors import UsageError
from posecli.support.files import write_whole

Labels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: In place of a predicted class, where there are no probabilities.
UNKNOWN = -1
#: Name of the rows over all videos, and over all behaviours.
ALL = "all"


@dataclass(frozen=True)
class AgreementOptions:
    """How agreement is counted.

    Attributes
    ----------
    slack
        Frames either way within which a label of the truth excuses a prediction, for slack accuracy.
    absent
        What a behaviour does to balanced accuracy that is labelled nowhere: ``left out`` of the mean, or ``zero``.
    """

    slack: int = SLACK_FRAMES
    absent: Absent = "left out"

    def __post_init__(self) -> None:
        if self.slack < 0:
            raise UsageError(f"slack {self.slack} is below 0: give a number of frames of 0 or more")


@dataclass(frozen=True)
class Pairs:
    """True and predicted labels of frames, or of chunks, of one video in their order.

    Attributes
    ----------
    truth
        ``(N,)`` int64 numbers of classes; -1 for one without a label of its own.
    predicted
        ``(N,)`` int64 numbers of classes; -1 for one without probabilities.
    """

    truth: Labels
    predicted: Labels

    @property
    def labelled(self) -> Mask:
        """``(N,)``, which have a label."""
        return np.asarray(self.truth != UNLABELLED)

    @property
    def scored(self) -> Mask:
        """``(N,)``, which have both a label and a prediction."""
        return np.asarray(self.labelled & (self.predicted != UNKNOWN))


@dataclass(frozen=True)
class ComparedVideo:
    """A video's labels, and what a network says of it.

    Attributes
    ----------
    video
        The file.
    frames
        Its frames.
    chunks
        Its chunks; those whose frames do not all have one and the same label have none.
    """

    video: Path
    frames: Pairs
    chunks: Pairs


@dataclass(frozen=True)
class Agreement:
    """How well some frames, or chunks, agree.

    Attributes
    ----------
    total
        How many there are.
    labelled
        ``(C,)`` int64: those that have each label.
    confusion
        ``(C, C)`` int64: of those that have probabilities too, true class by row, predicted class by column.
    balanced_accuracy
        Mean recall of the classes; NaN where none is labelled.
    slack_accuracy
        Share of frames whose predicted class is labelled within a few frames; NaN for chunks, which know none.
    """

    total: int
    labelled: Labels
    confusion: Labels
    balanced_accuracy: float
    slack_accuracy: float

    @property
    def scored(self) -> int:
        """How many have a label and probabilities: those that all scores are of."""
        return int(self.confusion.sum())

    @property
    def without(self) -> int:
        """How many have a label but no probabilities."""
        return int(self.labelled.sum()) - self.scored

    @property
    def accuracy(self) -> float:
        """Share of those scored whose class is right; NaN of none."""
        return float(np.trace(self.confusion)) / self.scored if self.scored else math.nan

    @cached_property
    def scores(self) -> ClassScores:
        """Recall, precision and F1 of each class."""
        return class_scores(self.confusion)


@dataclass(frozen=True)
class BehaviourEvaluation:
    """Videos whose labels are compared with what a network says.

    Attributes
    ----------
    classes
        Names of the ``C`` behaviours.
    videos
        At least one.
    options
        How agreement is counted.

    Examples
    --------
    >>> frames = Pairs(np.array([0, 0, 1, 1, -1]), np.array([0, 1, 1, -1, 0]))
    >>> chunks = Pairs(np.array([0, -1]), np.array([0, 1]))
    >>> found = BehaviourEvaluation(("rest", "walk"), (ComparedVideo(Path("cage.mp4"), frames, chunks),))
    >>> found.frames().confusion.tolist(), found.frames().without, found.frames().balanced_accuracy
    ([[1, 1], [0, 1]], 1, 0.75)
    >>> found.chunks().total, found.chunks().scored, found.chunks().accuracy
    (2, 1, 1.0)
    """

    classes: tuple[str, ...]
    videos: tuple[ComparedVideo, ...]
    options: AgreementOptions = AgreementOptions()

    def frames(self, video: ComparedVideo | None = None) -> Agreement:
        """Agreement of the frames of one video, or of all together."""
        pairs = [each.frames for each in self._chosen(video)]
        return self._agreement(pairs, _slack_accuracy(pairs, self.options.slack))

    def chunks(self, video: ComparedVideo | None = None) -> Agreement:
        """Agreement of the chunks of one video, or of all together."""
        return self._agreement([each.chunks for each in self._chosen(video)], math.nan)

    def _chosen(self, video: ComparedVideo | None) -> tuple[ComparedVideo, ...]:
        return self.videos if video is None else (video,)

    def _agreement(self, pairs: Sequence[Pairs], slack: float) -> Agreement:
        count = len(self.classes)
        truth = np.concatenate([each.truth[each.scored] for each in pairs])
        predicted = np.concatenate([each.predicted[each.scored] for each in pairs])
        labelled = np.concatenate([each.truth[each.labelled] for each in pairs])
        return Agreement(
            sum(len(each.truth) for each in pairs),
            np.bincount(labelled, minlength=count),
            confusion_matrix(truth, predicted, count),
            balanced_accuracy(truth, predicted, count, self.options.absent),
            slack,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What counts nowhere, a sentence each, for people."""
        frames, chunks = self.frames(), self.chunks()
        told = []
        if unlabelled := frames.total - int(frames.labelled.sum()):
            told.append(f"{unlabelled} of {frames.total} frames are not labelled and are left out")
        if frames.without:
            told.append(
                f"{frames.without} labelled frames have no probabilities, because they could not be decoded or lie "
                "between chunks, and are in no score"
            )
        if chunks.without:
            told.append(f"{chunks.without} chunks of one behaviour have no probabilities and are in no score")
        return tuple(told)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The tidy table: all videos and each, frames and chunks, each behaviour and all; ``None`` for the unknown."""
        for video in (None, *self.videos):
            name = ALL if video is None else str(video.video)
            for unit, agreement in (("frame", self.frames(video)), ("chunk", self.chunks(video))):
                for row in self._rows_of(agreement):
                    yield {"video": name, "unit": unit} | row

    def _rows_of(self, agreement: Agreement) -> Iterator[dict[str, Any]]:
        overall = ("accuracy", "balanced_accuracy", "slack_accuracy")
        for number, row in enumerate(self._by_class(agreement)):
            taken = dict(zip(self._taken_for, agreement.confusion[number].tolist(), strict=True))
            yield row | dict.fromkeys(overall) | taken
        yield {
            "behaviour": ALL,
            "labelled": int(agreement.labelled.sum()),
            "without_probabilities": agreement.without,
            "predicted": agreement.scored,
            **dict.fromkeys(("recall", "precision", "f1")),
            **{name: _known(getattr(agreement, name)) for name in overall},
            **dict(zip(self._taken_for, agreement.confusion.sum(axis=0).tolist(), strict=True)),
        }

    @property
    def _taken_for(self) -> list[str]:
        return [f"taken_for_{name}" for name in self.classes]

    def _by_class(self, agreement: Agreement) -> Iterator[dict[str, Any]]:
        scores, confusion = agreement.scores, agreement.confusion
        for number, name in enumerate(self.classes):
            labelled = int(agreement.labelled[number])
            yield {
                "behaviour": name,
                "labelled": labelled,
                "without_probabilities": labelled - int(confusion[number].sum()),
                "predicted": int(confusion[:, number].sum()),
                "recall": _known(scores.recall[number]),
                "precision": _known(scores.precision[number]),
                "f1": _known(scores.f1[number]),
            }

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "classes": list(self.classes),
            "slack_frames": self.options.slack,
            "absent": self.options.absent,
            "frames": self._as_dict(self.frames()),
            "chunks": self._as_dict(self.chunks()),
            "videos": [
                {
                    "video": str(video.video),
                    "frames": self._as_dict(self.frames(video)),
                    "chunks": self._as_dict(self.chunks(video)),
                }
                for video in self.videos
            ],
            "notes": list(self.notes),
        }

    def _as_dict(self, agreement: Agreement) -> dict[str, Any]:
        return {
            "total": agreement.total,
            "labelled": int(agreement.labelled.sum()),
            "without_probabilities": agreement.without,
            "scored": agreement.scored,
            "balanced_accuracy": _known(agreement.balanced_accuracy),
            "accuracy": _known(agreement.accuracy),
            "slack_accuracy": _known(agreement.slack_accuracy),
            "behaviours": list(self._by_class(agreement)),
            "confusion": agreement.confusion.tolist(),
        }


def write_agreement_csv(evaluation: BehaviourEvaluation, path: Path) -> None:
    """Write the tidy table, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    rows = list(evaluation.rows())
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, stream.getvalue().encode())


def _slack_accuracy(videos: Sequence[Pairs], slack: int) -> float:
    """Of the scored frames of all videos; what is unknown is never right, but its label excuses its neighbours."""
    right = sum(
        slack_accuracy(each.truth, each.predicted, slack) * each.labelled.sum()
        for each in videos
        if each.labelled.any()
    )
    scored = sum(int(each.scored.sum()) for each in videos)
    return float(right / scored) if scored else math.nan


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)

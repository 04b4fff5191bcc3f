"""How well a network's behaviours agree with labelled ones: over frames, and over chunks of one behaviour.

Labels are the numbers 0 to ``n_classes - 1``; frames whose label is -1 have none and are left out. Labelled frames for
which the network gave no probabilities, because they could not be decoded or lie between chunks, are counted separately
and not scored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from posecli.behaviour.intervals import UNLABELLED
from posecli.behaviour.table import CHUNKS, read_behaviours
from posecli.errors import UsageError

Labels = npt.NDArray[np.int64]
Absent = Literal["left out", "zero"]
Mask = npt.NDArray[np.bool_]

#: Stands for a predicted class where there are no probabilities.
UNKNOWN = -1
#: Name of the rows over all videos, and over all behaviours.
ALL = "all"
#: Frames either way within which a label of the truth excuses a prediction.
SLACK_FRAMES = 10


def confusion_matrix(truth: Labels, predicted: Labels, n_classes: int) -> Labels:
    """``(n_classes, n_classes)`` int64, how often each true class (row) was predicted as each (column).

    Frames whose truth is -1 are left out.

    >>> confusion_matrix(np.array([0, 0, 1, -1]), np.array([0, 1, 1, 0]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    truth, predicted = _checked(truth, predicted, n_classes)
    known = truth != UNLABELLED
    cells = truth[known] * n_classes + predicted[known]
    return np.bincount(cells, minlength=n_classes**2).astype(np.int64).reshape(n_classes, n_classes)


def class_scores(confusion: Labels) -> pd.DataFrame:
    """Recall, precision and F1 of every class, a row each, from a confusion matrix.

    Recall is NaN for a class that is absent from the truth, precision for one that was never predicted, and F1 for one
    that is in neither.

    >>> scores = class_scores(np.array([[1, 1], [0, 2]]))
    >>> scores.recall.tolist(), scores.precision.round(2).tolist(), scores.f1.round(2).tolist()
    ([0.5, 1.0], [1.0, 0.67], [0.67, 0.8])
    """
    right, true, said = (
        pd.Series(counts, dtype=float) for counts in (np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0))
    )
    return pd.DataFrame({"recall": right / true, "precision": right / said, "f1": 2 * right / (true + said)})


def balanced_accuracy(truth: Labels, predicted: Labels, n_classes: int, absent: Absent = "left out") -> float:
    """Mean of the recalls of all classes, so that rare behaviours count as much as frequent ones; NaN if none is.

    A class that the truth does not have is ``left out`` of the mean, as in scikit-learn, or counts as ``zero``, as in
    the code of Govindarajan et al. (2022).

    >>> truth, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1])
    >>> round(balanced_accuracy(truth, predicted, 3), 3), round(balanced_accuracy(truth, predicted, 3, "zero"), 3)
    (0.833, 0.556)
    """
    if absent not in get_args(Absent):
        raise ValueError(f"absent classes can be 'left out' or counted as 'zero', not '{absent}'")
    confusion = confusion_matrix(truth, predicted, n_classes)
    if not confusion.any():
        return float("nan")
    recall = class_scores(confusion)["recall"].to_numpy()
    return float(np.nan_to_num(recall).mean() if absent == "zero" else np.nanmean(recall))


def slack_accuracy(truth: Labels, predicted: Labels, slack_frames: int = SLACK_FRAMES) -> float:
    """Share of frames whose predicted label occurs in the truth within so many frames, before or after.

    A behaviour's first and last frame are a matter of opinion; with slack they count neither way. Give the frames of
    one video at a time: neighbours in the array are taken for neighbours in time. Frames whose truth is -1 are left
    out, and excuse nothing; of no frame the share is NaN.

    >>> truth, predicted = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 0, 1])
    >>> round(slack_accuracy(truth, predicted, 0), 3), round(slack_accuracy(truth, predicted, 1), 3)
    (0.667, 0.833)
    """
    if slack_frames < 0:
        raise ValueError(f"slack of {slack_frames} frames is below 0: give 0 or more")
    truth, predicted = _checked(truth, predicted)
    known = truth != UNLABELLED
    if not known.any():
        return float("nan")
    places = np.arange(len(truth))
    first, last = np.maximum(places - slack_frames, 0), np.minimum(places + slack_frames + 1, len(truth))
    excused = np.zeros(len(truth), np.bool_)
    for label in np.unique(truth[known]):
        seen = np.concatenate([[0], np.cumsum(truth == label)])
        excused |= (predicted == label) & (seen[last] > seen[first])
    return float(excused[known].mean())


def _checked(truth: Labels, predicted: Labels, n_classes: int | None = None) -> tuple[Labels, Labels]:
    truth, predicted = np.asarray(truth, np.int64), np.asarray(predicted, np.int64)
    if truth.shape != predicted.shape or truth.ndim != 1:
        raise ValueError(f"truth {truth.shape} and prediction {predicted.shape} are not labels of the same frames")
    if n_classes is not None and len(truth):
        known = predicted[truth != UNLABELLED]
        if truth.min() < UNLABELLED or truth.max() >= n_classes or (known < 0).any() or (known >= n_classes).any():
            raise ValueError(f"labels must be 0 to {n_classes - 1}, or {UNLABELLED} where the truth has none")
    return truth, predicted


@dataclass(frozen=True)
class AgreementOptions:
    """What counts as agreement between labels and predictions."""

    slack: int = SLACK_FRAMES  # frames either way within which a label of the truth excuses a prediction
    absent: Absent = "left out"  # what a behaviour that is labelled nowhere does to balanced accuracy

    def __post_init__(self) -> None:
        if self.slack < 0:
            raise UsageError(f"slack {self.slack} is below 0: give a number of frames of 0 or more")


@dataclass(frozen=True)
class Pairs:
    """True and predicted classes of the frames, or chunks, of one video in their order, ``(N,)`` int64."""

    truth: Labels  # -1 where there is no label
    predicted: Labels  # -1 where there are no probabilities

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
    """A video's labels, and a network's predictions for it."""

    video: Path
    frames: Pairs
    chunks: Pairs  # labelled only if all of a chunk's frames share a label


@dataclass(frozen=True)
class Agreement:
    """How well some frames, or chunks, agree."""

    classes: tuple[str, ...]
    total: int
    labelled: Labels  # (C,) how many have each label
    confusion: Labels  # (C, C) of those with probabilities: true class by row, predicted class by column
    balanced_accuracy: float  # mean recall of the classes; NaN where none is labelled
    slack_accuracy: float  # share whose predicted class is labelled within a few frames; NaN for chunks

    @property
    def scored(self) -> int:
        """How many have a label and probabilities; scores are over these."""
        return int(self.confusion.sum())

    @property
    def without(self) -> int:
        """How many have a label but no probabilities."""
        return int(self.labelled.sum()) - self.scored

    @property
    def accuracy(self) -> float:
        """Share of the scored whose class is right; NaN if none is scored."""
        return float(np.trace(self.confusion)) / self.scored if self.scored else math.nan

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Recall, precision and F1 of each class."""
        return class_scores(self.confusion)

    def by_class(self) -> list[dict[str, Any]]:
        """Counts and scores of each class; ``None`` for NaN."""
        columns = {
            "behaviour": self.classes,
            "labelled": self.labelled,
            "without_probabilities": self.labelled - self.confusion.sum(axis=1),
            "predicted": self.confusion.sum(axis=0),
        }
        table = pd.DataFrame(columns).join(self.scores)
        rows: Any = table.astype(object).where(table.notna(), None).to_dict("records")
        return list(rows)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The tidy table: each class, and all."""
        taken_for = [f"taken_for_{name}" for name in self.classes]
        scores = ("accuracy", "balanced_accuracy", "slack_accuracy")
        for row, counts in zip(self.by_class(), self.confusion.tolist(), strict=True):
            yield row | dict.fromkeys(scores) | dict(zip(taken_for, counts, strict=True))
        yield {
            "behaviour": ALL,
            "labelled": int(self.labelled.sum()),
            "without_probabilities": self.without,
            "predicted": self.scored,
            **dict.fromkeys(("recall", "precision", "f1")),
            **{name: _known(getattr(self, name)) for name in scores},
            **dict(zip(taken_for, self.confusion.sum(axis=0).tolist(), strict=True)),
        }

    def as_dict(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "labelled": int(self.labelled.sum()),
            "without_probabilities": self.without,
            "scored": self.scored,
            **{name: _known(getattr(self, name)) for name in ("balanced_accuracy", "accuracy", "slack_accuracy")},
            "behaviours": self.by_class(),
            "confusion": self.confusion.tolist(),
        }


@dataclass(frozen=True)
class BehaviourEvaluation:
    """Labels of one or more videos, compared with a network's predictions.

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
        pairs = [each.frames for each in ([video] if video else self.videos)]
        # A frame without a prediction is never right, but its label excuses its neighbours.
        right = sum(
            slack_accuracy(each.truth, each.predicted, self.options.slack) * each.labelled.sum()
            for each in pairs
            if each.labelled.any()
        )
        scored = sum(int(each.scored.sum()) for each in pairs)
        return self._agreement(pairs, float(right / scored) if scored else math.nan)

    def chunks(self, video: ComparedVideo | None = None) -> Agreement:
        """Agreement of the chunks of one video, or of all together."""
        return self._agreement([each.chunks for each in ([video] if video else self.videos)], math.nan)

    def _agreement(self, pairs: Sequence[Pairs], slack: float) -> Agreement:
        count = len(self.classes)
        truth = np.concatenate([each.truth[each.scored] for each in pairs])
        predicted = np.concatenate([each.predicted[each.scored] for each in pairs])
        labelled = np.concatenate([each.truth[each.labelled] for each in pairs])
        return Agreement(
            self.classes,
            sum(len(each.truth) for each in pairs),
            np.bincount(labelled, minlength=count),
            confusion_matrix(truth, predicted, count),
            balanced_accuracy(truth, predicted, count, self.options.absent),
            slack,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out, a sentence each, for people."""
        frames, chunks = self.frames(), self.chunks()
        unlabelled = frames.total - int(frames.labelled.sum())
        told = {
            f"{unlabelled} of {frames.total} frames are not labelled and are left out": unlabelled,
            f"{frames.without} labelled frames have no probabilities, because they could not be decoded or lie "
            "between chunks, and are not scored": frames.without,
            f"{chunks.without} chunks of one behaviour have no probabilities and are not scored": chunks.without,
        }
        return tuple(note for note, count in told.items() if count)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The tidy table: all videos and each, frames and chunks, each behaviour and all; ``None`` for the unknown."""
        for video in (None, *self.videos):
            name = ALL if video is None else str(video.video)
            for unit, agreement in (("frame", self.frames(video)), ("chunk", self.chunks(video))):
                for row in agreement.rows():
                    yield {"video": name, "unit": unit} | row

    def as_dict(self) -> dict[str, Any]:
        whole = {"classes": list(self.classes), "slack_frames": self.options.slack, "absent": self.options.absent}
        videos = [{"video": str(video.video)} | self._both(video) for video in self.videos]
        return whole | self._both() | {"videos": videos, "notes": list(self.notes)}

    def _both(self, video: ComparedVideo | None = None) -> dict[str, Any]:
        return {"frames": self.frames(video).as_dict(), "chunks": self.chunks(video).as_dict()}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def compare_video(video: Path, truth: Labels, table: Path, classes: Sequence[str]) -> ComparedVideo:
    """Put a video's labels, as `true_labels` has them, beside its behaviour table, as `posecli classify` makes them."""
    frames, chunks = read_behaviours(table), read_behaviours(table, CHUNKS)
    # A damaged video can end before or after the last frame that its container promised.
    predicted = np.full(len(truth), UNKNOWN, np.int64)
    said = _numbers(frames["label"].tolist(), classes, table)[: len(truth)]
    predicted[: len(said)] = said
    spans = chunks[["first_frame", "end_frame"]].to_numpy()
    labels_of_chunks = (np.unique(truth[first:end]) for first, end in spans)
    of_chunks = np.array([labels[0] if len(labels) == 1 else UNLABELLED for labels in labels_of_chunks], np.int64)
    by_chunk = _numbers(chunks["label"].tolist(), classes, table)
    return ComparedVideo(video, Pairs(truth, predicted), Pairs(of_chunks, by_chunk))


def _numbers(labels: Sequence[str], classes: Sequence[str], table: Path) -> Labels:
    """Class names to indices; an empty name is unknown."""
    number_of = {name: number for number, name in enumerate(classes)} | {"": UNKNOWN}
    if strange := sorted(set(labels) - set(number_of)):
        raise UsageError(
            f"'{table}' has label '{strange[0]}', which is none of {', '.join(classes)}: use its own model"
        )
    return np.array([number_of[label] for label in labels], np.int64)

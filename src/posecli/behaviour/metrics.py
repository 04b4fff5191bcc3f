"""How well predicted behaviours agree with true ones: confusion, recall by class, balanced and slack accuracy.

Labels are the numbers 0 to ``n_classes - 1``; -1 in the truth is a frame without a label, which is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from posecli.behaviour.intervals import UNLABELLED

Labels = npt.NDArray[np.integer]
Counts = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]
Absent = Literal["left out", "zero"]

#: Frames either way within which a label of the truth excuses a prediction.
SLACK_FRAMES = 10


@dataclass(frozen=True)
class ClassScores:
    """Recall, precision and F1 of every class, ``(n_classes,)`` each."""

    recall: Shares  # share of a class's frames that were found; NaN for a class that is absent from the truth
    precision: Shares  # share of the frames given to a class that are its own; NaN for a class never predicted
    f1: Shares  # harmonic mean of both, 0 where nothing is right; NaN for a class that is in neither


def confusion_matrix(truth: Labels, predicted: Labels, n_classes: int) -> Counts:
    """``(n_classes, n_classes)`` int64, how often each true class (row) was predicted as each (column).

    Frames whose truth is -1 are left out.

    >>> confusion_matrix(np.array([0, 0, 1, -1]), np.array([0, 1, 1, 0]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    truth, predicted = _checked(truth, predicted, n_classes)
    known = truth != UNLABELLED
    cells = truth[known] * n_classes + predicted[known]
    return np.bincount(cells, minlength=n_classes**2).astype(np.int64).reshape(n_classes, n_classes)


def class_scores(confusion: Counts) -> ClassScores:
    """Recall, precision and F1 from a confusion matrix.

    >>> scores = class_scores(np.array([[1, 1], [0, 2]]))
    >>> scores.recall.tolist(), scores.precision.round(2).tolist(), scores.f1.round(2).tolist()
    ([0.5, 1.0], [1.0, 0.67], [0.67, 0.8])
    """
    right = np.diag(confusion).astype(np.float64)
    true, said = confusion.sum(axis=1), confusion.sum(axis=0)
    return ClassScores(_share(right, true), _share(right, said), _share(2 * right, true + said))


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
    recall = class_scores(confusion).recall
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
    return float(_excused(truth, predicted, slack_frames)[known].mean())


def _excused(truth: Labels, predicted: Labels, slack_frames: int) -> npt.NDArray[np.bool_]:
    """Whether each prediction occurs in the truth nearby; one pass over the frames per class."""
    places = np.arange(len(truth))
    first, last = np.maximum(places - slack_frames, 0), np.minimum(places + slack_frames + 1, len(truth))
    excused = np.zeros(len(truth), np.bool_)
    for label in np.unique(truth[truth != UNLABELLED]):
        seen = np.concatenate([[0], np.cumsum(truth == label)])
        excused |= (predicted == label) & (seen[last] > seen[first])
    return excused


def _checked(truth: Labels, predicted: Labels, n_classes: int | None = None) -> tuple[Labels, Labels]:
    truth, predicted = np.asarray(truth, np.int64), np.asarray(predicted, np.int64)
    if truth.shape != predicted.shape or truth.ndim != 1:
        raise ValueError(f"truth {truth.shape} and prediction {predicted.shape} are not labels of the same frames")
    if n_classes is not None and len(truth):
        known = predicted[truth != UNLABELLED]
        if truth.min() < UNLABELLED or truth.max() >= n_classes or (known < 0).any() or (known >= n_classes).any():
            raise ValueError(f"labels must be 0 to {n_classes - 1}, or {UNLABELLED} where the truth has none")
    return truth, predicted


def _share(part: npt.NDArray[np.float64], whole: npt.NDArray[np.generic]) -> Shares:
    """Part of a whole; NaN where the whole is 0."""
    shares = np.full(len(part), np.nan)
    np.divide(part, whole, out=shares, where=np.asarray(whole) > 0)
    return shares

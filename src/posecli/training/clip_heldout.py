"""Accuracy on held-out examples of behaviours while a network is being trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from posecli.behaviour.metrics import balanced_accuracy
from posecli.training.clip_config import ClipOptions
from posecli.training.clip_sources import ClipData, Examples, Places
from posecli.training.clip_videos import Images
from posecli.training.heldout import spread
from posecli.training.rows import AccuracyRow

#: Examples of each behaviour and source: the full test is made on whole videos.
MOST_EXAMPLES = 48

#: ``(B, T, H, W, 3)`` uint8 RGB to ``(B, n_classes)`` logits.
Predict = Callable[[Images], npt.NDArray[np.float32]]


class HeldOutClips:
    """Examples of one source that are never trained on, as many of each behaviour where there are as many.

    Parameters
    ----------
    examples
        All of them.
    classes
        Number of behaviours.
    clips
        What an example is.
    """

    def __init__(self, examples: Examples, classes: int, clips: ClipOptions) -> None:
        self.examples = examples
        self._n_classes = classes
        self._clips = clips
        chosen = [spread(list(examples.with_label(label)), MOST_EXAMPLES) for label in range(classes)]
        self.numbers: Places = np.array([number for numbers in chosen for number in numbers], np.int64)

    def accuracy(self, step: int, predict: Predict, batch_size: int) -> AccuracyRow:
        """Balanced accuracy and mean cross-entropy; behaviours of which there is no example are left out."""
        logits = np.concatenate([self._logits(first, predict, batch_size) for first in self._firsts(batch_size)])
        truth = self.examples.labels[self.numbers]
        found = balanced_accuracy(truth, logits.argmax(axis=1), self._n_classes)
        loss = -log_softmax(logits)[np.arange(len(truth)), truth].mean()
        return AccuracyRow(step, self.examples.name, len(truth), len(np.unique(truth)), found, float(loss))

    def _firsts(self, batch_size: int) -> range:
        return range(0, len(self.numbers), batch_size)

    def _logits(self, first: int, predict: Predict, batch_size: int) -> npt.NDArray[np.float32]:
        """Of one batch; the last one is filled up with its last example, since another size is compiled anew."""
        numbers = self.numbers[first : first + batch_size]
        clips = [self.examples.clip(int(number), self._clips) for number in numbers]
        clips += clips[-1:] * (batch_size - len(clips))
        return predict(np.stack(clips))[: len(numbers)]


def held_out_clips(data: ClipData, clips: ClipOptions) -> list[HeldOutClips]:
    """Held-out examples of every source that has some."""
    return [HeldOutClips(examples, len(data.classes), clips) for examples in data.test]


def log_softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Logarithms of the classes' probabilities, along the last axis.

    >>> np.exp(log_softmax(np.zeros((1, 4)))).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    result: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def overall_error(rows: Sequence[AccuracyRow]) -> float:
    """One number to choose a snapshot by: the mean over sources of what balanced accuracy lacks of 1.

    >>> overall_error([AccuracyRow(1, "a", 9, 3, 0.75, 1.0), AccuracyRow(1, "b", 9, 3, 0.25, 1.0)])
    0.5
    """
    return float(np.mean([1 - row.balanced_accuracy for row in rows]).round(9)) if rows else float("inf")

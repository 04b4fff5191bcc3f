"""Accuracy on held-out examples of behaviours while a network is being trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from posecli.behaviour.metrics import balanced_accuracy
from posecli.training.behaviours.config import ClipOptions
from posecli.training.behaviours.rows import AccuracyRow
from posecli.training.behaviours.sources import Examples
from posecli.training.behaviours.videos import Images, Numbers
from posecli.training.examples import spread

#: Examples of each behaviour and source: the full test is made on whole videos.
MOST_EXAMPLES = 48

#: ``(B, T, H, W, 3)`` uint8 RGB to ``(B, n_classes)`` logits.
Predict = Callable[[Images], npt.NDArray[np.float32]]


class HeldOutClips:
    """Examples of one source that are never trained on, as many of each behaviour where there are as many."""

    def __init__(self, examples: Examples, classes: int, clips: ClipOptions) -> None:
        self._examples = examples
        self._n_classes = classes
        self._clips = clips
        chosen = [spread(list(examples.with_label(label)), MOST_EXAMPLES) for label in range(classes)]
        self._numbers: Numbers = np.array([number for numbers in chosen for number in numbers], np.int64)

    def accuracy(self, step: int, predict: Predict, batch_size: int) -> AccuracyRow:
        """Balanced accuracy and mean cross-entropy; behaviours of which there is no example are left out."""
        firsts = range(0, len(self._numbers), batch_size)
        logits = np.concatenate([self._logits(first, predict, batch_size) for first in firsts])
        truth = self._examples.labels[self._numbers]
        found = balanced_accuracy(truth, logits.argmax(axis=1), self._n_classes)
        loss = -log_softmax(logits)[np.arange(len(truth)), truth].mean()
        return AccuracyRow(step, self._examples.name, len(truth), len(np.unique(truth)), found, float(loss))

    def _logits(self, first: int, predict: Predict, batch_size: int) -> npt.NDArray[np.float32]:
        """Of one batch; the last one is filled up with its last example, since another size is compiled anew."""
        numbers = self._numbers[first : first + batch_size]
        clips = [self._examples.clip(int(number), self._clips) for number in numbers]
        clips += clips[-1:] * (batch_size - len(clips))
        return predict(np.stack(clips))[: len(numbers)]


def log_softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Logarithms of the classes' probabilities, along the last axis.

    >>> np.exp(log_softmax(np.zeros((1, 4)))).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    result: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result

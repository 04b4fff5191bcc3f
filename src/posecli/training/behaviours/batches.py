"""Batches of clips: drawn evenly over the behaviours, and every frame of a clip changed alike."""

from __future__ import annotations

import numpy as np

from posecli.training.augment import Viewport, add_noise, change_light, show
from posecli.training.behaviours.config import BehaviourConfig, ClipAugment
from posecli.training.behaviours.sources import BehaviourTrainingData
from posecli.training.behaviours.videos import Images
from posecli.training.examples import TrainingBatch
from posecli.training.settings import Phase

NOWHERE = np.empty((0, 2))


class ClipBatchMaker:
    """Makes the batches of one phase."""

    def __init__(self, data: BehaviourTrainingData, config: BehaviourConfig, phase: Phase) -> None:
        self._data = data
        self._config = config
        self._phase = phase

    def __call__(self, rng: np.random.Generator) -> TrainingBatch:
        """Clips ``(B, T, H, W, 3)``; targets ``(B, n_classes)`` float32, 1 at the class of each."""
        items = [self._item(rng) for _ in range(self._phase.batch_size)]
        clips, labels = zip(*items, strict=True)
        return TrainingBatch(np.stack(clips), np.eye(len(self._config.classes), dtype=np.float32)[list(labels)])

    def _item(self, rng: np.random.Generator) -> tuple[Images, int]:
        config = self._config
        label = int(rng.integers(len(config.classes))) if config.class_balance else None
        examples, number = self._data.draw(rng, label)
        reach = config.augment.speed
        clip = examples.clip(number, config.clips, float(rng.uniform(1 - reach, 1 + reach)))
        return augment_clip(rng, clip, config.augment), int(examples.labels[number])


def augment_clip(rng: np.random.Generator, clip: Images, options: ClipAugment) -> Images:
    """Change an example ``(T, H, W, 3)``: view and light are those of all frames, noise is every frame's own."""
    length, height, width = clip.shape[:3]
    view = _choose_view(rng, height, width, options)
    seen = np.stack([show(frame, NOWHERE, view)[0] for frame in clip])
    # One tall picture: what is drawn once holds for all frames.
    tall = change_light(rng, seen.reshape(length * height, width, 3), options.light)
    if rng.random() < options.noise:
        tall = add_noise(rng, tall)
    return tall.reshape(clip.shape)


def _choose_view(rng: np.random.Generator, height: int, width: int, options: ClipAugment) -> Viewport:
    middle = np.array([width, height]) / 2
    scale = float(rng.uniform(1 - options.zoom, 1 + options.zoom))
    moved = rng.uniform(-options.zoom / 2, options.zoom / 2, 2) * (width, height)
    return Viewport(height, width, scale, 0.0, bool(rng.random() < options.mirror), middle, middle + moved)

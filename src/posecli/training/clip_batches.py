"""Batches of clips: drawn evenly over the behaviours, and every frame of a clip changed alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posecli.training.augment import View, add_noise, change_light, show
from posecli.training.clip_config import ClipAugment, ClipConfig
from posecli.training.clip_sources import ClipData
from posecli.training.clip_videos import Images
from posecli.training.settings import Phase

NOWHERE = np.empty((0, 2))


@dataclass(frozen=True)
class ClipBatch:
    """What one step of a network for behaviours sees.

    Attributes
    ----------
    clips
        ``(B, T, H, W, 3)`` uint8 RGB.
    labels
        ``(B, n_classes)`` float32, 1 at the class of each.
    """

    clips: Images
    labels: npt.NDArray[np.float32]

    def inputs(self) -> npt.NDArray[np.float32]:
        """For the network."""
        return self.clips.astype(np.float32)

    def targets(self) -> npt.NDArray[np.float32]:
        """For its loss."""
        return self.labels


class ClipBatchMaker:
    """Makes the batches of one phase of a network for behaviours."""

    def __init__(self, data: ClipData, config: ClipConfig, phase: Phase) -> None:
        self._data = data
        self._config = config
        self._phase = phase

    def make(self, number: int) -> ClipBatch:
        """The batch of one step, counted over the whole run."""
        rng = np.random.default_rng((self._config.seed, number))
        items = [self._item(rng) for _ in range(self._phase.batch_size)]
        clips, labels = zip(*items, strict=True)
        return ClipBatch(np.stack(clips), np.eye(len(self._config.classes), dtype=np.float32)[list(labels)])

    def _item(self, rng: np.random.Generator) -> tuple[Images, int]:
        config = self._config
        label = int(rng.integers(len(config.classes))) if config.class_balance else None
        examples, number = self._data.draw(rng, label)
        reach = config.augment.speed
        clip = examples.clip(number, config.clips, float(rng.uniform(1 - reach, 1 + reach)))
        return augment_clip(rng, clip, config.augment), int(examples.labels[number])


def augment_clip(rng: np.random.Generator, clip: Images, options: ClipAugment) -> Images:
    """What is done to an example.

    Parameters
    ----------
    rng
        Source of chance.
    clip
        ``(T, H, W, 3)`` uint8 RGB.
    options
        How much of it.

    Returns
    -------
    ndarray
        As `clip`. View and light are those of all frames; noise is every frame's own.
    """
    length, height, width = clip.shape[:3]
    view = _choose_view(rng, height, width, options)
    seen = np.stack([show(frame, NOWHERE, view)[0] for frame in clip])
    # One tall picture: what is drawn once holds for all frames.
    tall = change_light(rng, seen.reshape(length * height, width, 3), options.light)
    if rng.random() < options.noise:
        tall = add_noise(rng, tall)
    return tall.reshape(clip.shape)


def _choose_view(rng: np.random.Generator, height: int, width: int, options: ClipAugment) -> View:
    middle = np.array([width, height]) / 2
    scale = float(rng.uniform(1 - options.zoom, 1 + options.zoom))
    moved = rng.uniform(-options.zoom / 2, options.zoom / 2, 2) * (width, height)
    return View(height, width, scale, 0.0, bool(rng.random() < options.mirror), middle, middle + moved)

"""Batches for a pose network: views of images, and what the network should say of them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from posecli.network.network import Network
from posecli.training.augment import Image, show
from posecli.training.examples import TrainingBatch
from posecli.training.poses.augment import choose_view, disturb, strew, swap_sides
from posecli.training.poses.config import AugmentOptions, PoseConfig, PosePhase
from posecli.training.poses.sources import Example, PoseTrainingData
from posecli.training.poses.targets import Floats, grid_of, make_targets

#: Sides of whole-frame batches are multiples of this, so that few different shapes occur.
SIDE_STEP = 16
#: Small frames come in batches at most so many times the phase's.
MOST_FRAMES = 4

#: An image, and the targets of both heads.
Item: TypeAlias = tuple[Image, Floats, Floats]


class PoseBatchMaker:
    """Makes the batches of one phase for a network."""

    def __init__(self, data: PoseTrainingData, config: PoseConfig, phase: PosePhase, network: Network) -> None:
        self._data = data
        self._config = config
        self._phase = phase
        self._network = network

    def __call__(self, rng: np.random.Generator) -> TrainingBatch:
        """Square crops of all scales, or whole frames of one.

        Its inputs are ``(B, H, W, 3)``, its targets ``scoremap`` ``(B, h, w, K, 2)``: target, weight; and ``locref``
        ``(B, h, w, K, 3)``: x, y, mask.
        """
        make = self._crops if self._phase.framing == "crops" else self._whole_frames
        images, scoremaps, locrefs = zip(*make(rng), strict=True)
        return TrainingBatch(np.stack(images), {"scoremap": np.stack(scoremaps), "locref": np.stack(locrefs)})

    def _crops(self, rng: np.random.Generator) -> list[Item]:
        size = self._phase.crop, self._phase.crop
        return [self._item(rng, *self._data.draw(rng), self._scale(rng), size) for _ in range(self._phase.batch_size)]

    def _whole_frames(self, rng: np.random.Generator) -> list[Item]:
        scale, first = self._scale(rng), self._data.draw(rng)
        height, width = (self._side(pixels * scale) for pixels in first[0].image.shape[:2])
        pixels = self._phase.batch_size * self._phase.crop**2
        count = int(np.clip(round(pixels / (height * width)), 1, MOST_FRAMES * self._phase.batch_size))
        drawn = [first, *(self._data.draw(rng) for _ in range(count - 1))]
        return [self._item(rng, *one, scale, (height, width)) for one in drawn]

    def _side(self, pixels: float) -> int:
        return int(min(self._phase.crop, max(32, SIDE_STEP * round(pixels / SIDE_STEP))))

    def _scale(self, rng: np.random.Generator) -> float:
        augment = self._config.augment
        jitter = np.log(augment.scale_jitter)
        return float(rng.choice(augment.scales) * np.exp(rng.uniform(-jitter, jitter)))

    def _item(
        self, rng: np.random.Generator, example: Example, augment: AugmentOptions, scale: float, size: tuple[int, int]
    ) -> Item:
        """The view, and the targets of both heads."""
        view = choose_view(rng, example.image.shape[:2], example.points, scale, size, augment)
        # Drawn only where asked for, so that a run without it sees what it saw before there was clutter.
        cluttered = augment.clutter > 0 and rng.random() < augment.clutter
        image, points = show(strew(rng, example.image) if cluttered else example.image, example.points, view)
        known, hidden = example.known, example.hidden
        if view.mirrored:
            bodyparts, pairs = self._data.bodyparts, self._config.mirror_pairs
            points = swap_sides(points, bodyparts, pairs)
            known, hidden = swap_sides(known, bodyparts, pairs), swap_sides(hidden, bodyparts, pairs)
        return disturb(rng, image, augment), *make_targets(points, known, hidden, grid_of(self._network, *size), scale)

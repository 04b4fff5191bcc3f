"""Batches for a pose network: views of images, and what the network should say of them.

A cell of the scoremap whose centre lies within a radius of a body part should be 1, others 0. The location target
there is the way from the cell's centre to the body part in units of the location standard deviation (Insafutdinov et
al. 2016, as in DeepLabCut). The radius shrinks with the scale of the example, as the animal does, but never below
`SMALLEST_RADIUS`: half a cell's diagonal is 5.7 px, so that at least one cell remains at every scale. With the radius
left to shrink, as in the original, small animals would have no cell at all.

Around a body part that is known to be hidden, nothing is asked of its scoremap. To teach 0 there, as the original does
where a label is missing, is to teach that a head half behind a bar is no head, and the best cell is then one far away.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from posecli.network.network import Network, PoseHead
from posecli.training.augment import Image, choose_view, disturb, show, strew, swap_sides
from posecli.training.config import AugmentOptions, PoseConfig, PosePhase
from posecli.training.objective import TrainingBatch
from posecli.training.poses.sources import Example, PoseTrainingData

#: Px of the network's input at scale 1, as DeepLabCut's ``pos_dist_thresh``.
RADIUS = 17.0
SMALLEST_RADIUS = 6.0

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """The cells of a scoremap: how many there are, px of the example per cell, and px per unit of location targets."""

    rows: int
    columns: int
    stride: float
    locref_stdev: float


@lru_cache
def grid_of(network: Network, height: int, width: int) -> Grid:
    """The cells that a network has for examples of a size."""
    assert isinstance(network.head, PoseHead)
    rows, columns, _ = network.shapes((height, width))[network.head.scoremap]
    assert rows is not None
    assert columns is not None
    return Grid(rows, columns, network.stride, network.head.locref_stdev)


def make_targets(
    points: npt.NDArray[np.float64], known: Flags, hidden: Flags, grid: Grid, scale: float
) -> tuple[Floats, Floats]:
    """Targets of one example, whose `scale` is its px per px of the labelled image.

    Of ``(K, 2)`` points those that are not in it are NaN; the source knows nothing of those that are not `known`, and
    `hidden` are those behind something. Targets are ``(h, w, K, 2)``: 0 or 1, and weight; and ``(h, w, K, 3)``: x and y
    in units of the location standard deviation, and 1 where they count.

    >>> grid, points, yes, no = Grid(4, 4, 8, 7.2801), np.array([[20.0, 12.0]]), np.array([True]), np.array([False])
    >>> np.argwhere(make_targets(points, yes, no, grid, scale=0.125)[0][..., 0, 0]).tolist()
    [[1, 2]]
    >>> scoremap, _ = make_targets(points, yes, yes, grid, scale=0.125)
    >>> int(scoremap[..., 0].sum()), np.argwhere(scoremap[..., 0, 1] == 0).tolist()
    (0, [[1, 2]])
    """
    radius = max(RADIUS * scale, SMALLEST_RADIUS)
    rows = (np.arange(grid.rows) + 0.5) * grid.stride
    columns = (np.arange(grid.columns) + 0.5) * grid.stride
    offset_x = points[:, 0] - columns[None, :, None]
    offset_y = points[:, 1] - rows[:, None, None]
    near = np.hypot(offset_x, offset_y) <= radius  # never true of NaN
    seen = near & ~hidden
    offsets = [np.where(seen, offset / grid.locref_stdev, 0.0) for offset in (offset_x, offset_y)]
    scoremap = np.stack([seen, ~(near & hidden) & known], axis=-1)
    return scoremap.astype(np.float32), np.stack([*offsets, seen], axis=-1).astype(np.float32)


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

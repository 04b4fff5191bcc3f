"""Batches, each made from its number alone: a run that is continued sees what an unbroken one would have seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.training.augment import choose_view, disturb, show, strew, swap_sides
from posecli.training.pose_config import PoseConfig, PosePhase
from posecli.training.sources import Example, TrainingData
from posecli.training.targets import make_targets

#: Sides of whole-frame batches are multiples of this, so that few different shapes occur.
SIDE_STEP = 16
#: Small frames come in batches at most so many times the phase's.
MOST_FRAMES = 4
#: Batches made ahead, and the threads that make them.
AHEAD = 4
WORKERS = 1

Floats = npt.NDArray[np.float32]


class AnyBatch(Protocol):
    """What one step sees, of whatever kind of network."""

    def inputs(self) -> npt.NDArray[np.float32]:
        """For the network."""

    def targets(self) -> Any:
        """For its losses."""


B_co = TypeVar("B_co", bound=AnyBatch, covariant=True)


class Maker(Protocol[B_co]):
    """Makes the batches of one phase."""

    def make(self, number: int) -> B_co:
        """The batch of one step, counted over the whole run."""


@dataclass(frozen=True)
class Batch:
    """What one step of a pose network sees.

    Attributes
    ----------
    images
        ``(B_co, H, W, 3)`` uint8 RGB.
    scoremap
        ``(B_co, h, w, K, 2)`` float32: target, weight.
    locref
        ``(B_co, h, w, K, 3)`` float32: x, y, mask.
    """

    images: npt.NDArray[np.uint8]
    scoremap: Floats
    locref: Floats

    def inputs(self) -> Floats:
        """For the network."""
        return self.images.astype(np.float32)

    def targets(self) -> dict[str, Floats]:
        """For its losses."""
        return {"scoremap": self.scoremap, "locref": self.locref}


class BatchMaker:
    """Makes the batches of one phase of a pose network."""

    def __init__(self, data: TrainingData, config: PoseConfig, phase: PosePhase) -> None:
        self._data = data
        self._config = config
        self._phase = phase

    def make(self, number: int) -> Batch:
        """The batch of one step, counted over the whole run."""
        rng = np.random.default_rng((self._config.seed, number))
        if self._phase.framing == "crops":
            side = self._phase.crop
            return _stacked(
                [
                    self._item(rng, self._data.draw(rng), self._scale(rng), (side, side))
                    for _ in range(self._phase.batch_size)
                ]
            )
        return self._whole_frames(rng)

    def _whole_frames(self, rng: np.random.Generator) -> Batch:
        scale, first = self._scale(rng), self._data.draw(rng)
        height, width = (self._side(pixels * scale) for pixels in first.image.shape[:2])
        pixels = self._phase.batch_size * self._phase.crop**2
        count = int(np.clip(round(pixels / (height * width)), 1, MOST_FRAMES * self._phase.batch_size))
        examples = [first] + [self._data.draw(rng) for _ in range(count - 1)]
        return _stacked([self._item(rng, example, scale, (height, width)) for example in examples])

    def _side(self, pixels: float) -> int:
        return int(min(self._phase.crop, max(32, SIDE_STEP * round(pixels / SIDE_STEP))))

    def _scale(self, rng: np.random.Generator) -> float:
        augment = self._config.augment
        jitter = np.log(augment.scale_jitter)
        return float(rng.choice(augment.scales) * np.exp(rng.uniform(-jitter, jitter)))

    def _item(self, rng: np.random.Generator, example: Example, scale: float, size: tuple[int, int]) -> Batch:
        """One example as a batch of one."""
        augment = example.augment or self._config.augment
        view = choose_view(rng, example.image.shape[:2], example.points, scale, size, augment)
        # Drawn only where asked for, so that a run without it sees what it saw before there was clutter.
        cluttered = augment.clutter > 0 and rng.random() < augment.clutter
        image, points = show(strew(rng, example.image) if cluttered else example.image, example.points, view)
        known, hidden = example.known, example.hidden
        if view.mirrored:
            bodyparts, pairs = self._data.bodyparts, self._config.mirror_pairs
            points = swap_sides(points, bodyparts, pairs)
            known, hidden = swap_sides(known, bodyparts, pairs), swap_sides(hidden, bodyparts, pairs)
        targets = make_targets(points, *size, scale, hidden=hidden)
        return Batch(
            disturb(rng, image, augment)[None],
            np.stack([targets.scoremap, targets.weight * known], axis=-1)[None],
            np.concatenate([targets.locref, targets.scoremap[..., None]], axis=-1)[None],
        )


def _stacked(items: list[Batch]) -> Batch:
    return Batch(
        *(np.concatenate([getattr(item, name) for item in items]) for name in ("images", "scoremap", "locref"))
    )


def batches(maker: Maker[B_co], first: int, count: int) -> Iterator[B_co]:
    """Batches `first` to ``first + count - 1``, made ahead by other threads."""
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="posecli-batches")
    waiting: deque[Future[B_co]] = deque()
    numbers = iter(range(first, first + count))
    try:
        for number in numbers:
            waiting.append(pool.submit(maker.make, number))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)

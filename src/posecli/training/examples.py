"""Batches, each made from its number alone: a run that is continued sees what an unbroken one would have seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

#: Seeds of synthetic videos to train on begin here, so that small ones, which people choose, stay unseen.
FIRST_TRAINING_SEED = 1_000_000
#: A seed that no training video has.
HELD_OUT_SEED = 0
#: Batches made ahead, and the threads that make them.
AHEAD = 4
WORKERS = 1

T = TypeVar("T")


@dataclass(frozen=True)
class TrainingBatch:
    """What one step sees.

    Attributes
    ----------
    inputs
        ``(B, ..., H, W, 3)`` uint8 RGB: images, or clips of them.
    targets
        What the losses of the network take.
    """

    inputs: npt.NDArray[np.uint8]
    targets: Any


def batches(make: Callable[[np.random.Generator], TrainingBatch], seed: int, steps: range) -> Iterator[TrainingBatch]:
    """The batches of these steps, counted over the whole run, some of them made ahead by other threads."""
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="posecli-batches")
    waiting: deque[Future[TrainingBatch]] = deque()
    try:
        for step in steps:
            waiting.append(pool.submit(make, np.random.default_rng((seed, step))))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` items, evenly spaced.

    >>> spread("abcdefg", 3)
    ['a', 'd', 'g']
    """
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[place] for place in places]

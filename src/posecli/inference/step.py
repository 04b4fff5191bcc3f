"""One step from frames to poses, or from chunks of frames to probabilities.

Readers prepare frames in their own threads; a step takes a batch of them through a network and turns its output into
values, poses in pixels of the displayed, full frame. All who want values call one: runs, the parity gate, studies,
evaluation, training's held-out check and `predict`. A step can be made of others, such as one that looks at windows
which another has chosen: callers see no difference.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from posecli.video.batch import Batch

#: What a network's output becomes, one for each item: poses ``(B, K, N, 3)``, or probabilities ``(B, C)``.
Values: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """What differs between poses and behaviours on the way from items to values."""

    item: str  # what goes through the network as one, for people
    shape: str  # of a batch of items, for people
    missing: tuple[float, ...]  # stands for the values of an item that could not be decoded
    located: bool  # whether values begin with x and y in pixels of the network's input


POSES = Kind("frame", "(N, H, W, 3)", (np.nan, np.nan, 0.0), located=True)
BEHAVIOURS = Kind("chunk", "(N, T, H, W, 3)", (np.nan,), located=False)


class Step(ABC):
    """From a batch to values, in two parts that may overlap: one batch is finished while the next one is inferred."""

    @abstractmethod
    def infer(self, batch: Batch) -> Any:
        """Run the network; always called from one thread. The batch's images may be overwritten afterwards."""

    @abstractmethod
    def finish(self, batch: Batch, output: Any) -> Values:
        """Turn what `infer` gave into values, in any thread, without looking at the batch's images.

        Poses ``(B, K, N, 3)`` are in px of the displayed, full frame. An item that could not be decoded is missing:
        NaN, NaN and likelihood 0, or NaN probabilities.
        """

    def resume(self, first: int, before: Values) -> None:  # noqa: B027  # most look at each item by itself
        """Take values of the items that lie before item `first`, which comes next."""

    def warm_up(self, batch_size: int) -> None:  # noqa: B027  # nothing, unless there is something
        """Do what the first call with this batch size would otherwise be late for."""

    def __call__(self, batch: Batch) -> Values:
        return self.finish(batch, self.infer(batch))


@dataclass(frozen=True)
class NetworkStep(Step):
    """One network."""

    engine: Callable[[npt.NDArray[np.uint8]], Any]  # runs it on images; a network in training is run by a function
    decode: Callable[[Any], Values]  # its output to values, places among them in px of the network's input
    kind: Kind

    def infer(self, batch: Batch) -> Any:
        return self.engine(batch.images)

    def finish(self, batch: Batch, output: Any) -> Values:
        values = self.decode(output)
        values[~batch.valid] = self.kind.missing
        if self.kind.located:
            values[..., :2] = batch.geometry.to_frame(values[..., :2])
        return values

    def warm_up(self, batch_size: int) -> None:
        if hasattr(self.engine, "warm_up"):  # a function has nothing to warm up
            self.engine.warm_up(batch_size)

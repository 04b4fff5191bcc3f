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
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.inference.kind import Kind, Values
from posecli.video.batch import Batch


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

    def warm_up(self, batch_size: int) -> None:  # noqa: B027  # nothing, unless there is something
        """Do what the first call with this batch size would otherwise be late for."""

    def __call__(self, batch: Batch) -> Values:
        """Both parts."""
        return self.finish(batch, self.infer(batch))


@dataclass(frozen=True)
class NetworkStep(Step):
    """One network.

    Attributes
    ----------
    engine
        Runs it on a batch's images; a network in training is run by a function.
    decode
        Its output to values, places among them in px of the network's input.
    kind
        What the values are.
    """

    engine: Callable[[npt.NDArray[np.uint8]], Any]
    decode: Callable[[Any], Values]
    kind: Kind

    def infer(self, batch: Batch) -> Any:
        """Run the network."""
        return self.engine(batch.images)

    def finish(self, batch: Batch, output: Any) -> Values:
        """Decode, and undo the geometry."""
        values = self.decode(output)
        values[~batch.valid] = self.kind.missing
        if self.kind.located:
            values[..., :2] = batch.geometry.to_frame(values[..., :2])
        return values

    def warm_up(self, batch_size: int) -> None:
        """As the engine does; a function has nothing to warm up."""
        if hasattr(self.engine, "warm_up"):
            self.engine.warm_up(batch_size)

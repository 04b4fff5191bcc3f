"""An engine without a network: it finds the red, green and blue dots of `support.clips`."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from posecli.engine import EngineInfo, Shape
from posecli.engine.outputs import Maps
from posecli.model.folder import AnyFolder, ModelFolder
from posecli.options import EngineOptions, FixedPrecision

STRIDE = 8


class FakeEngine:
    """Scoremaps are each cell's share of one pure colour; location refinement is nil."""

    #: Shapes of all images that any fake engine was called with, in order.
    calls: ClassVar[list[tuple[int, ...]]] = []

    def __init__(self, folder: ModelFolder, shape: Shape, options: EngineOptions) -> None:
        self.info = EngineInfo("fake", "0", "CPU", options.fixed_precision, options.threads or 1)
        self._shape = shape[:2]

    @staticmethod
    def obstacle(folder: AnyFolder, precision: FixedPrecision) -> str | None:
        """It is exact."""
        return None if precision == "fp32" else f"the fake engine does not compute in {precision}"

    def warm_up(self, batch_size: int) -> None:
        """Nothing to do."""

    def __call__(self, images: npt.NDArray[np.uint8]) -> Maps:
        assert images.dtype == np.uint8
        assert images.shape[1:] == (*self._shape, 3)
        FakeEngine.calls.append(images.shape)
        planes = [images[..., channel].astype(np.int16) for channel in range(3)]
        rows, columns = (2 * -(-side // 16) for side in self._shape)
        pure = np.zeros((len(images), 3, rows * STRIDE, columns * STRIDE), np.int16)
        for channel, plane in enumerate(planes):
            np.maximum(2 * plane - sum(planes), 0, out=pure[:, channel, : self._shape[0], : self._shape[1]])
        strips = pure.reshape(len(images), 3, rows, STRIDE, -1).sum(axis=3)
        cells = np.moveaxis(strips.reshape(len(images), 3, rows, columns, STRIDE).sum(axis=4), 1, 3)
        scoremap = cells.astype(np.float32) / np.float32(STRIDE**2 * 255)
        return Maps(scoremap, np.zeros((*cells.shape, 2), np.float32))


class PlacedEngine(FakeEngine):
    """Its places depend a little on where in the picture they lie, as a network's do: a window is not a whole frame."""

    def __call__(self, images: npt.NDArray[np.uint8]) -> Maps:
        found = super().__call__(images)
        assert found.locref is not None
        across = np.arange(found.locref.shape[2], dtype=np.float32)[:, None, None]
        return Maps(found.scoremap, found.locref + np.float32(0.002) * across)


class TaughtEngine(PlacedEngine):
    """Of a student it is some px off in pictures whose dots are dim, of which it is less sure; else it is exact."""

    #: Px by which a student is off in x, and in y.
    OFF: ClassVar[float] = 24.0

    def __init__(self, folder: ModelFolder, shape: Shape, options: EngineOptions) -> None:
        super().__init__(folder, shape, options)
        self._is_student = folder.path.name.startswith("student")

    def __call__(self, images: npt.NDArray[np.uint8]) -> Maps:
        if not self._is_student:
            return FakeEngine.__call__(self, images)
        found = super().__call__(images)
        assert found.locref is not None
        dim = found.scoremap.max(axis=(1, 2, 3), keepdims=True)[..., None] < 0.9
        return Maps(found.scoremap, found.locref + np.where(dim, np.float32(self.OFF / 7.2801), np.float32(0)))

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
        pure = np.clip(2.0 * images.astype(np.float32) - images.sum(axis=3, keepdims=True, dtype=np.float32), 0, None)
        rows, columns = (2 * -(-side // 16) for side in self._shape)
        padded = np.zeros((len(images), rows * STRIDE, columns * STRIDE, 3), np.float32)
        padded[:, : self._shape[0], : self._shape[1]] = pure
        cells = padded.reshape(len(images), rows, STRIDE, columns, STRIDE, 3).mean(axis=(2, 4))
        return Maps((cells / 255).astype(np.float32), np.zeros((*cells.shape, 2), np.float32))

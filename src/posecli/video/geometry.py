"""Frame pixels to network pixels, and back: what was done to frames, kept so that it can be undone.

A displayed frame is cropped, then resized, before the network sees it; coordinates come back the other way. They are
continuous, with pixel ``i`` covering ``[i, i + 1)``, so that resizing by a factor multiplies a coordinate by it, as in
DeepLabCut, whose cell centres lie at ``(column + 1/2) stride``. The reader has applied the rotation that a file asks
for: here, a frame is as displayed. This module lies in `posecli.video` because readers prepare the frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from posecli.errors import UsageError
from posecli.options import Crop

Floats: TypeAlias = npt.NDArray[np.float64]

SMALLEST_SIDE = 16  #: Below this many pixels a side, a scoremap has no cells worth choosing from.


@dataclass(frozen=True)
class Geometry:
    """What is done to each frame of a video: of a displayed frame, a crop is brought to the size the network sees, px.

    >>> geometry = Geometry.plan(640, 480, Crop(100, 420, 0, 240), Fraction(1, 2))
    >>> geometry.width, geometry.height
    (160, 120)
    >>> geometry.to_frame(np.array([[80.0, 60.0]]))
    array([[260., 120.]])
    """

    frame_width: int
    frame_height: int
    crop: Crop
    width: int
    height: int

    @classmethod
    def plan(
        cls, frame_width: int, frame_height: int, crop: Crop | None = None, scale: Fraction = Fraction(1)
    ) -> Geometry:
        """Work out the geometry of frames of one size.

        A `UsageError` if the crop leaves the frame, or the network would see less than `SMALLEST_SIDE` px a side.
        """
        box = crop or Crop(0, frame_width, 0, frame_height)
        if box.x2 > frame_width or box.y2 > frame_height:
            raise UsageError(
                f"crop {box} leaves the frame of {frame_width}x{frame_height} px: "
                f"x2 may be at most {frame_width} and y2 at most {frame_height}"
            )
        width, height = round((box.x2 - box.x1) * scale), round((box.y2 - box.y1) * scale)
        if min(width, height) < SMALLEST_SIDE:
            raise UsageError(
                f"the network would see only {width}x{height} px: choose a larger crop or scale "
                f"so that both sides have at least {SMALLEST_SIDE} px"
            )
        return cls(frame_width, frame_height, box, width, height)

    def brought_to(self, width: int, height: int) -> Geometry:
        """The same part of the frame, resized to another size, px; its sides may shrink differently.

        >>> Geometry.plan(640, 480).brought_to(224, 224).scale
        (0.35, 0.4666666666666667)
        """
        return replace(self, width=width, height=height)

    @property
    def is_cropped(self) -> bool:
        """Whether a part of the frame is left out."""
        return self.crop != Crop(0, self.frame_width, 0, self.frame_height)

    @property
    def is_resized(self) -> bool:
        """Whether the network sees other pixels than the cropped frame's own."""
        return (self.width, self.height) != (self.crop.x2 - self.crop.x1, self.crop.y2 - self.crop.y1)

    @property
    def scale(self) -> tuple[float, float]:
        """Network px per frame px, for x and y; they differ a little where a size was rounded."""
        return self.width / (self.crop.x2 - self.crop.x1), self.height / (self.crop.y2 - self.crop.y1)

    def to_frame(self, xy: Floats) -> Floats:
        """Network px to displayed-frame px; ``(..., 2)`` to ``(..., 2)``, NaN stays NaN."""
        return xy / self.scale + (self.crop.x1, self.crop.y1)

    def to_network(self, xy: Floats) -> Floats:
        """Displayed-frame px to network px, the inverse of `to_frame`."""
        return (xy - (self.crop.x1, self.crop.y1)) * self.scale

    def of_batch(self, count: int) -> BatchGeometry:
        """The same for each of so many frames."""
        offset, scale = np.array((self.crop.x1, self.crop.y1), np.float64), np.array(self.scale)
        return BatchGeometry(np.broadcast_to(offset, (count, 2)), np.broadcast_to(scale, (count, 2)))


@dataclass(frozen=True)
class BatchGeometry:
    """What was done to each frame of a batch: a window was cut out of it, and resized.

    >>> geometry = BatchGeometry(np.array([[100.0, 0.0], [40.0, 20.0]]), np.array([[0.5, 0.5], [1.0, 1.0]]))
    >>> geometry.to_frame(np.array([[80.0, 60.0], [80.0, 60.0]]))
    array([[260., 120.],
           [120.,  80.]])
    """

    #: ``(B, 2)`` float64, x and y of the upper left corner of the window in the displayed frame, px; negative where
    #: the frame was padded.
    offset: Floats
    scale: Floats  #: ``(B, 2)`` float64, network px per frame px, for x and y.

    @classmethod
    def none(cls, count: int) -> BatchGeometry:
        """Of so many frames that the network sees as they are."""
        return cls(np.zeros((count, 2)), np.ones((count, 2)))

    def __len__(self) -> int:
        return len(self.offset)

    def __getitem__(self, chosen: slice | npt.NDArray[Any]) -> BatchGeometry:
        return BatchGeometry(self.offset[chosen], self.scale[chosen])

    def to_frame(self, xy: Floats) -> Floats:
        """Network px to displayed-frame px; ``(B, ..., 2)`` to ``(B, ..., 2)``, NaN stays NaN."""
        shape = (len(self), *(1,) * (xy.ndim - 2), 2)
        return xy / self.scale.reshape(shape) + self.offset.reshape(shape)

    def to_network(self, xy: Floats) -> Floats:
        """Displayed-frame px to network px, the inverse of `to_frame`."""
        shape = (len(self), *(1,) * (xy.ndim - 2), 2)
        return (xy - self.offset.reshape(shape)) * self.scale.reshape(shape)

    def window(self, offset: Floats, scale: Floats | float = 1.0) -> BatchGeometry:
        """Of windows of the network's pictures: ``(B, 2)`` px of their upper left corners, and the factor of each."""
        return BatchGeometry(self.to_frame(offset), self.scale * scale)

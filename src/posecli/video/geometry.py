"""Frame pixels to network pixels, and back: one ladder, every rung invertible.

A displayed frame goes down the ladder before the network sees it: *crop*, then *resize*. A pose comes back up:
resize undone, then crop undone. Coordinates are continuous with pixel ``i`` covering ``[i, i + 1)``, so a
resize by a factor multiplies a coordinate by that factor; this is also DeepLabCut's convention, whose cell
centres lie at ``(column + 1/2) stride``. Rotation is undone by the video reader: here a frame is as displayed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from posecli.errors import UsageError
from posecli.options import Crop

#: A network needs some cells to choose from; below this many pixels a side there are none worth having.
SMALLEST_SIDE = 16


@dataclass(frozen=True)
class Geometry:
    """What was done to each frame of a video.

    Attributes
    ----------
    frame_width, frame_height
        The displayed frame, px.
    crop
        The part of it that is used; the whole frame where nothing was cropped.
    width, height
        What the network sees, px.

    Examples
    --------
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
        """Work out the ladder for frames of one size.

        Raises
        ------
        UsageError
            If the crop leaves the frame, or the network would see less than `SMALLEST_SIDE` px a side.
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
        """The same part of the frame for a network that sees another size, px; the two sides may shrink differently.

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

    def to_frame(self, xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Network px to displayed-frame px; ``(..., 2)`` to ``(..., 2)``, NaN stays NaN."""
        return uncrop(unscale(xy, self.scale), self.crop)

    def to_network(self, xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Displayed-frame px to network px, the inverse of `to_frame`."""
        return rescale(recrop(xy, self.crop), self.scale)


def uncrop(xy: npt.NDArray[np.float64], crop: Crop) -> npt.NDArray[np.float64]:
    """Cropped-frame px to frame px."""
    return np.add(xy, (crop.x1, crop.y1))


def recrop(xy: npt.NDArray[np.float64], crop: Crop) -> npt.NDArray[np.float64]:
    """Frame px to cropped-frame px, the inverse of `uncrop`."""
    return np.subtract(xy, (crop.x1, crop.y1))


def unscale(xy: npt.NDArray[np.float64], scale: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Resized px to px before resizing."""
    return xy / scale


def rescale(xy: npt.NDArray[np.float64], scale: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Px before resizing to resized px, the inverse of `unscale`."""
    return xy * scale

"""What is done to examples of either kind: a view of an image, light, and sensor noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posecli.video.opencv import import_cv2

cv2 = import_cv2()

Image = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]

#: What lies outside the image: the mean pixel, which the network subtracts, as its own padding is nothing.
OUTSIDE = (124, 117, 104)


@dataclass(frozen=True)
class Viewport:
    """Which part of an image is shown, how large and how turned.

    The place `focus` of the image is shown at `place` of the view; both are ``(2,)`` x, y px.
    """

    height: int
    width: int
    #: Px of the view per px of the image.
    scale: float
    #: Degrees.
    angle: float
    mirrored: bool
    focus: Points
    place: Points

    def matrix(self) -> npt.NDArray[np.float64]:
        """``(2, 3)``: continuous image px to continuous view px, pixel ``i`` covering ``[i, i + 1)``.

        >>> view = Viewport(4, 4, 2.0, 0.0, False, np.array([1.0, 1.0]), np.array([2.0, 2.0]))
        >>> (view.matrix() @ (1.5, 1.0, 1.0)).tolist()
        [3.0, 2.0]
        """
        cosine, sine = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        turn = self.scale * np.array([[cosine, -sine], [sine, cosine]])
        if self.mirrored:
            turn = turn @ np.diag([-1.0, 1.0])
        return np.column_stack([turn, self.place - turn @ self.focus])


def show(image: Image, points: Points, view: Viewport) -> tuple[Image, Points]:
    """The view of an image, and where its body parts are in it; NaN for those outside.

    Shrinking averages areas first, as `posecli.video.batch` does, and the rest is one bilinear warp.
    """
    matrix = view.matrix()
    small, factor = _shrunk(image, view.scale)
    # To the shrunk image's px, and from continuous px to OpenCV's, whose pixel centres are whole numbers.
    pixels = np.column_stack([matrix[:, :2] / factor, matrix[:, 2]])
    pixels[:, 2] += pixels[:, :2] @ (0.5, 0.5) - 0.5
    shown = cv2.warpAffine(
        small,
        pixels,
        (view.width, view.height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=OUTSIDE,
    )
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    outside = ~((moved >= 0) & (moved < (view.width, view.height))).all(axis=1)
    moved[outside] = np.nan
    return shown, moved


def _shrunk(image: Image, scale: float) -> tuple[Image, npt.NDArray[np.float64]]:
    if scale >= 1:
        return image, np.ones(2)
    height, width = image.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.array(size) / (width, height)


def change_light(rng: np.random.Generator, image: Image, strength: float) -> Image:
    """Gamma, contrast, brightness, and now and then a tint, by one table per channel."""
    gamma = math.exp(rng.normal(0, 0.25 * strength))
    contrast = math.exp(rng.normal(0, 0.2 * strength))
    brightness = rng.normal(0, 0.08 * strength)
    tint = rng.normal(0, 0.04 * strength, 3) if rng.random() < 0.3 else np.zeros(3)
    level = np.linspace(0, 1, 256)[:, None] ** gamma
    table = ((level - 0.5) * contrast + 0.5 + brightness + tint * level) * 255
    lit: Image = cv2.LUT(image, np.ascontiguousarray(np.clip(table, 0, 255).astype(np.uint8)[None]))
    return lit


def add_noise(rng: np.random.Generator, image: Image) -> Image:
    """Sensor noise, the same in all channels or not."""
    channels = 1 if rng.random() < 0.6 else 3
    noise = rng.standard_normal((*image.shape[:2], channels), np.float32) * rng.uniform(2, 11)
    return np.clip(image + noise, 0, 255).astype(np.uint8)

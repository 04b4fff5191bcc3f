"""Soft-edged shapes on an image, at fractions of a pixel, and smooth random numbers over space and time."""

from __future__ import annotations

import cv2
import numpy as np

from posecli.synthetic.arrays import Color, Flags, Floats, Image, Light, Mask, Points

#: Fractional bits that OpenCV is given for coordinates.
SHIFT = 4


class Canvas:
    """An image ``(H, W, 3)`` uint8 RGB, painted on in place; `blur` is the camera's, px (sigma)."""

    def __init__(self, image: Image, blur: float) -> None:
        self.image = image
        self._blur = blur

    def paint(self, shape: Points, color: Color, opacity: float = 1.0, blur: float = 0.0) -> None:
        """Fill a polygon, ``(n, 2)`` x, y, with an RGB colour.

        >>> canvas = Canvas(np.zeros((8, 8, 3), np.uint8), blur=0.0)
        >>> canvas.paint(np.array([[2.0, 2], [6, 2], [6, 6], [2, 6]]), np.float32([200, 200, 200]))
        >>> canvas.image[3:5, 3:5, 0].tolist(), int(canvas.image[0, 0, 0])
        ([[200, 200], [200, 200]], 0)
        """
        for patch, mask in self._covered(shape, blur):
            ground = patch.astype(np.float32)
            ground += (color - ground) * (mask * np.float32(opacity))[..., None]
            np.clip(ground, 0, 255, out=ground)
            patch[...] = np.rint(ground)

    def shade(self, shape: Points, strength: float, blur: float) -> None:
        """Darken the image under a polygon to ``1 - strength`` of its light."""
        for patch, mask in self._covered(shape, blur):
            patch[...] = np.rint(patch * (1 - mask * np.float32(strength))[..., None])

    def _covered(self, shape: Points, blur: float) -> list[tuple[Image, Mask]]:
        """The part of the image under a polygon, and its coverage of each pixel; empty off the image."""
        sigma = float(np.hypot(self._blur, blur))
        margin = int(np.ceil(3 * sigma)) + 2
        height, width = self.image.shape[:2]
        left, top = np.floor(shape.min(axis=0)).astype(int) - margin
        right, bottom = np.ceil(shape.max(axis=0)).astype(int) + margin
        box = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
        patch = self.image[box]
        if patch.size == 0 or right <= 0 or bottom <= 0:
            return []
        mask = coverage(shape - [left, top], right - left, bottom - top, sigma)
        return [(patch, mask[box[0].start - top : box[0].stop - top, box[1].start - left : box[1].stop - left])]


def coverage(shape: Points, width: int, height: int, sigma: float) -> Mask:
    """``(height, width)``, 0 to 1: how much of each pixel a polygon covers, blurred by `sigma` px."""
    mask = np.zeros((height, width), np.uint8)
    corners = np.rint((shape - 0.5) * (1 << SHIFT)).astype(np.int32)
    cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, SHIFT)
    if sigma > 0.2:
        mask = cv2.GaussianBlur(mask, (0, 0), sigma)
    return mask.astype(np.float32) * np.float32(1 / 255)


def ellipse(
    center: Points, radii: tuple[Floats | float, Floats | float], angle: Floats | float, corners: int = 20
) -> Points:
    """Polygons ``(..., corners, 2)`` of ellipses whose first radius points along `angle` (rad).

    >>> np.round(ellipse(np.array([5.0, 5.0]), (2.0, 1.0), 0.0, corners=4), 3).tolist()
    [[7.0, 5.0], [5.0, 6.0], [3.0, 5.0], [5.0, 4.0]]
    """
    turn = np.arange(corners) * (2 * np.pi / corners)
    along, across = radii[0] * np.cos(turn), radii[1] * np.sin(turn)
    cos, sin = np.cos(angle)[..., None], np.sin(angle)[..., None]
    outline = np.stack([along * cos - across * sin, along * sin + across * cos], axis=-1)
    return np.asarray(center[..., None, :] + outline)


def normals(lines: Points) -> Points:
    """Unit vectors across ``(..., n, 2)`` lines, to the right of one who looks along them with y up."""
    step = np.gradient(lines, axis=-2)
    step /= np.maximum(np.hypot(step[..., 0], step[..., 1]), 1e-9)[..., None]
    return np.stack([-step[..., 1], step[..., 0]], axis=-1)


def ribbon(lines: Points, half_widths: Floats | float) -> Points:
    """Polygons around ``(..., n, 2)`` lines, as wide on either side as `half_widths` says.

    >>> ribbon(np.array([[0.0, 0.0], [4.0, 0.0]]), 1.0).tolist()
    [[0.0, 1.0], [4.0, 1.0], [4.0, -1.0], [0.0, -1.0]]
    """
    aside = normals(lines) * np.broadcast_to(half_widths, lines.shape[:-1])[..., None]
    return np.concatenate([lines + aside, (lines - aside)[..., ::-1, :]], axis=-2)


def uneven(rng: np.random.Generator, cells: tuple[int, int], width: int, height: int) -> Light:
    """Smooth random numbers over a frame, from so many rows and columns of knots."""
    coarse = rng.standard_normal((max(2, cells[0]), max(2, cells[1])), np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def spline(knots: Floats, at: Floats) -> Floats:
    """Uniform cubic B-spline near its ``(m, ...)`` knots, at ``(n,)`` places from 0 to ``m - 3``.

    >>> spline(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array([0.0, 0.5, 1.0])).round(3).tolist()
    [1.0, 1.5, 2.0]
    """
    first = np.clip(np.floor(at).astype(int), 0, len(knots) - 4)
    t = at - first
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 3 * (t + t**2 - t**3) + 1, t**3)
    shape = (-1, *([1] * (knots.ndim - 1)))
    return np.asarray(sum(w.reshape(shape) * knots[first + i] for i, w in enumerate(weights)) / 6)


def wander(rng: np.random.Generator, n: int, period: float) -> Floats:
    """``(n,)`` smooth random numbers about 0, of standard deviation near 0.7, that turn every `period` frames or so."""
    at = np.arange(n) / max(period, 1.0)
    return spline(rng.standard_normal(int(at[-1]) + 4), at)


def darken(light: Light, shape: Points, strength: float) -> None:
    """Remove this share of the light from under a polygon."""
    height, width = light.shape
    light *= 1 - np.float32(strength) * coverage(shape, width, height, 0.0)


def contains(shape: Points, points: Points) -> Flags:
    """``(K,)``: which of the ``(K, 2)`` points lie in a polygon.

    >>> contains(np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]]), np.array([[1.0, 1], [5, 1]])).tolist()
    [True, False]
    """
    outline = shape.astype(np.float32).reshape(-1, 1, 2)
    return np.array([cv2.pointPolygonTest(outline, (float(x), float(y)), False) >= 0 for x, y in points])

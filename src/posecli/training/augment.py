"""What is done to examples: a view at some scale, and what light, dirt, camera and codec do to that view."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import av
import numpy as np
import numpy.typing as npt

from posecli.training.config import AugmentOptions
from posecli.video.opencv import import_cv2

cv2 = import_cv2()

Image = npt.NDArray[np.uint8]
Points = npt.NDArray[np.float64]
Size = tuple[int, int]

#: What lies outside the image: the mean pixel, which the network subtracts, as its own padding is nothing.
OUTSIDE = (124, 117, 104)
Scalar = TypeVar("Scalar", bound=np.generic)
#: Rotation of most whole frames, degrees: videos are rarely filmed askew.
SLIGHT_ROTATION = 15.0
#: Most specks and lines strewn over an image; half axes and widths as shares of its shorter side; share of light taken.
MOST_SPECKS, MOST_LINES = 60, 6
SPECK_SIZES = 0.0015, 0.01
LINE_WIDTHS = 0.002, 0.03
DARKNESS = 0.1, 0.95
#: OpenCV draws at sixteenths of a pixel.
SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Viewport:
    """Which part of an image is shown, how large and how turned.

    The place `focus` of the image is shown at `place` of the view; both are ``(2,)`` x, y px. The scale is px of the
    view per px of the image, the angle degrees.
    """

    height: int
    width: int
    scale: float
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
    factor = np.ones(2)
    if view.scale < 1:
        height, width = image.shape[:2]
        size = max(1, round(width * view.scale)), max(1, round(height * view.scale))
        image, factor = cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.array(size) / (width, height)
    # To the shrunk image's px, and from continuous px to OpenCV's, whose pixel centres are whole numbers.
    pixels = np.column_stack([matrix[:, :2] / factor, matrix[:, 2]])
    pixels[:, 2] += pixels[:, :2] @ (0.5, 0.5) - 0.5
    borders = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": OUTSIDE}
    shown = cv2.warpAffine(image, pixels, (view.width, view.height), flags=cv2.INTER_LINEAR, **borders)
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    moved[~((moved >= 0) & (moved < (view.width, view.height))).all(axis=1)] = np.nan
    return shown, moved


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


def choose_view(
    rng: np.random.Generator, image_size: Size, points: Points, scale: float, size: Size, options: AugmentOptions
) -> Viewport:
    """Choose what to show; sizes are ``(height, width)``, `scale` is px of the view per px of the image."""
    height, width = size
    whole = image_size[0] * scale <= height * 1.1 and image_size[1] * scale <= width * 1.1
    mirrored = bool(rng.random() < options.mirror)
    if whole:
        slight = min(SLIGHT_ROTATION, options.rotation)
        limit = slight if rng.random() < 0.5 else options.rotation
        focus = np.array([image_size[1], image_size[0]]) / 2
        place = rng.uniform(0.48, 0.52, 2) * (width, height)
    else:
        limit = options.rotation
        focus = _focus(rng, image_size, points, options.background)
        # Anywhere in the view: its edges cut the animal, as those of a frame do.
        place = rng.random(2) * (width, height)
    return Viewport(height, width, scale, float(rng.uniform(-limit, limit)), mirrored, focus, place)


def _focus(rng: np.random.Generator, image_size: Size, points: Points, background: float) -> Points:
    seen = points[np.isfinite(points).all(axis=1)]
    if len(seen) and rng.random() < 1 - background:
        chosen: Points = seen[rng.integers(len(seen))]
        return chosen
    return rng.random(2) * (image_size[1], image_size[0])


def swap_sides(
    values: npt.NDArray[Scalar], bodyparts: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> npt.NDArray[Scalar]:
    """Left and right body parts in each other's place, as in a mirror; ``(K, ...)`` of anything.

    >>> swap_sides(np.array([[1.0, 1.0], [2.0, 2.0]]), ("left", "right"), [("left", "right")]).tolist()
    [[2.0, 2.0], [1.0, 1.0]]
    """
    other = dict(pairs) | {right: left for left, right in pairs}
    swapped: npt.NDArray[Scalar] = values[[bodyparts.index(other.get(part, part)) for part in bodyparts]]
    return swapped


def strew(rng: np.random.Generator, image: Image) -> Image:
    """Dark specks, lines and bars anywhere: no ear or snout must be found in droppings, cables and corners."""
    height, width = image.shape[:2]
    light = np.full((height, width), 255, np.uint8)
    for _ in range(rng.integers(0, MOST_LINES + 1)):
        _draw_line(rng, light)
    for _ in range(rng.integers(3, MOST_SPECKS + 1)):
        _draw_speck(rng, light)
    soft = cv2.GaussianBlur(light, (0, 0), rng.uniform(0.4, 1.3))
    strewn: Image = cv2.multiply(image, cv2.merge([soft] * 3), scale=1 / 255)
    return strewn


def _draw_speck(rng: np.random.Generator, light: Image) -> None:
    half_axes = min(light.shape) * rng.uniform(*SPECK_SIZES) * np.array([1.0, rng.uniform(0.4, 1.0)])
    axes, centre = _subpixels(half_axes).tolist(), _subpixels(rng.random(2) * light.shape[::-1]).tolist()
    angle, left_over = float(rng.uniform(0, 180)), 255 * (1 - rng.uniform(*DARKNESS))
    cv2.ellipse(light, centre, axes, angle, 0, 360, left_over, -1, cv2.LINE_AA, SUBPIXEL_BITS)


def _draw_line(rng: np.random.Generator, light: Image) -> None:
    """Two ends, mostly with corners between them; wide ones are bars."""
    corners = rng.random((rng.integers(2, 6), 2)) * light.shape[::-1]
    # Narrow ones are more frequent.
    thinnest, widest = np.log(LINE_WIDTHS)
    thickness = max(1, round(min(light.shape) * math.exp(rng.uniform(thinnest, widest))))
    left_over = 255 * (1 - rng.uniform(*DARKNESS))
    cv2.polylines(light, [_subpixels(corners)], False, left_over, thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def _subpixels(points: Points) -> npt.NDArray[np.int32]:
    whole: npt.NDArray[np.int32] = np.rint(points * 2**SUBPIXEL_BITS).astype(np.int32)
    return whole


def disturb(rng: np.random.Generator, image: Image, options: AugmentOptions) -> Image:
    """What light, dirt, lens, sensor and codec do to a view; ``(H, W, 3)`` uint8 in and out."""
    image = change_light(rng, image, options.light)
    for share, change in (
        (options.occlusion, occlude),
        (options.blur, blur),
        (options.noise, add_noise),
        (options.jpeg, compress_jpeg),
        (options.h264, compress_h264),
    ):
        if rng.random() < share:
            image = change(rng, image)
    return image


def occlude(rng: np.random.Generator, image: Image) -> Image:
    """One to three grey boxes or discs."""
    image = image.copy()
    height, width = image.shape[:2]
    for _ in range(rng.integers(1, 4)):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        half = int(rng.uniform(0.02, 0.1) * min(height, width)) + 1
        color = tuple(int(value) for value in np.clip(rng.integers(256) + rng.integers(-20, 21, 3), 0, 255))
        if rng.random() < 0.5:
            cv2.rectangle(image, (x - half, y - half), (x + 2 * half, y + half), color, -1)
        else:
            cv2.circle(image, (x, y), half, color, -1)
    return image


def blur(rng: np.random.Generator, image: Image) -> Image:
    """Out of focus, or moved during the exposure."""
    if rng.random() < 0.5:
        blurred: Image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
        return blurred
    smeared: Image = cv2.filter2D(image, -1, motion_kernel(int(rng.integers(1, 4)), rng.uniform(0, math.pi)))
    return smeared


def motion_kernel(reach: int, angle: float) -> npt.NDArray[np.float32]:
    """A line of ``2 reach + 1`` px as a filter; point-symmetric, so that nothing moves away from its label.

    >>> motion_kernel(1, 0.0).sum(axis=0)
    array([0.33333334, 0.33333334, 0.33333334], dtype=float32)
    """
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    step = round(reach * math.cos(angle)), round(reach * math.sin(angle))
    cv2.line(kernel, (reach - step[0], reach - step[1]), (reach + step[0], reach + step[1]), 1.0)
    kernel += kernel[::-1, ::-1]
    kernel /= kernel.sum()
    return kernel


def compress_jpeg(rng: np.random.Generator, image: Image) -> Image:
    """Through JPEG and back, at any quality from 20 to 84."""
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 85))])
    decoded: Image = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return decoded


def compress_h264(rng: np.random.Generator, image: Image) -> Image:
    """Through H.264 and back, half of the time as a frame that is predicted from another one."""
    frames = [image]
    if rng.random() >= 0.5:
        frames.insert(0, np.roll(image, int(rng.integers(1, 4)), axis=int(rng.integers(2))))
    return h264_round_trip(frames, int(rng.integers(18, 40)))[-1]


def h264_round_trip(frames: Sequence[Image], crf: int) -> list[Image]:
    """Encode with x264 and decode, in memory; odd sides are padded meanwhile, since 4:2:0 video needs even ones."""
    height, width = frames[0].shape[:2]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="nut") as container:
        stream: Any = container.add_stream(
            "libx264", rate=30, options={"crf": str(crf), "preset": "ultrafast", "threads": "1"}
        )
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        for frame in frames:
            even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [np.ascontiguousarray(frame[:height, :width]) for frame in decoded]

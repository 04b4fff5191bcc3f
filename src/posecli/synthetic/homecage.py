"""Home cage: a mouse from the side that drinks, eats, grooms, hangs, sniffs, rears, rests, walks and eats by hand."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from posecli.synthetic.behaviours import BEHAVIOURS, Room, frame_labels_of, plan_bouts, plan_postures, postures_of
from posecli.synthetic.cagemouse import HEIGHT, WIDTH, CageMouse, CageMouseLooks, CageView
from posecli.synthetic.canvas import Canvas, Floats, Image, Light, Points, coverage, ellipse, ribbon, uneven
from posecli.synthetic.options import SceneOptions
from posecli.synthetic.scene import Flags, Scene

#: Frames whose shapes are computed together.
BLOCK = 32
#: Inner faces of the walls, the middle of the bedding's surface, and heights above it for a mouse of size 1, px.
LEFT, RIGHT, FLOOR = 42.0, 600.0, 398.0
LID, SPOUT = 226.0, 184.0
#: From the middle of an upright mouse to the wall, and to the spout before it, px for a mouse of size 1.
TO_WALL, TO_SPOUT = 84.0, 57.0


class HomeCage(Scene):
    """A mouse of nine behaviours between a bedding, a hopper and a spout.

    The cage fills the frame, whatever its sides: a square frame shows what a 640x480 one does, squeezed.
    """

    name: ClassVar[str] = "home-cage"
    bodyparts: ClassVar[tuple[str, ...]] = ("snout", "ear", "forepaw", "tailbase")
    in_color: ClassVar[float] = 0.5
    behaviours: ClassVar[tuple[str, ...]] = BEHAVIOURS

    def __init__(self, options: SceneOptions) -> None:
        super().__init__(options)
        rng, moves = self._place, self._moves
        self.looks = CageMouseLooks(rng, gray=self._gray)
        size = self.looks.size
        floor = FLOOR + rng.uniform(-12, 12)
        mirrored = bool(rng.random() < 0.5)
        scale = self.width / WIDTH, self.height / HEIGHT
        self._view = CageView(floor, LEFT + 3, RIGHT - 3, mirrored, scale)
        self._blur = float(rng.uniform(0.5, 1.2)) * min(scale)
        cage, bedding = _cage(rng, self.looks, floor, gray=self._gray)
        self._cage = _seen(cage, self._view, self.width, self.height)
        near = _seen(bedding, self._view, self.width, self.height)
        rows = np.flatnonzero((near > 127).any(axis=1))
        self._rows = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)
        self._near = near[self._rows, :, None] > 127
        self._bouts = plan_bouts(moves, self.n_frames, self.fps)
        room = Room(LEFT + 108 * size, RIGHT - 118 * size, RIGHT - TO_WALL * size, size)
        self._postures: Floats = plan_postures(moves, self._bouts, self.fps, room)
        self._block = 0, CageMouse(self.looks, postures_of(self._postures[:BLOCK]), self._view)

    def labels(self) -> npt.NDArray[np.int8]:
        """``(n_frames,)`` index of every frame's behaviour in `behaviours`."""
        return frame_labels_of(self._bouts)

    def mice(self, block: int) -> CageMouse:
        """The animal in frames ``block * BLOCK`` and after, `BLOCK` or as many as there are."""
        kept, mice = self._block
        if kept != block:
            postures = self._postures[block * BLOCK : (block + 1) * BLOCK]
            mice = CageMouse(self.looks, postures_of(postures), self._view)
            # One assignment, so that threads may share a scene.
            self._block = block, mice
        return mice

    def _render(self, index: int) -> tuple[Canvas, Points, Flags, float]:
        image = self._cage.copy()
        mice, frame = self.mice(index // BLOCK), index % BLOCK
        self._paint_shadow(image, mice.ground(frame))
        mice.paint(image, frame)
        np.copyto(image[self._rows], self._cage[self._rows], where=self._near)
        # To blur the whole frame costs less than to blur every shape.
        if self._blur > 0.2:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self._blur), np.uint8)
        length = 190 * self.looks.size * min(self._view.scale)
        return Canvas(image, self._blur), mice.points[frame].copy(), mice.hidden(frame), length

    def _paint_shadow(self, image: Image, ground: Points) -> None:
        """The shadow of the lamp in the lid on the bedding."""
        high = 9 * self._view.scale[1]
        across = 0.6 * abs(ground[1, 0] - ground[0, 0]) + 25 * self._view.scale[0]
        Canvas(image, 0.0).shade(ellipse(ground.mean(axis=0), (across, high), 0.0), 0.35, 0.6 * high)


def _seen(picture: Image, view: CageView, width: int, height: int) -> Image:
    """A picture of 640x480 px as the camera sees it."""
    if view.mirrored:
        picture = picture[:, ::-1]
    if (width, height) == (WIDTH, HEIGHT):
        return np.ascontiguousarray(picture)
    method = cv2.INTER_AREA if width < WIDTH else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)


def _cage(rng: np.random.Generator, looks: CageMouseLooks, floor: float, *, gray: bool) -> tuple[Image, Image]:
    """The cage without its animal ``(480, 640, 3)``, and how far its bedding lies before the animal ``(480, 640)``."""
    wall = rng.uniform(75, 105) if looks.is_pale else rng.uniform(145, 205)
    lid = floor - LID * looks.size
    light = _wall(rng, wall)
    _draw_frame(rng, light, lid)
    _draw_hopper(rng, light, lid)
    _draw_spout(rng, light, lid, floor, looks.size)
    surface = _surface(rng, floor)
    near = _draw_bedding(rng, light, surface, wall)
    columns = np.linspace(-1, 1, WIDTH, dtype=np.float32)
    lamp = 1 + rng.uniform(-0.12, 0.12) * columns - rng.uniform(0, 0.15) * columns**2
    light *= lamp[None, :] * np.linspace(1.06, 0.94, HEIGHT, dtype=np.float32)[:, None]
    tint = np.ones(3) if gray else 1 + rng.normal(0, 0.05, 3)
    image = np.clip(light[..., None] * tint.astype(np.float32), 0, 255)
    return np.rint(image).astype(np.uint8), near


def _wall(rng: np.random.Generator, level: float) -> Light:
    """The rear wall: uneven, scratched, with reflections of the front one."""
    light = np.float32(level) + 7 * uneven(rng, (4, 5), WIDTH, HEIGHT)
    light += 1.5 * cv2.resize(rng.standard_normal((120, 160), np.float32), (WIDTH, HEIGHT))
    for _ in range(int(rng.integers(1, 4))):
        x = rng.uniform(LEFT, RIGHT)
        _paint(light, np.array([[x, 0], [x + 18, 0], [x - 30, HEIGHT], [x - 60, HEIGHT]]), rng.uniform(4, 10), 12.0)
    return np.asarray(light, np.float32)


def _draw_frame(rng: np.random.Generator, light: Light, lid: float) -> None:
    """Side walls, the rack above the lid, and the lid's bars."""
    rack = rng.uniform(-70, -35)
    _paint(light, _box(0, 0, WIDTH, lid - 6), rack)
    for x in np.arange(LEFT - 20, RIGHT + 20, rng.uniform(13, 19)):
        _paint(light, _box(x, lid - 16, x + 3, lid - 4), 45)
    _paint(light, _box(LEFT - 22, lid - 6, RIGHT + 22, lid), 60)
    for inner, outer in ((LEFT, LEFT - 14), (RIGHT, RIGHT + 14)):
        _paint(light, _box(min(inner, outer), lid, max(inner, outer), HEIGHT - 12), -45)
    for left, right in ((-9, LEFT - 14), (RIGHT + 14, WIDTH + 9)):
        _paint(light, _box(left, lid - 6, right, HEIGHT + 9), rack)


def _draw_hopper(rng: np.random.Generator, light: Light, lid: float) -> None:
    """A wire trough in the lid with pellets of food."""
    left, right, low = rng.uniform(200, 250), rng.uniform(340, 380), lid + rng.uniform(22, 34)
    for _ in range(26):
        x, y = rng.uniform(left + 20, right - 20), rng.uniform(lid - 40, low - 10)
        _paint(light, ellipse(np.array([x, y]), (15, 7), rng.uniform(0, np.pi), 10), rng.uniform(-30, 15))
    for x in np.linspace(left, right, 13):
        bent = left + 25 + (x - left) * (right - left - 50) / (right - left)
        _paint(light, ribbon(np.array([[x, lid - 6], [bent, low]]), 1.4), -55)
    _paint(light, ribbon(np.array([[left + 22, low], [right - 22, low]]), 2.2), -55)


def _draw_spout(rng: np.random.Generator, light: Light, lid: float, floor: float, size: float) -> None:
    """A bottle on the lid, and its tube down to where an upright mouse reaches it."""
    tip = np.array([RIGHT - (TO_WALL - TO_SPOUT) * size, floor - SPOUT * size])
    top = np.array([RIGHT + 4.0, lid - 8])
    _paint(light, _box(RIGHT - 60, -9, RIGHT + 12, lid - 22), rng.uniform(25, 60))
    _paint(light, _box(RIGHT - 44, lid - 22, RIGHT + 8, lid - 6), -60)
    _paint(light, ribbon(np.stack([top, tip]), np.array([6.0, 4.5])), -70)
    _paint(light, ribbon(np.stack([top, tip]) - [2.0, 0.0], 1.4), 70)


def _surface(rng: np.random.Generator, floor: float) -> Points:
    """``(n, 2)`` the line where bedding and wall meet, from left to right."""
    x = np.linspace(-9, WIDTH + 9, 60)
    bumps = 3.5 * np.sin(x / rng.uniform(35, 60) + rng.uniform(0, 6)) + rng.normal(0, 1.5, len(x))
    return np.stack([x, floor + bumps], axis=1)


def _draw_bedding(rng: np.random.Generator, light: Light, surface: Points, wall: float) -> Image:
    """Wood chips before the rear wall; returns ``(480, 640)`` what of them lies before the animal, 0 or 255."""
    corners = np.array([[WIDTH + 9.0, HEIGHT + 9.0], [-9.0, HEIGHT + 9.0]])
    bed = coverage(np.concatenate([surface - [0, 8], corners]), WIDTH, HEIGHT, 1.5)
    level = np.clip(wall + rng.uniform(-45, 30), 70, 215)
    chips = np.full_like(light, level)
    for _ in range(420):
        at = rng.uniform([LEFT - 10, surface[:, 1].min() - 12], [RIGHT + 10, HEIGHT])
        long = rng.uniform(3, 9)
        _paint(
            chips, ellipse(at, (long, long * rng.uniform(0.25, 0.5)), rng.uniform(0, np.pi), 8), rng.uniform(-26, 26)
        )
    inside = coverage(_box(LEFT, 0, RIGHT, HEIGHT - 12), WIDTH, HEIGHT, 0.0)
    light += (chips - light) * bed * inside
    front = coverage(np.concatenate([surface + [0, 3], corners]), WIDTH, HEIGHT, 0.0)
    return np.asarray(np.rint(255 * front), np.uint8)


def _box(left: float, top: float, right: float, bottom: float) -> Points:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def _paint(light: Light, shape: Points, change: float, blur: float = 0.0) -> None:
    """Make a shape lighter or darker, in the box about it."""
    margin = int(np.ceil(3 * blur)) + 2
    left, top = np.maximum(np.floor(shape.min(axis=0)).astype(int) - margin, 0)
    right, bottom = np.minimum(np.ceil(shape.max(axis=0)).astype(int) + margin, [WIDTH, HEIGHT])
    if right > left and bottom > top:
        mask = coverage(shape - [left, top], right - left, bottom - top, blur)
        light[top:bottom, left:right] += np.float32(change) * mask

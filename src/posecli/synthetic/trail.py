"""Trail tracking: a mouse that roams an open field, from above: uneven light, walls, drawn trails and clutter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from posecli.synthetic.canvas import (
    Canvas,
    Floats,
    Image,
    Light,
    Points,
    coverage,
    darken,
    ellipse,
    ribbon,
    spline,
    uneven,
    wander,
)
from posecli.synthetic.mouse import Mouse, MouseLooks, Posture, paint_mouse
from posecli.synthetic.options import SceneOptions
from posecli.synthetic.scene import Flags, Scene

#: Speed of a brisk walk, body lengths per second.
BRISK = 1.9
#: Share of the waypoints that lie beyond the frame.
OUTSIDE = 0.1
WAYPOINTS = 60
#: px along the path between two stored places.
STEP = 2.0
#: The most that a trunk bends, rad.
LARGEST_BEND = 1.3


class TrailTracking(Scene):
    """A dark mouse that walks, turns, stops, rears and now and then leaves the frame."""

    name: ClassVar[str] = "trail-tracking"
    bodyparts: ClassVar[tuple[str, ...]] = ("snout", "leftear", "rightear", "tailbase")
    in_color: ClassVar[float] = 0.3

    def __init__(self, options: SceneOptions) -> None:
        super().__init__(options)
        self.looks = MouseLooks(self._place, self._unit, gray=self._gray)
        self._arena, self._top, self._blur = _arena(self._place, self.width, self.height, self._unit, gray=self._gray)
        length, moves = self.looks.length, self._moves
        # Body lengths per second: bouts of walking, and stops.
        pace = BRISK * np.clip(0.35 + wander(moves, self.n_frames, 0.9 * self.fps), 0, 1.6)
        path = walk(moves, pace * length / self.fps, _waypoints(moves, self.width, self.height), length)
        self._postures = _postures(moves, path, self.fps, length)

    def mouse(self, index: int) -> Mouse:
        return Mouse(self.looks, Posture(*self._postures[index].tolist()))

    def _render(self, index: int) -> tuple[Canvas, Points, Flags, float]:
        canvas = Canvas(self._arena.copy(), self._blur)
        mouse = self.mouse(index)
        self._paint_reflection(canvas, mouse)
        paint_mouse(canvas, mouse)
        return canvas, mouse.bodyparts(), np.zeros(len(self.bodyparts), np.bool_), self.looks.length

    def _paint_reflection(self, canvas: Canvas, mouse: Mouse) -> None:
        """The upper wall mirrors an animal that is near to it, dimly."""
        top = self._top
        if top <= 0 or mouse.spine[:, 1].min() > top + 0.9 * mouse.unit:
            return
        squeezed = mouse.trunk.copy()
        squeezed[:, 1] = np.minimum(top, 0.9 * top - 0.7 * (squeezed[:, 1] - top))
        canvas.shade(squeezed, 0.35, 0.05 * mouse.unit)


def _waypoints(rng: np.random.Generator, width: int, height: int) -> Points:
    """Mice like walls: more places near the border than in the middle, some beyond it."""
    share = 0.06 + 0.88 * rng.beta(0.7, 0.7, (WAYPOINTS, 2))
    outside = rng.random(WAYPOINTS) < OUTSIDE
    axis, far = rng.integers(0, 2, WAYPOINTS), rng.random(WAYPOINTS) < 0.5
    share[outside, axis[outside]] = np.where(far, 1.12, -0.12)[outside]
    return share * [width, height]


def _postures(rng: np.random.Generator, path: Walk, fps: float, length: float) -> Floats:
    """``(n, 10)``: the fields of `Posture`, frame by frame."""
    n = len(path.x)

    def slow(seconds: float, size: float) -> Floats:
        return size * wander(rng, n, seconds * fps)

    stride = path.travelled * (2 * np.pi / (0.55 * length))
    heading, bend = path.heading + slow(1.5, 0.08) + 0.03 * np.sin(stride), path.bend + slow(1.2, 0.35)
    head_turn, rearing = 0.7 * np.tanh(0.35 * path.bend + slow(0.5, 0.5)), np.clip(slow(1.0, 1.6) - 1.3, 0, 1)
    tail_swing, tail_phase = -0.5 * path.bend + slow(0.9, 0.5), stride * 0.4 + slow(1.0, 1.5)
    ear_tilt = np.tanh(slow(0.6, 0.8))
    fields = [path.x, path.y, heading, bend, head_turn, rearing, tail_swing, tail_phase, stride, ear_tilt]
    return np.stack(fields, axis=1)


@dataclass(frozen=True)
class Walk:
    """A walk; every field ``(n,)``, one value per frame."""

    x: Floats  # the animal's middle, px
    y: Floats
    heading: Floats  # of its trunk, rad; 0 to the right, growing clockwise on the screen, without bound
    bend: Floats  # how far its front turns away from its rear, rad
    travelled: Floats  # distance so far, px


def walk(rng: np.random.Generator, speed: Floats, waypoints: Floats, length: float) -> Walk:
    """Go along a smooth path past ``(m, 2)`` waypoints, round and round, at ``(n,)`` px per frame.

    The animal is `length` px long, and cannot turn more sharply than its body allows.
    """
    knots = np.repeat(np.concatenate([waypoints, waypoints[:3]]), 2, axis=0)
    dense = spline(knots, np.linspace(0, 2 * len(waypoints), 40 * len(waypoints), endpoint=False))
    loop = np.concatenate([dense, dense[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(loop, axis=0).T))])
    total = along[-1]
    grid = np.linspace(0, total, int(total / STEP) + 3, endpoint=False)
    x, y = (np.interp(grid, along, loop[:, axis]) for axis in (0, 1))
    angles, winding = _directions(x, y, max(1, round(0.5 * length / STEP) // 2))
    reach = max(1, round(0.4 * length / STEP))
    around = _extended(angles, winding, reach)
    bend = around[2 * reach :] - around[: -2 * reach]
    travelled = rng.uniform(0, total) + np.cumsum(speed)
    place = travelled % total
    return Walk(
        np.interp(place, grid, x, period=total),
        np.interp(place, grid, y, period=total),
        np.interp(place, np.append(grid, total), np.append(angles, angles[0] + winding)),
        LARGEST_BEND * np.tanh(np.interp(place, grid, bend, period=total) / LARGEST_BEND),
        travelled,
    )


def _directions(x: Floats, y: Floats, half: int) -> tuple[Floats, float]:
    """At each point of a closed line, averaged over `half` points on either side, and by how much they wind, rad."""
    steps = [np.roll(part, -1) - np.roll(part, 1) for part in (x, y)]
    angles = np.arctan2(steps[1], steps[0])
    closed = np.unwrap(np.append(angles, angles[0]))
    winding = float(closed[-1] - closed[0])
    kernel = np.hanning(2 * half + 3)[1:-1]
    return np.convolve(_extended(closed[:-1], winding, half), kernel / kernel.sum(), "valid"), winding


def _extended(angles: Floats, winding: float, n: int) -> Floats:
    """The angles with `n` more on either side, from the rounds before and after."""
    return np.concatenate([angles[-n:] - winding, angles, angles[:n] + winding])


def _arena(rng: np.random.Generator, width: int, height: int, unit: float, *, gray: bool) -> tuple[Image, float, float]:
    """The place without its animal, the row of its floor's upper edge, and the camera's blur (px, sigma).

    `unit` is frame px per px of a 640x480 frame, and `gray` a camera that sees no colour.
    """
    floor = _floor_outline(rng, width, height)
    blur = unit * float(rng.uniform(0.5, 1.3))
    light = _floor(rng, width, height, unit)
    _draw_trails(rng, light, floor, unit)
    _scatter(rng, light, floor, unit)
    inside = coverage(floor, width, height, 0.8 * unit)
    edge = coverage(floor, width, height, 4 * unit)
    light *= 1 - 0.25 * (1 - edge) * rng.uniform(0.3, 1.0)
    light = _walls(rng, width, height, unit) * (1 - inside) + light * inside
    _draw_glints(rng, light, floor, unit)
    light = cv2.GaussianBlur(light, (0, 0), blur)
    tint = np.ones(3, np.float32) if gray else (1 + rng.normal(0, 0.06, 3)).astype(np.float32)
    image = np.clip(light[..., None] * tint, 0, 255)
    return np.rint(image).astype(np.uint8), float(floor[:, 1].min()), blur


def _floor_outline(rng: np.random.Generator, width: int, height: int) -> Points:
    """A rectangle with lens distortion; sometimes the floor fills the frame."""
    if rng.random() < 0.15:
        low, high = np.array([-0.2, -0.2]), np.array([1.2, 1.2])
    else:
        low, high = rng.uniform([0.0, 0.0], [0.08, 0.14]), 1 - rng.uniform([0.0, 0.0], [0.08, 0.08])
    side = np.linspace(-1, 1, 15)
    end = np.ones_like(side)
    edges = [(side, -end), (end, side), (-side, end), (-end, -side)]
    square = np.concatenate([np.stack(edge, axis=1) for edge in edges])
    square *= 1 - rng.uniform(0, 0.03) * np.prod(square**2, axis=1, keepdims=True)
    square += rng.uniform(-0.015, 0.015, (1, 2)) * square[:, ::-1] * square
    return np.asarray((low + (square + 1) / 2 * (high - low)) * [width, height])


def _floor(rng: np.random.Generator, width: int, height: int, unit: float) -> Light:
    base = rng.uniform(180, 240) if rng.random() < 0.8 else rng.uniform(120, 180)
    light = uneven(rng, (4, 5), width, height) * rng.uniform(8, 22)
    bands = uneven(rng, (5, 2), width, height) * rng.uniform(0, 20)
    texture = uneven(rng, (height // 3, width // 3), width, height) * rng.uniform(0.5, 2.5)
    streaks = cv2.GaussianBlur(rng.standard_normal((height, 8), np.float32), (0, 0), sigmaX=3.0, sigmaY=1.2 * unit)
    streaks = cv2.resize(streaks, (width, height)) * rng.uniform(0, 6)
    stains = uneven(rng, (height // 24, width // 24), width, height) * rng.uniform(0, 4)
    return np.asarray(base + light + bands + texture + streaks + stains, np.float32)


def _draw_trails(rng: np.random.Generator, light: Light, floor: Points, unit: float) -> None:
    """Thin lines in level pieces and slopes, as a printer leaves them on a roll of paper."""
    (left, top), (right, bottom) = floor.min(axis=0), floor.max(axis=0)
    for _ in range(rng.integers(0, 4)):
        pieces = int(rng.integers(3, 9))
        x = np.repeat(np.sort(rng.uniform(left, right, pieces)), 2)
        x[1:-1] += rng.uniform(-12, 12, 2 * pieces - 2) * unit
        y = np.repeat(rng.uniform(top, bottom, pieces), 2)
        y[1::2] += rng.uniform(-3, 3, pieces) * unit
        line = ribbon(np.stack([np.sort(x), y], axis=1), unit * rng.uniform(0.4, 1.1))
        darken(light, line, rng.uniform(0.05, 0.28))
    for _ in range(rng.integers(0, 3)):
        ring = ellipse(rng.uniform([left, top], [right, bottom]), (4 * unit, 3 * unit), 0.0)
        darken(light, ribbon(np.concatenate([ring, ring[:1]]), 0.7 * unit), 0.2)


def _scatter(rng: np.random.Generator, light: Light, floor: Points, unit: float) -> None:
    """Droppings, specks and pale chips."""
    low, high = floor.min(axis=0), floor.max(axis=0)
    for _ in range(rng.integers(0, 12)):
        size = unit * rng.uniform(0.8, 4.5)
        speck = ellipse(rng.uniform(low, high), (size, size * rng.uniform(0.4, 1)), rng.uniform(0, np.pi), 10)
        darken(light, speck, rng.choice([-0.15, 0.15, 0.3, 0.7]))
    if rng.random() < 0.2:
        start, stop = rng.uniform(low, high, (2, 2))
        middle = (start + stop) / 2 + rng.normal(0, 60 * unit, 2)
        t = np.linspace(0, 1, 24)[:, None]
        cable = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * stop
        darken(light, ribbon(cable, unit * rng.uniform(1, 3)), rng.uniform(0.2, 0.7))


def _walls(rng: np.random.Generator, width: int, height: int, unit: float) -> Light:
    """Walls and what is behind them: darker, uneven, with a few straight edges."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    level = rng.uniform(45, 135)
    slope = rng.uniform(-45, 45, 2)
    light = level + slope[0] * (columns / width - 0.5) + slope[1] * (rows / height - 0.5)
    light += uneven(rng, (4, 4), width, height) * 8
    for _ in range(rng.integers(1, 4)):
        at = rng.uniform(0, 0.1) * height if rng.random() < 0.6 else rng.uniform(0.93, 1.0) * height
        edge = np.array([[0.0, at], [float(width), at + rng.normal(0, 4 * unit)]])
        darken(light, ribbon(edge, unit * rng.uniform(0.5, 3)), rng.uniform(-0.35, 0.5))
    return np.asarray(light, np.float32)


def _draw_glints(rng: np.random.Generator, light: Light, floor: Points, unit: float) -> None:
    """Reflections of lamps in a wall."""
    (left, top), (right, bottom) = floor.min(axis=0), floor.max(axis=0)
    row = rng.choice([top, bottom]) + unit * rng.uniform(-6, 6)
    for _ in range(rng.integers(0, 5)):
        start, length = rng.uniform(left, right), unit * rng.uniform(6, 40)
        glint = ribbon(np.array([[start, row], [start + length, row]]), unit * rng.uniform(1, 3.5))
        height, width = light.shape
        light += coverage(glint, width, height, 0.0) * np.float32(rng.uniform(60, 160))

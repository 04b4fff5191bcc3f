"""Trail tracking: a mouse that roams an open field, from above: uneven light, walls, drawn trails and clutter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from posecli.synthetic.arrays import Color, Flags, Floats, Image, Light, Points
from posecli.synthetic.canvas import Canvas, coverage, darken, ellipse, ribbon, spline, uneven, wander
from posecli.synthetic.options import SceneOptions
from posecli.synthetic.scene import Scene

#: Speed of a brisk walk, body lengths per second.
BRISK = 1.9
#: Share of the waypoints that lie beyond the frame.
OUTSIDE = 0.1
WAYPOINTS = 60
#: px along the path between two stored places.
STEP = 2.0
#: The most that a trunk bends, rad.
LARGEST_BEND = 1.3
#: Places from the snout (0) to the base of the tail (1), and half the width there in units of that length.
PLACES = np.array([0.0, 0.012, 0.03, 0.06, 0.10, 0.15, 0.20, 0.28, 0.38, 0.50, 0.62, 0.74, 0.85, 0.93, 0.98, 1.0])
HALF_WIDTHS = np.array(
    [0.014, 0.037, 0.056, 0.079, 0.101, 0.115, 0.121, 0.140, 0.172, 0.190, 0.206, 0.208, 0.172, 0.105, 0.055, 0.035]
)
#: Where the head ends, and turns; and the animal's middle, which walks along its path.
NECK, MIDDLE = 0.24, 0.55
#: An ear's middle on the spine, and where people put its label: at the inner front of its root.
EAR_PLACE, EAR_LABEL = 0.12, np.array([0.036, -0.024])
SPINE = np.linspace(0, 1, 41)


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


class MouseLooks:
    """What does not change about one animal, mostly black, sometimes brown or grey; colours are RGB.

    `unit` is frame px per px of a 640x480 frame; `gray` says that the camera sees no colour.
    """

    def __init__(self, rng: np.random.Generator, unit: float, *, gray: bool) -> None:
        coat = _coat(rng)
        self.coat: Color = np.full_like(coat, coat.mean()) if gray else coat
        self.girth = rng.uniform(0.85, 1.15)  # factor on all widths
        ear = np.minimum(self.coat + rng.uniform(35, 115), 215)
        self.ear: Color = (ear + np.array([0 if gray else rng.uniform(0, 12), 0, 0])).astype(np.float32)
        # Px from snout to base of the tail when stretched out; the next ones are in units of it.
        self.length = unit * 116 * rng.uniform(0.8, 1.25)
        self.ear_radius = rng.uniform(0.055, 0.078)
        self.ear_distance = (0.3 + 0.7 * self.girth) * rng.uniform(0.1, 0.118)  # from the spine to an ear's middle
        self.tail_length = rng.uniform(0.75, 1.05)
        self.tail_width = rng.uniform(0.028, 0.042)  # half of the thickness at its base
        self.sheen = rng.uniform(2, 14)
        self.skin = np.asarray(self.coat + rng.uniform(40, 85), np.float32)
        self.lights = _lights(rng)  # (n, 2): by how much each lamp's shadow is displaced per height
        self.shadow = rng.uniform(0.08, 0.38)  # strength, 0 to 1


@dataclass(frozen=True)
class Posture:
    """The pose in one frame; angles in rad."""

    x: float  # the animal's middle, px
    y: float
    heading: float  # of the trunk
    bend: float  # how far the front turns away from the rear
    head_turn: float  # of the head against the trunk's front
    rearing: float  # 0 on all fours, 1 upright
    tail_swing: float  # direction of the tail against the rear
    tail_phase: float  # phase of its wave
    stride: float  # phase of the step, rad
    ear_tilt: float  # -1 to 1: the head rolled to the left or right


class Mouse:
    """One animal in one posture: every outline and body part in px of the frame."""

    def __init__(self, looks: MouseLooks, posture: Posture) -> None:
        self.looks, self.posture, self.unit = looks, posture, looks.length
        # Direction of the spine at each of its places, tail to head.
        trunk = posture.heading + posture.bend * (MIDDLE - np.maximum(SPINE, 0.5 * NECK))
        self._angles = trunk + posture.head_turn * np.clip((1.3 * NECK - SPINE) / NECK, 0, 1)
        self.spine = self._lay_spine(1 - 0.42 * posture.rearing)
        self.widths = self.unit * looks.girth * np.interp(SPINE, PLACES, HALF_WIDTHS) * (1 + 0.1 * posture.rearing)
        self.trunk = ribbon(self.spine, self.widths)

    def _lay_spine(self, stretch: float) -> Points:
        step = self.unit * stretch / (len(SPINE) - 1)
        back = -np.stack([np.cos(self._angles), np.sin(self._angles)], axis=1) * step
        line = np.concatenate([np.zeros((1, 2)), np.cumsum((back[1:] + back[:-1]) / 2, axis=0)])
        middle = np.argmin(np.abs(SPINE - MIDDLE))
        return np.asarray(line - line[middle] + [self.posture.x, self.posture.y])

    def at(self, place: float, side: float = 0.0, forward: float = 0.0) -> Points:
        """A point by its place on the spine, and units of length to the animal's right and forward."""
        x, y = (np.interp(place, SPINE, self.spine[:, axis]) for axis in (0, 1))
        angle = self.angle(place)
        cos, sin = np.cos(angle), np.sin(angle)
        # The screen's y points down: the right of one who looks along (cos, sin) is (-sin, cos).
        right, ahead = side * self.unit, forward * self.unit
        return np.array([x - sin * right + cos * ahead, y + cos * right + sin * ahead])

    def angle(self, place: float) -> float:
        """Direction of the spine, tail to head, rad."""
        return float(np.interp(place, SPINE, self._angles))

    def bodyparts(self) -> Points:
        """``(4, 2)``: snout, left ear, right ear, base of the tail."""
        forward, inward = EAR_LABEL
        ears = [self.at(EAR_PLACE, side * (self._ear_side(side) + inward), forward) for side in (-1, 1)]
        return np.stack([self.at(0.004), *ears, self.at(1.0, forward=-0.01)])

    def _ear_side(self, side: int) -> float:
        """Distance of an ear's middle from the spine: a head that rolls shows one ear more to the side."""
        return self.looks.ear_distance * (1 + 0.12 * side * self.posture.ear_tilt)

    def ear(self, side: int, size: float = 1.0) -> Points:  # -1 is the left one, 1 the right one
        radius = self.unit * self.looks.ear_radius * size
        flat = 0.72 - 0.15 * side * self.posture.ear_tilt
        turned = self.angle(EAR_PLACE) + side * 0.9
        return ellipse(self.at(EAR_PLACE, side * self._ear_side(side)), (radius * flat, radius), turned)

    def foot(self, place: float, side: int, phase: float) -> Points:
        """Outline of a foot beside the trunk, which a step moves back and forth."""
        swing = 0.05 * np.sin(self.posture.stride + phase)
        width = np.interp(place, SPINE, self.widths) / self.unit
        where = self.at(place, side * (0.95 * width + 0.022), swing)
        return ellipse(where, (0.055 * self.unit, 0.02 * self.unit), self.angle(place) + side * 0.5, 12)

    def tail(self) -> tuple[Points, Floats]:
        """Line of the tail ``(n, 2)`` from its base on, and half its thickness there."""
        way = np.linspace(0, 1, 18)
        pose, looks = self.posture, self.looks
        curve = pose.tail_swing * np.minimum(1, 2.5 * way) + 0.45 * way * np.sin(2.6 * way - pose.tail_phase)
        angles = self.angle(1.0) + np.pi + curve
        step = self.unit * looks.tail_length / (len(way) - 1)
        steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * step
        line = self.at(0.97) + np.concatenate([np.zeros((1, 2)), np.cumsum(steps[:-1], axis=0)])
        return line, self.unit * looks.tail_width * (1 - 0.8 * way) * np.where(way < 0.1, 1.25, 1.0)


def paint_mouse(canvas: Canvas, mouse: Mouse) -> None:
    """Shadow, tail, feet, trunk, ears, from back to front."""
    looks, unit = mouse.looks, mouse.unit
    line, widths = mouse.tail()
    _paint_shadows(canvas, mouse, line, widths)
    canvas.paint(ribbon(line, widths), looks.skin, 0.95)
    for place, side, phase in ((0.80, -1, 0.0), (0.80, 1, np.pi), (0.30, -1, np.pi), (0.30, 1, 0.0)):
        canvas.paint(mouse.foot(place, side, phase), looks.skin, 0.85)
    fur = 0.012 * unit
    canvas.paint(mouse.trunk, looks.coat, 1.0, fur)
    inner = ribbon(mouse.spine[6:-4], 0.45 * mouse.widths[6:-4])
    canvas.paint(inner, looks.coat + np.float32(looks.sheen), 0.8, 0.05 * unit)
    for side in (-1, 1):
        canvas.paint(mouse.ear(side), looks.ear, 0.95)
        canvas.paint(mouse.ear(side, 0.5), 0.75 * looks.ear + 0.25 * looks.coat, 0.7, 0.01 * unit)
    canvas.paint(ellipse(mouse.at(0.012), (0.016 * unit, 0.02 * unit), mouse.angle(0.0), 10), looks.skin, 0.4)


def _paint_shadows(canvas: Canvas, mouse: Mouse, line: Points, widths: Floats) -> None:
    """A shadow of trunk and tail per lamp; that of the raised end of the tail falls further away."""
    raised = np.linspace(0.4, 1.6, len(line))[:, None]
    height = 1 + 1.2 * mouse.posture.rearing
    for light in mouse.looks.lights * mouse.unit:
        canvas.shade(mouse.trunk + light * height, mouse.looks.shadow, 0.025 * mouse.unit)
        canvas.shade(ribbon(line + light * raised, widths), mouse.looks.shadow, 0.005 * mouse.unit)


def _coat(rng: np.random.Generator) -> Color:
    colors = {"black": (30, 30, 30), "brown": (88, 68, 50), "grey": (105, 105, 103)}
    kind = rng.choice(list(colors), p=[0.82, 0.09, 0.09])
    return np.asarray(colors[str(kind)], np.float32) + np.float32(rng.uniform(-10, 14))


def _lights(rng: np.random.Generator) -> Points:
    angles = rng.uniform(0, 2 * np.pi) + np.array([0.0, rng.uniform(1.8, np.pi)])
    lengths = rng.uniform(0.03, 0.13, 2)
    lights = np.stack([lengths * np.cos(angles), lengths * np.sin(angles)], axis=1)
    return lights[: 2 if rng.random() < 0.6 else 1]

"""A mouse from above, as outlines: trunk on a bending spine, head, ears, feet, tail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecli.synthetic.canvas import Canvas, Color, Floats, Points, ellipse, ribbon

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

"""Treadmill: a head-fixed mouse on a see-through belt, from its left side above and from below in a mirror.

Both views share the axis from snout to tail, which lies level; the mouse faces left. In the view from below its left
side is at the bottom, as a mirror under a treadmill shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from posecli.synthetic.arrays import Color, Flags, Floats, Image, Light, Points
from posecli.synthetic.canvas import Canvas, contains, coverage, darken, ellipse, ribbon, uneven, wander
from posecli.synthetic.options import SceneOptions
from posecli.synthetic.scene import Scene

#: Outline by place from snout (0) to base of the tail (1), in units of that length: heights above the belt of back and
#: belly, and half the width from below.
PLACES = np.array([0.0, 0.03, 0.08, 0.15, 0.22, 0.30, 0.45, 0.60, 0.75, 0.88, 0.96, 1.0])
BACK = np.array([0.19, 0.225, 0.265, 0.305, 0.32, 0.335, 0.385, 0.425, 0.415, 0.335, 0.25, 0.215])
BELLY = np.array([0.165, 0.135, 0.115, 0.105, 0.10, 0.085, 0.07, 0.07, 0.085, 0.115, 0.155, 0.18])
HALF_WIDTHS = np.array([0.015, 0.045, 0.075, 0.105, 0.11, 0.13, 0.165, 0.185, 0.18, 0.12, 0.06, 0.035])
AXIS, TAIL = np.linspace(0, 1, 33), np.linspace(0, 0.75, 16)

EAR = (0.185, 0.325)
EYE = (0.085, 0.225)
LIMBS = ("leftforepaw", "rightforepaw", "lefthindpaw", "righthindpaw")
#: Per limb: place and height of shoulder or hip, distance of the paw from the axis (left is positive: down the frame
#: from below), its part of the step's cycle (diagonal limbs go together), which way knee or elbow points, and where
#: its paw is in mid-stance, before its root.
ROOTS = np.array([[0.27, 0.16], [0.27, 0.16], [0.78, 0.20], [0.78, 0.20]])
ASIDE = np.array([0.085, -0.085, 0.125, -0.125])
PHASES = np.array([0.0, 0.5, 0.54, 0.04])
KNEES = np.array([0.05, 0.05, -0.07, -0.07])
AHEAD = np.array([-0.02, -0.02, 0.0, 0.0])
#: Part of a cycle in which a paw is on the belt.
STANCE = 0.6
PAW_RADIUS = 0.026
NEAR, FAR = (0, 2), (1, 3)
#: Steps per second of a brisk run.
BRISK = 4.5
#: Half the way of a paw in units of body length, at a brisk run.
REACH = 0.085
#: Where the view from the side ends and the mirror begins, as a share of the height.
PARTING = 0.52


class Treadmill(Scene):
    """A mouse that runs in place and rests, with its limbs in gait."""

    name: ClassVar[str] = "treadmill"
    bodyparts: ClassVar[tuple[str, ...]] = (
        *("side_snout", "side_ear", *(f"side_{limb}" for limb in LIMBS), "side_tailbase"),
        *("below_snout", *(f"below_{limb}" for limb in LIMBS), "below_tailbase", "below_midtail"),
    )
    in_color: ClassVar[float] = 0.0

    def __init__(self, options: SceneOptions) -> None:
        super().__init__(options)
        rng, unit = self._place, self._unit
        self.looks = RunnerLooks(rng, self.width, self.height, unit)
        self._blur = unit * float(rng.uniform(0.5, 1.1))
        self._room = _room(rng, self.looks, self.width, self.height, unit)
        self._belt = _belt_dirt(rng, self.width, self.height - round(PARTING * self.height), unit)
        self._steps, self._travelled = _steps(self._moves, self.n_frames, self.fps, self.looks.length)

    def runner(self, index: int) -> Runner:
        return Runner(self.looks, Gait(*self._steps[index].tolist()))

    def _render(self, index: int) -> tuple[Canvas, Points, Flags, float]:
        canvas = Canvas(self._room.copy(), self._blur)
        # Dirt on the belt goes by; the mouse faces left, so that the belt under it moves to the right.
        start = int(self._travelled[index]) % self.width
        below = canvas.image[-self._belt.shape[0] :]
        cv2.subtract(below, self._belt[:, self.width - start : 2 * self.width - start], dst=below)
        runner = self.runner(index)
        paint_beside(canvas, runner)
        paint_below(canvas, runner)
        hidden = np.zeros(len(self.bodyparts), np.bool_)
        hidden[2:6] = runner.hidden_paws()
        return canvas, runner.bodyparts(), hidden, 0.5 * self.looks.length


def _steps(rng: np.random.Generator, n: int, fps: float, length: float) -> tuple[Floats, Floats]:
    """``(n, 8)`` the fields of `Gait`, and ``(n,)`` the way that the belt has gone, px."""

    def slow(seconds: float, size: float) -> Floats:
        return size * wander(rng, n, seconds * fps)

    drive = np.clip(0.55 + wander(rng, n, 1.5 * fps), 0, 1.4)
    pace = BRISK * np.sqrt(drive)
    cycle = rng.uniform() + np.cumsum(pace) / fps
    reach = REACH * np.minimum(1.0, 2.0 * drive)
    # In stance, 0.6 of a cycle, a paw goes twice its reach with the belt.
    travelled = np.cumsum(pace * 2 * reach / 0.6) / fps * length
    bob = 0.012 * np.sin(4 * np.pi * cycle) * reach / REACH + slow(2.0, 0.01)
    arch, nod = slow(2.5, 0.02), slow(0.8, 0.004)
    sway = slow(1.2, 0.02) + 0.01 * np.sin(2 * np.pi * cycle)
    tail_up, tail_aside = 0.15 + slow(2.0, 0.25), slow(1.0, 0.35)
    return np.stack([cycle, reach, bob, arch, nod, sway, tail_up, tail_aside], axis=1), travelled


def _room(rng: np.random.Generator, looks: RunnerLooks, width: int, height: int, unit: float) -> Image:
    """Everything that does not move: wall, belt's edge, mirror, holder of the head."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    shades = uneven(rng, (4, 4), width, height)
    light = np.float32(rng.uniform(95, 190)) + shades * 14 + 25 * (columns / width - 0.5) * np.float32(rng.normal())
    below = rows > PARTING * height
    light = np.where(below, light * np.float32(rng.uniform(0.75, 1.1)), light)

    def level(y: float, half: float) -> Points:
        return ribbon(np.array([[-9.0, y], [width + 9.0, y]]), half)

    darken(light, level(looks.belt + 0.02 * looks.length, 0.012 * looks.length), rng.uniform(0.3, 0.6))
    darken(light, level(PARTING * height, unit * rng.uniform(2, 9)), rng.uniform(0.6, 0.95))
    wall = 0.27 * looks.length
    for side in (-1, 1):
        darken(light, level(looks.axis_below + side * wall, unit * rng.uniform(1, 4)), rng.uniform(0.2, 0.7))
    _draw_holder(rng, light, looks)
    texture = cv2.GaussianBlur(rng.standard_normal((height, width), np.float32), (0, 0), 2.0) * 6
    light = cv2.GaussianBlur(np.asarray(light + texture, np.float32), (0, 0), 0.8 * unit)
    return np.asarray(np.rint(np.clip(np.repeat(light[..., None], 3, axis=2), 0, 255)), np.uint8)


def _draw_holder(rng: np.random.Generator, light: Light, looks: RunnerLooks) -> None:
    """A rod from above to the back of the head, and its clamp."""
    head = np.array([looks.snout + (EAR[0] - 0.04) * looks.length, looks.belt - 0.28 * looks.length])
    lean = rng.uniform(-0.4, 0.4) * looks.length
    rod = ribbon(np.array([[head[0] + lean, -9.0], head]), looks.length * rng.uniform(0.015, 0.035))
    darken(light, rod, rng.uniform(-0.4, 0.7))
    clamp = ellipse(head - [0, 0.06 * looks.length], (0.06 * looks.length, 0.025 * looks.length), 0.0)
    darken(light, clamp, rng.uniform(0.3, 0.8))


def _belt_dirt(rng: np.random.Generator, width: int, height: int, unit: float) -> Image:
    """``(height, 2 * width, 3)``: what dirt takes from the light; it repeats after `width`."""
    dirt = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(6, 30))):
        size = unit * rng.uniform(0.8, 4)
        at = rng.uniform([10 * unit, 10 * unit], [width - 10 * unit, height - 10 * unit])
        speck = coverage(ellipse(at, (size * rng.uniform(1, 3), size), 0.0, 12), width, height, unit)
        dirt += speck * np.float32(rng.uniform(8, 45))
    for x in np.arange(0, width, max(8.0, width / rng.integers(4, 12))):
        dirt += coverage(ribbon(np.array([[x + 5, 0.0], [x + 5, height]]), unit), width, height, unit) * 7
    once = np.repeat(np.rint(np.clip(dirt, 0, 80))[..., None], 3, axis=2).astype(np.uint8)
    return np.concatenate([once, once], axis=1)


class RunnerLooks:
    """What does not change about one dark mouse in the middle of both halves; lengths in px, colours RGB."""

    def __init__(self, rng: np.random.Generator, width: int, height: int, unit: float) -> None:
        self.coat: Color = np.full(3, rng.uniform(25, 60), np.float32)
        self.length = unit * 262 * rng.uniform(0.86, 1.12)
        self.snout = 0.44 * width - 0.5 * self.length + rng.uniform(-0.04, 0.04) * width
        self.belt = height * rng.uniform(0.425, 0.465)
        self.axis_below = height * rng.uniform(0.73, 0.77)
        self.depth = rng.uniform(0.9, 1.1)
        self.belly: Color = self.coat + np.float32(rng.uniform(15, 40))
        self.skin = np.minimum(self.coat + np.float32(rng.uniform(85, 150)), 235).astype(np.float32)
        self.ear: Color = self.coat + np.float32(rng.uniform(35, 75))
        self.sheen = rng.uniform(6, 20)


@dataclass(frozen=True)
class Gait:
    """One frame's pose: `cycle` counts steps, `reach` is half a paw's stride, angles in rad, the rest in lengths."""

    cycle: float
    reach: float
    bob: float
    arch: float
    nod: float
    sway: float
    tail_up: float
    tail_aside: float


class Runner:
    """One mouse in one pose, in both views."""

    def __init__(self, looks: RunnerLooks, step: Gait) -> None:
        self.looks, self.step, self.unit = looks, step, looks.length
        self.paws, self.lifts = paw_places(step)
        x = looks.snout + self.unit * self.paws
        heights = looks.belt - self.unit * (self.lifts + 0.6 * PAW_RADIUS)  # the belt does not bob
        aside = self.unit * ASIDE * (1 - 1.2 * self.lifts)
        #: ``(4, 2)``: middles of the paws from the side, and from below.
        self.paws_beside = np.stack([x, heights - np.isin(range(4), FAR) * 0.015 * self.unit], axis=1)
        self.paws_below = np.stack([x, looks.axis_below + aside], axis=1)

    def beside(self, place: Floats | float, height: Floats | float) -> Points:
        """Px in the view from the side."""
        place, height = np.broadcast_arrays(np.asarray(place, np.float64), np.asarray(height, np.float64))
        trunk = np.clip((place - 0.15) / 0.3, 0, 1)
        lift = trunk * (self.step.bob + self.step.arch * np.sin(np.pi * np.clip(place, 0, 1)) * (height > 0.08))
        nod = self.step.nod * np.clip((0.2 - place) / 0.2, 0, 1)
        x = self.looks.snout + self.unit * place
        return np.stack([x, self.looks.belt - self.unit * (height * self.looks.depth + lift + nod)], axis=-1)

    def below(self, place: Floats | float, aside: Floats | float) -> Points:
        """Px in the view from below; `aside` is positive on the animal's left."""
        place, aside = np.broadcast_arrays(np.asarray(place, np.float64), np.asarray(aside, np.float64))
        sway = self.step.sway * np.clip((place - 0.2) / 0.8, 0, 2) ** 2
        x = self.looks.snout + self.unit * place
        return np.stack([x, self.looks.axis_below + self.unit * (aside + sway)], axis=-1)

    def limb_beside(self, limb: int) -> Points:
        """Shoulder or hip, elbow or knee, paw: ``(3, 2)``."""
        root, paw = self.beside(*ROOTS[limb]), self.paws_beside[limb]
        knee = (root + paw) / 2 + [-KNEES[limb] * self.unit, 0]
        return np.stack([root, knee, paw])

    def tail_beside(self) -> Points:
        up = self.step.tail_up
        return self.beside(0.985 + TAIL, 0.2 + up * TAIL + 0.25 * up * np.sin(4 * TAIL))

    def tail_below(self) -> Points:
        return self.below(0.985 + TAIL, self.step.tail_aside * TAIL**1.5)

    def bodyparts(self) -> Points:
        """``(14, 2)``: from the side snout, ear, four paws, base of the tail.

        Then, from below, the same without the ear, and a point on the tail.
        """
        side = [self.beside(0.012, 0.178), self.beside(*EAR), *self.paws_beside, self.beside(0.985, 0.2)]
        under = [self.below(0.012, 0.0), *self.paws_below, self.below(0.985, 0.0), self.tail_below()[5]]
        return np.stack(side + under)

    def hidden_paws(self) -> Flags:
        """Per limb, whether the trunk or a nearer paw hides its paw from the side."""
        paws = self.paws_beside
        hidden = contains(self.trunk_beside(), paws)
        for near in NEAR:
            hidden |= np.hypot(*(paws - paws[near]).T) < 0.9 * PAW_RADIUS * self.unit
        hidden[list(NEAR)] = False
        return hidden

    def trunk_beside(self) -> Points:
        """Outline of trunk and head from the side: back from snout to tail, belly from tail to snout."""
        back, belly = (self.beside(AXIS, np.interp(AXIS, PLACES, heights)) for heights in (BACK, BELLY))
        return np.concatenate([back, belly[::-1]])


def paw_places(step: Gait) -> tuple[Floats, Floats]:
    """``(4,)`` place along the axis and ``(4,)`` height of each paw.

    On the belt a paw goes back as fast as the belt does; in the air it swings forward.
    """
    phase = (step.cycle + PHASES) % 1
    back = phase / STANCE
    swing = np.clip((phase - STANCE) / (1 - STANCE), 0, 1)
    along = np.where(phase < STANCE, 2 * back - 1, np.cos(np.pi * swing))
    lift = 0.065 * np.sin(np.pi * swing) * min(1.0, step.reach / 0.06)
    return ROOTS[:, 0] + AHEAD + step.reach * along, lift


def paint_beside(canvas: Canvas, runner: Runner) -> None:
    """Far limbs, tail, trunk, head, near limbs."""
    looks, unit = runner.looks, runner.unit
    for limb in FAR:
        _paint_limb(canvas, runner, limb, 0.7)
    canvas.paint(ribbon(runner.tail_beside(), unit * np.linspace(0.022, 0.008, 16)), looks.skin * 0.8)
    trunk = runner.trunk_beside()
    canvas.paint(trunk, looks.coat, 1.0, 0.006 * unit)
    back, belly = trunk[6:28], trunk[::-1][6:28]
    flank = np.concatenate([0.75 * back + 0.25 * belly, (0.35 * back + 0.65 * belly)[::-1]])
    canvas.paint(flank, looks.coat + np.float32(looks.sheen), 0.9, 0.03 * unit)
    eye, snout = runner.beside(*EYE), runner.beside(0.012, 0.178)
    canvas.paint(ellipse(runner.beside(*EAR), (0.045 * unit, 0.06 * unit), 0.4), looks.ear)
    canvas.paint(ellipse(eye, (0.016 * unit, 0.014 * unit), 0.0, 12), looks.coat * 0.3)
    canvas.paint(ellipse(eye - [1, 1], (0.005 * unit, 0.005 * unit), 0.0, 8), looks.skin)
    canvas.paint(ellipse(snout, (0.014 * unit, 0.014 * unit), 0.0, 12), looks.skin * 0.85)
    for limb in NEAR:
        _paint_limb(canvas, runner, limb, 1.0)


def paint_below(canvas: Canvas, runner: Runner) -> None:
    """Tail, trunk, paws: brighter where they touch the glass."""
    looks, unit = runner.looks, runner.unit
    canvas.paint(ribbon(runner.tail_below(), unit * np.linspace(0.024, 0.009, 16)), looks.skin * 0.8)
    spine = runner.below(AXIS, 0.0)
    widths = unit * np.interp(AXIS, PLACES, HALF_WIDTHS)
    canvas.paint(ribbon(spine, widths), looks.coat, 1.0, 0.01 * unit)
    canvas.paint(ribbon(spine[3:-4], 0.7 * widths[3:-4]), looks.belly, 0.9, 0.03 * unit)
    canvas.paint(ellipse(runner.below(0.012, 0.0), (0.016 * unit, 0.02 * unit), 0.0, 12), looks.skin * 0.85)
    for limb, paw in enumerate(runner.paws_below):
        bright = np.float32(1 - 4 * runner.lifts[limb])
        root = runner.below(ROOTS[limb, 0] + 0.02, 0.75 * ASIDE[limb])
        canvas.paint(ribbon(np.stack([root, paw]), 0.018 * unit), looks.belly + 12, 0.8)
        canvas.paint(_paw(paw, unit, limb), looks.skin * bright + looks.belly * (1 - bright))


def _paint_limb(canvas: Canvas, runner: Runner, limb: int, light: float) -> None:
    unit, looks = runner.unit, runner.looks
    thick = np.array([0.055, 0.03, 0.016]) if limb < 2 else np.array([0.085, 0.045, 0.018])
    canvas.paint(ribbon(runner.limb_beside(limb), unit * thick), looks.coat * light, 1.0, 0.006 * unit)
    canvas.paint(_paw(runner.paws_beside[limb], unit, limb), looks.skin * np.float32(light))


def _paw(middle: Points, unit: float, limb: int) -> Points:
    long = 1.25 if limb < 2 else 1.7
    return ellipse(middle, (long * PAW_RADIUS * unit, 0.75 * PAW_RADIUS * unit), 0.0, 14)

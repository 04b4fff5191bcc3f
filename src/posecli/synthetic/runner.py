"""A mouse that runs in place, as outlines in a view from its left side and one from below.

Both views share the axis from snout to tail, which lies level; the mouse faces left. In the view from below its left
side is at the bottom, as a mirror under a treadmill shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecli.synthetic.canvas import Canvas, Color, Floats, Points, contains, ellipse, ribbon

#: Outline by place from snout (0) to base of the tail (1), in units of that length: heights above the belt of back and
#: belly, and half the width from below.
PLACES = np.array([0.0, 0.03, 0.08, 0.15, 0.22, 0.30, 0.45, 0.60, 0.75, 0.88, 0.96, 1.0])
BACK = np.array([0.19, 0.225, 0.265, 0.305, 0.32, 0.335, 0.385, 0.425, 0.415, 0.335, 0.25, 0.215])
BELLY = np.array([0.165, 0.135, 0.115, 0.105, 0.10, 0.085, 0.07, 0.07, 0.085, 0.115, 0.155, 0.18])
HALF_WIDTHS = np.array([0.015, 0.045, 0.075, 0.105, 0.11, 0.13, 0.165, 0.185, 0.18, 0.12, 0.06, 0.035])
AXIS = np.linspace(0, 1, 33)

EAR = (0.185, 0.325)
EYE = (0.085, 0.225)
LIMBS = ("leftforepaw", "rightforepaw", "lefthindpaw", "righthindpaw")
#: Per limb: place and height of shoulder or hip, distance of the paw from the axis (left is positive: down the frame
#: from below), its part of the step's cycle (diagonal limbs go together), and which way knee or elbow points.
ROOTS = np.array([[0.27, 0.16], [0.27, 0.16], [0.78, 0.20], [0.78, 0.20]])
ASIDE = np.array([0.085, -0.085, 0.125, -0.125])
PHASES = np.array([0.0, 0.5, 0.54, 0.04])
KNEES = np.array([0.05, 0.05, -0.07, -0.07])
#: Where a paw is in mid-stance, before its root.
AHEAD = np.array([-0.02, -0.02, 0.0, 0.0])
#: Part of a cycle in which a paw is on the belt.
STANCE = 0.6
PAW_RADIUS = 0.026
NEAR, FAR = (0, 2), (1, 3)


@dataclass(frozen=True)
class RunnerLooks:
    """What does not change about one runner; lengths in px, colours RGB."""

    length: float
    snout: float
    belt: float
    axis_below: float
    depth: float
    coat: Color
    belly: Color
    skin: Color
    ear: Color
    sheen: float

    @classmethod
    def choose(cls, rng: np.random.Generator, width: int, height: int, unit: float) -> RunnerLooks:
        """A dark mouse in the middle of both halves of the frame."""
        coat = np.full(3, rng.uniform(25, 60), np.float32)
        length = unit * 262 * rng.uniform(0.86, 1.12)
        return cls(
            length=length,
            snout=0.44 * width - 0.5 * length + rng.uniform(-0.04, 0.04) * width,
            belt=height * rng.uniform(0.425, 0.465),
            axis_below=height * rng.uniform(0.73, 0.77),
            depth=rng.uniform(0.9, 1.1),
            coat=coat,
            belly=coat + np.float32(rng.uniform(15, 40)),
            skin=np.minimum(coat + np.float32(rng.uniform(85, 150)), 235).astype(np.float32),
            ear=coat + np.float32(rng.uniform(35, 75)),
            sheen=rng.uniform(6, 20),
        )


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
        self.looks = looks
        self.step = step
        self.unit = looks.length
        self.paws, self.lifts = paw_places(step)

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

    def paw_beside(self, limb: int) -> Points:
        """Middle of a paw from the side; the belt does not bob."""
        return np.array(
            [
                self.looks.snout + self.unit * self.paws[limb],
                self.looks.belt - self.unit * (self.lifts[limb] + 0.6 * PAW_RADIUS) - (limb in FAR) * 0.015 * self.unit,
            ]
        )

    def paw_below(self, limb: int) -> Points:
        """Middle of a paw from below."""
        inward = 1 - 1.2 * self.lifts[limb]
        return np.array(
            [self.looks.snout + self.unit * self.paws[limb], self.looks.axis_below + self.unit * ASIDE[limb] * inward]
        )

    def limb_beside(self, limb: int) -> Points:
        """Shoulder or hip, elbow or knee, paw: ``(3, 2)``."""
        root, paw = self.beside(*ROOTS[limb]), self.paw_beside(limb)
        knee = (root + paw) / 2 + [-KNEES[limb] * self.unit, 0]
        return np.stack([root, knee, paw])

    def tail_beside(self) -> Points:
        """Line of the tail from the side."""
        way = np.linspace(0, 0.75, 16)
        return self.beside(0.985 + way, 0.2 + self.step.tail_up * way + 0.25 * self.step.tail_up * np.sin(4 * way))

    def tail_below(self) -> Points:
        """Line of the tail from below."""
        way = np.linspace(0, 0.75, 16)
        return self.below(0.985 + way, self.step.tail_aside * way**1.5)

    def bodyparts(self) -> Points:
        """``(14, 2)``: from the side snout, ear, four paws, base of the tail.

        Then, from below, the same without the ear, and a point on the tail.
        """
        side = [self.beside(0.012, 0.178), self.beside(*EAR), *map(self.paw_beside, range(4)), self.beside(0.985, 0.2)]
        under = [self.below(0.012, 0.0), *map(self.paw_below, range(4)), self.below(0.985, 0.0), self.tail_below()[5]]
        return np.stack(side + under)

    def hidden_paws(self) -> list[bool]:
        """Per limb, whether the trunk or a nearer paw hides its paw from the side."""
        return [limb in FAR and self._is_hidden(self.paw_beside(limb)) for limb in range(len(LIMBS))]

    def _is_hidden(self, paw: Points) -> bool:
        near = np.array([self.paw_beside(limb) for limb in NEAR])
        behind_paw = np.hypot(*(near - paw).T).min() < 0.9 * PAW_RADIUS * self.unit
        return bool(behind_paw or contains(self.trunk_beside(), paw[None])[0])

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
    canvas.paint(ellipse(runner.beside(*EAR), (0.045 * unit, 0.06 * unit), 0.4), looks.ear)
    canvas.paint(ellipse(runner.beside(*EYE), (0.016 * unit, 0.014 * unit), 0.0, 12), looks.coat * 0.3)
    canvas.paint(ellipse(runner.beside(*EYE) - [1, 1], (0.005 * unit, 0.005 * unit), 0.0, 8), looks.skin)
    canvas.paint(ellipse(runner.beside(0.012, 0.178), (0.014 * unit, 0.014 * unit), 0.0, 12), looks.skin * 0.85)
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
    for limb in range(len(LIMBS)):
        paw = runner.paw_below(limb)
        bright = np.float32(1 - 4 * runner.lifts[limb])
        root = runner.below(ROOTS[limb, 0] + 0.02, 0.75 * ASIDE[limb])
        canvas.paint(ribbon(np.stack([root, paw]), 0.018 * unit), looks.belly + 12, 0.8)
        canvas.paint(_paw(paw, unit, limb), looks.skin * bright + looks.belly * (1 - bright))


def _paint_limb(canvas: Canvas, runner: Runner, limb: int, light: float) -> None:
    unit, looks = runner.unit, runner.looks
    thick = np.array([0.055, 0.03, 0.016]) if limb < 2 else np.array([0.085, 0.045, 0.018])
    canvas.paint(ribbon(runner.limb_beside(limb), unit * thick), looks.coat * light, 1.0, 0.006 * unit)
    canvas.paint(_paw(runner.paw_beside(limb), unit, limb), looks.skin * np.float32(light))


def _paw(middle: Points, unit: float, limb: int) -> Points:
    long = 1.25 if limb < 2 else 1.7
    return ellipse(middle, (long * PAW_RADIUS * unit, 0.75 * PAW_RADIUS * unit), 0.0, 14)

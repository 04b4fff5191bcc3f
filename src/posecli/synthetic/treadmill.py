"""Treadmill: a head-fixed mouse on a see-through belt, from the side above and from below in a mirror."""

from __future__ import annotations

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
    uneven,
    wander,
)
from posecli.synthetic.options import SceneOptions
from posecli.synthetic.runner import EAR, LIMBS, Gait, Runner, RunnerLooks, paint_below, paint_beside
from posecli.synthetic.scene import Flags, Scene

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
        self.looks = RunnerLooks.choose(rng, self.width, self.height, unit)
        self._blur = unit * float(rng.uniform(0.5, 1.1))
        self._room = _room(rng, self.looks, self.width, self.height, unit)
        self._belt = _belt(rng, self.width, self.height - round(PARTING * self.height), unit)
        self._steps, self._travelled = _steps(self._moves, self.n_frames, self.fps, self.looks.length)

    def runner(self, index: int) -> Runner:
        """The animal of one frame."""
        return Runner(self.looks, Gait(*self._steps[index].tolist()))

    def _render(self, index: int) -> tuple[Canvas, Points, Flags, float]:
        canvas = Canvas(self._room.copy(), self._blur)
        self._paint_belt(canvas, index)
        runner = self.runner(index)
        paint_beside(canvas, runner)
        paint_below(canvas, runner)
        hidden = np.zeros(len(self.bodyparts), np.bool_)
        hidden[2:6] = runner.hidden_paws()
        return canvas, runner.bodyparts(), hidden, 0.5 * self.looks.length

    def _paint_belt(self, canvas: Canvas, index: int) -> None:
        """Dirt on the belt goes by as the mouse runs."""
        start = int(self._travelled[index]) % self.width
        below = canvas.image[-self._belt.shape[0] :]
        # The mouse faces left, so that the belt under it moves to the right.
        moved = self._belt[:, self.width - start : 2 * self.width - start]
        cv2.subtract(below, moved, dst=below)


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
    steps = [
        cycle,
        reach,
        0.012 * np.sin(4 * np.pi * cycle) * reach / REACH + slow(2.0, 0.01),
        slow(2.5, 0.02),
        slow(0.8, 0.004),
        slow(1.2, 0.02) + 0.01 * np.sin(2 * np.pi * cycle),
        0.15 + slow(2.0, 0.25),
        slow(1.0, 0.35),
    ]
    return np.stack(steps, axis=1), travelled


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


def _belt(rng: np.random.Generator, width: int, height: int, unit: float) -> Image:
    """``(height, 2 * width, 3)``: what dirt takes from the light; it repeats after `width`."""
    dirt = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(6, 30))):
        size = unit * rng.uniform(0.8, 4)
        at = rng.uniform([10 * unit, 10 * unit], [width - 10 * unit, height - 10 * unit])
        dirt += coverage(ellipse(at, (size * rng.uniform(1, 3), size), 0.0, 12), width, height, unit) * np.float32(
            rng.uniform(8, 45)
        )
    for x in np.arange(0, width, max(8.0, width / rng.integers(4, 12))):
        dirt += coverage(ribbon(np.array([[x + 5, 0.0], [x + 5, height]]), unit), width, height, unit) * 7
    once = np.repeat(np.rint(np.clip(dirt, 0, 80))[..., None], 3, axis=2).astype(np.uint8)
    return np.concatenate([once, once], axis=1)

"""Trail tracking: a mouse that roams an open field, from above."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from posecli.synthetic.arena import build_arena
from posecli.synthetic.canvas import Canvas, Points
from posecli.synthetic.motion import Floats, Walk, walk, wander
from posecli.synthetic.mouse import Mouse, MouseLooks, Posture, paint_mouse
from posecli.synthetic.options import SceneOptions
from posecli.synthetic.scene import Flags, Scene

#: Speed of a brisk walk, body lengths per second.
BRISK = 1.9
#: Share of the waypoints that lie beyond the frame.
OUTSIDE = 0.1
WAYPOINTS = 60


class TrailTracking(Scene):
    """A dark mouse that walks, turns, stops, rears and now and then leaves the frame."""

    name: ClassVar[str] = "trail-tracking"
    bodyparts: ClassVar[tuple[str, ...]] = ("snout", "leftear", "rightear", "tailbase")
    in_color: ClassVar[float] = 0.3

    def __init__(self, options: SceneOptions) -> None:
        super().__init__(options)
        self.looks = MouseLooks.choose(self._place, self._unit, gray=self._gray)
        self._arena = build_arena(self._place, self.width, self.height, self._unit, gray=self._gray)
        speed = _speed(self._moves, self.n_frames, self.fps) * self.looks.length / self.fps
        self._walk = walk(self._moves, speed, _waypoints(self._moves, self.width, self.height), self.looks.length)
        self._postures = _postures(self._moves, self._walk, self.fps, self.looks.length)

    def mouse(self, index: int) -> Mouse:
        """The animal of one frame."""
        return Mouse(self.looks, Posture(*self._postures[index].tolist()))

    def _render(self, index: int) -> tuple[Canvas, Points, Flags, float]:
        canvas = Canvas(self._arena.image.copy(), self._arena.blur)
        mouse = self.mouse(index)
        self._paint_reflection(canvas, mouse)
        paint_mouse(canvas, mouse)
        return canvas, mouse.bodyparts(), np.zeros(len(self.bodyparts), np.bool_), self.looks.length

    def _paint_reflection(self, canvas: Canvas, mouse: Mouse) -> None:
        """The upper wall mirrors an animal that is near to it, dimly."""
        top = self._arena.top
        if top <= 0 or mouse.spine[:, 1].min() > top + 0.9 * mouse.unit:
            return
        squeezed = mouse.trunk.copy()
        squeezed[:, 1] = np.minimum(top, 0.9 * top - 0.7 * (squeezed[:, 1] - top))
        canvas.shade(squeezed, 0.35, 0.05 * mouse.unit)


def _speed(rng: np.random.Generator, n: int, fps: float) -> Floats:
    """Body lengths per second: bouts of walking, and stops."""
    urge = 0.35 + wander(rng, n, 0.9 * fps)
    return np.asarray(BRISK * np.clip(urge, 0, 1.6))


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
    return np.stack(
        [
            path.x,
            path.y,
            path.heading + slow(1.5, 0.08) + 0.03 * np.sin(stride),
            path.bend + slow(1.2, 0.35),
            0.7 * np.tanh(0.35 * path.bend + slow(0.5, 0.5)),
            np.clip(slow(1.0, 1.6) - 1.3, 0, 1),
            -0.5 * path.bend + slow(0.9, 0.5),
            stride * 0.4 + slow(1.0, 1.5),
            stride,
            np.tanh(slow(0.6, 0.8)),
        ],
        axis=1,
    )

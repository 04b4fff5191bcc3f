"""A mouse in its cage, seen from the side: its shapes in the postures of `posecli.synthetic.behaviours`.

Shapes are computed for many frames at once: one by one, NumPy would take longer over them than OpenCV to fill them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from posecli.synthetic.behaviours import HEAD, Postures
from posecli.synthetic.canvas import SHIFT, Color, Floats, Image, Points, contains, ellipse, normals, ribbon

#: Frame in whose px the cage is built, before it is mirrored and scaled.
WIDTH, HEIGHT = 640, 480
#: Half widths of the trunk along its spine from the base of the tail (0) to the neck (1), and of the head from its
#: joint to the snout, px.
ALONG = np.linspace(0, 1, 17)
TRUNK = np.interp(ALONG, [0, 0.06, 0.15, 0.3, 0.5, 0.7, 0.88, 1], [9, 21, 31, 38, 38, 32, 26, 20])
HEAD_ALONG = np.array([-14.0, -6, 6, 20, 36, 50, 60, HEAD + 2])
HEAD_WIDTHS = np.array([10.0, 19, 25, 25, 19, 12, 7, 2])
#: From the hip to the base of the tail, px.
RUMP = 32.0
#: Ear and eye on the head: ahead of its joint, and above its axis, px.
EAR, FAR_EAR, EYE = (9.0, 21.0), (17.0, 23.0), (35.0, 8.0)
TAIL = 150.0
#: Least width of a turning mouse, relative to its length.
BREADTH = 0.4
#: Light on the far limbs and on the near ones.
DIM, LIT = np.float32(0.72), np.float32(1.0)


class CageMouseLooks:
    """What does not change about one mouse, mostly dark, now and then pale; its size is a factor, colours are RGB."""

    def __init__(self, rng: np.random.Generator, *, gray: bool) -> None:
        self.size = rng.uniform(0.9, 1.1)
        self.is_pale = rng.random() < 0.2  # a pale wall would hide it
        level = rng.uniform(195, 225) if self.is_pale else rng.uniform(28, 80)
        tint = np.ones(3) if gray or self.is_pale else 1 + rng.uniform(0, 0.25) * np.array([0.6, 0.0, -0.6])
        skin = 150.0 if self.is_pale else rng.uniform(165, 205)
        pink = np.ones(3) if gray else np.array([1.1, 0.93, 0.9])
        self.coat: Color = (level * tint).astype(np.float32)
        self.belly: Color = self.coat + np.float32(rng.uniform(10, 25))
        self.skin: Color = (skin * pink).astype(np.float32)
        self.ear: Color = (0.55 * self.coat + 0.45 * skin * pink).astype(np.float32)
        self.sheen = rng.uniform(8, 18)


@dataclass(frozen=True)
class CageView:
    """How the cage is seen; px of an unmirrored frame of 640x480."""

    floor: float  # row of the bedding
    left: float  # columns between which the animal is
    right: float
    mirrored: bool
    scale: tuple[float, float]  # to px of the frame, along x and y

    def px(self, places: Points) -> Points:
        """Px of the frame of places in an unmirrored frame of 640x480 px."""
        x = WIDTH - places[..., 0] if self.mirrored else places[..., 0]
        return np.stack([x * self.scale[0], places[..., 1] * self.scale[1]], axis=-1)


class CageMouse:
    """One mouse in ``n`` postures.

    Own coordinates are those of `Postures`, in px for a mouse of size 1; a place is ``(n, 2)``, a line or an outline
    ``(n, corners, 2)``. `points` are ``(n, 4, 2)`` px of the frame: snout, ear, near forepaw, base of the tail.
    """

    def __init__(self, looks: CageMouseLooks, postures: Postures, view: CageView) -> None:
        self._looks, self._postures, self._view = looks, postures, view
        ahead = _direction(postures["pitch"])
        self._hip = self._at("hip")
        base, neck = self._hip - RUMP * ahead, self._hip + postures["length"][:, None] * ahead
        top = (base + neck) / 2 + 2 * postures["arch"][:, None] * np.stack([-ahead[:, 1], ahead[:, 0]], axis=-1)
        self._spine = _curve(base, top, neck, ALONG)
        self._head = neck + self._at("head")
        self._shapes: list[tuple[Points, Color]] = []
        self._add_all()
        ends = np.cumsum([0, *(shape.shape[1] for shape, _ in self._shapes)]).tolist()
        self._slices = [slice(start, end) for start, end in pairwise(ends)]
        self._colors = [tuple(np.clip(color, 0, 255).tolist()) for _, color in self._shapes]
        corners = self._px(np.concatenate([shape for shape, _ in self._shapes], axis=1))
        self._paw = corners[:, self._slices[-1]]
        self._corners = np.rint((corners - 0.5) * (1 << SHIFT)).astype(np.int32)
        snout, ear = (self._on_head(*at)[:, None] for at in ((HEAD, 0.0), EAR))
        self.points = self._px(np.concatenate([snout, ear, self._at("fore")[:, None], base[:, None]], axis=1))

    def paint(self, image: Image, frame: int) -> None:
        """Fill the shapes of one of the postures, the far ones first, with sharp edges."""
        for part, color in zip(self._slices, self._colors, strict=True):
            cv2.fillPoly(image, [self._corners[frame, part]], color, cv2.LINE_AA, SHIFT)

    def hidden(self, frame: int) -> npt.NDArray[np.bool_]:
        """``(4,)``: which points of the head the near forepaw hides."""
        covered = contains(self._paw[frame], self.points[frame])
        covered[2:] = False
        return covered

    def ground(self, frame: int) -> Points:
        """``(2, 2)`` px: the points on the bedding below rump and neck."""
        ends = self._spine[frame, [1, -1]].copy()
        ends[:, 1] = -2.0
        return np.asarray(self._px(ends[None], slice(frame, frame + 1))[0])

    def _px(self, places: Points, frames: slice = slice(None)) -> Points:
        """Px of the frame of ``(n, m, 2)`` places in own coordinates."""
        postures, size = self._postures, self._looks.size
        facing = postures["facing"][frames, None]
        # Seen from its front a mouse is still as broad as it is.
        broad = np.copysign(np.maximum(np.abs(facing), BREADTH), facing)
        x = postures["center"][frames, None] + broad * size * places[..., 0]
        x = np.clip(x, self._view.left, self._view.right)
        return self._view.px(np.stack([x, self._view.floor - size * places[..., 1]], axis=-1))

    def _on_head(self, ahead: Floats | float, above: Floats | float) -> Points:
        """A place on the head, or with ``(corners,)`` an outline."""
        outline = np.stack(np.broadcast_arrays(ahead, above), axis=-1)
        cos, sin = _direction(self._postures["head_angle"]).T.reshape(2, -1, *[1] * (outline.ndim - 1))
        x, y = outline[..., 0], outline[..., 1]
        head = self._head.reshape(-1, *[1] * (outline.ndim - 1), 2)
        return np.asarray(head + np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1))

    def _add_all(self) -> None:
        looks, postures = self._looks, self._postures
        self._add(ribbon(self._tail(), np.linspace(5.5, 2.0, 14)), looks.skin * np.float32(0.82))
        self._add_hind("far_hind", DIM)
        self._add_fore("far_fore", DIM)
        self._add(ellipse(self._on_head(*FAR_EAR), (9.0, 12.0), postures["head_angle"], 18), looks.ear * DIM)
        self._add_trunk()
        self._add_hind("hind", LIT)
        self._add_head()
        # Without food the crumb has no size; the paw covers it.
        crumb = postures["food"].round()[:, None]
        food = ellipse(self._at("fore") + crumb * [5.0, 4.0], (8.0 * crumb, 7.0 * crumb), 0.0, 10)
        self._add(food, looks.skin * np.float32(0.9))
        self._add_fore("fore", LIT)

    def _add(self, shape: Points, color: Color) -> None:
        self._shapes.append((shape, color))

    def _add_trunk(self) -> None:
        """The trunk, lighter in steps towards where the lamp shines on its flank."""
        looks, widths = self._looks, TRUNK * (1 + self._postures["breath"][:, None])
        self._add(ribbon(self._spine, widths), looks.coat)
        across = normals(self._spine) * widths[..., None]
        for step in (1, 2, 3):
            lit = ribbon((self._spine + 0.12 * step * across)[:, 1:-1], (0.92 - 0.2 * step) * widths[:, 1:-1])
            self._add(lit, looks.coat + np.float32(looks.sheen * step / 3))

    def _add_head(self) -> None:
        looks, angle = self._looks, self._postures["head_angle"]
        for above, below, light in ((1.0, 0.85, 0.0), (0.7, 0.2, 0.7 * looks.sheen)):
            sides = np.concatenate([above * HEAD_WIDTHS, -below * HEAD_WIDTHS[::-1]])
            self._add(self._on_head(np.append(HEAD_ALONG, HEAD_ALONG[::-1]), sides), looks.coat + np.float32(light))
        self._add(ellipse(self._on_head(HEAD - 1, 0.0), (4.5, 4.0), angle, 10), looks.skin * np.float32(0.9))
        ear = self._on_head(*EAR)
        self._add(ellipse(ear, (12.0, 15.0), angle + 0.2, 18), looks.ear)
        self._add(ellipse(ear - [0.0, 1.5], (7.5, 10.0), angle + 0.2, 14), looks.skin * np.float32(0.85))
        self._add(ellipse(self._on_head(*EYE), (4.5, 4.0), angle, 10), np.full(3, 12, np.float32))

    def _add_hind(self, limb: str, light: np.float32) -> None:
        """Shank and foot; the near haunch lies on the trunk."""
        looks, foot = self._looks, self._at(limb)
        heel, toes = foot - [12.0, -3.0], foot + [14.0, -2.0]
        haunch = self._hip + 0.35 * (np.stack([foot[:, 0], np.full(len(foot), 28.0)], axis=-1) - self._hip)
        coat = (looks.coat + np.float32(0.8 * looks.sheen)) * light
        self._add(ribbon(np.stack([haunch, heel], axis=1), np.array([18.0, 6.0])), coat)
        self._add(ribbon(np.stack([heel, toes], axis=1), np.array([5.0, 4.5])), looks.skin * light)
        if limb == "hind":
            self._add(ellipse(haunch, (27.0, 24.0), self._postures["pitch"], 18), coat)

    def _add_fore(self, limb: str, light: np.float32) -> None:
        """Upper arm, forearm and paw."""
        looks, paw, shoulder = self._looks, self._at(limb), self._spine[:, 13] - [0.0, 8.0]
        reach = paw - shoulder
        elbow = shoulder + 0.5 * reach - 0.16 * np.abs(reach[:, ::-1])
        arm = np.stack([shoulder, elbow, paw], axis=1)
        self._add(ribbon(arm, np.array([13.0, 9.0, 5.5])), looks.belly * light)
        self._add(ellipse(paw, (11.0, 8.0), np.arctan2(reach[:, 1], reach[:, 0]), 12), looks.skin * light)

    def _at(self, part: str) -> Points:
        return _place(self._postures[f"{part}_x"], self._postures[f"{part}_y"])

    def _tail(self) -> Points:
        """From its base down to the bedding and along it."""
        base = self._spine[:, 0]
        knee = _place(base[:, 0] - 0.35 * TAIL, np.full(len(base), 3.0))
        return _curve(base, knee, _place(base[:, 0] - TAIL, 4.0 + self._postures["tail"]), np.linspace(0, 1, 14))


def _direction(angle: Floats) -> Points:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _place(x: Floats, y: Floats) -> Points:
    return np.stack([x, y], axis=-1)


def _curve(start: Points, middle: Points, end: Points, at: Floats) -> Points:
    """``(n, len(at), 2)`` parabolas from `start` to `end`, drawn towards `middle`."""
    t = at[:, None]
    return np.asarray((1 - t) ** 2 * start[:, None] + 2 * t * (1 - t) * middle[:, None] + t**2 * end[:, None])

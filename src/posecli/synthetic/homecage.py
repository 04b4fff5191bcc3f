"""Home cage: a mouse from the side that drinks, eats, grooms, hangs, sniffs, rears, rests, walks and eats by hand.

Shapes are computed for many frames at once: one by one, NumPy would take longer over them than OpenCV to fill them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from posecli.synthetic.arrays import Color, Flags, Floats, Image, Light, Points
from posecli.synthetic.behaviours import BEHAVIOURS, FIELDS, HEAD, Room, frame_labels_of, plan_bouts, plan_postures
from posecli.synthetic.canvas import SHIFT, Canvas, contains, coverage, ellipse, normals, ribbon, uneven
from posecli.synthetic.options import SceneOptions
from posecli.synthetic.scene import Scene

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
        self._cage, near = (_seen(picture, self._view, self.width, self.height) for picture in (cage, bedding))
        rows = np.flatnonzero((near > 127).any(axis=1))
        self._rows = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)
        self._near = near[self._rows, :, None] > 127
        self._bouts = plan_bouts(moves, self.n_frames, self.fps)
        room = Room(LEFT + 108 * size, RIGHT - 118 * size, RIGHT - TO_WALL * size, size)
        self._postures: Floats = plan_postures(moves, self._bouts, self.fps, room)
        self._block = 0, self._mice(0)

    def labels(self) -> npt.NDArray[np.int8]:
        return frame_labels_of(self._bouts)

    def mice(self, block: int) -> CageMouse:
        """The animal in frames ``block * BLOCK`` and after, `BLOCK` or as many as there are."""
        kept, mice = self._block
        if kept != block:
            # One assignment, so that threads may share a scene.
            self._block = _, mice = block, self._mice(block)
        return mice

    def _mice(self, block: int) -> CageMouse:
        rows = self._postures[block * BLOCK : (block + 1) * BLOCK]
        return CageMouse(self.looks, dict(zip(FIELDS, rows.T, strict=True)), self._view)

    def _render(self, index: int) -> tuple[Canvas, Points, Flags, float]:
        image = self._cage.copy()
        mice, frame = self.mice(index // BLOCK), index % BLOCK
        # The shadow of the lamp in the lid on the bedding.
        ground, (across, high) = mice.ground(frame), self._view.scale
        radii = 0.6 * abs(ground[1, 0] - ground[0, 0]) + 25 * across, 9 * high
        Canvas(image, 0.0).shade(ellipse(ground.mean(axis=0), radii, 0.0), 0.35, 0.6 * radii[1])
        mice.paint(image, frame)
        np.copyto(image[self._rows], self._cage[self._rows], where=self._near)
        # To blur the whole frame costs less than to blur every shape.
        if self._blur > 0.2:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self._blur), np.uint8)
        length = 190 * self.looks.size * min(self._view.scale)
        return Canvas(image, self._blur), mice.points[frame].copy(), mice.hidden(frame), length


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
    near = _draw_bedding(rng, light, floor, wall)
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
    for left, right in ((LEFT - 14, LEFT), (RIGHT, RIGHT + 14)):
        _paint(light, _box(left, lid, right, HEIGHT - 12), -45)
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


def _draw_bedding(rng: np.random.Generator, light: Light, floor: float, wall: float) -> Image:
    """Wood chips before the rear wall; returns ``(480, 640)`` what of them lies before the animal, 0 or 255."""
    x = np.linspace(-9, WIDTH + 9, 60)
    bumps = 3.5 * np.sin(x / rng.uniform(35, 60) + rng.uniform(0, 6)) + rng.normal(0, 1.5, len(x))
    surface = np.stack([x, floor + bumps], axis=1)
    corners = np.array([[WIDTH + 9.0, HEIGHT + 9.0], [-9.0, HEIGHT + 9.0]])
    bed = coverage(np.concatenate([surface - [0, 8], corners]), WIDTH, HEIGHT, 1.5)
    level = np.clip(wall + rng.uniform(-45, 30), 70, 215)
    chips = np.full_like(light, level)
    for _ in range(420):
        at = rng.uniform([LEFT - 10, surface[:, 1].min() - 12], [RIGHT + 10, HEIGHT])
        long = rng.uniform(3, 9)
        chip = ellipse(at, (long, long * rng.uniform(0.25, 0.5)), rng.uniform(0, np.pi), 8)
        _paint(chips, chip, rng.uniform(-26, 26))
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


class CageMouse:
    """One mouse in ``n`` postures.

    `postures` has ``(n,)`` for each of `FIELDS`. Own coordinates are theirs, in px for a mouse of size 1; a place is
    ``(n, 2)``, a line or an outline ``(n, corners, 2)``.
    `points` are ``(n, 4, 2)`` px of the frame: snout, ear, near forepaw, base of the tail.
    """

    def __init__(self, looks: CageMouseLooks, postures: dict[str, Floats], view: CageView) -> None:
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

    def hidden(self, frame: int) -> Flags:
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
        postures, size, view = self._postures, self._looks.size, self._view
        facing = postures["facing"][frames, None]
        # Seen from its front a mouse is still as broad as it is.
        broad = np.copysign(np.maximum(np.abs(facing), BREADTH), facing)
        x = postures["center"][frames, None] + broad * size * places[..., 0]
        x = np.clip(x, view.left, view.right)
        x = WIDTH - x if view.mirrored else x
        return np.stack([x * view.scale[0], (view.floor - size * places[..., 1]) * view.scale[1]], axis=-1)

    def _on_head(self, ahead: Floats | float, above: Floats | float) -> Points:
        """A place on the head, or with ``(corners,)`` an outline."""
        outline = np.stack(np.broadcast_arrays(ahead, above), axis=-1)
        cos, sin = _direction(self._postures["head_angle"]).T.reshape(2, -1, *[1] * (outline.ndim - 1))
        x, y = outline[..., 0], outline[..., 1]
        head = self._head.reshape(-1, *[1] * (outline.ndim - 1), 2)
        return np.asarray(head + np.stack([x * cos - y * sin, x * sin + y * cos], axis=-1))

    def _add_all(self) -> None:
        looks, postures = self._looks, self._postures
        # The tail goes from its base down to the bedding and along it.
        base = self._spine[:, 0]
        knee, end = base - [0.35 * TAIL, 0.0], base - [TAIL, 0.0]
        knee[:, 1], end[:, 1] = 3.0, 4.0 + postures["tail"]
        tail = _curve(base, knee, end, np.linspace(0, 1, 14))
        self._add(ribbon(tail, np.linspace(5.5, 2.0, 14)), looks.skin * np.float32(0.82))
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
        return np.stack([self._postures[f"{part}_x"], self._postures[f"{part}_y"]], axis=-1)


def _direction(angle: Floats) -> Points:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _curve(start: Points, middle: Points, end: Points, at: Floats) -> Points:
    """``(n, len(at), 2)`` parabolas from `start` to `end`, drawn towards `middle`."""
    t = at[:, None]
    return np.asarray((1 - t) ** 2 * start[:, None] + 2 * t * (1 - t) * middle[:, None] + t**2 * end[:, None])

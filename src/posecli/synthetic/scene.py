"""What every scene has in common: its frames can be asked for in any order, and each is a function of the options.

Coordinates are those of all of posecli: px of the frame, x to the right, y down, the upper left corner of the first
pixel at (0, 0) and its centre at (0.5, 0.5).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from posecli.synthetic.arrays import Flags, Image, Points
from posecli.synthetic.canvas import Canvas, contains, ellipse, ribbon
from posecli.synthetic.options import DEFAULTS, SceneOptions

#: Sensor noise is cut from one larger field, at another place in every frame.
NOISE_MARGIN = 97
#: Standard deviation of the sensor noise at factor 1, of 255.
NOISE_LEVEL = 3.0
#: Share of a colour camera's noise that its channels do not have in common.
COLOR_NOISE = 0.3
#: How long something stays, seconds.
STAY = (0.25, 1.2)


@dataclass(frozen=True)
class SceneFrame:
    """One frame and its truth."""

    image: Image  # (H, W, 3) uint8, RGB
    points: Points  # (K, 2) float64, x and y in px; known also where a point is hidden or off the frame
    visible: Flags  # (K,) on the frame, and not hidden
    hidden: Flags  # (K,) on the frame, but behind something


class Scene(ABC):
    """A video that is computed frame by frame; made by `open_scene`."""

    name: ClassVar[str]
    #: The K names, in the order of `SceneFrame.points`.
    bodyparts: ClassVar[tuple[str, ...]]
    #: Share of the seeds whose camera sees colour.
    in_color: ClassVar[float]
    #: The names that `labels` counts; empty where a scene tells none.
    behaviours: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: SceneOptions) -> None:
        self.options = options
        self.width, self.height = options.size
        self.n_frames = options.n_frames
        self.fps = options.frame_rate
        width, height, *_ = DEFAULTS[options.scene]
        self._unit = min(self.width / width, self.height / height)
        self._place, camera, self._moves, hiding = (self._random(stream) for stream in (0, 1, 3, 4))
        self._gray = bool(camera.random() >= self.in_color)
        self._noise = _noise_field(camera, self.width, self.height, options.noise, gray=self._gray)
        self._hiding = Hiding(hiding, self.n_frames, self.fps, options.occlusion)

    def __len__(self) -> int:
        return self.n_frames

    def frame(self, index: int) -> SceneFrame:
        """Render one frame, ``0 <= index < n_frames``, or raise `IndexError`."""
        if not 0 <= index < self.n_frames:
            raise IndexError(f"frame {index} does not exist: the scene has frames 0 to {self.n_frames - 1}")
        canvas, points, hidden, length = self._render(index)
        hidden = hidden | self._hiding.paint(canvas, index, points, length)
        x, y = points.T
        on_frame = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        return SceneFrame(self._with_noise(canvas.image, index), points, on_frame & ~hidden, on_frame & hidden)

    def labels(self) -> npt.NDArray[np.int8]:
        """``(n_frames,)`` index of every frame's behaviour in `behaviours`; -1 where none is told."""
        return np.full(self.n_frames, -1, np.int8)

    @abstractmethod
    def _render(self, index: int) -> tuple[Canvas, Points, Flags, float]:
        """The frame without sensor noise, where the body parts are, which hide each other, and the animal's length."""

    def _random(self, *stream: int) -> np.random.Generator:
        """A stream of random numbers per purpose, so that none depends on how many another took."""
        return np.random.default_rng([self.options.seed, *stream])

    def _with_noise(self, image: Image, index: int) -> Image:
        if self._noise is None:
            return image
        top, left = self._random(2, index).integers(0, NOISE_MARGIN, 2)
        field = self._noise[top : top + self.height, left : left + self.width]
        return np.asarray(cv2.add(image, field, dtype=cv2.CV_8U))


def _noise_field(
    rng: np.random.Generator, width: int, height: int, factor: float, *, gray: bool
) -> npt.NDArray[np.int16] | None:
    """Noise that neighbouring pixels share in part, and the channels mostly or fully."""
    if factor == 0:
        return None
    shape = (height + NOISE_MARGIN, width + NOISE_MARGIN)
    fine = rng.standard_normal(shape, np.float32)
    coarse = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), (0, 0), 1.0) * 2.5
    shared = np.repeat((0.8 * fine + 0.6 * coarse)[..., None], 3, axis=2)
    own = 0 if gray else COLOR_NOISE * rng.standard_normal(shared.shape, np.float32)
    return np.asarray(np.rint(factor * NOISE_LEVEL * (shared + own)), np.int16)


class Hiding:
    """Something between animal and camera in a share of the frames."""

    def __init__(self, rng: np.random.Generator, n_frames: int, fps: float, share: float) -> None:
        self._event = _events(rng, n_frames, fps, share)
        self._seed = int(rng.integers(0, 2**31))

    def __getitem__(self, index: int) -> bool:
        """Whether something is in the way in a frame."""
        return bool(self._event[index] >= 0)

    def paint(self, canvas: Canvas, index: int, points: Points, length: float) -> Flags:
        """Paint what is in the way in one frame, and say which of the ``(K, 2)`` points it hides."""
        if not self[index]:
            return np.zeros(len(points), np.bool_)
        rng = np.random.default_rng([self._seed, int(self._event[index])])
        around = points[rng.integers(0, len(points))] + rng.normal(0, 0.06 * length, 2)
        if rng.random() < 0.5:
            shape = ellipse(around, tuple(length * rng.uniform(0.08, 0.22, 2)), rng.uniform(0, np.pi))
        else:
            angle = rng.uniform(0, np.pi)  # a rod or a cable across the animal
            reach = length * rng.uniform(0.5, 2.5) * np.array([np.cos(angle), np.sin(angle)])
            shape = ribbon(np.stack([around - reach, around + reach]), length * rng.uniform(0.03, 0.1))
        canvas.paint(shape, np.full(3, rng.uniform(40, 225), np.float32), 1.0)
        return contains(shape, points)


def _events(rng: np.random.Generator, n_frames: int, fps: float, share: float) -> npt.NDArray[np.int64]:
    """``(n,)``: number of the event, -1 where there is none. Stays and gaps take turns, so that the share is met."""
    event = np.full(n_frames, -1)
    stays = np.maximum(1, np.rint(rng.uniform(*STAY, n_frames) * fps)).astype(int)
    wanted, start, number = round(share * n_frames), 0, 0
    while wanted > 0:
        stay = min(int(stays[number]), wanted)
        free = n_frames - start - wanted
        start += int(rng.uniform(0, min(free, 2 * (1 / share - 1) * stay))) if free > 0 else 0
        event[start : start + stay] = number
        start, wanted, number = start + stay, wanted - stay, number + 1
    return event

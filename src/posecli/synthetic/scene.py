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

from posecli.synthetic.canvas import Canvas, Points
from posecli.synthetic.options import SceneOptions

Image = npt.NDArray[np.uint8]

#: Sensor noise is cut from one larger field, at another place in every frame.
NOISE_MARGIN = 97
#: Standard deviation of the sensor noise at factor 1, of 255.
NOISE_LEVEL = 3.0
#: Standard deviation of what the channels of a colour camera do not share, as a part of the whole.
COLOUR_NOISE = 0.3


@dataclass(frozen=True)
class SceneFrame:
    """One frame and its truth.

    Attributes
    ----------
    image
        ``(H, W, 3)`` uint8, RGB.
    points
        ``(K, 2)`` float64, x and y in px; known also where a point is hidden or off the frame.
    visible
        ``(K,)`` bool: on the frame, and not hidden.
    hidden
        ``(K,)`` bool: on the frame, but behind something.
    """

    image: Image
    points: Points
    visible: npt.NDArray[np.bool_]
    hidden: npt.NDArray[np.bool_]


class Scene(ABC):
    """A video that is computed frame by frame; made by `open_scene`.

    Attributes
    ----------
    name
        As in `SceneOptions`.
    bodyparts
        The K names, in the order of `SceneFrame.points`.
    behaviours
        The names that `labels` counts; empty where a scene tells none.
    options
        What was asked for.
    width, height
        Frame size, px.
    n_frames
        Number of frames.
    fps
        Frames per second.
    """

    name: ClassVar[str]
    bodyparts: ClassVar[tuple[str, ...]]
    #: Pairs of body parts that change names when a frame is mirrored.
    mirror_pairs: ClassVar[tuple[tuple[str, str], ...]]
    #: Share of the seeds whose camera sees colour.
    in_colour: ClassVar[float]
    behaviours: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: SceneOptions) -> None:
        self.options = options
        self.width, self.height = options.size
        self.n_frames = options.n_frames
        self.fps = options.frame_rate
        camera = np.random.default_rng([options.seed, 1])
        self._grey = bool(camera.random() >= self.in_colour)
        self._noise = _noise_field(camera, self.width, self.height, options.noise, grey=self._grey)

    def __len__(self) -> int:
        return self.n_frames

    def frame(self, index: int) -> SceneFrame:
        """Render one frame; ``0 <= index < n_frames``.

        Raises
        ------
        IndexError
            If there is no such frame.
        """
        if not 0 <= index < self.n_frames:
            raise IndexError(f"frame {index} does not exist: the scene has frames 0 to {self.n_frames - 1}")
        canvas, points, hidden = self._render(index)
        x, y = points.T
        on_frame = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        return SceneFrame(self._with_noise(canvas.image, index), points, on_frame & ~hidden, on_frame & hidden)

    def labels(self) -> npt.NDArray[np.int8]:
        """``(n_frames,)`` index of every frame's behaviour in `behaviours`; -1 where none is told."""
        return np.full(self.n_frames, -1, np.int8)

    @abstractmethod
    def _render(self, index: int) -> tuple[Canvas, Points, npt.NDArray[np.bool_]]:
        """The frame without sensor noise, where the body parts are, and which are hidden by something."""

    def _with_noise(self, image: Image, index: int) -> Image:
        if self._noise is None:
            return image
        top, left = np.random.default_rng([self.options.seed, 2, index]).integers(0, NOISE_MARGIN, 2)
        field = self._noise[top : top + self.height, left : left + self.width]
        return np.asarray(cv2.add(image, field, dtype=cv2.CV_8U))


def _noise_field(
    rng: np.random.Generator, width: int, height: int, factor: float, *, grey: bool
) -> npt.NDArray[np.int16] | None:
    """Noise of which neighbouring pixels share a part, and the channels all or most."""
    if factor == 0:
        return None
    shape = (height + NOISE_MARGIN, width + NOISE_MARGIN)
    fine = rng.standard_normal(shape, np.float32)
    coarse = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), (0, 0), 1.0) * 2.5
    shared = np.repeat((0.8 * fine + 0.6 * coarse)[..., None], 3, axis=2)
    own = 0 if grey else COLOUR_NOISE * rng.standard_normal(shared.shape, np.float32)
    return np.asarray(np.rint(factor * NOISE_LEVEL * (shared + own)), np.int16)

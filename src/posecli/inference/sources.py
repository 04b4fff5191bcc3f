"""Where windows lie: each source says, for frames of a video, where the middle of the animal is thought to be.

A source is believed only as far as what its windows then show: see `posecli.inference.windows`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from posecli.errors import VideoError
from posecli.inference.step import Step, Values
from posecli.video.batch import Batch, rescaled
from posecli.video.geometry import Floats, Geometry
from posecli.video.probe import VideoInfo
from posecli.video.reader import VideoReader

Images = npt.NDArray[np.uint8]
#: Frames from all over a video whose median is its background.
BACKGROUND_FRAMES = 25
#: Levels of a colour by which an animal differs from the background, in so many neighbouring cells of a small picture.
DIFFERENT, FEWEST_CELLS = 20, 4

#: From poses ``(B, K, N, 3)`` to the middles ``(B, 2)`` of the body parts that are seen, or NaN where none is.
Centers = Callable[[Values], Floats]


class Source(ABC):
    """What places windows."""

    #: Whether each frame is looked at by itself; else all is known from frames before.
    sees_each_frame: ClassVar[bool] = True

    @abstractmethod
    def centers(self, batch: Batch, before: Values) -> Floats:
        """Middles ``(B, 2)``, x and y in px of the displayed frame; NaN where nothing is known.

        `before` holds poses of frames that come before all of the batch.
        """

    def warm_up(self, batch_size: int) -> None:  # noqa: B027  # most compile nothing
        """Do what the first call with this batch size would otherwise be late for."""


@dataclass(frozen=True)
class Tracking(Source):
    """The animal is where it was seen last."""

    middles: Centers
    sees_each_frame: ClassVar[bool] = False

    def centers(self, batch: Batch, before: Values) -> Floats:
        """The same for all frames.

        >>> tracking = Tracking(lambda poses: poses[:, 0, 0, :2])
        >>> tracking.centers(Batch.of(np.zeros((2, 4, 4, 3), np.uint8)), np.array([[[[5.0, 6.0, 1.0]]]]))
        array([[5., 6.],
               [5., 6.]])
        """
        middles = self.middles(before)
        known = middles[np.isfinite(middles[:, 0])]
        return np.broadcast_to(known[-1] if len(known) else np.full(2, np.nan), (len(batch), 2))


@dataclass(frozen=True)
class Coarse(Source):
    """The animal is where the network sees it in a small picture of the frame, for networks that see it there."""

    middles: Centers
    scale: Fraction  # of the small picture
    step: Step  # for pictures of its size

    def centers(self, batch: Batch, before: Values) -> Floats:  # noqa: ARG002  # each frame speaks for itself
        return self.middles(self.step(rescaled(batch, self.scale)))

    def warm_up(self, batch_size: int) -> None:
        self.step.warm_up(batch_size)


@dataclass(frozen=True)
class Still(Source):
    """The animal is what differs from the background, for cameras that do not move."""

    background: Images  # ``(h, w, 3)`` RGB, of a small picture of the frame
    times_smaller: int

    @classmethod
    def of_video(cls, info: VideoInfo, geometry: Geometry, times_smaller: int) -> Still:
        """By frames from all over a video, as a geometry brings them to the network; a `VideoError` if none is left."""
        places = np.unique(np.linspace(0, info.expected_frames - 1, BACKGROUND_FRAMES).astype(int)).tolist()
        small = []
        with closing(VideoReader(info, geometry, places=places)) as reader:
            image = reader.new_buffer(1)
            for number, picture in reader.rows():
                if picture.frame is not None:
                    reader.prepare_row(number, picture, image[0])
                    small.append(shrunk(image, times_smaller)[0])
        if not small:
            raise VideoError(f"no frame of '{info.path}' that shows its background can be decoded: choose --window off")
        return cls.of_pictures(np.stack(small), times_smaller)

    @classmethod
    def of_pictures(cls, small: Images, times_smaller: int) -> Still:
        """By small pictures ``(n, h, w, 3)``."""
        return cls(np.median(small, axis=0).astype(np.uint8), times_smaller)

    def centers(self, batch: Batch, before: Values) -> Floats:  # noqa: ARG002  # each frame speaks for itself
        """Middles of the largest patch of each frame that differs.

        >>> frames = np.full((2, 64, 64, 3), 90, np.uint8)
        >>> frames[1, 16:48, 32:48] = 200
        >>> Still(np.full((8, 8, 3), 90, np.uint8), 8).centers(Batch.of(frames), np.empty((0, 1, 1, 3)))
        array([[nan, nan],
               [40., 32.]])
        """
        height, width = batch.images.shape[1:3]
        small = shrunk(batch.images, self.times_smaller)
        cells = np.array([self._patch(picture) for picture in small])
        return batch.geometry.to_frame(cells * (width, height) / self.background.shape[1::-1])

    def _patch(self, picture: Images) -> tuple[float, float]:
        """The middle of the largest patch that differs, x and y in cells."""
        differs = cv2.absdiff(picture, self.background).max(axis=2) >= DIFFERENT
        _, _, patches, _ = cv2.connectedComponentsWithStats(differs.astype(np.uint8))
        patches = patches[1:]  # the first is all that does not
        if not len(patches) or patches[:, cv2.CC_STAT_AREA].max() < FEWEST_CELLS:
            return np.nan, np.nan
        x, y, width, height, _ = patches[patches[:, cv2.CC_STAT_AREA].argmax()].tolist()
        return x + width / 2, y + height / 2


def shrunk(images: Images, times_smaller: int) -> Images:
    """Pictures ``(n, H, W, 3)`` so many times smaller, ``(n, h, w, 3)``."""
    height, width = (max(1, round(side / times_smaller)) for side in images.shape[1:3])
    return np.stack([cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in images])

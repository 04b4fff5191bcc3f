"""Videos with their poses drawn into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from posecli.errors import OutputError, UsageError
from posecli.figures import part_colours
from posecli.table import read_pose_table
from posecli.video.encode import EncodeOptions, VideoEncoder
from posecli.video.opencv import import_cv2
from posecli.video.probe import probe
from posecli.video.reader import VideoReader

cv2 = import_cv2()

#: Circles are drawn in sixteenths of a pixel.
SUBPIXEL_BITS = 4
#: Radius of a dot as a share of the frame's shorter side.
DOT_SHARE = 1 / 110

Poses = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LabelOptions:
    """How poses are drawn.

    Attributes
    ----------
    pcutoff
        Likelihood below which a body part is not drawn.
    trail
        Frames for which a body part leaves a trail behind it.
    dot_radius
        Px; by default a share of the frame's size.
    """

    pcutoff: float = 0.6
    trail: int = 0
    dot_radius: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.pcutoff <= 1:
            raise UsageError(f"pcutoff {self.pcutoff:g} is out of range: give a likelihood from 0 to 1")
        if self.trail < 0:
            raise UsageError(f"trail {self.trail} is too small: give a number of frames, 0 for none")
        if self.dot_radius is not None and not self.dot_radius > 0:
            raise UsageError(f"dot radius {self.dot_radius} is too small: give a number of px above 0")


def label_video(
    video: Path,
    table: Path,
    out: Path,
    options: LabelOptions = LabelOptions(),
    *,
    overwrite: bool = False,
    progress: Callable[[int], object] = lambda _count: None,
) -> int:
    """Draw a pose table into its video: H.264 that browsers play, a frame for each frame.

    Parameters
    ----------
    video, table
        A video and the pose table that was made of it.
    out
        The video to make. Its frame rate is constant, the mean of the original's.
    options
        What is drawn.
    overwrite
        Whether a file of that name may be replaced.
    progress
        Is told how many more frames are done.

    Returns
    -------
    int
        Frames written. One that cannot be decoded is black.

    Raises
    ------
    OutputError
        If the table has another number of rows than the video has frames, or the video cannot be written.
    """
    info = probe(video)
    poses, bodyparts = read_poses(table)
    if len(poses) != info.n_frames:
        raise OutputError(
            f"'{table}' has {len(poses)} rows and '{video}' {info.n_frames} frames: give the table made of this video"
        )
    painter = Painter(bodyparts, poses, options, info.width, info.height)
    reader = VideoReader(info)
    rate = Fraction(info.frame_rate).limit_denominator(1001)
    encode = EncodeOptions(crf=20, preset="veryfast")
    try:
        with VideoEncoder(out, info.width, info.height, rate, encode, overwrite=overwrite) as encoder:
            for batch in reader.batches(16):
                for image, index in zip(batch.images, batch.indices, strict=True):
                    painter.paint(image, int(index))
                    encoder.write(image)
                progress(len(batch))
    finally:
        reader.close()
    return encoder.frames


class Painter:
    """Draws the rows of a pose table into frames."""

    def __init__(
        self, bodyparts: tuple[str, ...], poses: Poses, options: LabelOptions, width: int, height: int
    ) -> None:
        self._colours = [_rgb(colour) for colour in part_colours(len(bodyparts))]
        self._radius = options.dot_radius or max(2.0, DOT_SHARE * min(width, height))
        self._trail = options.trail
        self._points = np.where(poses[..., 2:] >= options.pcutoff, poses[..., :2], np.nan)

    def paint(self, image: npt.NDArray[np.uint8], index: int) -> None:
        """Draw one row into ``(H, W, 3)`` uint8 RGB, in place."""
        for part, colour in enumerate(self._colours):
            self._paint_trail(image, self._points[max(0, index - self._trail) : index + 1, part], colour)
        for (x, y), colour in zip(self._points[index], self._colours, strict=True):
            if np.isfinite(x) and np.isfinite(y):
                centre, radius = _subpixels(x, y), round(self._radius * (1 << SUBPIXEL_BITS))
                cv2.circle(image, centre, radius, colour, -1, cv2.LINE_AA, SUBPIXEL_BITS)
                cv2.circle(image, centre, radius, (255, 255, 255), 1, cv2.LINE_AA, SUBPIXEL_BITS)

    @staticmethod
    def _paint_trail(image: npt.NDArray[np.uint8], way: Poses, colour: tuple[int, int, int]) -> None:
        for start, end in pairwise(way):
            if np.isfinite(start).all() and np.isfinite(end).all():
                cv2.line(image, _subpixels(*start), _subpixels(*end), colour, 1, cv2.LINE_AA, SUBPIXEL_BITS)


def read_poses(table: Path) -> tuple[Poses, tuple[str, ...]]:
    """A pose table as ``(N, K, 3)`` float64 (x, y, likelihood; the best peak) and its body parts."""
    frame: pd.DataFrame = read_pose_table(table)
    bodyparts = tuple(dict.fromkeys(frame.columns.get_level_values("bodyparts")))
    best = frame.loc[:, frame.columns.get_level_values("coords").isin(["x", "y", "likelihood"])]
    return best.to_numpy(np.float64).reshape(len(frame), len(bodyparts), 3), bodyparts


def _subpixels(x: float, y: float) -> tuple[int, int]:
    """Continuous px to OpenCV's fixed-point ones, whose pixel centres are whole numbers."""
    return round((x - 0.5) * (1 << SUBPIXEL_BITS)), round((y - 0.5) * (1 << SUBPIXEL_BITS))


def _rgb(colour: str) -> tuple[int, int, int]:
    value = int(colour.lstrip("#"), 16)
    return value >> 16, value >> 8 & 255, value & 255

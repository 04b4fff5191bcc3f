"""Whether frame number i of an encoded video still is frame number i of the video it was made from.

Count and times come first. Then every frame is compared with the frame of the same number and with its neighbours:
where, over a stretch of frames, another number fits better, frames were lost or shifted, and no error of a pose means
anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from posecli.studies.sweep.options import Progress
from posecli.video.batch import prepare
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo
from posecli.video.reader import VideoReader

#: Neighbours on either side that a frame is compared with.
REACH = 3
#: Frames of a stretch: long enough that something moves in it.
STRETCH = 32
#: A neighbour fits better where its squared difference is less than this part of the own one. At the lowest quality of
#: four codecs the own frame was the best in every stretch of real footage; one frame off gave 0.79 to 0.99.
MARGIN = 0.98
#: Width at which neighbours are compared, px: motion shows, grain does not.
SMALL_WIDTH = 160
#: Times may differ by this part of a frame.
TIME_TOLERANCE = 0.5
#: Signal-to-noise ratio of equal pictures, dB: that of one step of 255 in one pixel of ten thousand.
MOST_PSNR = 88.0

Gray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Correspondence:
    """How well the frames of a version match those of its original."""

    expected: int  # frames
    found: int
    largest_time_shift: float  # of any frame against the original's, in frames
    shifted: tuple[tuple[int, int], ...]  # first frame of each stretch that fits a neighbour better, and its offset
    psnr: float  # peak signal-to-noise ratio of brightness, dB: mean over frames
    worst_psnr: float

    @property
    def problem(self) -> str | None:
        """Why their poses cannot be compared; ``None`` if they can."""
        if self.found != self.expected:
            return f"it has {self.found} frames, the original {self.expected}"
        if self.largest_time_shift > TIME_TOLERANCE:
            return f"its times are off by up to {self.largest_time_shift:.2f} frames"
        if self.shifted:
            first, offset = self.shifted[0]
            side = "later" if offset > 0 else "earlier"
            return f"from frame {first} on it shows what the original shows {abs(offset)} frames {side}"
        return None


def compare_frames(
    original: VideoInfo, version: VideoInfo, frames: int, progress: Progress = lambda _count: None
) -> Correspondence:
    """Compare count, times and pictures of the first `frames` frames, which the version should have."""
    count = min(frames, version.n_frames)
    squares = np.full((count, 2 * REACH + 1), np.nan)
    psnr = np.full(count, np.nan)
    with closing(_grays(original, original)) as ours, closing(_grays(version, original)) as theirs:
        around = deque([None] * REACH + [next(ours, None) for _ in range(REACH + 1)], maxlen=2 * REACH + 1)
        for index in range(count):
            shown, own = next(theirs, None), around[REACH]
            if shown is not None:
                squares[index] = [np.nan if other is None else _square(shown[1], other[1]) for other in around]
                if own is not None:
                    psnr[index] = _psnr(_square(shown[0], own[0]))
            around.append(next(ours, None))
            progress(1)
    known = psnr[~np.isnan(psnr)]
    return Correspondence(
        frames,
        version.n_frames,
        _time_shift(original, version, count),
        tuple(_shifted(squares)),
        float(known.mean()) if known.size else float("nan"),
        float(known.min(initial=MOST_PSNR)),
    )


def first_frame_png(video: VideoInfo, height: int, width: int) -> bytes:
    """The first frame as displayed, cut to a size, as a PNG file; black if it cannot be decoded."""
    with closing(VideoReader(video)) as reader:
        buffer = reader.new_buffer(1)
        reader.read_into(buffer)
    _, coded = cv2.imencode(".png", cv2.cvtColor(buffer[0][:height, :width], cv2.COLOR_RGB2BGR))
    return coded.tobytes()


def _grays(info: VideoInfo, original: VideoInfo) -> Generator[tuple[Gray, Gray] | None]:
    """Brightness of each frame as displayed, of the original's size and small; ``None`` where one is not decoded."""
    geometry = Geometry.plan(info.width, info.height)
    buffer = np.empty((info.height, info.width, 3), np.uint8)
    size = SMALL_WIDTH, max(1, round(original.height * SMALL_WIDTH / original.width))
    with closing(VideoReader(info)) as reader:
        for _, _, image in reader.decoded():
            if image is None:
                yield None
                continue
            prepare(image, geometry, buffer)
            gray = np.asarray(cv2.cvtColor(buffer[: original.height, : original.width], cv2.COLOR_RGB2GRAY), np.uint8)
            small = gray if size[0] >= original.width else cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
            yield gray, np.asarray(small, np.uint8)


def _square(first: Gray, second: Gray) -> float:
    return float(cv2.norm(first, second, cv2.NORM_L2SQR)) / first.size


def _psnr(square: float) -> float:
    return min(MOST_PSNR, 10 * float(np.log10(255**2 / square))) if square else MOST_PSNR


def _shifted(squares: npt.NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Stretches where another offset fits better than none, and that offset."""
    for start in range(0, len(squares), STRETCH):
        stretch = squares[start : start + STRETCH]
        stretch = stretch[~np.isnan(stretch).any(axis=1)]
        if len(stretch):
            means = stretch.mean(axis=0)
            best = int(means.argmin())
            if means[best] < MARGIN * means[REACH]:
                yield start, best - REACH


def _time_shift(original: VideoInfo, version: VideoInfo, count: int) -> float:
    """Largest difference of the times, each counted from its first frame, in frames of the median duration."""
    expected, found = original.seconds()[:count], version.seconds()[:count]
    if len(expected) < 2 or len(found) < len(expected):
        return 0.0
    usual = float(np.median(np.diff(expected))) or 1.0
    return float(np.abs((found - found[0]) - (expected - expected[0])).max()) / usual

"""Decoded pictures to pixels, the same for every way of reading."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from posecli.errors import VideoError

Image = npt.NDArray[np.uint8]

#: FFmpeg's numbers of matrices, as its program's options name them.
_NAMES = (
    "gbr bt709 unknown reserved fcc bt470bg smpte170m smpte240m ycgco bt2020nc bt2020c smpte2085 chroma-derived-nc "
    "chroma-derived-c ictcp ipt-c2 ycgco-re ycgco-ro"
)
MATRICES = dict(enumerate(_NAMES.split()))


class PixelConverter:
    """Converts pictures to BGR, whatever changes from one to the next; for one thread.

    It does so as FFmpeg's program: bicubic, with the matrix and range that the picture names (BT.601 if none), and
    without a change of transfer or primaries, so that HLG and PQ stay as they were coded.
    """

    def __init__(self) -> None:
        self._properties: tuple[Any, ...] | None = None
        self._reformatter = VideoReformatter()

    def bgr(self, frame: av.VideoFrame) -> Image:
        """``(height, width, 3)`` uint8 BGR as coded, an array of its own; a `VideoError` if FFmpeg fails."""
        if (properties := properties_of(frame)) != self._properties:
            self._properties, self._reformatter = properties, VideoReformatter()
        try:
            # To BGR, as OpenCV reads: RGB rounds otherwise.
            converted = self._reformatter.reformat(frame, format="bgr24", interpolation="BICUBIC", threads=1)
        except (av.FFmpegError, ValueError) as error:
            matrix = MATRICES.get(int(frame.colorspace), str(int(frame.colorspace)))
            raise VideoError(
                f"pictures of pixel format '{frame.format.name}' with the colour matrix '{matrix}' cannot be converted "
                f"({getattr(error, 'strerror', None) or error}): re-encode the video to yuv420p with the matrix bt709"
            ) from error
        return converted.to_ndarray().astype(np.uint8, copy=False)


def properties_of(frame: av.VideoFrame) -> tuple[Any, ...]:
    """All properties of a picture that its pixels' meaning depends on; they may change within a video."""
    return (
        frame.format.name,
        frame.width,
        frame.height,
        frame.interlaced_frame,
        int(frame.colorspace),
        int(frame.color_range),
        int(frame.color_trc),
        int(frame.color_primaries),
    )

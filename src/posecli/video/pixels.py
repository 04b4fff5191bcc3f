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
MATRICES = {
    0: "gbr",
    1: "bt709",
    2: "unknown",
    3: "reserved",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
    15: "ipt-c2",
    16: "ycgco-re",
    17: "ycgco-ro",
}


class PixelConverter:
    """Turns pictures to BGR, following whatever changes from one to the next; for one thread.

    As FFmpeg's program does by itself: bicubic, the matrix and range that the picture names (BT.601 if none), and
    no change of transfer or primaries, so that HLG and PQ stay as they were coded.
    """

    def __init__(self) -> None:
        self._properties: tuple[Any, ...] | None = None
        self._reformatter = VideoReformatter()

    def bgr(self, frame: av.VideoFrame) -> Image:
        """``(height, width, 3)`` uint8 BGR as coded, an array of its own.

        Raises
        ------
        VideoError
            If FFmpeg cannot convert such pictures.
        """
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
    """All of a picture that decides how its pixels are to be understood; it may change within a video."""
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

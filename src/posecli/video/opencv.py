"""Frames decoded by OpenCV."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from posecli.errors import EngineError, VideoError
from posecli.video.timeline import Decoded, FrameClock

if TYPE_CHECKING:
    from posecli.video.probe import VideoInfo


def import_cv2() -> ModuleType:
    """OpenCV, with FFmpeg's chatter about damaged files turned off (damage is reported frame by frame).

    Raises
    ------
    EngineError
        If OpenCV cannot be loaded, as on servers without the libGL that its desktop build links to.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    try:
        import cv2
    except ImportError as error:
        raise EngineError(
            f"OpenCV cannot be loaded ({error}): install the system package libgl1, or replace opencv-python by its "
            "build for servers with 'pip uninstall opencv-python' and 'pip install opencv-python-headless'"
        ) from error
    return cv2


def decode_opencv(info: VideoInfo, first: int = 0) -> Iterator[Decoded]:
    """Decode sequentially from the start, giving frames from index `first` on.

    OpenCV skips what it cannot decode without a word, so a frame's place is taken from its time.

    Yields
    ------
    (int, ndarray)
        Index and ``(height, width, 3)`` uint8 BGR, as coded: not yet rotated. The array is the decoder's own
        and is overwritten by the next frame.
    """
    if info.opencv_fails:
        raise VideoError(f"OpenCV cannot read '{info.path}': {info.opencv_fails}")
    cv2 = import_cv2()
    # From the root, so that a file name with a colon is not taken for a URL.
    capture = cv2.VideoCapture(str(info.path.absolute()), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise VideoError(f"OpenCV cannot open '{info.path}': try the other decoder with --video-backend pyav")
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        clock = FrameClock(info)
        image = start = None
        while True:
            decoded, image = capture.read(image)
            if not decoded:
                return
            seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if start is None:
                # OpenCV counts from a zero of its own, and gives the decode time, which lies below, for a time of 0.
                start = (info.first_seconds or 0.0) - max(0.0, seconds)
            index = clock.place(seconds + start)
            if index is not None and index >= first:
                yield index, image
    finally:
        capture.release()

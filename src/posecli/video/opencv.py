"""OpenCV, and pictures that it decoded, for as long as they are those that FFmpeg decodes."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posecli.errors import EngineError

if TYPE_CHECKING:
    import av

    from posecli.video.pixels import PixelConverter

Image = npt.NDArray[np.uint8]

#: Every so many pictures all pixels are compared.
COMPARED_EVERY = 32
#: Every so many rows of pixels tell whether a picture is the one before.
SPARSE = 16


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


class CheckedCapture:
    """Pictures of a video by OpenCV, checked against FFmpeg's one by one.

    OpenCV says *true* and hands out an earlier picture where its converter fails, leaves pictures out without a word,
    and understands some colours otherwise. So each picture must come at FFmpeg's time, and its pixels are compared now
    and then, and wherever it looks like the one before. At the first difference OpenCV is not asked any more; nor where
    anything about the pictures changes, or where they are stored bottom up, to which some of its versions answer by
    writing past their buffers.

    Parameters
    ----------
    path
        The video.
    seconds_per_unit
        The time base.

    Attributes
    ----------
    fault
        Why OpenCV is not used any more; ``None`` while it is.
    """

    def __init__(self, path: Path, seconds_per_unit: float) -> None:
        self.fault: str | None = None
        self._unit = seconds_per_unit
        self._count = 0
        self._offset: float | None = None
        self._properties: Any = None
        self._sparse: Image | None = None
        self._cv2 = cv2 = import_cv2()
        # From the root, so that a file name with a colon is not taken for a URL.
        self._capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        if self._capture.isOpened():
            self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        else:
            self.fault = "OpenCV cannot open the file"

    def close(self) -> None:
        """Let the decoder go."""
        self._capture.release()

    def skip(self, pts: int, frame: av.VideoFrame) -> None:
        """Pass over the next picture."""
        if not self._is_usable_for(frame):
            return
        if not self._capture.grab():
            self.fault = "OpenCV leaves out a picture"
        elif not self._is_on_time(pts):
            self.fault = "OpenCV tells another time"

    def picture(self, pts: int, frame: av.VideoFrame, converter: PixelConverter) -> Image | None:
        """OpenCV's next picture, if it is this one: ``(height, width, 3)`` uint8 BGR, an array of its own."""
        image = self._next(pts, frame) if self._is_usable_for(frame) else None
        if image is None:
            return None
        sparse = image[::SPARSE]
        looks_frozen = self._sparse is not None and np.array_equal(sparse, self._sparse)
        is_compared = looks_frozen or self._count % COMPARED_EVERY == 1
        if is_compared and not np.array_equal(image, converter.bgr(frame)):
            self.fault = "OpenCV's pixels differ from FFmpeg's"
            return None
        self._sparse = sparse
        return image

    def _is_usable_for(self, frame: av.VideoFrame) -> bool:
        """Whether OpenCV may be asked for a picture like this one."""
        from posecli.video.pixels import properties_of

        properties = properties_of(frame)
        if self._properties is None:
            self._properties = properties
        if self.fault is None and properties != self._properties:
            self.fault = "the pictures' format changes"
        if self.fault is None and frame.planes[0].line_size < 0:
            self.fault = "the pictures are stored bottom up"
        return self.fault is None

    def _next(self, pts: int, frame: av.VideoFrame) -> Image | None:
        came, image = self._capture.read()
        self._count += 1
        if not came or image.shape[:2] != (frame.height, frame.width):
            self.fault = "OpenCV leaves out a picture" if not came else "OpenCV's picture has another size"
            return None
        if not self._is_on_time(pts):
            self.fault = "OpenCV tells another time"
            return None
        return np.asarray(image, np.uint8)

    def _is_on_time(self, pts: int) -> bool:
        """Whether OpenCV's own time is this one; it counts from a zero of its own, and does not tell a time of 0."""
        seconds = self._capture.get(self._cv2.CAP_PROP_POS_MSEC) / 1000
        if pts == 0:
            return True
        offset = pts * self._unit - seconds
        if self._offset is None:
            self._offset = offset
        return bool(abs(offset - self._offset) < self._unit / 2)

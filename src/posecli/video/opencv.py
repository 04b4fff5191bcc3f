"""Decoded pictures as pixels, by FFmpeg's converter; or by OpenCV, as long as it decodes the same."""

from __future__ import annotations

import os
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import VideoReformatter

from posecli.errors import EngineError, VideoError

Image = npt.NDArray[np.uint8]

COMPARED_EVERY = 32  #: All pixels of every so-manyth picture are compared.
SPARSE = 16  #: Every so-manyth row of pixels tells whether a picture is the one before.
#: FFmpeg's numbers of matrices, as its program's options name them.
_NAMES = (
    "gbr bt709 unknown reserved fcc bt470bg smpte170m smpte240m ycgco bt2020nc bt2020c smpte2085 chroma-derived-nc "
    "chroma-derived-c ictcp ipt-c2 ycgco-re ycgco-ro"
)
MATRICES = dict(enumerate(_NAMES.split()))
GREY = 2  #: Axes of a picture whose channels are equal.
#: Eight-bit formats in which a colour is what the planes after the first say.
LUMA_FIRST = ("gray", *(f"{name}{sampling}p" for name in ("yuv", "yuvj") for sampling in (420, 422, 444)))
NEUTRAL = 128  #: What these planes hold where there is no colour.
SAME = np.arange(256, dtype=np.uint8)  #: The table of a full range: it changes no brightness.
#: All properties of a picture that its pixels' meaning depends on; they may change within a video.
_properties_of = attrgetter(
    *("format.name", "width", "height", "interlaced_frame"),
    *("colorspace", "color_range", "color_trc", "color_primaries"),
)


def import_cv2() -> ModuleType:
    """OpenCV without FFmpeg's chatter about damaged files; damage is reported frame by frame.

    An `EngineError` if it cannot be loaded, as on servers without the libGL that its desktop build needs.
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


class PixelConverter:
    """Converts pictures to BGR, whatever changes from one to the next; for one thread.

    It does so as FFmpeg's program: bicubic, with the matrix and range that the picture names (BT.601 if none), and
    without a change of transfer or primaries, so that HLG and PQ stay as they were coded.
    """

    def __init__(self) -> None:
        self._cv2 = import_cv2()
        self._properties: tuple[Any, ...] | None = None
        self._reformatter = VideoReformatter()
        self._grey_tables: dict[tuple[Any, ...], Image | None] = {}

    def bgr(self, frame: av.VideoFrame) -> Image:
        """``(height, width, 3)`` uint8 BGR as coded, an array of its own; a `VideoError` if FFmpeg fails."""
        return in_channels(self.pixels(frame))

    def pixels(self, frame: av.VideoFrame) -> Image:
        """The same, but ``(height, width)`` where all channels are equal and a table of brightness tells them.

        Such a picture may be a view of the frame: it is not to be written to.
        """
        table = self._grey_table(frame) if _is_grey(frame) else None
        return self._converted(frame) if table is None else self._looked_up(frame, table)

    def _grey_table(self, frame: av.VideoFrame) -> Image | None:
        """What the converter makes of each of 256 brightnesses without colour, in frames of this kind and size.

        ``None`` unless each pixel of noise, and of the first such frame, depends on its own brightness alone.
        """
        properties = _properties_of(frame)
        if properties not in self._grey_tables:
            noise = _grey_noise(frame)
            luma = _bytes_of(noise.planes[0])
            converted = {noise: self._converted(noise), frame: self._converted(frame)}
            table = np.zeros(256, np.uint8)
            table[luma] = converted[noise][..., 0]
            is_shown = len(np.unique(luma)) == len(table) and all(
                np.array_equal(in_channels(self._looked_up(each, table)), image) for each, image in converted.items()
            )
            known = SAME if np.array_equal(table, SAME) else table
            self._grey_tables[properties] = known if is_shown else None
        return self._grey_tables[properties]

    def _looked_up(self, frame: av.VideoFrame, table: Image) -> Image:
        luma = _bytes_of(frame.planes[0])
        return luma if table is SAME else _image(self._cv2.LUT(luma, table))

    def _converted(self, frame: av.VideoFrame) -> Image:
        if (properties := _properties_of(frame)) != self._properties:
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
        return _image(converted.to_ndarray())


def in_channels(image: Image) -> Image:
    """BGR of a picture, ``(height, width)`` if its channels are equal.

    >>> in_channels(np.array([[7]], np.uint8)).tolist()
    [[[7, 7, 7]]]
    """
    cv2 = import_cv2()
    return _image(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)) if image.ndim == GREY else image


def _image(pixels: npt.NDArray[Any]) -> Image:
    return pixels.astype(np.uint8, copy=False)


def _bytes_of(plane: av.video.plane.VideoPlane) -> Image:
    """A view of a plane of bytes, without the padding of its lines."""
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def _is_grey(frame: av.VideoFrame) -> bool:
    """Whether a progressive frame has no colour anywhere; some that have none may be missed."""
    planes = frame.planes
    if frame.format.name not in LUMA_FIRST or frame.interlaced_frame or min(plane.line_size for plane in planes) < 0:
        return False
    min_and_max = import_cv2().minMaxLoc
    return all(min_and_max(_bytes_of(plane))[:2] == (NEUTRAL, NEUTRAL) for plane in planes[1:])


def _grey_noise(frame: av.VideoFrame) -> av.VideoFrame:
    """A picture without colour, of a frame's kind and size, whose brightness is noise."""
    noise = av.VideoFrame(frame.width, frame.height, frame.format.name)
    noise.colorspace, noise.color_range = frame.colorspace, frame.color_range
    for plane in noise.planes:
        plane.update(bytes([NEUTRAL]) * plane.buffer_size)
    luma = noise.planes[0]
    luma.update(np.random.default_rng(0).bytes(luma.buffer_size))
    return noise


class CheckedCapture:
    """Pictures of a video by OpenCV, each checked against FFmpeg's.

    OpenCV reports success but returns an earlier picture where its converter fails, silently leaves pictures out, and
    reads some colours differently. So each picture must come at FFmpeg's time, and its pixels are compared now and
    then, and whenever it looks like the one before. At the first difference OpenCV is not used any more; nor where
    anything about the pictures changes, or where they are stored bottom up: some of its versions then write past their
    buffers. `fault` tells why it is not used any more, and is ``None`` while it is.
    """

    def __init__(self, path: Path, seconds_per_unit: float) -> None:
        self.fault: str | None = None
        self._unit = seconds_per_unit
        self._count = 0
        self._offset: float | None = None
        self._properties: Any = None
        self._sparse: Image | None = None
        self._cv2 = cv2 = import_cv2()
        # Absolute, so that a file name with a colon is not taken for a URL.
        self._capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
        if self._capture.isOpened():
            self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        else:
            self.fault = "OpenCV cannot open the file"

    def close(self) -> None:
        self._capture.release()

    def skip(self, pts: int, frame: av.VideoFrame) -> None:
        """Skip the next picture, which should be this one."""
        if not self._is_usable_for(frame):
            return
        if not self._capture.grab():
            self.fault = "OpenCV leaves out a picture"
        elif not self._is_on_time(pts):
            self.fault = "OpenCV reports another time"

    def picture(self, pts: int, frame: av.VideoFrame, converter: PixelConverter) -> Image | None:
        """OpenCV's next picture if it is this one: ``(height, width, 3)`` uint8 BGR, an array of its own."""
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
        properties = _properties_of(frame)
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
            self.fault = "OpenCV reports another time"
            return None
        return np.asarray(image, np.uint8)

    def _is_on_time(self, pts: int) -> bool:
        """Whether OpenCV's time is this one; its clock may start elsewhere, and it does not tell a time of 0."""
        seconds = self._capture.get(self._cv2.CAP_PROP_POS_MSEC) / 1000
        if pts == 0:
            return True
        offset = pts * self._unit - seconds
        if self._offset is None:
            self._offset = offset
        return bool(abs(offset - self._offset) < self._unit / 2)

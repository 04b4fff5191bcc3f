"""Frames to an H.264 video, each with its own time, which a pipe to ffmpeg cannot do."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
import numpy.typing as npt

from posecli.errors import OutputError, UsageError
from posecli.support.files import move_into_place, partial_path, refuse_existing
from posecli.video.opencv import import_cv2

cv2 = import_cv2()

#: File endings, and ffmpeg's names for what is inside.
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
#: ffmpeg's numbers of BT.601 and of the limited range, to which OpenCV converts.
BT601, LIMITED = 6, 1
#: Files as large as superfast makes them at the same CRF, in less than half the time.
PRESET = "ultrafast"
CRF_RANGE = (0, 51)  #: Best and worst constant rate factor of H.264.


class TimedEncoder:
    """Writes frames to an H.264 video (yuv420p), as a context manager.

    The file has its final name only when it is whole: after an error, or Ctrl-C, nothing of it is left. Any method
    raises an `OutputError` if it cannot be written. An odd side of the frames is made even by repeating its last row or
    column; `time_base` is the seconds per unit of the times, and `crf` the constant rate factor, 0 (best) to 51.
    """

    def __init__(
        self,
        path: Path,
        width: int,
        height: int,
        time_base: Fraction,
        *,
        crf: float = 23,
        frame_rate: float = 30,
        overwrite: bool = False,
    ) -> None:
        self.path = path
        self.frames = 0
        self._size = (width + width % 2, height + height % 2)
        self._padding = (height % 2, width % 2)
        self._time_base, self._rate, self._crf = time_base, frame_rate, crf
        self._overwrite = overwrite
        self._partial = partial_path(path)
        self._yuv: npt.NDArray[np.uint8] | None = None
        if path.suffix.lower() not in CONTAINERS:
            raise UsageError(f"'{path}' does not end as an H.264 video: use one of {', '.join(CONTAINERS)}")
        if not CRF_RANGE[0] <= crf <= CRF_RANGE[1]:
            raise UsageError(f"CRF {crf:g} is not on the scale of H.264: give {CRF_RANGE[0]} (best) to {CRF_RANGE[1]}")

    def __enter__(self) -> Self:
        refuse_existing(self.path, overwrite=self._overwrite, instead="name with -o")
        try:
            self._partial.write_bytes(b"")
            self._container = av.open(
                f"file:{self._partial}",
                "w",
                format=CONTAINERS[self.path.suffix.lower()],
                options={"movflags": "+faststart"} if self.path.suffix.lower() != ".mkv" else {},
            )
            self._stream = self._open_stream()
        except (OSError, ValueError) as error:  # av's own errors are OSErrors and ValueErrors
            self._discard()
            raise self._cannot_write(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._discard()

    def to_yuv(self, frame: npt.NDArray[np.uint8]) -> av.VideoFrame:
        """``(H, W, 3)`` uint8 RGB in the encoder's format; apart from writing, so that the array may be overwritten."""
        if any(self._padding):
            frame = cv2.copyMakeBorder(frame, 0, self._padding[0], 0, self._padding[1], cv2.BORDER_REPLICATE)
        self._yuv = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420, dst=self._yuv)
        return av.VideoFrame.from_ndarray(self._yuv, format="yuv420p")

    def write_yuv(self, frame: av.VideoFrame, pts: int) -> None:
        """Add a frame that `to_yuv` made, to be shown at ``pts * time_base`` seconds."""
        frame.pts, frame.time_base = pts, self._time_base
        self._encode(frame)
        self.frames += 1

    def _open_stream(self) -> av.video.stream.VideoStream:
        rate = Fraction(self._rate).limit_denominator(1001) or Fraction(30)
        stream = self._container.add_stream("libx264", rate=rate)
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = self._time_base
        stream.codec_context.colorspace, stream.codec_context.color_range = BT601, LIMITED
        stream.options = {"crf": f"{self._crf:g}", "preset": PRESET}
        return stream

    def _encode(self, frame: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except (OSError, ValueError) as error:
            raise self._cannot_write(error) from error

    def _finish(self) -> None:
        if not self.frames:
            raise self._cannot_write(ValueError("no frame was given"))
        self._encode(None)
        try:
            self._container.close()
        except (OSError, ValueError) as error:
            raise self._cannot_write(error) from error
        move_into_place(self._partial, self.path)

    def _discard(self) -> None:
        """Close the file and remove it, unless it has its name."""
        with contextlib.suppress(AttributeError, OSError, ValueError):
            self._container.close()
        with contextlib.suppress(OSError):
            self._partial.unlink(missing_ok=True)

    def _cannot_write(self, error: Exception) -> OutputError:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        return OutputError(f"'{self.path}' cannot be written ({reason}): check its folder and free space")

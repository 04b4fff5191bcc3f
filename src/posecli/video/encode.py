"""Frames to a video file through a pipe to ffmpeg.

Colours become BT.601 in the limited range, which is how an untagged file is read, and the file is tagged so.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from posecli.errors import OutputError, UsageError
from posecli.options import at_least
from posecli.support.files import move_into_place, partial_path, refuse_existing

FFMPEG_VARIABLE = "POSECLI_FFMPEG"  #: Environment variable that names the ffmpeg to use.
#: File endings, and ffmpeg's names for what is inside.
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi"}
PATIENCE = 10.0  #: Seconds that ffmpeg has to end after it was told to stop.


@dataclass(frozen=True)
class _Codec:
    """An encoder's largest CRF, and its flags for lossless coding, constant quality and preset."""

    max_crf: int
    lossless: tuple[str, ...] | None
    quality: tuple[str, ...] = ()
    preset_flag: str = "-preset"


CODECS = {
    "libx264": _Codec(51, ("-qp", "0")),
    "libx265": _Codec(51, ("-x265-params", "lossless=1:log-level=error"), ("-x265-params", "log-level=error")),
    "libvpx-vp9": _Codec(63, ("-lossless", "1"), ("-b:v", "0"), "-cpu-used"),
    "libsvtav1": _Codec(63, None),
}


@dataclass(frozen=True)
class EncodeOptions:
    """How a video is encoded.

    >>> EncodeOptions(crf=23).arguments()
    ['-c:v', 'libx264', '-crf', '23', '-pix_fmt', 'yuv420p']
    """

    codec: str = "libx264"  #: ffmpeg's name of the encoder: one of `CODECS`.
    #: Constant rate factor, from 0 (best) to 51 (H.264, H.265) or 63 (VP9, AV1); scales differ between codecs. ``None``
    #: is lossless: the decoder returns the encoder's own YUV values. (x264 codes losslessly below 1.)
    crf: float | None = None
    #: The encoder's own word for how long it may search; ``None`` leaves it to the encoder, as it does for the gop.
    preset: str | None = None
    #: ``None`` is ``yuv444p`` where lossless, so that a pixel's RGB is off by at most 2 of 255, and otherwise
    #: ``yuv420p``, which every player shows.
    pix_fmt: str | None = None
    gop: int | None = None  #: Largest number of frames from one key frame to the next.

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise UsageError(f"codec '{self.codec}' is not known: choose one of {', '.join(CODECS)}")
        codec = CODECS[self.codec]
        if self.crf is None and codec.lossless is None:
            raise UsageError(f"{self.codec} has no lossless mode here: give a CRF from 0 to {codec.max_crf}")
        if self.crf is not None and not 0 <= self.crf <= codec.max_crf:
            raise UsageError(f"CRF {self.crf:g} is not on the scale of {self.codec}: give 0 to {codec.max_crf}")
        at_least(1, gop=self.gop)

    @property
    def pixel_format(self) -> str:
        """The pixel format that will be written."""
        return self.pix_fmt or ("yuv444p" if self.crf is None else "yuv420p")

    @property
    def needs_even_size(self) -> bool:
        """Whether colour is stored at half size."""
        return not re.search("444|gray|rgb|gbr", self.pixel_format)

    def arguments(self) -> list[str]:
        """Arguments of ffmpeg for the encoder."""
        codec = CODECS[self.codec]
        quality = codec.lossless if self.crf is None else ("-crf", f"{self.crf:g}", *codec.quality)
        arguments = ["-c:v", self.codec, *(quality or ())]
        if self.preset is not None:
            arguments += [codec.preset_flag, self.preset]
        if self.gop is not None:
            arguments += ["-g", str(self.gop)]
        return [*arguments, "-pix_fmt", self.pixel_format]


@dataclass(frozen=True)
class Ffmpeg:
    """An ffmpeg program: its place, and the version that it reports."""

    path: str
    version: str


def find_ffmpeg() -> Ffmpeg:
    """The ffmpeg that ``POSECLI_FFMPEG`` names (a path, or a name on ``PATH``), else imageio-ffmpeg's own."""
    if named := os.environ.get(FFMPEG_VARIABLE):
        return _known_ffmpeg(named)
    import imageio_ffmpeg

    try:
        return _known_ffmpeg(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise UsageError(f"imageio-ffmpeg has no ffmpeg for this machine: set {FFMPEG_VARIABLE} to one") from error


@lru_cache
def _known_ffmpeg(named: str) -> Ffmpeg:
    path = shutil.which(named)
    if path is None:
        raise UsageError(f"ffmpeg '{named}' is not a program: set {FFMPEG_VARIABLE} to one, or unset it")
    try:
        done = subprocess.run([path, "-version"], capture_output=True, text=True, errors="replace", check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        raise UsageError(f"ffmpeg '{path}' does not run ({error}): set {FFMPEG_VARIABLE} to another") from error
    found = re.match(r"ffmpeg version (\S+)", done.stdout)
    if found is None:
        raise UsageError(f"'{path}' does not answer as ffmpeg does: set {FFMPEG_VARIABLE} to another")
    return Ffmpeg(path, found[1])


class VideoEncoder:
    """Writes frames to a video file, as a context manager; its ending chooses the container.

    The file has its final name only when it is whole: after an error, or Ctrl-C, nothing of it is left. Any method
    raises an `OutputError` with ffmpeg's words if it fails. Where colour is stored at half size, an odd side of the
    frames is made even by repeating its last row or column; coordinates stay. Without options it is lossless H.264.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        frame_rate: Fraction | float | str,
        options: EncodeOptions | None = None,
        *,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.width, self.height = width, height
        self.frames = 0
        self._options = options or EncodeOptions()
        self._rate = exact_rate(frame_rate)
        self._overwrite = overwrite
        self._partial = partial_path(self.path)
        self._process: subprocess.Popen[bytes] | None = None
        self._words: BinaryIO | None = None
        step = 2 if self._options.needs_even_size else 1
        self._padding = ((0, height % step), (0, width % step), (0, 0))
        if self.path.suffix.lower() not in CONTAINERS:
            raise UsageError(f"'{path}' does not end as a video: use one of {', '.join(CONTAINERS)}")

    def __enter__(self) -> Self:
        refuse_existing(self.path, overwrite=self._overwrite, instead="name")
        command = self._command(find_ffmpeg().path)
        try:
            self._partial.write_bytes(b"")
        except OSError as error:
            raise self._cannot_write(error.strerror or str(error)) from error
        self._words = tempfile.TemporaryFile()
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._words
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def write(self, frame: npt.NDArray[np.uint8]) -> None:
        """Add one frame, ``(H, W, 3)`` uint8 RGB."""
        if frame.shape != (self.height, self.width, 3) or frame.dtype != np.uint8:
            raise ValueError(f"frame is {frame.shape} {frame.dtype}, not ({self.height}, {self.width}, 3) uint8")
        if self._process is None or self._process.stdin is None:
            raise ValueError(f"the encoder of '{self.path}' is not open")
        if self._padding != ((0, 0), (0, 0), (0, 0)):
            frame = np.pad(frame, self._padding, mode="edge")
        try:
            self._process.stdin.write(np.ascontiguousarray(frame).data)
        except OSError as error:  # ffmpeg has ended: what it said tells why
            raise self._failed() from error
        self.frames += 1

    def close(self) -> None:
        """Wait for ffmpeg to end, then give the file its name."""
        if self._process is None:
            return
        try:
            if self.frames == 0:
                raise self._cannot_write("no frame was given")
            if self._wait(self._process) != 0:
                raise self._failed()
            move_into_place(self._partial, self.path)
        finally:
            self.abort()

    def abort(self) -> None:
        """Stop ffmpeg and remove what it wrote, unless the file has its name."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        self._wait(process, PATIENCE)
        with contextlib.suppress(OSError):
            self._partial.unlink(missing_ok=True)
        if self._words is not None:
            self._words.close()

    @staticmethod
    def _wait(process: subprocess.Popen[bytes], seconds: float | None = None) -> int | None:
        """Tell ffmpeg that no more frames come and wait for it to end: its exit status, if it has."""
        if process.stdin is not None:
            with contextlib.suppress(OSError):  # its exit status tells what it did not take
                process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        return process.returncode

    def _command(self, ffmpeg: str) -> list[str]:
        height, width = self.height + self._padding[0][1], self.width + self._padding[1][1]
        container = CONTAINERS[self.path.suffix.lower()]
        quickly_shown = ["-movflags", "+faststart"] if container in ("mp4", "mov") else []
        return [
            *[ffmpeg, "-hide_banner", "-nostdin", "-loglevel", "error", "-y"],
            *["-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", f"{width}x{height}"],
            *["-framerate", str(self._rate), "-i", "pipe:0", "-an"],
            *["-vf", "scale=out_color_matrix=bt601:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int"],
            *self._options.arguments(),
            *["-colorspace", "smpte170m", "-color_range", "tv", *quickly_shown],
            *["-f", container, f"file:{self._partial}"],
        ]

    def _failed(self) -> OutputError:
        """The error that ffmpeg's words describe."""
        assert self._process is not None
        assert self._words is not None
        self._wait(self._process, PATIENCE)
        self._words.seek(0)
        words = self._words.read().decode(errors="replace")
        codec = self._options.codec
        if re.search(r"Unknown encoder|Encoder not found", words):
            return OutputError(
                f"ffmpeg {find_ffmpeg().version} has no encoder '{codec}': choose another codec, or set "
                f"{FFMPEG_VARIABLE} to an ffmpeg that has it"
            )
        return self._cannot_write(plain_words(words) or f"ffmpeg ended after {self.frames} frames")

    def _cannot_write(self, reason: str) -> OutputError:
        return OutputError(
            f"'{self.path}' cannot be written ({reason}): check the encoder's options, the folder and its free space"
        )


def exact_rate(frame_rate: Fraction | float | str) -> Fraction:
    """A frame rate as a fraction.

    >>> exact_rate(29.97), exact_rate("30000/1001"), exact_rate(30)
    (Fraction(2997, 100), Fraction(30000, 1001), Fraction(30, 1))
    """
    try:
        rate = Fraction(frame_rate).limit_denominator(100_000)
    except (ValueError, ZeroDivisionError, OverflowError):
        rate = Fraction(0)
    if rate <= 0:
        raise UsageError(
            f"frame rate '{frame_rate}' is invalid: give a number above 0 or a fraction such as 30000/1001"
        )
    return rate


def plain_words(words: str) -> str:
    """The first two messages of ffmpeg, on one line and without addresses; later ones are consequences.

    >>> plain_words("[out#0 @ 0x55d1] Error opening output file")
    'Error opening output file'
    """
    lines = [re.sub(r"^(\[[^]]*\] ?)+", "", line).strip() for line in words.splitlines()]
    return "; ".join([line for line in lines if line][:2])

"""What odd videos are made of: encodes of numbered pictures, copied to other containers and joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from support import clips, odd_files
from support.number_engine import checked_frames

#: Writes a file; what it returns is of no interest.
Make = Callable[[Path], object]
Options: TypeAlias = tuple[str, ...]

FRAMES = 40
#: Where the second of two recordings begins.
HALF = 20
X264: Options = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-pix_fmt", "yuv420p", "-threads", "1")
H264: Options = (*X264, "-g", "12", "-bf", "2")
FORWARD: Options = (*X264, "-g", "12", "-bf", "0")
X265: Options = ("-c:v", "libx265", "-preset", "ultrafast", "-crf", "18", "-pix_fmt", "yuv420p")
HEVC: Options = (*X265, "-x265-params", "log-level=error:keyint=12:bframes=2:pools=1")
HEVC_OPEN: Options = (*X265, "-x265-params", "log-level=error:keyint=12:min-keyint=12:bframes=3:open-gop=1:pools=1")
INTRA_STILL: Options = ("-g", "12", "-qmin", "2", "-qmax", "4")
MPEG4: Options = ("-c:v", "mpeg4", *INTRA_STILL)
MPEG4_B: Options = (*MPEG4, "-bf", "1")
MPEG2: Options = ("-c:v", "mpeg2video", *INTRA_STILL, "-bf", "2")
MPEG1: Options = ("-c:v", "mpeg1video", *INTRA_STILL, "-bf", "2")
MJPEG: Options = ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p")
FFV1: Options = ("-c:v", "ffv1")
RAW: Options = ("-c:v", "rawvideo", "-pix_fmt", "bgr24")
VP8: Options = ("-c:v", "libvpx", "-b:v", "800k", "-cpu-used", "8", "-deadline", "realtime", "-threads", "1")
ALTREF: Options = ("-b:v", "800k", "-deadline", "good", "-cpu-used", "5", "-lag-in-frames", "16", "-auto-alt-ref", "1")
VP8_ALTREF: Options = ("-c:v", "libvpx", *ALTREF, "-arnr-maxframes", "7", "-threads", "1")
VP9: Options = ("-c:v", "libvpx-vp9", "-b:v", "800k", "-cpu-used", "8", "-deadline", "realtime", "-threads", "1")
VP9_ALTREF: Options = ("-c:v", "libvpx-vp9", *ALTREF, "-threads", "1")
AV1: Options = (
    "-c:v",
    "libsvtav1",
    "-preset",
    "12",
    "-crf",
    "20",
    "-svtav1-params",
    "keyint=20:lp=1",
    "-pix_fmt",
    "yuv420p",
)
AV1_AOM: Options = (
    "-c:v",
    "libaom-av1",
    "-cpu-used",
    "8",
    "-crf",
    "20",
    "-lag-in-frames",
    "19",
    "-g",
    "20",
    "-threads",
    "1",
)
DV: Options = ("-c:v", "dvvideo", "-pix_fmt", "yuv420p")
PRORES: Options = ("-c:v", "prores_ks", "-profile:v", "3")
COPY: Options = ("-c", "copy")
ILDCT: Options = ("-flags", "+ildct+ilme")
#: Codecs that cannot be as small as the others.
LARGE = {"dv": (576, 720), "h263": (144, 176), "dnxhd": (1080, 1920)}


@dataclass(frozen=True)
class Recording:
    """One file.

    Attributes
    ----------
    family
        What is odd about it: a row of the table in the docs.
    name
        File name.
    make
        Writes the file.
    refused
        Words that the one line names which refuses it with exit code 3; "" where it must be read.
    guessed_times
        Whether the file keeps no times of reordered pictures, so that every version of FFmpeg guesses others.
    numbers
        The pictures that it shows, where they are known beforehand.
    """

    family: str
    name: str
    make: Make
    refused: str = ""
    guessed_times: bool = False
    numbers: tuple[int, ...] | None = None

    @property
    def key(self) -> str:
        """Family and name, which no other file has."""
        return f"{self.family}/{self.name}"


@cache
def pictures(count: int = FRAMES, height: int = 64, width: int = 96, first: int = 0) -> odd_files.Images:
    """Frames that carry their number."""
    return checked_frames(first + count, height, width)[first:]


def encode(
    target: Path,
    options: Options,
    count: int = FRAMES,
    first: int = 0,
    size: tuple[int, int] = (64, 96),
    fps: str = "25",
) -> Path:
    """A video of numbered pictures."""
    return clips.encode(target, pictures(count, *size, first), *options, fps=fps)


def copied(
    target: Path,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    options: Options = H264,
    via: str = "mkv",
    fps: str = "25",
) -> None:
    """An encode in another container that ffmpeg copies, with options before and after its input."""
    source = encode(target.with_name(f"source.{via}"), options, fps=fps)
    clips.ffmpeg(*before, "-i", source, *COPY, *after, target)


def joined(
    target: Path,
    parts: Sequence[Options],
    offsets: Sequence[float] = (),
    sizes: Sequence[tuple[int, int]] = (),
) -> None:
    """Recordings one behind the other, byte by byte; the pictures are counted through them."""
    content, count = b"", FRAMES // len(parts)
    for number, options in enumerate(parts):
        offset = ("-output_ts_offset", str(offsets[number])) if offsets else ()
        size = sizes[number] if sizes else (64, 96)
        part = target.with_name(f"part {number}{target.suffix}")
        content += encode(part, (*options, *offset), count, number * count, size).read_bytes()
    target.write_bytes(content)


def joined_and_copied(target: Path, parts: Sequence[Options]) -> None:
    """Recordings one behind the other, copied to another container by ffmpeg."""
    source = target.with_name("joined.ts")
    joined(source, parts, offsets=later(len(parts)))
    clips.ffmpeg("-fflags", "+genpts", "-i", source, *COPY, target)


def later(parts: int) -> list[float]:
    """When each of several recordings begins, a moment after the one before."""
    return [number * (FRAMES / parts / 25 + 0.4) for number in range(parts)]


def cut_bytes(target: Path, options: Options, part: float, step: int = 1) -> None:
    """A bare or transport stream from somewhere in its midst on."""
    content = encode(target.with_name(f"source{target.suffix}"), options).read_bytes()
    target.write_bytes(content[int(len(content) * part) // step * step :])

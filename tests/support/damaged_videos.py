"""Hundreds of damaged and unusual videos from small real encodes, and what becomes of each.

``python tests/support/damaged_videos.py FOLDER`` makes them one after the other, analyses each in this process with an
engine that reads the frames' numbers, and prints one JSON line before and one after each. A process that dies or hangs
is seen by whoever reads the lines: `posecli`'s tests, and ``benchmarks/damaged_videos.py``, which writes the table of
outcomes in ``docs/``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import av
import h5py
import numpy as np
from conftest import make_dots_model

from posecli import engine
from posecli.analysis import analyze
from posecli.errors import PoseCliError, VideoError
from posecli.options import AnalyzeOptions, EngineOptions, VideoBackend
from posecli.tables.hdf5 import read_plain_table
from posecli.tables.pose_table import SECONDS_NODE
from support import clips
from support.number_engine import UNREADABLE, checked_frames, numbers_of, read_checked
from support.watching import tell, watched

FRAMES = 48
#: Seconds below which a gap tells nothing any more: times that are damaged themselves.
LEAST_GAP = 0.01
#: Decodings by FFmpeg's racing threads before a picture counts as one that it never shows.
DECODINGS = 300
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-pix_fmt", "yuv420p", "-g", "12", "-bf", "2")
INTER = ("-g", "12", "-qmin", "2", "-qmax", "4")
#: Encodes that are damaged: file name, and ffmpeg's options.
BASES: dict[str, tuple[str, ...]] = {
    "h264.mp4": (*X264, "-movflags", "+faststart"),
    "h264-end.mp4": X264,
    "h264.mkv": X264,
    "h264.ts": X264,
    "mpeg4.avi": ("-c:v", "mpeg4", *INTER),
    "mjpeg.avi": ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"),
    "mpeg2.mpg": ("-c:v", "mpeg2video", *INTER),
    "ffv1.mkv": ("-c:v", "ffv1", "-g", "1"),
    "png.mov": ("-c:v", "png"),
    "raw.avi": ("-c:v", "rawvideo", "-pix_fmt", "bgr24"),
}
#: Encodes where every picture stands for itself: damage to one must not reach another.
INTRA = ("mjpeg.avi", "ffv1.mkv", "png.mov", "raw.avi")
#: These formats neither count their frames nor tell how long they are: a cut at the end cannot be seen.
WITHOUT_PROMISE = ("h264.ts", "mpeg2.mpg")


@dataclass(frozen=True)
class Case:
    """One file.

    Attributes
    ----------
    family
        The kind of damage, a row of the table in the docs.
    name
        File name.
    make
        Writes the file, and returns the `Trace` of the damage; anything else where nothing is damaged.
    base
        Name of the encode that it was made from; "" for files made otherwise.
    states
        What may come of it.
    promises
        Whether the file still says how many frames it had.
    frames
        Frames that a whole table has; ``None`` if the damage decides.
    """

    family: str
    name: str
    make: Callable[[Path], Any]
    base: str = ""
    states: tuple[str, ...] = ("done", "short", "failed")
    promises: bool = False
    frames: int | None = None


@dataclass
class Outcome:
    """What became of a file.

    Attributes
    ----------
    state, exit_code, message
        As of the first run; where that ended with exit code 4, `state` is of the run with ``--allow-short``.
    rows, right, smeared, missing
        Rows of the table: those with the right picture, with a damaged one, with none.
    violations
        What must not be.
    """

    name: str
    family: str
    state: str = ""
    exit_code: int = 0
    message: str = ""
    rows: int = 0
    right: int = 0
    smeared: int = 0
    missing: int = 0
    violations: list[str] = field(default_factory=list)


# Encodes -------------------------------------------------------------------------------------------------------------


def make_bases(folder: Path) -> None:
    """Every encode, once."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = checked_frames(FRAMES)
    for name, options in BASES.items():
        if not (folder / name).exists():
            clips.encode(folder / name, frames, *options)


@cache
def content_of(base: Path) -> bytes:
    """A whole file."""
    return base.read_bytes()


@cache
def packet_places(base: Path) -> list[tuple[int, int]]:
    """Where each packet of a file begins, as far as the container tells, and how long it is."""
    with av.open(str(base)) as container:
        return [(packet.pos or 0, packet.size) for packet in container.demux(video=0) if packet.size]


@cache
def _times(base: Path) -> list[float]:
    """When the frame of each packet is shown, in file order, from zero."""
    with av.open(str(base)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        scale = container.streams.video[0].time_base or Fraction(1)
    stamps = [(packet.pts if packet.pts is not None else packet.dts) or 0 for packet in packets]
    return [float((stamp - min(stamps)) * scale) for stamp in stamps]


def display_order(base: Path) -> list[int]:
    """The number of each packet's frame, in file order."""
    times = sorted(_times(base))
    return [times.index(time) for time in _times(base)]


# Damage --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trace:
    """What damage did.

    Attributes
    ----------
    groups
        Groups of pictures, from key frame to key frame, that it touched; ``None`` if it may be any.
    numbers
        The frames that are left, where the file is whole without the others.
    """

    groups: frozenset[int] | None
    numbers: tuple[int, ...] | None = None


UNKNOWN = Trace(None)


def group_size(base: str) -> int:
    """Frames from one key frame to the next."""
    return 1 if base in INTRA else 12


def _touched(base: Path, places: Any, *, all_behind: bool = False) -> Trace:
    """Groups of pictures in which bytes lie, or behind which; ``None`` where a byte belongs to no picture."""
    starts = np.array([start for start, _ in packet_places(base)])
    end = starts[-1] + packet_places(base)[-1][1]
    places = np.asarray(places)
    if (np.diff(starts) <= 0).any() or (places < starts[0]).any() or (places >= end).any():
        return UNKNOWN
    numbers = np.searchsorted(starts, places, side="right") - 1
    # A packet's own header stands before it, with the bytes of its neighbour.
    reach = np.concatenate([numbers, numbers + 1]) if not all_behind else np.arange(int(numbers.min()), FRAMES)
    return Trace(frozenset((reach // group_size(base.name)).tolist()))


def truncated(base: Path, seed: int, target: Path) -> Trace:
    """Cut at a random byte."""
    content = content_of(base)
    end = int(np.random.default_rng(seed).integers(1, len(content)))
    target.write_bytes(content[:end])
    return _touched(base, [end], all_behind=True)


def flipped(base: Path, seed: int, target: Path) -> Trace:
    """One to 64 random bytes changed anywhere."""
    random = np.random.default_rng(seed)
    return _change(base, target, random, random.integers(0, len(content_of(base)), 1 << int(random.integers(0, 7))))


def header_flipped(base: Path, seed: int, target: Path) -> Trace:
    """One to four bytes changed outside of the pictures."""
    random = np.random.default_rng(seed)
    pictures = np.zeros(len(content_of(base)), bool)
    for place, size in packet_places(base):
        pictures[place : place + size] = True
    _change(base, target, random, random.choice(np.flatnonzero(~pictures), int(random.integers(1, 5))))
    return UNKNOWN


def _change(base: Path, target: Path, random: np.random.Generator, places: Any) -> Trace:
    content = bytearray(content_of(base))
    for place in places:
        content[place] ^= int(random.integers(1, 256))
    target.write_bytes(content)
    return _touched(base, places)


def zeroed(base: Path, seed: int, target: Path) -> Trace:
    """One to three sectors of the disk read as zeros."""
    random = np.random.default_rng(seed)
    content = bytearray(content_of(base))
    places: list[int] = []
    for _ in range(int(random.integers(1, 4))):
        start = 512 * int(random.integers(0, len(content) // 512))
        length = len(content[start : start + 512])
        content[start : start + 512] = bytes(length)
        places += range(start, start + length)
    target.write_bytes(content)
    return _touched(base, places)


def cut_out(base: Path, seed: int, target: Path) -> Trace:
    """Some bytes taken out, or noise put in: all that follows is displaced."""
    random = np.random.default_rng(seed)
    content = content_of(base)
    start, length = int(random.integers(0, len(content))), int(random.integers(1, 2000))
    if seed % 2:
        target.write_bytes(content[:start] + content[start + length :])
    else:
        target.write_bytes(content[:start] + random.bytes(length) + content[start:])
    return _touched(base, [start], all_behind=True)


def spoilt(base: Path, seed: int, target: Path) -> Trace:
    """One to three whole pictures replaced by noise."""
    random = np.random.default_rng(seed)
    numbers = random.choice(FRAMES, int(random.integers(1, 4)), replace=False).tolist()
    clips.spoil(base, target, *numbers)
    return Trace(frozenset(number // group_size(base.name) for number in numbers))


def packets_removed(base: Path, seed: int, target: Path) -> Trace:
    """Copied without some packets: the first, the last, a burst, every third, or random ones."""
    random = np.random.default_rng(seed)
    start = int(random.integers(0, FRAMES - 10))
    lost = [
        {0},
        {FRAMES - 1},
        set(range(start, start + 10)),
        set(range(0, FRAMES, 3)),
        set(random.choice(FRAMES, 5, replace=False).tolist()),
        {12 * int(random.integers(1, 4))},
    ][seed % 6]
    # Matroska leaves out the decoding times that a muxer asks for.
    origin = base if base.name != "h264.mkv" else base.with_suffix(".mp4")
    with av.open(str(origin)) as source, av.open(str(target), "w") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for number, packet in enumerate(packets):
            if number not in lost:
                packet.stream = stream
                sink.mux(packet)
    left = tuple(sorted(number for place, number in enumerate(display_order(origin)) if place not in lost))
    return Trace(frozenset(number // group_size(base.name) for number in lost), left)


def patched(mark: bytes, offset: int, value: bytes, base: Path, target: Path) -> Trace:
    """Bytes put at a distance behind the first place of a mark."""
    content = bytearray(content_of(base))
    start = content.index(mark) + len(mark) + offset
    content[start : start + len(value)] = value
    target.write_bytes(content)
    return UNKNOWN


def _big(value: int) -> bytes:
    return struct.pack(">I", value)


def _little(value: int) -> bytes:
    return struct.pack("<I", value)


BILLION = 1_000_000_000
#: Lies of headers: encode, mark, distance behind it, what stands there then.
LIES: dict[str, tuple[str, bytes, int, bytes]] = {
    "a billion samples.mp4": ("h264.mp4", b"stsz", 8, _big(BILLION)),
    "a billion samples of one size.mp4": ("h264.mp4", b"stsz", 4, _big(1) + _big(BILLION)),
    "no samples.mp4": ("h264.mp4", b"stsz", 8, _big(0)),
    "one sample more.mp4": ("h264.mp4", b"stsz", 8, _big(FRAMES + 1)),
    "ten samples fewer.mp4": ("h264.mp4", b"stsz", 8, _big(FRAMES - 10)),
    "a sample of 4 GB.mp4": ("h264.mp4", b"stsz", 12, _big(0xFFFFFFF0)),
    "a billion durations.mp4": ("h264.mp4", b"stts", 4, _big(1) + _big(BILLION) + _big(1)),
    "all at one time.mp4": ("h264.mp4", b"stts", 4, _big(1) + _big(FRAMES) + _big(0)),
    "huge durations.mp4": ("h264.mp4", b"stts", 4, _big(1) + _big(FRAMES) + _big(0x7FFFFFFF)),
    "duration 1000 days.mp4": ("h264.mp4", b"mdhd", 16, _big(0xFFFFFFF0)),
    "movie duration 0.mp4": ("h264.mp4", b"mvhd", 16, _big(0)),
    "time scale 0.mp4": ("h264.mp4", b"mdhd", 12, _big(0)),
    "time scale 2**32.mp4": ("h264.mp4", b"mdhd", 12, _big(0xFFFFFFFF)),
    "chunks at the end of the world.mp4": ("h264.mp4", b"stco", 8, _big(0xFFFFFF00)),
    "coded size 65535.mp4": ("h264.mp4", b"avc1", 24, b"\xff" * 4),
    "box of 2 GB.mp4": ("h264.mp4", b"moov", -8, _big(0x7FFFFFFF)),
    "box of no size.mp4": ("h264.mp4", b"stbl", -8, _big(0)),
    "pictures of 65535 px.mov": ("png.mov", b"IHDR", 0, _big(65535) * 2),
    "pictures of 100000 px.mov": ("png.mov", b"IHDR", 0, _big(100_000) * 2),
    "a billion frames.avi": ("mjpeg.avi", b"avih", 20, _little(BILLION)),
    "a billion frames of a stream.avi": ("mjpeg.avi", b"strh", 36, _little(BILLION)),
    "no frames of a stream.avi": ("mjpeg.avi", b"strh", 36, _little(0)),
    "ten frames fewer.avi": ("mjpeg.avi", b"strh", 36, _little(FRAMES - 10)),
    "rate 0.avi": ("mjpeg.avi", b"strh", 28, _little(0)),
    "scale 0.avi": ("mjpeg.avi", b"strh", 24, _little(0)),
    "rate a billion.avi": ("mjpeg.avi", b"strh", 28, _little(BILLION)),
    "list of 4 GB.avi": ("mjpeg.avi", b"movi", -8, _little(0xFFFFFFF0)),
    "index of 4 GB.avi": ("mjpeg.avi", b"idx1", 0, _little(0xFFFFFFF0)),
    "100000 px.avi": ("raw.avi", b"strf", 8, _little(100_000) * 2),
    "30000 px.avi": ("raw.avi", b"strf", 8, _little(30_000) * 2),
    "16000 px.avi": ("raw.avi", b"strf", 8, _little(16_000) * 2),
    "negative height.avi": ("raw.avi", b"strf", 12, _little(0xFFFFFFC0)),
    "another codec.avi": ("mjpeg.avi", b"strf", 20, b"H264"),
    "mjpeg as ffv1.avi": ("mjpeg.avi", b"strf", 20, b"FFV1"),
    "length of years.mkv": ("h264.mkv", b"\x44\x89\x88", 0, struct.pack(">d", 1e15)),
    "length not a number.mkv": ("h264.mkv", b"\x44\x89\x88", 0, struct.pack(">d", float("nan"))),
    "length negative.mkv": ("h264.mkv", b"\x44\x89\x88", 0, struct.pack(">d", -5.0)),
    "no cluster sizes.mkv": ("h264.mkv", b"\x1f\x43\xb6\x75", 0, b"\x01" + b"\xff" * 7),
    "cluster of petabytes.mkv": ("h264.mkv", b"\x1f\x43\xb6\x75", 0, b"\x01\x7f" + b"\xff" * 6),
    "height 255.mkv": ("ffv1.mkv", b"\xba\x81", 0, b"\xff"),
}
#: Lies that leave the file's own count of frames in place, which is then what a table has.
HARMLESS_LIES = {"duration 1000 days.mp4", "movie duration 0.mp4", "length not a number.mkv"}


# Files that are no videos --------------------------------------------------------------------------------------------


def _text(target: Path) -> None:
    target.write_text("mouse 3 was asleep\n" * 200, encoding="utf-8")


def _bytes(content: bytes, target: Path) -> None:
    target.write_bytes(content)


def _noise(seed: int, target: Path) -> None:
    target.write_bytes(np.random.default_rng(seed).bytes(50_000))


def _archive(target: Path) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("../escaped.mp4", b"x" * 1000)


def _table(target: Path) -> None:
    with h5py.File(target, "w") as file:
        file["numbers"] = np.zeros(1000)


def _sound(target: Path) -> None:
    clips.ffmpeg("-f", "lavfi", "-i", "sine=duration=1", target)


def _playlist(bases: Path, target: Path) -> None:
    source = (bases / "h264.ts").resolve()
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", "#EXTINF:1.92,", f"{source}", "#EXT-X-ENDLIST"]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _list_of_files(bases: Path, target: Path) -> None:
    shutil.copy(bases / "h264.mp4", target.with_name("beside.mp4"))
    target.write_text("ffconcat version 1.0\nfile beside.mp4\n", encoding="utf-8")


NO_VIDEOS: dict[str, Callable[[Path], None]] = {
    "empty.mp4": partial(_bytes, b""),
    "one byte.mp4": partial(_bytes, b"\0"),
    "text.mp4": _text,
    "text.avi": _text,
    "notes.txt": _text,
    "page.mp4": partial(_bytes, b"<!doctype html><html><body>404 not found</body></html>" * 40),
    "noise 1.mp4": partial(_noise, 1),
    "noise 2.mkv": partial(_noise, 2),
    "noise 3.avi": partial(_noise, 3),
    "noise 4.ts": partial(_noise, 4),
    "zeros.mp4": partial(_bytes, bytes(100_000)),
    "archive.mp4": _archive,
    "table.h5": _table,
    "sound only.m4a": _sound,
    "sound only.wav": _sound,
    "sound only.mkv": _sound,
    "folder.mp4": Path.mkdir,
    "only a header.mp4": partial(_bytes, b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"),
}


# Sound but unusual ---------------------------------------------------------------------------------------------------


def _encoded(options: tuple[str, ...], target: Path, size: tuple[int, int] = (64, 96), fps: str = "25") -> None:
    clips.encode(target, checked_frames(FRAMES, *size), *options, fps=fps)


def _turned(angle: int, target: Path) -> None:
    upright = target.with_name("before.mp4")
    clips.encode(upright, np.ascontiguousarray(np.rot90(checked_frames(FRAMES), -angle // 90, (1, 2))), *X264)
    clips.ffmpeg("-display_rotation", str(angle), "-i", upright, "-c", "copy", target)


def _with_sound(target: Path) -> None:
    silent = target.with_name("silent.mp4")
    _encoded(X264, silent)
    clips.ffmpeg("-i", silent, "-f", "lavfi", "-i", "sine=duration=2", "-c:v", "copy", "-c:a", "aac", target)


def _two_streams(target: Path) -> None:
    small, main = target.with_name("small.mp4"), target.with_name("main.mp4")
    clips.encode(small, np.zeros((30, 32, 32, 3), np.uint8), *X264)
    _encoded(X264, main)
    clips.ffmpeg("-i", small, "-i", main, "-map", "0", "-map", "1", "-c", "copy", target)


def _with_cover(target: Path) -> None:
    main, cover = target.with_name("main.mp4"), target.with_name("cover.png")
    _encoded(X264, main)
    clips.encode(cover, np.zeros((1, 64, 64, 3), np.uint8), "-c:v", "png")
    maps = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic")
    clips.ffmpeg("-i", main, "-i", cover, *maps, target)


def _variable(expression: str, target: Path) -> None:
    _encoded(("-vf", f"setpts={expression}", "-fps_mode", "vfr", "-enc_time_base", "1/10000", *X264), target)


def _pattern(target: Path) -> None:
    _encoded(X264, target)


UNUSUAL: dict[str, Callable[[Path], None]] = {
    "variable rate growing.mp4": partial(_variable, "N*N/2500/TB"),
    "variable rate growing.mkv": partial(_variable, "(N+N*N/20)/25/TB"),
    "variable rate with a pause.mp4": partial(_variable, "(N+200*gt(N\\,20))/25/TB"),
    "variable rate with a pause.mkv": partial(_variable, "(N+200*gt(N\\,20))/25/TB"),
    "variable rate trembling.mp4": partial(_variable, "(N+0.6*mod(N\\,2))/25/TB"),
    "turned by 90.mp4": partial(_turned, 90),
    "turned by 180.mp4": partial(_turned, 180),
    "turned by 270.mov": partial(_turned, 270),
    "odd 97x65.mp4": partial(_encoded, ("-c:v", "libx264", "-qp", "0", "-pix_fmt", "yuv444p"), size=(65, 97)),
    "odd 99x67.mkv": partial(_encoded, ("-c:v", "ffv1"), size=(67, 99)),
    "odd 101x63.avi": partial(_encoded, ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"), size=(63, 101)),
    "odd 107x71.mov": partial(_encoded, ("-c:v", "png"), size=(71, 107)),
    "ten bits.mkv": partial(_encoded, ("-c:v", "ffv1", "-pix_fmt", "yuv420p10le")),
    "ten bits.mov": partial(_encoded, ("-c:v", "prores_ks", "-profile:v", "3", "-pix_fmt", "yuv422p10le")),
    "sixteen bits.mkv": partial(_encoded, ("-c:v", "ffv1", "-pix_fmt", "yuv444p16le")),
    "grey.mkv": partial(_encoded, ("-c:v", "ffv1", "-pix_fmt", "gray")),
    "grey ten bits.mkv": partial(_encoded, ("-c:v", "ffv1", "-pix_fmt", "gray10le")),
    "grey.avi": partial(_encoded, ("-c:v", "rawvideo", "-pix_fmt", "gray")),
    "alpha.mov": partial(_encoded, ("-c:v", "png", "-pix_fmt", "rgba")),
    "alpha.mkv": partial(_encoded, ("-c:v", "ffv1", "-pix_fmt", "yuva420p")),
    "palette.gif": partial(_encoded, ("-c:v", "gif"), fps="20"),
    "interlaced.mpg": partial(_encoded, ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", *INTER)),
    "with sound.mp4": _with_sound,
    "with sound.mkv": _with_sound,
    "two videos.mp4": _two_streams,
    "with a cover.mp4": _with_cover,
    "late clock.mkv": partial(_encoded, (*X264, "-output_ts_offset", "5")),
    "late clock.ts": partial(_encoded, (*X264, "-output_ts_offset", "5")),
    "fragmented.mp4": partial(_encoded, (*X264, "-movflags", "frag_keyframe+empty_moov")),
    "only key frames.mp4": partial(_encoded, (*X264[:-3], "1")),
    "open groups.mp4": partial(_encoded, (*X264, "-x264-params", "open-gop=1")),
    "slow 0.5 per second.mp4": partial(_encoded, X264, fps="0.5"),
    "fast 1000 per second.mp4": partial(_encoded, X264, fps="1000"),
    "ntsc.mp4": partial(_encoded, X264, fps="30000/1001"),
    "name with 100%d and :.mp4": _pattern,
}
OTHER_ENDINGS = ("h264.mp4", "h264.mkv", "h264.ts", "mpeg4.avi", "mjpeg.avi", "mpeg2.mpg", "ffv1.mkv", "png.mov")


def all_cases(bases: Path) -> Iterator[Case]:
    """Every file, in a fixed order."""
    yield from _whole_cases(bases)
    yield from _no_video_cases(bases)
    yield from (
        Case("lying header", name, partial(patched, mark, offset, value, bases / base), base)
        for name, (base, mark, offset, value) in LIES.items()
    )
    seeded: list[tuple[str, Callable[[Path, int, Path], Trace], tuple[str, ...], int]] = [
        ("truncated", truncated, tuple(BASES), 10),
        ("bytes flipped", flipped, tuple(BASES), 8),
        ("bytes of the header flipped", header_flipped, tuple(BASES), 6),
        ("sectors of zeros", zeroed, tuple(BASES), 4),
        ("bytes taken out or put in", cut_out, tuple(BASES), 4),
        ("pictures replaced by noise", spoilt, ("h264.mp4", "h264.mkv", "mpeg4.avi", *INTRA[:3]), 4),
        ("packets removed", packets_removed, ("h264.mp4", "h264.mkv", "h264.ts", "mpeg4.avi", *INTRA[:3]), 6),
    ]
    for family, damage, names, count in seeded:
        for base in names:
            promises = family in ("truncated", "pictures replaced by noise") and base not in WITHOUT_PROMISE
            for seed in range(count):
                name = f"{family} {seed} {base}"
                yield Case(family, name, partial(damage, bases / base, seed), base, promises=promises)


def _whole_cases(bases: Path) -> Iterator[Case]:
    done = ("done",)
    for base in BASES:
        yield Case("whole", base, partial(shutil.copy, bases / base), base, done, frames=FRAMES)
    for base in OTHER_ENDINGS:
        stem, ending = base.split(".")
        name = f"{stem}-{ending}.{'avi' if ending != 'avi' else 'mp4'}"
        yield Case("wrong extension", name, partial(shutil.copy, bases / base), base, done, frames=FRAMES)
    for name, make in UNUSUAL.items():
        yield Case("unusual", name, make, "", done, frames=FRAMES)


def _no_video_cases(bases: Path) -> Iterator[Case]:
    lists = {"playlist.mp4": _playlist, "playlist.m3u8": _playlist, "list.mp4": _list_of_files}
    makes = NO_VIDEOS | {name: partial(make, bases) for name, make in lists.items()}
    for name, make in makes.items():
        yield Case("no video", name, make, "", ("failed",))


# What becomes of them ------------------------------------------------------------------------------------------------


def outcome_of(case: Case, trace: Trace, path: Path, model: Path, backend: VideoBackend) -> Outcome:
    """Analyse a file, with ``--allow-short`` too where it is short, and look at the table."""
    outcome = Outcome(case.name, case.family)
    options = AnalyzeOptions(
        engine=EngineOptions(precision="fp32"), batch_size=16, video_backend=backend, out_dir=path.parent / "poses"
    )
    try:
        result = analyze(path, model, options).results[0]
    except PoseCliError as error:  # a path that is no file ends the run before any video
        outcome.state, outcome.exit_code, outcome.message = "failed", error.exit_code, str(error)
        _check_refusal(outcome)
        return outcome
    outcome.exit_code, outcome.message = result.exit_code, result.message
    if result.exit_code == 4:
        if list((path.parent / "poses").glob("*.h5")):
            outcome.violations.append("a table stands under its final name though frames are missing")
        result = analyze(path, model, AnalyzeOptions(**{**vars(options), "allow_short": True})).results[0]
    outcome.state = result.state
    if result.state == "failed":
        _check_refusal(outcome)
    else:
        assert result.table is not None
        _check_table(outcome, case, trace, result.table, path)
    if outcome.state not in case.states:
        outcome.violations.append(f"it is {outcome.state}, not {' or '.join(case.states)}")
    return outcome


def _check_refusal(outcome: Outcome) -> None:
    if outcome.exit_code not in (VideoError.exit_code, 4) or "\n" in outcome.message or not outcome.message:
        outcome.violations.append(f"refused with exit code {outcome.exit_code}")


def _check_table(outcome: Outcome, case: Case, trace: Trace, table: Path, path: Path) -> None:
    poses = read_plain_table(table, VideoError)
    manifest = json.loads(table.with_suffix(".json").read_text(encoding="utf-8"))
    with h5py.File(table) as file:
        seconds = file[SECONDS_NODE][:]
    rows = outcome.rows = len(poses.index)
    if [label for (label,) in poses.index] != list(range(rows)) or len(seconds) != rows:
        outcome.violations.append("rows are not counted from 0")
    shown = numbers_of(poses.values.reshape(rows, -1, 3), manifest["video"]["width"])
    outcome.missing = shown.count(None)
    if [row for row, number in enumerate(shown) if number is None] != manifest["video"]["bad_frames"]:
        outcome.violations.append("rows without a pose are not the bad frames")
    if case.frames not in (None, rows):
        outcome.violations.append(f"{rows} rows instead of {case.frames}")
    if outcome.exit_code == 0 and case.promises and rows < FRAMES:
        outcome.violations.append(f"silently short: {rows} rows instead of {FRAMES}")
    unshown = manifest["video"]["packets_before_first_picture"]
    due = _numbers_due(seconds, case, trace, path.parents[1] / "encodes", unshown)
    outcome.right = sum(number == wanted for number, wanted in zip(shown, due, strict=True))
    outcome.smeared = rows - outcome.right - outcome.missing
    wrong = {row: n for row, n in enumerate(shown) if n not in (None, UNREADABLE, due[row])}
    if trace.groups is not None:
        # Within a damaged group decoders show what they have: an earlier picture, or changes to one.
        wrong = {row: n for row, n in wrong.items() if due[row] // group_size(case.base) not in trace.groups}
    elif wrong and manifest["video"]["timestamps"]["from_file"] and np.ptp(seconds) > rows * LEAST_GAP:
        wrong = _never_decoded(path, wrong, due, seconds)
    elif list(wrong.values()) == sorted(set(wrong.values())):  # without times the order is all that there is
        wrong = {}
    outcome.violations += [f"row {row} shows frame {n} instead of {due[row]}" for row, n in wrong.items()]


def _numbers_due(seconds: Any, case: Case, trace: Trace, bases: Path, unshown: int) -> list[int]:
    """The frame that belongs to each row: by its place, or by its time in the encode that was damaged."""
    rows = len(seconds)
    if trace.numbers is not None and rows == len(trace.numbers) - unshown:
        return list(trace.numbers[unshown:])
    if not case.base or case.family in ("whole", "wrong extension") or rows == FRAMES:
        return list(range(rows))
    times = np.array(sorted(_times(bases / case.base)))
    first = np.nanmin(seconds)
    return [int(np.abs(times - (time - first)).argmin()) if np.isfinite(time) else UNREADABLE for time in seconds]


def _never_decoded(path: Path, wrong: Mapping[int, int], due: Sequence[int], seconds: Any) -> dict[int, int]:
    """Rows with a number that FFmpeg alone never shows at their time.

    Without threads it treats damage in one way. With threads they race, and it has to be asked again and again: of one
    file a picture was seen in one of ten decodings, of another in one of more than 400. So where it shows no whole
    picture without threads, an earlier one may stand.
    """
    alone = _decoded_numbers(path, "NONE")
    times = {row: _microseconds(seconds[row]) for row in wrong}
    left = {row: n for row, n in wrong.items() if n > due[row] or UNREADABLE not in alone.get(times[row], ())}
    for threads in ("NONE", *["AUTO"] * DECODINGS):
        if not left:
            break
        decoded = _decoded_numbers(path, threads)
        left = {row: n for row, n in left.items() if n not in decoded.get(times[row], ())}
    return left


def _decoded_numbers(path: Path, threads: str) -> dict[int, set[int]]:
    """What FFmpeg alone shows at each time."""
    found: dict[int, set[int]] = {}
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        stream = container.streams.best("video")
        assert isinstance(stream, av.video.stream.VideoStream)
        stream.thread_type = threads
        for frame in _frames(container, stream):
            if frame.time is not None:
                number = read_checked(frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False))
                found.setdefault(_microseconds(frame.time), set()).add(number)
    return found


def _frames(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> Iterator[av.VideoFrame]:
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.FFmpegError:
            continue


def _microseconds(seconds: float) -> int:
    return round(seconds * 1e6)


def run_all(folder: Path, start: int) -> None:
    """Make and analyse every file from number `start` on, and tell as JSON lines."""
    for name in engine.ENGINE_CLASSES:
        engine.ENGINE_CLASSES[name] = "support.number_engine:NumberEngine"
    bases = folder / "encodes"
    make_bases(bases)
    model = folder / "model"
    if not model.exists():
        make_dots_model(model)
    for number, case in enumerate(all_cases(bases)):
        if number < start:
            continue
        tell({"number": number, "name": case.name, "family": case.family})
        place = folder / f"case {number}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        path = place / case.name
        made = case.make(path)
        trace = made if isinstance(made, Trace) else UNKNOWN
        outcome = outcome_of(case, trace, path, model, "pyav" if number % 2 else "auto")
        tell({"number": number, "outcome": asdict(outcome)})
        if not outcome.violations:
            shutil.rmtree(place)
    tell({"end": True})


def watch(folder: Path, patience: float = 60.0) -> list[Outcome]:
    """Run `run_all` in a process of its own; one that dies or hangs loses the file it was at, and starts anew."""
    return [
        Outcome(line["name"], line["family"], "lost", violations=[came]) if isinstance(came, str) else Outcome(**came)
        for line, came in watched(Path(__file__), folder, patience)
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--start", type=int, default=0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    run_all(arguments.folder, arguments.start)

"""Odd but sound videos: what recorders, cameras and cutting tools write, in small.

Every picture carries its number (`support.number_engine.checked_frames`). `all_recordings` names each file, its family
and how it is made; what a correct decoder shows of it is for `support.odd_videos` to find out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, partial
from itertools import chain, cycle, islice
from pathlib import Path
from typing import TypeAlias

import numpy as np

from support import clips, odd_files
from support.number_engine import checked_frames
from support.odd_files import Avi, Coded, PcmH264

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


# Codecs in containers ------------------------------------------------------------------------------------------------

LARGE = {"dv": (576, 720), "h263": (144, 176), "dnxhd": (1080, 1920)}
CODECS: dict[str, tuple[Options, str]] = {
    "h264": (H264, "mp4 mov mkv avi ts m2ts mts flv 3gp nut h264 mpg f4v"),
    "hevc": (HEVC, "mp4 mov mkv ts hevc flv"),
    "vp8": (VP8, "webm mkv ivf avi ogv"),
    "vp9": (VP9, "webm mp4 mkv ivf"),
    "av1": (AV1, "mp4 webm mkv ivf obu"),
    "mpeg4": (MPEG4_B, "mp4 avi mkv m4v 3gp ts nut"),
    "mpeg2": (MPEG2, "mpg vob ts mkv m2v mxf avi"),
    "mpeg1": (MPEG1, "mpg avi m1v"),
    "mjpeg": (MJPEG, "avi mov mkv mjpeg nut"),
    "ffv1": (FFV1, "mkv avi nut"),
    "raw": (RAW, "avi mov nut"),
    "y4m": ((), "y4m"),
    "dv": (DV, "dv avi mov"),
    "prores": (PRORES, "mov mkv"),
    "huffyuv": (("-c:v", "huffyuv"), "avi mkv"),
    "utvideo": (("-c:v", "utvideo"), "avi"),
    "magicyuv": (("-c:v", "magicyuv"), "avi"),
    "wmv1": (("-c:v", "wmv1", *INTRA_STILL), "wmv avi"),
    "wmv2": (("-c:v", "wmv2", *INTRA_STILL), "wmv asf"),
    "msmpeg4": (("-c:v", "msmpeg4", "-g", "1", "-qscale", "2"), "avi"),
    "theora": (("-c:v", "libtheora", "-q:v", "10"), "ogv mkv"),
    "png": (("-c:v", "png"), "mov avi mkv"),
    "apng": (("-c:v", "apng"), "apng"),
    "gif": (("-c:v", "gif"), "gif"),
    "flv1": (("-c:v", "flv", *INTRA_STILL), "flv avi"),
    "h263": (("-c:v", "h263", *INTRA_STILL), "3gp"),
    "qtrle": (("-c:v", "qtrle"), "mov"),
    "jpeg2000": (("-c:v", "jpeg2000"), "mkv mxf"),
    "v210": (("-c:v", "v210"), "mov"),
    "snow": (("-c:v", "snow", "-qscale", "1"), "avi"),
    "cinepak": (("-c:v", "cinepak", "-q:v", "1"), "avi"),
    "zmbv": (("-c:v", "zmbv"), "avi"),
    "dnxhd": (("-c:v", "dnxhd", "-b:v", "120M", "-pix_fmt", "yuv422p"), "mxf"),
    "vc2": (("-c:v", "vc2", "-strict", "-1"), "mkv"),
    "rv20": (("-c:v", "rv20", "-g", "1", "-qscale", "2"), "rm"),
}
FEW = {"dnxhd": 3, "dv": 10, "cinepak": 10}


def _codecs() -> Iterator[Recording]:
    for codec, (options, endings) in CODECS.items():
        make = partial(encode, options=options or ("-pix_fmt", "yuv420p"), count=FEW.get(codec, FRAMES))
        for ending in endings.split():
            fps = "20" if ending in ("gif", "apng") else "25"
            size = LARGE.get(codec, (64, 96))
            yield Recording("codecs in containers", f"{codec}.{ending}", partial(make, size=size, fps=fps))


# Field coding --------------------------------------------------------------------------------------------------------


def pcm_units(
    numbers: Sequence[int],
    coding: str,
    orders: Sequence[int] | None = None,
    first: int = 0,
    *,
    may_have_fields: bool = True,
) -> list[list[bytes]]:
    """Pictures as lists of slices; each letter of `coding`, over and over, is one: frame, top or bottom field first."""
    coder = PcmH264(may_have_fields=may_have_fields)
    units = []
    for place, (number, kind) in enumerate(zip(numbers, cycle(coding), strict=False)):
        order = orders[place] if orders else place
        image = pictures()[first + number]
        if kind == "p":
            units.append(coder.frame(image, place, order))
        else:
            units.append(coder.fields(image, place, order, bottom_first=kind == "b"))
    return [[coder.headers() + units[0][0], *units[0][1:]], *units[1:]]


def fields_raw(target: Path, coding: str) -> None:
    """A bare stream of pictures and fields."""
    target.write_bytes(b"".join(b"".join(unit) for unit in pcm_units(range(FRAMES), coding)))


def fields_copied(target: Path, coding: str) -> None:
    """The same in a container, as ffmpeg copies it."""
    raw = target.with_name("raw.h264")
    fields_raw(raw, coding)
    clips.ffmpeg("-r", "25", "-i", raw, *COPY, target)


def fields_muxed(target: Path, coding: str, *, apart: bool) -> None:
    """The same with one packet for each picture, or for each field."""
    source = target.with_name("source.mp4")
    fields_copied(source, coding)
    if target.suffix == ".ts":
        encode(source := target.with_name("source.ts"), H264)
    packets: list[Coded] = []
    for place, unit in enumerate(pcm_units(range(FRAMES), coding)):
        parts = unit if apart else [b"".join(unit)]
        for second, part in enumerate(parts):
            time = 3600 * place + 1800 * second
            packets.append((part, time, time, place == 0))
    odd_files.mux(source, target, packets, Fraction(1, 90000))


def repeated_fields(target: Path) -> None:
    """MPEG-2 that shows fields twice."""
    source = encode(target.with_name("source.m2v"), (*MPEG2, "-bf", "0"))
    raw = target.with_name("raw.m2v")
    raw.write_bytes(odd_files.with_repeated_fields(source.read_bytes()))
    clips.ffmpeg("-i", raw, *COPY, target)


def jpeg_fields(target: Path) -> None:
    """Motion JPEG of a capture card: each chunk holds two pictures, which are the fields of one."""
    file = Avi.read(encode(target.with_name("whole.avi"), MJPEG))
    images = np.stack([pictures()[:, 0::2], pictures()[:, 1::2]], axis=1).reshape(-1, 32, 96, 3)
    fields = Avi.read(clips.encode(target.with_name("fields.avi"), images, *MJPEG)).frames
    marked = [odd_files.with_polarity(jpeg, 1 + number % 2) for number, jpeg in enumerate(fields)]
    file.frames = [first + second for first, second in zip(marked[::2], marked[1::2], strict=True)]
    file.write(target)


ILDCT: Options = ("-flags", "+ildct+ilme")


def _fields() -> Iterator[Recording]:
    kind = "field coding"
    for ending in ("mp4", "mkv", "ts", "h264", "avi"):
        yield Recording(kind, f"mbaff.{ending}", partial(encode, options=(*H264, *ILDCT)))
    for name, value in (("bottom first.mp4", "bff=1"), ("pretended.mp4", "fake-interlaced=1"), ("top.mov", "tff=1")):
        yield Recording(kind, name, partial(encode, options=(*H264, "-x264-params", value)))
    for ending in ("mpg", "ts", "mxf"):
        yield Recording(kind, f"mpeg2 fields.{ending}", partial(encode, options=(*MPEG2, *ILDCT)))
    yield Recording(kind, "mpeg4 fields.avi", partial(encode, options=(*MPEG4, *ILDCT)))
    yield Recording(kind, "mpeg4 fields.mp4", partial(encode, options=(*MPEG4_B, *ILDCT)))
    yield Recording(kind, "prores fields.mov", partial(encode, options=(*PRORES, "-flags", "+ildct")))
    yield Recording(kind, "ffv1 tagged.mkv", partial(encode, options=(*FFV1, "-vf", "setfield=tff")))
    yield Recording(kind, "raw tagged.mov", partial(encode, options=(*RAW, "-vf", "setfield=bff")))
    for words, coding in (("top", "t"), ("bottom", "b"), ("mixed", "ptpptt"), ("parity changes", "ttbb")):
        for ending in ("h264", "mp4", "ts", "mkv"):
            make: Make = partial(fields_raw if ending == "h264" else fields_copied, coding=coding)
            yield Recording(kind, f"fields {words}.{ending}", make)
    for ending in ("ts", "mkv", "mp4"):
        yield Recording(kind, f"packet per field.{ending}", partial(fields_muxed, coding="t", apart=True))
    yield Recording(kind, "packet per frame.ts", partial(fields_muxed, coding="t", apart=False))
    yield Recording(kind, "jpeg fields.avi", jpeg_fields)
    for ending in ("m2v", "mpg"):
        yield Recording(kind, f"repeated fields.{ending}", repeated_fields)


# Two recordings in one -----------------------------------------------------------------------------------------------


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
    joined(source, parts, offsets=_later(len(parts)))
    clips.ffmpeg("-fflags", "+genpts", "-i", source, *COPY, target)


INTERLACED: Options = (*H264, *ILDCT)
BOTTOM: Options = (*H264, "-x264-params", "bff=1")


def _mixed() -> Iterator[Recording]:
    kind = "coding changes"
    mixes: dict[str, tuple[Options, ...]] = {
        "progressive interlaced": (H264, INTERLACED),
        "interlaced progressive": (INTERLACED, H264),
        "there and back": (FORWARD, INTERLACED, FORWARD, INTERLACED),
        "top bottom": (INTERLACED, BOTTOM),
    }
    for name, parts in mixes.items():
        yield Recording(kind, f"{name}.h264", partial(joined, parts=parts))
        yield Recording(kind, f"{name}.ts", partial(joined, parts=parts, offsets=_later(len(parts))))
        for ending in ("mp4", "mkv"):
            yield Recording(kind, f"{name}.{ending}", partial(joined_and_copied, parts=parts))
    mpeg2 = (MPEG2, (*MPEG2, *ILDCT))
    yield Recording(kind, "mpeg2.ts", partial(joined, parts=mpeg2, offsets=_later(2)))
    yield Recording(kind, "mpeg2.m2v", partial(joined, parts=mpeg2))
    yield Recording(kind, "mpeg2.mpg", partial(joined, parts=mpeg2))
    yield Recording(kind, "b-frames then none.h264", partial(joined, parts=(H264, FORWARD)))
    yield Recording(kind, "none then b-frames.h264", partial(joined, parts=(FORWARD, DEEP)))
    yield Recording(kind, "none then b-frames.ts", partial(joined, parts=(FORWARD, DEEP), offsets=_later(2)))


def _later(parts: int) -> list[float]:
    """When each of several recordings begins, a moment after the one before."""
    return [number * (FRAMES / parts / 25 + 0.4) for number in range(parts)]


def _joins() -> Iterator[Recording]:
    kind = "two recordings joined"
    for codec, options, ending in (("h264", H264, "ts"), ("mpeg2", MPEG2, "ts"), ("hevc", HEVC, "ts")):
        clocks = {"same clock": (0.0, 0.0), "overlap": (0.0, 0.4), "later": (0.0, 9.0), "earlier": (9.0, 0.0)}
        for words, offsets in clocks.items():
            if codec == "h264" or words in ("same clock", "overlap"):
                make = partial(joined, parts=(options, options), offsets=offsets)
                yield Recording(kind, f"{codec} {words}.{ending}", make)
    mpeg = (("mpg", MPEG2), ("vob", MPEG2), ("m2v", MPEG2), ("m4v", MPEG4), ("mjpeg", MJPEG))
    bare = (("h264", H264), ("hevc", HEVC), ("obu", AV1), ("dv", DV), ("flv", H264))
    boxes = (("mkv", H264), ("webm", VP8), ("mp4", H264), ("avi", MJPEG), ("ogv", ("-c:v", "libtheora")))
    for ending, options in (*mpeg, *bare, *boxes, ("gif", ("-c:v", "gif")), ("ivf", VP8)):
        sizes = [LARGE["dv"]] * 2 if ending == "dv" else []
        make = partial(joined, parts=(options, options), sizes=sizes)
        yield Recording(kind, f"{ending} joined.{ending}", make)
    yield Recording(kind, "mpg overlap.mpg", partial(joined, parts=(MPEG2, MPEG2), offsets=(0.0, 0.4)))
    yield Recording(kind, "mpg later.mpg", partial(joined, parts=(MPEG2, MPEG2), offsets=(0.0, 9.0)))


# Cuts ----------------------------------------------------------------------------------------------------------------


def cut(target: Path, options: Options, start: float, via: str, after: Sequence[str] = (), end: float = 9) -> None:
    """A piece copied out of a recording by ffmpeg."""
    source = encode(target.with_name(f"source.{via}"), options)
    clips.ffmpeg("-ss", str(start), "-to", str(end), "-i", source, *COPY, *after, target)


def cut_bytes(target: Path, options: Options, part: float, step: int = 1) -> None:
    """A bare or transport stream from somewhere in its midst on."""
    content = encode(target.with_name(f"source{target.suffix}"), options).read_bytes()
    target.write_bytes(content[int(len(content) * part) // step * step :])


OPEN: Options = (*X264, "-x264-params", "open-gop=1:keyint=12:min-keyint=12:bframes=3:scenecut=0:b-adapt=0")
MPEG2_OPEN: Options = (*MPEG2, "-sc_threshold", "1000000000")
#: In the middle of a group, so that the copy begins at the I-picture before it.
OPEN_START = 0.6


def _open_groups() -> Iterator[Recording]:
    kind = "open groups cut"
    for ending, via in (("mkv", "mkv"), ("mp4", "mp4"), ("ts", "ts"), ("ts", "mp4"), ("mp4", "ts"), ("mkv", "ts")):
        for codec, options in (("h264", OPEN), ("hevc", HEVC_OPEN)):
            make = partial(cut, options=options, start=OPEN_START, via=via)
            yield Recording(kind, f"{codec} from {via}.{ending}", make)
    for ending, via in (("ts", "ts"), ("mpg", "mpg"), ("mkv", "ts")):
        make = partial(cut, options=MPEG2_OPEN, start=OPEN_START, via=via)
        yield Recording(kind, f"mpeg2 from {via}.{ending}", make)
    for ending, options in (("h264", OPEN), ("hevc", HEVC_OPEN), ("m2v", MPEG2_OPEN)):
        yield Recording(kind, f"from the middle.{ending}", partial(cut_bytes, options=options, part=0.45))
    for codec, options in (("h264", OPEN), ("hevc", HEVC_OPEN), ("mpeg2", MPEG2_OPEN), ("plain h264", H264)):
        make = partial(cut_bytes, options=options, part=0.45, step=188)
        yield Recording(kind, f"{codec} from the middle.ts", make)


def _cuts() -> Iterator[Recording]:
    kind = "cut by copying"
    for ending in ("mp4", "mov", "mkv", "ts", "avi", "flv"):
        for variant in ("auto", "disabled", "make_zero", "make_non_negative"):
            if ending in ("mp4", "mkv") or variant == "auto":
                make = partial(cut, options=H264, start=0.62, via="mp4", after=("-avoid_negative_ts", variant))
                yield Recording(kind, f"{variant}.{ending}", make)
    for ending in ("mp4", "mkv"):
        make = partial(cut, options=H264, start=0.62, via="mp4", after=("-copyts",))
        yield Recording(kind, f"own clock.{ending}", make)
        make = partial(cut, options=H264, start=0, end=0.9, via="mp4")
        yield Recording(kind, f"end of a group.{ending}", make)
        make = partial(cut, options=HEVC, start=0.62, via="mp4")
        yield Recording(kind, f"hevc.{ending}", make)
    yield Recording(kind, "mpeg4.avi", partial(cut, options=MPEG4_B, start=0.62, via="avi"))
    yield Recording(kind, "mpeg2.mpg", partial(cut, options=MPEG2, start=0.62, via="mpg"))
    yield Recording(kind, "no edit list.mp4", partial(cut, options=H264, start=0.62, via="mp4", after=NO_EDITS))


NO_EDITS: Options = ("-use_editlist", "0")


# Hidden pictures -----------------------------------------------------------------------------------------------------


def hidden(target: Path, options: Options, via: str, split: str) -> None:
    """Pictures that are never shown in packets of their own."""
    copied(target, after=("-bsf:v", split), options=options, via=via)


def _hidden() -> Iterator[Recording]:
    kind = "hidden pictures"
    kinds = (
        ("vp8", VP8_ALTREF, "webm mkv ivf"),
        ("vp9", VP9_ALTREF, "webm mp4 ivf"),
        ("av1", AV1, "webm mp4 obu"),
        ("av1 aom", AV1_AOM, "webm ivf"),
    )
    for codec, options, endings in kinds:
        for ending in endings.split():
            yield Recording(kind, f"{codec}.{ending}", partial(encode, options=options))
    for ending in ("mkv", "ivf"):
        make = partial(hidden, options=VP9_ALTREF, via="webm", split="vp9_superframe_split")
        yield Recording(kind, f"vp9 apart.{ending}", make)
    make = partial(hidden, options=AV1_AOM, via="webm", split="av1_frame_split")
    yield Recording(kind, "av1 apart.mkv", make)


# AVI -----------------------------------------------------------------------------------------------------------------

EMPTY_CHUNKS: dict[str, tuple[int, ...]] = {
    "first": (0,),
    "inside": (10, 11, 25),
    "run": tuple(range(8, 28)),
    "last": (FRAMES - 1,),
    "every other": tuple(range(1, FRAMES, 2)),
    "after key frames": (1, 13, 25, 37),
}


def avi(target: Path, options: Options, change: Callable[[Avi], None], how: str = "plain") -> None:
    """An AVI file changed and written anew."""
    file = Avi.read(encode(target.with_name("source.avi"), options))
    change(file)
    if how == "open":
        file.write_open_dml(target)
    else:
        file.write(target, index=how != "no index", keys=how != "no keys")


def empty_instead(places: Sequence[int], file: Avi) -> None:
    """Frames that the recorder lost: their chunks are empty."""
    for place in places:
        file.frames[place] = b""


def empty_between(places: Sequence[int], file: Avi) -> None:
    """Chunks without a picture between those with one: the camera was late, and the clock went on."""
    for place in sorted(places, reverse=True):
        file.frames.insert(place, b"")
    file.count(len(file.frames))


def pack(file: Avi) -> None:
    """Pack B-frames as DivX does."""
    file.frames = odd_files.packed(file.frames)


def held(target: Path, orientation: int, quarters: int) -> None:
    """JPEG pictures that note how the camera was held."""
    images = np.ascontiguousarray(np.rot90(pictures(), quarters, (1, 2)))
    file = Avi.read(clips.encode(target.with_name("source.avi"), images, *MJPEG))
    file.frames = [odd_files.with_orientation(frame, orientation) for frame in file.frames]
    file.write(target)


def unchanged(file: Avi) -> None:
    """Leave a file as it is."""


def with_gaps(target: Path, options: Options, expression: str) -> None:
    """A recording with gaps, copied: ffmpeg fills them with empty chunks."""
    copied(target, after=("-bsf:v", f"setts=ts={expression}"), options=options)


def _avis() -> Iterator[Recording]:
    kind = "empty chunks"
    for name, places in EMPTY_CHUNKS.items():
        yield Recording(kind, f"mjpeg {name}.avi", partial(avi, options=MJPEG, change=partial(empty_between, places)))
    for codec, options in (("mpeg4", MPEG4), ("h264", FORWARD), ("ffv1", FFV1), ("raw", RAW), ("mpeg4 b", MPEG4_B)):
        for name in ("inside", "last"):
            change = partial(empty_between, EMPTY_CHUNKS[name])
            yield Recording(kind, f"{codec} {name}.avi", partial(avi, options=options, change=change))
    change = partial(empty_instead, EMPTY_CHUNKS["inside"])
    yield Recording(kind, "lost.avi", partial(avi, options=MJPEG, change=change))
    yield Recording(kind, "lost open.avi", partial(avi, options=MJPEG, change=change, how="open"))
    yield Recording(kind, "lost no index.avi", partial(avi, options=MJPEG, change=change, how="no index"))
    for codec, options in (("mjpeg", MJPEG), ("mpeg4", MPEG4), ("ffv1", FFV1)):
        yield Recording(kind, f"{codec} gaps.avi", partial(with_gaps, options=options, expression=GAP))
    kind = "avi layouts"
    yield Recording(kind, "no keys.avi", partial(avi, options=MPEG4, change=unchanged, how="no keys"))
    yield Recording(kind, "open.avi", partial(avi, options=MJPEG, change=unchanged, how="open"))
    yield Recording(kind, "open mpeg4.avi", partial(avi, options=MPEG4, change=unchanged, how="open"))
    yield Recording(kind, "no index.avi", partial(avi, options=MJPEG, change=unchanged, how="no index"))
    yield Recording(kind, "no index mpeg4.avi", partial(avi, options=MPEG4, change=unchanged, how="no index"))
    zero, many = (lambda file: file.count(0)), (lambda file: file.count(1600))
    for how in ("plain", "open", "no index"):
        yield Recording(kind, f"counts of zero {how}.avi", partial(avi, options=MJPEG, change=zero, how=how))
    yield Recording(kind, "counts too many.avi", partial(avi, options=MJPEG, change=many))
    for ending, options in (("packed", MPEG4_B), ("packed more", (*MPEG4_B, "-g", "30"))):
        yield Recording(kind, f"{ending}.avi", partial(avi, options=options, change=pack))
    yield Recording(kind, "packed no index.avi", partial(avi, options=MPEG4_B, change=pack, how="no index"))
    yield Recording(kind, "xvid.avi", partial(encode, options=("-c:v", "libxvid", *INTRA_STILL, "-bf", "2")))
    flipped = ("-c:v", "rawvideo", "-pix_fmt", "bgr24", "-vf", "vflip", "-flipped_raw_rgb", "1")
    yield Recording(kind, "bottom up.avi", partial(encode, options=flipped))
    for orientation, quarters in ((6, 1), (3, 2), (8, 3)):
        make = partial(held, orientation=orientation, quarters=quarters)
        yield Recording("display matrices", f"exif {orientation}.avi", make)


# Clocks --------------------------------------------------------------------------------------------------------------

#: Times of packets for ffmpeg's setts filter: with pauses, jumps and so on.
GAP = "if(gte(N\\,12)\\,TS+0.4/TB\\,TS)"
CLOCKS = {
    "gap": GAP,
    "long gap": "if(gte(N\\,12)\\,TS+400/TB\\,TS)",
    "day": "if(gte(N\\,12)\\,TS+86400/TB\\,TS)",
    "late": "TS+5/TB",
    "very late": "TS+90000/TB",
    "trembling": "TS+mod(N\\,2)*0.012/TB",
    "slowing": "TS*(1+N/20)",
}


def stamped(target: Path, expression: str) -> None:
    """Copied with other times."""
    copied(target, after=("-copyts", "-bsf:v", f"setts=ts={expression}"), options=FORWARD)


def pieces(target: Path, offsets: Sequence[float], options: Options = H264) -> None:
    """A transport stream whose clock was set anew in its course."""
    joined(target, [options] * len(offsets), offsets=offsets)


def blocks_moved(target: Path, shift: Callable[[int, int], int], options: Options) -> None:
    """Matroska with times that no muxer would write."""
    odd_files.shift_blocks(encode(target.with_name("source.mkv"), options), target, shift)


def timeless(target: Path, keep: Callable[[int], bool], options: Options = H264) -> None:
    """A transport stream that gives few of its pictures a time."""
    source = encode(target.with_name("source.ts"), options)
    target.write_bytes(odd_files.without_stamps(source.read_bytes(), keep))


def pairs(target: Path, options: Options) -> None:
    """A transport stream with two pictures in each packet, of which the first has a time."""
    source = encode(target.with_name("source.ts"), options)
    coded = odd_files.read_packets(source)
    together = [(a[0] + b[0], *a[1:]) for a, b in zip(coded[::2], coded[1::2], strict=True)]
    odd_files.mux(source, target, together)


def durations(target: Path, values: Sequence[int]) -> None:
    """MP4 whose pictures stand for as long as is said, over and over."""
    source = encode(target.with_name("source.mp4"), (*FORWARD, "-use_editlist", "0"))
    units = list(islice(cycle(values), FRAMES))
    odd_files.patch_boxes(source, target, partial(odd_files.set_durations, units))


SHIFTS: dict[str, Callable[[int, int], int]] = {
    "back once": lambda number, time: time - 47 * (number >= 20),
    "back by a second": lambda number, time: time - 1000 * (number >= 30),
    "equal": lambda number, time: time - time % 200,
    "all equal": lambda number, time: 0,
    "back and forth": lambda number, time: time + (-30 if number % 2 else 30),
    "backwards": lambda number, time: 1560 - time,
}


def _clocks() -> Iterator[Recording]:
    kind = "clocks"
    for name, expression in CLOCKS.items():
        for ending in ("mp4", "mkv", "ts", "flv", "nut"):
            if ending in ("mp4", "mkv", "ts") or name in ("gap", "late"):
                yield Recording(kind, f"{name}.{ending}", partial(stamped, expression=expression))
    for name, values in (("equal times", (1024, 0)), ("all at once", (0,)), ("one long", (512, 512, 90_000))):
        yield Recording(kind, f"{name}.mp4", partial(durations, values=values))
    for ending in ("mkv", "mp4", "ts"):
        make = partial(encode, options=(*H264, "-output_ts_offset", "-0.5", "-avoid_negative_ts", "disabled"))
        yield Recording(kind, f"negative.{ending}", make)
    yield Recording(kind, "no frame rate.h264", partial(encode, options=(*H264, "-bsf:v", "h264_metadata=tick_rate=0")))
    yield Recording(kind, "thousand per second.ts", partial(encode, options=H264, fps="1000"))
    yield Recording(kind, "one per minute.mkv", partial(encode, options=FORWARD, fps="1/60"))


def _clocks_set_back() -> Iterator[Recording]:
    kind = "clocks that fall"
    for name, shift in SHIFTS.items():
        yield Recording(kind, f"mjpeg {name}.mkv", partial(blocks_moved, shift=shift, options=MJPEG))
    for name in ("back once", "equal", "all equal"):
        yield Recording(kind, f"h264 {name}.mkv", partial(blocks_moved, shift=SHIFTS[name], options=H264))
    for name, start in (("wraps", 95441.5), ("wraps at once", 95442.3), ("near the end", 95440.0)):
        for codec, options in (("h264", H264), ("mpeg2", MPEG2)):
            make = partial(encode, options=(*options, "-output_ts_offset", str(start)))
            yield Recording(kind, f"{codec} {name}.ts", make)
    yield Recording(kind, "set back twice.ts", partial(pieces, offsets=(9.0, 4.0, 0.0, 20.0)))
    yield Recording(kind, "set forward.ts", partial(pieces, offsets=(0.0, 100.0, 5000.0, 70000.0)))


def _few_times() -> Iterator[Recording]:
    kind = "pictures without a time"
    for name, keep in (("key frames", lambda n: n % 12 == 0), ("first", lambda n: n == 0), ("none", lambda n: False)):
        for codec, options in (("h264", H264), ("mpeg2", MPEG2)):
            make = partial(timeless, keep=keep, options=options)
            yield Recording(kind, f"{codec} times of {name}.ts", make)
    for codec, options in (("h264", H264), ("mpeg2", MPEG2)):
        yield Recording(kind, f"{codec} two in a packet.ts", partial(pairs, options=options))


# Edit lists ----------------------------------------------------------------------------------------------------------

#: Units of a track in one picture, and milliseconds.
UNITS, MS = 512, 40
EDITS: dict[str, list[odd_files.Edit]] = {
    "hides the start": [(1000, 15 * UNITS, 1)],
    "hides the start to a key frame": [(1120, 12 * UNITS, 1)],
    "hides the end": [(1000, 0, 1)],
    "hides both": [(600, 7 * UNITS, 1)],
    "shows twice": [(400, 5 * UNITS, 1), (400, 5 * UNITS, 1)],
    "shows all twice": [(1600, 0, 1), (1600, 0, 1)],
    "begins later": [(2000, -1, 1), (1600, 0, 1)],
    "begins later and hides": [(2000, -1, 1), (1000, 15 * UNITS, 1)],
    "three pieces": [(200, 0, 1), (200, 12 * UNITS, 1), (200, 30 * UNITS, 1)],
    "pieces in another order": [(200, 30 * UNITS, 1), (200, 12 * UNITS, 1), (200, 0, 1)],
    "pauses": [(400, 0, 1), (400, -1, 1), (400, 10 * UNITS, 1)],
    "stands still": [(400, 0, 1), (400, 10 * UNITS, 0), (400, 10 * UNITS, 1)],
    "shows one": [(MS, 17 * UNITS, 1)],
    "begins between two": [(1000, 15 * UNITS + 200, 1)],
    "is longer than the track": [(9000, 0, 1)],
    "runs to the end": [(0, 15 * UNITS, 1)],
    "is at double speed": [(800, 0, 2)],
    "is empty": [],
}


def edited(target: Path, edits: Sequence[odd_files.Edit], options: Options) -> None:
    """MP4 with an edit list."""
    source = encode(target.with_name(f"source{target.suffix}"), (*options, "-video_track_timescale", "12800"))
    odd_files.patch_boxes(source, target, partial(odd_files.set_edits, edits))


def _edits() -> Iterator[Recording]:
    kind = "edit lists"
    for name, edits in EDITS.items():
        yield Recording(kind, f"{name}.mp4", partial(edited, edits=edits, options=FORWARD))
    for name in ("hides the start", "hides both", "shows twice", "three pieces", "begins later", "hides the end"):
        later = [(length, start + UNITS * 2 * (start >= 0), rate) for length, start, rate in EDITS[name]]
        yield Recording(kind, f"{name} b.mp4", partial(edited, edits=later, options=H264))
    for name in ("hides the start", "shows twice"):
        yield Recording(kind, f"{name}.mov", partial(edited, edits=EDITS[name], options=MJPEG))
        yield Recording(kind, f"{name} hevc.mp4", partial(edited, edits=EDITS[name], options=HEVC))
        yield Recording(kind, f"{name} mpeg4.mp4", partial(edited, edits=EDITS[name], options=MPEG4))


# Display matrices ----------------------------------------------------------------------------------------------------

ORIENTATIONS = {
    "upright": (1, 0, 0, 1),
    "mirrored": (-1, 0, 0, 1),
    "turned 180": (-1, 0, 0, -1),
    "upside down": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "turned 90": (0, 1, -1, 0),
    "turned 270": (0, -1, 1, 0),
    "transposed and turned": (0, -1, -1, 0),
}


def oriented(target: Path, matrix: tuple[float, ...], options: Options = H264) -> None:
    """Coded so that the matrix turns it upright."""
    a, b, c, d = matrix
    image = pictures()
    if a + c < 0:
        image = image[:, :, ::-1]
    if b + d < 0:
        image = image[:, ::-1]
    if a == 0:
        image = image.transpose(0, 2, 1, 3)
    laid(target, matrix, np.ascontiguousarray(image), options)


def laid(target: Path, matrix: tuple[float, ...], images: odd_files.Images, options: Options = H264) -> None:
    """Coded as given, with a matrix."""
    source = clips.encode(target.with_name(f"source{target.suffix}"), images, *options)
    odd_files.patch_boxes(source, target, partial(odd_files.set_matrix, matrix))


def stretched(target: Path, matrix: tuple[float, ...]) -> None:
    """Coded upright, with any matrix."""
    laid(target, matrix, pictures())


def turned_by_message(target: Path, message: str, turn: Callable[[odd_files.Images], odd_files.Images]) -> None:
    """The orientation is a message in the stream itself."""
    images = np.ascontiguousarray(turn(pictures()))
    clips.encode(target, images, *H264, "-bsf:v", f"h264_metadata=display_orientation=insert:{message}")


def turned_by_ffmpeg(target: Path) -> None:
    """Turned by a quarter, as ffmpeg notes it."""
    images = np.ascontiguousarray(np.rot90(pictures(), -1, (1, 2)))
    source = clips.encode(target.with_name("source.mkv"), images, *H264)
    clips.ffmpeg("-display_rotation", "90", "-i", source, *COPY, target)


def _orientations() -> Iterator[Recording]:
    kind = "display matrices"
    for name, matrix in ORIENTATIONS.items():
        yield Recording(kind, f"{name}.mp4", partial(oriented, matrix=matrix))
        yield Recording(kind, f"{name}.mov", partial(oriented, matrix=matrix, options=MJPEG))
    half = 0.5**0.5
    yield Recording(kind, "turned 45.mp4", partial(stretched, matrix=(half, half, -half, half)))
    yield Recording(kind, "turned 1.mp4", partial(stretched, matrix=(0.99985, 0.01745, -0.01745, 0.99985)))
    yield Recording(kind, "twice as wide.mp4", partial(stretched, matrix=(2, 0, 0, 1)))
    yield Recording(kind, "all zeros.mp4", partial(stretched, matrix=(0, 0, 0, 0)))
    messages: dict[str, tuple[str, Callable[[odd_files.Images], odd_files.Images]]] = {
        "by message 180.h264": ("rotate=180", lambda images: images[:, ::-1, ::-1]),
        "by message 90.mp4": ("rotate=90", lambda images: np.rot90(images, -1, (1, 2))),
        "by message mirrored.mkv": ("flip=horizontal", lambda images: images[:, :, ::-1]),
    }
    for name, (message, turn) in messages.items():
        yield Recording(kind, name, partial(turned_by_message, message=message, turn=turn))
    for ending in ("mkv", "mov"):
        yield Recording(kind, f"as ffmpeg says.{ending}", turned_by_ffmpeg)


# Parts of a picture ---


def with_margins(target: Path, options: Options) -> Path:
    """Pictures with eight pixels around them that are not meant to be shown."""
    images = np.pad(pictures(), ((0, 0), (8, 8), (8, 8), (0, 0)))
    return clips.encode(target, images, *options)


def with_aperture(target: Path) -> None:
    """The part to be shown is named by the container."""
    source = with_margins(target.with_name(f"source{target.suffix}"), H264)
    odd_files.patch_boxes(source, target, partial(odd_files.set_aperture, 96, 64))


def _parts() -> Iterator[Recording]:
    kind = "parts of pictures"
    crop = "crop_left=8:crop_right=8:crop_top=8:crop_bottom=8"
    for ending in ("mp4", "mkv", "ts", "h264"):
        make = partial(with_margins, options=(*H264, "-bsf:v", f"h264_metadata={crop}"))
        yield Recording(kind, f"cropped.{ending}", make)
    for ending in ("mp4", "mov"):
        yield Recording(kind, f"aperture.{ending}", with_aperture)
    for ending, options in (("mkv", MPEG2), ("mp4", H264), ("avi", MPEG4)):
        make = partial(encode, options=(*options, "-aspect", "4:3"))
        yield Recording(kind, f"stretched.{ending}", make)
    for size in ((65, 97), (66, 98), (67, 99)):
        make = partial(encode, options=("-c:v", "libx264", "-qp", "5", "-pix_fmt", "yuv444p"), size=size)
        yield Recording(kind, f"{size[1]}x{size[0]}.mp4", make)


# Few pictures, odd groups --------------------------------------------------------------------------------------------

SHORT = ("mp4 mov mkv avi ts flv nut h264 3gp", "mpg vob m2v", "webm ivf", "mjpeg", "ogv", "gif", "wmv")
SHORT_OPTIONS = (H264, MPEG2, VP8, MJPEG, ("-c:v", "libtheora"), ("-c:v", "gif"), ("-c:v", "wmv2", *INTRA_STILL))
DEEP: Options = (*X264, "-x264-params", "bframes=16:b-pyramid=normal:ref=8:keyint=40:b-adapt=0:scenecut=0")


def late_order(target: Path, coding: str, depth: int) -> None:
    """Pictures that are reordered, which no header says and the first ones do not show."""
    orders = late_numbers(depth)
    units = pcm_units(orders, coding, orders, may_have_fields=coding != "p")
    target.write_bytes(b"".join(b"".join(unit) for unit in units))


def late_order_copied(target: Path, coding: str, depth: int) -> None:
    """The same in a container, with the right times."""
    source = target.with_name("source.mp4")
    fields_copied(source, "p")
    orders = late_numbers(depth)
    units = pcm_units(orders, coding, orders)
    packets = [
        (b"".join(unit), 3600 * order, 3600 * (place - depth), place == 0)
        for place, (unit, order) in enumerate(zip(units, orders, strict=True))
    ]
    odd_files.mux(source, target, packets, Fraction(1, 90000))


def late_numbers(depth: int) -> list[int]:
    """The order in which pictures are coded that are reordered from the middle on."""
    orders = list(range(HALF))
    for start in range(HALF, FRAMES - depth, depth + 1):
        orders += [start + depth, *range(start, start + depth)]
    return orders + list(range(len(orders), FRAMES))


def _short_ones() -> Iterator[Recording]:
    kind = "one or two pictures"
    for endings, options in zip(SHORT, SHORT_OPTIONS, strict=True):
        for ending in endings.split():
            for count in (1, 2):
                yield Recording(kind, f"{count} {options[1]}.{ending}", partial(encode, options=options, count=count))
    for ending in ("mp4", "mkv", "ts"):
        yield Recording(kind, f"3 hevc.{ending}", partial(encode, options=HEVC, count=3))


def _group_kinds() -> Iterator[Recording]:
    kind = "groups of pictures"
    for ending in ("mp4", "mkv", "ts", "h264", "avi"):
        yield Recording(kind, f"deep.{ending}", partial(encode, options=DEEP))
        refresh = (*X264, "-x264-params", "intra-refresh=1:keyint=10")
        yield Recording(kind, f"no key frames.{ending}", partial(encode, options=refresh))
    yield Recording(kind, "no key frames cut.ts", partial(cut_bytes, options=refresh, part=0.4, step=188))
    yield Recording(kind, "no key frames cut.h264", partial(cut_bytes, options=refresh, part=0.4))
    for words, coding in (("frames", "p"), ("fields", "t")):
        for depth in (1, 2, 3):
            yield Recording(kind, f"late order {words} {depth}.h264", partial(late_order, coding=coding, depth=depth))
    for ending in ("ts", "mkv"):
        yield Recording(kind, f"late order 2.{ending}", partial(late_order_copied, coding="p", depth=2))
    yield Recording(kind, "hevc deep.mp4", partial(encode, options=HEVC_OPEN))
    yield Recording(kind, "one group.mp4", partial(encode, options=(*X264, "-g", "999", "-bf", "3")))
    yield Recording(kind, "two slices.mp4", partial(encode, options=(*H264, "-x264-params", "slices=2")))


# Changes inside a file -----------------------------------------------------------------------------------------------


def _changes() -> Iterator[Recording]:
    kind = "changes inside"
    sizes = [(64, 96), (96, 128)]
    for ending, options in (("h264", H264), ("ts", H264), ("hevc", HEVC), ("m2v", MPEG2), ("mjpeg", MJPEG)):
        make: Make = partial(joined, parts=(options, options), sizes=sizes, offsets=_later(2) if ending == "ts" else ())
        yield Recording("frame size changes", f"size.{ending}", make, "96x64 128x96")
    make = partial(joined, parts=(H264, H264), sizes=sizes[::-1])
    yield Recording("frame size changes", "smaller.h264", make, "128x96 96x64")
    for name, parts in CHANGES.items():
        for ending in ("h264", "ts"):
            offsets = _later(len(parts)) if ending == "ts" else ()
            yield Recording(kind, f"{name}.{ending}", partial(joined, parts=parts, offsets=offsets))
        if name != "rotation":  # its messages make ffmpeg lose a time, which Matroska must have
            yield Recording(kind, f"{name}.mkv", partial(joined_and_copied, parts=parts))
    hevc = (HEVC, (*HEVC, "-pix_fmt", "yuv420p10le"))
    yield Recording(kind, "depth.hevc", partial(joined, parts=hevc))
    yield Recording(kind, "chroma.mjpeg", partial(joined, parts=(MJPEG, (*MJPEG, "-pix_fmt", "yuvj444p"))))


def _tagged(**tags: int | str) -> Options:
    return (*H264, "-bsf:v", "h264_metadata=" + ":".join(f"{name}={value}" for name, value in tags.items()))


CHANGES: dict[str, tuple[Options, ...]] = {
    "sample aspect": (_tagged(sample_aspect_ratio="1/1"), _tagged(sample_aspect_ratio="4/3")),
    "chroma 422": (H264, (*H264, "-pix_fmt", "yuv422p")),
    "chroma 444": (H264, (*H264, "-pix_fmt", "yuv444p")),
    "chroma 444 and back": ((*H264, "-pix_fmt", "yuv444p"), H264),
    "depth": (H264, (*H264, "-pix_fmt", "yuv420p10le")),
    "grey": (H264, (*H264, "-pix_fmt", "gray")),
    "range": (H264, (*H264, "-pix_fmt", "yuvj420p")),
    "matrix": (_tagged(matrix_coefficients=6), _tagged(matrix_coefficients=1)),
    "transfer": (_tagged(transfer_characteristics=1), _tagged(transfer_characteristics=18)),
    "rotation": (H264, (*_tagged(display_orientation="insert", rotate=180), "-vf", "hflip,vflip")),
}


# Colour --------------------------------------------------------------------------------------------------------------

MATRICES = {
    "bt709": 1,
    "unspecified": 2,
    "fcc": 4,
    "bt470bg": 5,
    "smpte170m": 6,
    "smpte240m": 7,
    "ycgco": 8,
    "bt2020nc": 9,
    "bt2020c": 10,
    "smpte2085": 11,
    "chroma-derived-nc": 12,
    "chroma-derived-c": 13,
    "ictcp": 14,
    "reserved": 3,
    "unknown": 99,
}
TRANSFERS = {"pq": 16, "hlg": 18, "linear": 8, "log": 9, "srgb": 13, "bt2020-12": 15, "gamma28": 5, "reserved": 3}
PRIMARIES = {"film": 8, "xyz": 10, "p3": 12, "ebu3213": 22, "bt2020": 9}
#: Matrices that FFmpeg's converter refuses: the decoded picture cannot be shown in colour.
REFUSED_MATRICES = ("ycgco", "bt2020c", "smpte2085", "chroma-derived-nc", "chroma-derived-c", "ictcp")


def tagged(target: Path, tags: str, options: Options = H264) -> None:
    """H.264 whose headers say how its colours are to be read; the pictures are grey, and mean the same in all."""
    copied(target, after=("-bsf:v", f"h264_metadata={tags}"), options=options)


def _colours() -> Iterator[Recording]:
    kind = "colour tags"
    for name, number in MATRICES.items():
        refused = name if name in REFUSED_MATRICES else ""
        for ending in ("mp4", "mkv"):
            tags = f"matrix_coefficients={number}"
            yield Recording(kind, f"matrix {name}.{ending}", partial(tagged, tags=tags), refused)
    for name, number in TRANSFERS.items():
        yield Recording(kind, f"transfer {name}.mp4", partial(tagged, tags=f"transfer_characteristics={number}"))
    for name, number in PRIMARIES.items():
        yield Recording(kind, f"primaries {name}.mp4", partial(tagged, tags=f"colour_primaries={number}"))
    phones = {"hlg": 18, "pq": 16}
    for name, number in phones.items():
        tags = f"colour_primaries=9:transfer_characteristics={number}:matrix_coefficients=9"
        yield Recording(kind, f"phone {name}.mp4", partial(tagged, tags=tags))
        ten = (*HEVC, "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1")
        hevc = partial(copied, options=ten, after=("-bsf:v", f"hevc_metadata={tags}"))
        yield Recording(kind, f"phone {name}.mov", hevc)
    for ending in ("mp4", "mkv"):
        full = (*H264, "-pix_fmt", "yuvj420p")
        yield Recording(kind, f"full range.{ending}", partial(encode, options=full))
        tags = "video_full_range_flag=1:matrix_coefficients=1"
        yield Recording(kind, f"full range bt709.{ending}", partial(tagged, tags=tags, options=full))
    yield Recording(kind, "rgb.mp4", partial(encode, options=("-c:v", "libx264rgb", "-crf", "5", "-g", "12")))
    yield Recording(kind, "gbrp.mkv", partial(encode, options=(*FFV1, "-pix_fmt", "gbrp")))
    vp9 = partial(copied, options=VP9, via="webm", after=("-bsf:v", "vp9_metadata=color_space=bt2020"))
    yield Recording(kind, "vp9 bt2020.webm", vp9)
    mpeg2 = "mpeg2_metadata=matrix_coefficients=1:transfer_characteristics=1:colour_primaries=1"
    yield Recording(kind, "mpeg2 bt709.ts", partial(copied, options=MPEG2, via="ts", after=("-bsf:v", mpeg2)))


FORMATS = {
    "mkv": (
        *(FFV1,),
        "gray gray10le gray16le yuv410p yuv411p yuv422p yuv440p yuv444p yuv420p10le yuv422p10le yuv444p12le "
        "yuva420p yuva444p10le gbrp10le gbrp16le gbrap bgr0 bgra rgb48le ya8",
    ),
    "avi": (("-c:v", "rawvideo"), "gray pal8 rgb555le rgb565le bgr24 bgra yuyv422 uyvy422 yuv420p yuv422p nv12"),
    "nut": (("-c:v", "rawvideo"), "monow monob rgb8 bgr4_byte yuv420p10le rgb24 argb nv21 yuvj420p gray12le"),
    "mov": (("-c:v", "png"), "pal8 rgb24 rgba gray monob rgb48be ya8"),
    "mp4": (("-c:v", "libx264", "-crf", "5"), "gray yuv420p10le yuv422p yuv422p10le yuv444p yuv444p10le nv16 yuvj444p"),
}


def _pixels() -> Iterator[Recording]:
    for ending, (options, formats) in FORMATS.items():
        for name in formats.split():
            make = partial(encode, options=(*options, "-pix_fmt", name), count=10)
            yield Recording("pixel formats", f"{name}.{ending}", make)
    for name in ("yuv420p12le", "gray12le", "yuv444p"):
        make = partial(encode, options=(*HEVC, "-pix_fmt", name), count=10)
        yield Recording("pixel formats", f"hevc {name}.mp4", make)
    alpha = ("-c:v", "libvpx", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0", "-b:v", "800k")
    yield Recording("pixel formats", "vp8 yuva420p.webm", partial(encode, options=alpha, count=10))
    yield Recording(
        "pixel formats", "4444.mov", partial(encode, options=("-c:v", "prores_ks", "-profile:v", "4"), count=10)
    )


# Several streams -----------------------------------------------------------------------------------------------------

SOUND: Options = ("-f", "lavfi", "-i", "sine=duration=1.6")


def with_others(target: Path, inputs: Sequence[str], after: Sequence[str] = (), options: Options = H264) -> None:
    """A video with other streams beside it."""
    main = encode(target.with_name("main.mkv"), options)
    clips.ffmpeg("-i", main, *inputs, "-c:v", "copy", *after, target)


def with_small_video(target: Path, maps: str, after: Sequence[str] = ()) -> None:
    """A video with another, smaller one."""
    options = MPEG4 if target.suffix == ".avi" else H264
    small = encode(target.with_name("small.mkv"), options, FRAMES - 1, 1, (48, 72))
    order = [word for stream in maps.split() for word in ("-map", stream)]
    with_others(target, ("-i", str(small)), after=(*order, *after), options=options)


def with_cover(target: Path, cover_first: bool = False) -> None:
    """A video with a picture of its cover, larger than itself."""
    cover = clips.encode(target.with_name("cover.png"), np.zeros((1, 200, 200, 3), np.uint8), "-c:v", "png")
    if target.suffix == ".mkv":
        with_others(target, (), after=("-attach", str(cover), "-metadata:s:t", "mimetype=image/png"))
        return
    maps = ("-map", "1", "-map", "0") if cover_first else ("-map", "0", "-map", "1")
    with_others(target, ("-i", str(cover)), after=(*maps, f"-disposition:v:{int(not cover_first)}", "attached_pic"))


def with_subtitles(target: Path) -> None:
    """A video with subtitles before and behind it."""
    words = target.with_name("words.srt")
    words.write_text("1\n00:00:00,000 --> 00:00:09,000\nmouse\n", encoding="utf-8")
    with_others(target, ("-i", str(words)), after=("-map", "1", "-map", "0"))


def _streams() -> Iterator[Recording]:
    kind = "several streams"
    for ending in ("mp4", "mkv", "avi", "ts", "flv", "mov", "wmv"):
        codec, options = ("mp2", MPEG4) if ending in ("avi", "wmv") else ("aac", H264)
        after = ("-map", "1", "-map", "0", "-c:a", codec)
        yield Recording(kind, f"sound first.{ending}", partial(with_others, inputs=SOUND, after=after, options=options))
    for ending in ("mp4", "mkv", "ts", "avi"):
        yield Recording(kind, f"main second.{ending}", partial(with_small_video, maps="1 0"))
        yield Recording(kind, f"main first.{ending}", partial(with_small_video, maps="0 1"))
    for ending in ("mp4", "mkv"):
        default = ("-disposition:v:0", "default", "-disposition:v:1", "0")
        yield Recording(kind, f"small is default.{ending}", partial(with_small_video, maps="1 0", after=default))
    for ending in ("mp4", "mov", "mkv"):
        yield Recording(kind, f"cover.{ending}", with_cover)
    yield Recording(kind, "cover first.mp4", partial(with_cover, cover_first=True))
    yield Recording(kind, "subtitles first.mkv", with_subtitles)
    for ending in ("mov", "mp4", "mxf"):
        options = MPEG2 if ending == "mxf" else H264
        make = partial(copied, options=options, via="ts", after=("-timecode", "10:00:00:00"))
        yield Recording(kind, f"timecode.{ending}", make)
    for offset in ("1.5", "-0.4"):
        for ending in ("mp4", "mkv"):
            after = ("-map", "0", "-map", "1", "-c:a", "aac")
            make = partial(with_others, inputs=("-itsoffset", offset, *SOUND), after=after)
            yield Recording(kind, f"sound at {offset}.{ending}", make)


# Layouts of containers -----------------------------------------------------------------------------------------------


def boxes_patched(target: Path, change: Callable[[odd_files.Box], None], options: Options = H264) -> None:
    """MP4 with another header."""
    odd_files.patch_boxes(encode(target.with_name(f"source{target.suffix}"), options), target, change)


def without_end(target: Path, options: Options, mark: bytes) -> None:
    """A file without what comes after a mark, which stands at its end."""
    content = encode(target.with_name(f"source{target.suffix}"), options).read_bytes()
    target.write_bytes(content[: content.rindex(mark) - 4 * (target.suffix == ".mp4")])


def wrapped(target: Path, change: Callable[[bytes], bytes], options: Options) -> None:
    """A file with other bytes around its content."""
    target.write_bytes(change(encode(target.with_name(f"source{target.suffix}"), options).read_bytes()))


FRAGMENTS = {
    "fragments": "frag_keyframe+empty_moov",
    "fragments of one": "frag_every_frame+empty_moov+default_base_moof",
    "fragments behind a header": "frag_keyframe",
    "delayed header": "frag_keyframe+delay_moov",
    "cmaf": "cmaf+frag_keyframe+empty_moov",
    "dash": "dash+frag_keyframe",
    "hybrid": "hybrid_fragmented",
    "no trailer": "frag_keyframe+empty_moov+skip_trailer",
    "apart": "frag_keyframe+empty_moov+separate_moof",
    "negative offsets": "negative_cts_offsets",
    "index first": "faststart",
    "fragments negative offsets": "frag_keyframe+empty_moov+negative_cts_offsets",
}


#: Other layouts that ffmpeg's muxers write.
LAYOUTS: dict[str, Options] = {
    "fragments.mov": (*H264, "-movflags", "+frag_keyframe+empty_moov"),
    "no edit list.mp4": (*H264, *NO_EDITS),
    "scale 25.mp4": (*H264, "-video_track_timescale", "25"),
    "scale 90000.mp4": (*H264, "-video_track_timescale", "90000"),
    "scale 1000000.mp4": (*H264, "-video_track_timescale", "1000000"),
    "live.mkv": (*H264, "-live", "1"),
    "live.webm": (*VP8, "-live", "1"),
    "clusters 1.mkv": (*H264, "-cluster_time_limit", "1"),
    "clusters 40.mkv": (*H264, "-cluster_time_limit", "40"),
    "clusters 200.mkv": (*H264, "-cluster_time_limit", "200"),
    "index first.mkv": (*H264, "-cues_to_front", "1"),
    "vfw.mkv": (*MPEG4, "-allow_raw_vfw", "1"),
    "lengths.ts": (*H264, "-omit_video_pes_length", "0"),
    "constant rate.ts": (*H264, "-muxrate", "3M"),
    "tables before each.ts": (*H264, "-mpegts_flags", "pat_pmt_at_frames"),
    "discontinuity.ts": (*H264, "-mpegts_flags", "initial_discontinuity"),
}


def without_keys(target: Path) -> None:
    """No picture is marked as one to begin at."""
    source = encode(target.with_name("source.mp4"), FORWARD)
    packets = [(content, pts, dts, False) for content, pts, dts, _ in odd_files.read_packets(source)]
    odd_files.mux(source, target, packets)


def with_rubbish(content: bytes) -> bytes:
    """As a receiver writes that is switched on too early."""
    return b"\x11" * 500 + content


def with_a_cut_packet(content: bytes) -> bytes:
    """As a recording that begins in the midst of a packet."""
    return content[100:]


def _layouts() -> Iterator[Recording]:
    options = {f"{name}.mp4": (*H264, "-movflags", f"+{flags}") for name, flags in FRAGMENTS.items()} | LAYOUTS
    for name, choice in options.items():
        yield Recording(_layouts_of(name), name, partial(encode, options=choice))
    fragments = (*H264, "-movflags", "+frag_keyframe+empty_moov")
    makes: dict[str, Make] = {
        "no fragment index.mp4": partial(without_end, mark=b"mfra", options=fragments),
        "long offsets.mp4": partial(boxes_patched, change=odd_files.use_long_offsets),
        "long offsets.mov": partial(boxes_patched, change=odd_files.use_long_offsets),
        "no key frame table.mp4": partial(boxes_patched, change=partial(odd_files.drop_box, (*TABLES, b"stss"))),
        "no key frames.mp4": partial(boxes_patched, change=partial(odd_files.empty_table, (*TABLES, b"stss"))),
        "no key frames.mkv": without_keys,
        "no composition times.mp4": partial(boxes_patched, change=partial(odd_files.drop_box, (*TABLES, b"ctts"))),
        "no cues.mkv": partial(without_end, mark=b"\x1c\x53\xbb\x6b", options=H264),
        "204 bytes.ts": partial(wrapped, change=odd_files.with_checks, options=H264),
        "rubbish before.ts": partial(wrapped, change=with_rubbish, options=H264),
        "rubbish before.mpg": partial(wrapped, change=with_rubbish, options=MPEG2),
        "not at a packet.ts": partial(wrapped, change=with_a_cut_packet, options=H264),
    }
    for name, make in makes.items():
        yield Recording(_layouts_of(name), name, make)


def _layouts_of(name: str) -> str:
    return f"{name.rpartition('.')[2]} layouts"


TABLES = (b"trak", b"mdia", b"minf", b"stbl")


#: AVI keeps no times. Of reordered pictures FFmpeg guesses them, each version in its own way.
GUESSED_TIMES = (
    "codecs in containers/h264.avi",
    "field coding/mbaff.avi",
    "cut by copying/auto.avi",
    "avi layouts/packed.avi",
    "avi layouts/packed more.avi",
    "avi layouts/packed no index.avi",
    "avi layouts/xvid.avi",
    "groups of pictures/deep.avi",
)


def all_recordings() -> Iterator[Recording]:
    """Every file, in a fixed order."""
    for recording in chain.from_iterable(family() for family in FAMILIES):
        yield replace(recording, guessed_times=recording.key in GUESSED_TIMES)


FAMILIES: tuple[Callable[[], Iterator[Recording]], ...] = (
    _codecs,
    _fields,
    _mixed,
    _joins,
    _open_groups,
    _cuts,
    _hidden,
    _avis,
    _clocks,
    _clocks_set_back,
    _few_times,
    _edits,
    _orientations,
    _parts,
    _short_ones,
    _group_kinds,
    _changes,
    _colours,
    _pixels,
    _streams,
    _layouts,
)

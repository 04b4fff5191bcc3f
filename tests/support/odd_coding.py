"""Odd videos whose oddity lies in the coding: what encoders, and programs that join recordings, write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np

from support import clips, odd_files
from support.odd_encodes import (
    AV1,
    AV1_AOM,
    COPY,
    DV,
    FFV1,
    FORWARD,
    FRAMES,
    H264,
    HALF,
    HEVC,
    HEVC_OPEN,
    ILDCT,
    INTRA_STILL,
    LARGE,
    MJPEG,
    MPEG1,
    MPEG2,
    MPEG4,
    MPEG4_B,
    PRORES,
    RAW,
    VP8,
    VP8_ALTREF,
    VP9,
    VP9_ALTREF,
    X264,
    Make,
    Options,
    Recording,
    copied,
    cut_bytes,
    encode,
    joined,
    joined_and_copied,
    later,
    pictures,
)
from support.odd_files import Avi, Coded, PcmH264

# Codecs in containers ------------------------------------------------------------------------------------------------

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


def codecs_cases() -> Iterator[Recording]:
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


def fields_cases() -> Iterator[Recording]:
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


# Coding that changes -------------------------------------------------------------------------------------------------


INTERLACED: Options = (*H264, *ILDCT)
BOTTOM: Options = (*H264, "-x264-params", "bff=1")


def mixed_cases() -> Iterator[Recording]:
    kind = "coding changes"
    mixes: dict[str, tuple[Options, ...]] = {
        "progressive interlaced": (H264, INTERLACED),
        "interlaced progressive": (INTERLACED, H264),
        "there and back": (FORWARD, INTERLACED, FORWARD, INTERLACED),
        "top bottom": (INTERLACED, BOTTOM),
    }
    for name, parts in mixes.items():
        yield Recording(kind, f"{name}.h264", partial(joined, parts=parts))
        yield Recording(kind, f"{name}.ts", partial(joined, parts=parts, offsets=later(len(parts))))
        for ending in ("mp4", "mkv"):
            yield Recording(kind, f"{name}.{ending}", partial(joined_and_copied, parts=parts))
    mpeg2 = (MPEG2, (*MPEG2, *ILDCT))
    yield Recording(kind, "mpeg2.ts", partial(joined, parts=mpeg2, offsets=later(2)))
    yield Recording(kind, "mpeg2.m2v", partial(joined, parts=mpeg2))
    yield Recording(kind, "mpeg2.mpg", partial(joined, parts=mpeg2))
    yield Recording(kind, "b-frames then none.h264", partial(joined, parts=(H264, FORWARD)))
    yield Recording(kind, "none then b-frames.h264", partial(joined, parts=(FORWARD, DEEP)))
    yield Recording(kind, "none then b-frames.ts", partial(joined, parts=(FORWARD, DEEP), offsets=later(2)))


# Hidden pictures -----------------------------------------------------------------------------------------------------


def hidden(target: Path, options: Options, via: str, split: str) -> None:
    """Pictures that are never shown in packets of their own."""
    copied(target, after=("-bsf:v", split), options=options, via=via)


def hidden_cases() -> Iterator[Recording]:
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


def short_ones_cases() -> Iterator[Recording]:
    kind = "one or two pictures"
    for endings, options in zip(SHORT, SHORT_OPTIONS, strict=True):
        for ending in endings.split():
            for count in (1, 2):
                yield Recording(kind, f"{count} {options[1]}.{ending}", partial(encode, options=options, count=count))
    for ending in ("mp4", "mkv", "ts"):
        yield Recording(kind, f"3 hevc.{ending}", partial(encode, options=HEVC, count=3))


def group_kinds_cases() -> Iterator[Recording]:
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


def changes_cases() -> Iterator[Recording]:
    kind = "changes inside"
    sizes = [(64, 96), (96, 128)]
    for ending, options in (("h264", H264), ("ts", H264), ("hevc", HEVC), ("m2v", MPEG2), ("mjpeg", MJPEG)):
        make: Make = partial(joined, parts=(options, options), sizes=sizes, offsets=later(2) if ending == "ts" else ())
        yield Recording("frame size changes", f"size.{ending}", make, "96x64 128x96")
    make = partial(joined, parts=(H264, H264), sizes=sizes[::-1])
    yield Recording("frame size changes", "smaller.h264", make, "128x96 96x64")
    for name, parts in CHANGES.items():
        for ending in ("h264", "ts"):
            offsets = later(len(parts)) if ending == "ts" else ()
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


def colours_cases() -> Iterator[Recording]:
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


def pixels_cases() -> Iterator[Recording]:
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

"""Odd videos whose oddity lies in the container: what recorders, cameras and cutting tools write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from support import clips, odd_files
from support.odd_encodes import (
    AV1,
    COPY,
    DV,
    FFV1,
    FORWARD,
    FRAMES,
    H264,
    HEVC,
    HEVC_OPEN,
    INTRA_STILL,
    LARGE,
    MJPEG,
    MPEG2,
    MPEG4,
    MPEG4_B,
    RAW,
    VP8,
    X264,
    Make,
    Options,
    Recording,
    copied,
    cut_bytes,
    encode,
    joined,
    pictures,
)
from support.odd_files import Avi

# Two recordings in one -----------------------------------------------------------------------------------------------


def joins_cases() -> Iterator[Recording]:
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
    for ending, options in (*mpeg, *bare, *boxes, ("gif", ("-c:v", "gif"))):
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


OPEN: Options = (*X264, "-x264-params", "open-gop=1:keyint=12:min-keyint=12:bframes=3:scenecut=0:b-adapt=0")
MPEG2_OPEN: Options = (*MPEG2, "-sc_threshold", "1000000000")
#: In the middle of a group, so that the copy begins at the I-picture before it.
OPEN_START = 0.6


def open_groups_cases() -> Iterator[Recording]:
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


def cuts_cases() -> Iterator[Recording]:
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


def avis_cases() -> Iterator[Recording]:
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


def clocks_cases() -> Iterator[Recording]:
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


def clocks_set_back_cases() -> Iterator[Recording]:
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


def few_times_cases() -> Iterator[Recording]:
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


def edits_cases() -> Iterator[Recording]:
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


def orientations_cases() -> Iterator[Recording]:
    kind = "display matrices"
    for name, matrix in ORIENTATIONS.items():
        yield Recording(kind, f"{name}.mp4", partial(oriented, matrix=matrix))
        yield Recording(kind, f"{name}.mov", partial(oriented, matrix=matrix, options=MJPEG))
    half = 0.5**0.5
    yield Recording(kind, "turned 45.mp4", partial(stretched, matrix=(half, half, -half, half)), "45 degrees")
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


def parts_cases() -> Iterator[Recording]:
    kind = "parts of pictures"
    crop = "crop_left=8:crop_right=8:crop_top=8:crop_bottom=8"
    for ending in ("mp4", "mkv", "ts", "h264"):
        make = partial(with_margins, options=(*H264, "-bsf:v", f"h264_metadata={crop}"))
        yield Recording(kind, f"cropped.{ending}", make)
    for ending, options in (("mkv", MPEG2), ("mp4", H264), ("avi", MPEG4)):
        make = partial(encode, options=(*options, "-aspect", "4:3"))
        yield Recording(kind, f"stretched.{ending}", make)
    for size in ((65, 97), (66, 98), (67, 99)):
        make = partial(encode, options=("-c:v", "libx264", "-qp", "5", "-pix_fmt", "yuv444p"), size=size)
        yield Recording(kind, f"{size[1]}x{size[0]}.mp4", make)


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


def streams_cases() -> Iterator[Recording]:
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


def layouts_cases() -> Iterator[Recording]:
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

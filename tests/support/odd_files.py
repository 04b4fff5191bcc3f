"""Files that no encoder here writes: chunks, boxes, packets and pictures put together byte by byte."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Place = tuple[int, int]

#: Bytes of a chunk's name and length in a RIFF file.
CHUNK_HEADER = 8
KEY_FRAME = 0x10
VIDEO_CHUNK = b"00dc"


# AVI -----------------------------------------------------------------------------------------------------------------


def riff_chunks(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, and where what it holds begins and ends, of each chunk."""
    while start + CHUNK_HEADER <= end:
        name, size = content[start : start + 4], int.from_bytes(content[start + 4 : start + 8], "little")
        yield name, start + CHUNK_HEADER, start + CHUNK_HEADER + size
        start += CHUNK_HEADER + size + size % 2


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk, padded to an even length."""
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


@dataclass
class Avi:
    """An AVI file with one video stream, taken apart."""

    head: bytearray
    frames: list[bytes]

    @classmethod
    def read(cls, path: Path) -> Avi:
        """Headers up to the pictures, and the pictures."""
        content = path.read_bytes()
        for name, start, end in riff_chunks(content, 12, len(content)):
            if name == b"LIST" and content[start : start + 4] == b"movi":
                frames = [content[a:b] for kind, a, b in riff_chunks(content, start + 4, end) if kind[:2] == b"00"]
                return cls(bytearray(content[12 : start - CHUNK_HEADER]), frames)
        raise ValueError(f"{path} holds no pictures")

    def count(self, promised: int) -> None:
        """How many frames the two headers say there are."""
        for mark, offset in ((b"avih", 16), (b"strh", 32)):
            start = self.head.index(mark) + CHUNK_HEADER + offset
            self.head[start : start + 4] = struct.pack("<I", promised)

    def write(self, path: Path, *, index: bool = True, keys: bool = True) -> None:
        """Plain, with or without an index, which calls every frame a key frame, or none."""
        movi, entries = b"movi", b""
        for frame in self.frames:
            entries += VIDEO_CHUNK + struct.pack("<3I", KEY_FRAME * (keys and len(frame) > 0), len(movi), len(frame))
            movi += chunk(VIDEO_CHUNK, frame)
        body = b"AVI " + bytes(self.head) + chunk(b"LIST", movi) + (chunk(b"idx1", entries) if index else b"")
        path.write_bytes(chunk(b"RIFF", body))

    def write_open_dml(self, path: Path) -> None:
        """In two parts, each with an index of its own, which an index of indexes in the header lists."""
        half = len(self.frames) // 2
        room = self.head.index(b"JUNK", self.head.index(b"strf"))
        self.head[room : room + 4] = b"indx"
        start = 12 + len(self.head)
        first, first_index = self._part(b"", start, self.frames[:half])
        second_start = start + len(first)
        second, second_index = self._part(b"AVIX", second_start, self.frames[half:])
        parts = [(first_index, half), (second_index, len(self.frames) - half)]
        entries = b"".join(struct.pack("<QII", *place, count) for place, count in parts)
        super_index = struct.pack("<HBBI4s12x", 4, 0, 0, len(parts), VIDEO_CHUNK) + entries
        self.head[room + CHUNK_HEADER : room + CHUNK_HEADER + len(super_index)] = super_index
        path.write_bytes(chunk(b"RIFF", b"AVI " + bytes(self.head) + first) + second)

    def _part(self, riff: bytes, start: int, frames: Sequence[bytes]) -> tuple[bytes, Place]:
        """One list of pictures and its index, and where that is."""
        base = start + (12 if riff else 0) + CHUNK_HEADER
        movi, entries = b"movi", b""
        for frame in frames:
            entries += struct.pack("<II", len(movi) + CHUNK_HEADER, len(frame))
            movi += chunk(VIDEO_CHUNK, frame)
        index = struct.pack("<HBBI4sQ4x", 2, 0, 1, len(frames), VIDEO_CHUNK, base) + entries
        place = (base + len(movi), len(index) + CHUNK_HEADER)
        part = chunk(b"LIST", movi + chunk(b"ix00", index))
        return (chunk(b"RIFF", riff + part) if riff else part), place


# MP4 -----------------------------------------------------------------------------------------------------------------

PARENTS = (b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl")
Edit = tuple[int, int, float]


@dataclass
class Box:
    """A box of an MP4 file: what it holds, or the boxes in it."""

    kind: bytes
    content: bytes = b""
    boxes: list[Box] = field(default_factory=list)

    def __bytes__(self) -> bytes:
        content = b"".join(map(bytes, self.boxes)) if self.kind in PARENTS else self.content
        return struct.pack(">I", len(content) + 8) + self.kind + content

    def at(self, *path: bytes) -> Box:
        """The first box at the end of a path."""
        if not path:
            return self
        return next(box for box in self.boxes if box.kind == path[0]).at(*path[1:])


def read_boxes(content: bytes) -> list[Box]:
    """Boxes side by side, with those in them."""
    found = []
    while content:
        size, kind = struct.unpack_from(">I4s", content)
        inner = content[8:size]
        found.append(Box(kind, boxes=read_boxes(inner)) if kind in PARENTS else Box(kind, inner))
        content = content[size:]
    return found


def patch_boxes(source: Path, target: Path, change: Callable[[Box], None]) -> None:
    """Change the header of a file; it stands at the end, so that no picture moves."""
    boxes = read_boxes(source.read_bytes())
    assert boxes[-1].kind == b"moov"
    change(boxes[-1])
    target.write_bytes(b"".join(map(bytes, boxes)))


def set_edits(edits: Sequence[Edit], movie: Box) -> None:
    """An edit list: duration in ms, first time in units of the track (-1: nothing is shown), rate."""
    entries = b"".join(struct.pack(">QqI", length, start, round(rate * 65536)) for length, start, rate in edits)
    track = movie.at(b"trak")
    track.boxes = [box for box in track.boxes if box.kind != b"edts"]
    content = struct.pack(">II", 1 << 24, len(edits)) + entries
    track.boxes.insert(1, Box(b"edts", boxes=[Box(b"elst", content)]))


def set_matrix(matrix: Sequence[float], movie: Box) -> None:
    """How the track is laid on the screen: x' = ax + cy, y' = bx + dy."""
    a, b, c, d = (round(value * 65536) for value in matrix)
    header = movie.at(b"trak", b"tkhd")
    header.content = header.content[:40] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + header.content[76:]


def use_long_offsets(movie: Box) -> None:
    """Places of 64 bits, as in files of more than 4 GB."""
    table = movie.at(b"trak", b"mdia", b"minf", b"stbl", b"stco")
    count, *places = struct.unpack(f">{len(table.content) // 4 - 1}I", table.content[4:])
    table.kind, table.content = b"co64", bytes(4) + struct.pack(f">I{count}Q", count, *places)


def drop_box(path: tuple[bytes, ...], movie: Box) -> None:
    """Leave a box out."""
    parent = movie.at(*path[:-1])
    parent.boxes.remove(parent.at(path[-1]))


def set_durations(durations: Sequence[int], movie: Box) -> None:
    """How long each picture stands, in units of the track."""
    table = movie.at(b"trak", b"mdia", b"minf", b"stbl", b"stts")
    table.content = bytes(4) + struct.pack(">I", len(durations)) + b"".join(struct.pack(">II", 1, d) for d in durations)


def empty_table(path: tuple[bytes, ...], movie: Box) -> None:
    """A table without an entry."""
    movie.at(*path).content = bytes(8)


# Matroska ------------------------------------------------------------------------------------------------------------

SEGMENT, CLUSTER, BLOCK_GROUP, SIMPLE_BLOCK, BLOCK = 0x18538067, 0x1F43B675, 0xA0, 0xA3, 0xA1


def block_places(content: bytes, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Where each block of a Matroska file has its time, in file order."""
    end = len(content) if end is None else end
    while start < end:
        kind, start = _number(content, start, keep_mark=True)
        size, start = _number(content, start, keep_mark=False)
        stop = min(end, start + size)
        if kind in (SEGMENT, CLUSTER, BLOCK_GROUP):
            yield from block_places(content, start, stop)
        elif kind in (SIMPLE_BLOCK, BLOCK):
            yield start + 1
        start = stop


def _number(content: bytes, start: int, *, keep_mark: bool) -> Place:
    """A number of variable length, and where it ends."""
    length = 9 - content[start].bit_length()
    value = int.from_bytes(content[start : start + length], "big")
    return value if keep_mark else value & ~(1 << 7 * length), start + length


def shift_blocks(source: Path, target: Path, shift: Callable[[int, int], int]) -> None:
    """Give each block another time: `shift` takes its place in the file and its time within the cluster, in ms."""
    content = bytearray(source.read_bytes())
    for number, place in enumerate(block_places(bytes(content))):
        (time,) = struct.unpack_from(">h", content, place)
        struct.pack_into(">h", content, place, shift(number, time))
    target.write_bytes(content)


# MPEG-TS and elementary streams --------------------------------------------------------------------------------------

TS_PACKET = 188


def without_stamps(content: bytes, keep: Callable[[int], bool]) -> bytes:
    """A transport stream whose pictures carry a time only where `keep` says so of their number."""
    changed, number = bytearray(content), 0
    for start in range(0, len(content), TS_PACKET):
        at = start + 4 + (content[start + 4] + 1 if content[start + 3] & 0x20 else 0)
        if not content[start + 1] & 0x40 or content[at : at + 4] != b"\0\0\1\xe0":
            continue
        if not keep(number):
            changed[at + 7] &= 0x3F
            changed[at + 9 : at + 9 + content[at + 8]] = b"\xff" * content[at + 8]
        number += 1
    return bytes(changed)


def with_checks(content: bytes) -> bytes:
    """Packets of 204 bytes, as receivers of terrestrial television hand them out."""
    return b"".join(content[at : at + TS_PACKET] + bytes(16) for at in range(0, len(content), TS_PACKET))


def with_repeated_fields(content: bytes) -> bytes:
    """MPEG-2 whose every other picture says that its first field is shown twice, as films on television do."""
    changed = bytearray(content)
    marks = [match.start() for match in re.finditer(b"\0\0\1\xb5[\x80-\x8f]", content)]
    for number, mark in enumerate(marks):
        changed[mark + 7] |= (number % 2 == 0) << 1
        changed[mark + 8] |= 0x80
    return bytes(changed)


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """A JPEG picture with the EXIF note of how the camera was held."""
    entry = struct.pack(">HHIHxx", 0x0112, 3, 1, orientation)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def with_polarity(jpeg: bytes, field_number: int) -> bytes:
    """A JPEG picture with the note of capture cards that it is a field."""
    return jpeg[:2] + b"\xff\xe0" + struct.pack(">H4sBxII", 16, b"AVI1", field_number, 0, 0) + jpeg[2:]


# MPEG-4 as DivX packs it ---------------------------------------------------------------------------------------------

DIVX_NOTE = b"\0\0\1\xb2DivX503b1393p\0"
PICTURE_START = b"\0\0\1\xb6"
#: A picture of type P that is not coded: 01, no second begins, marker, five bits of time, marker, not coded, stuffing.
EMPTY_PICTURE = PICTURE_START + bytes([0b01_0_1_0000, 0b0_1_0_01111])


def packed(frames: Sequence[bytes]) -> list[bytes]:
    """Pictures with each B-frame in the chunk of the P-frame before it, and a picture not coded where it was."""
    chunks: list[bytes] = []
    for frame in frames:
        is_b = frame[frame.index(PICTURE_START) + 4] >> 6 == 2
        if is_b:
            chunks[-1] += frame
            chunks.append(EMPTY_PICTURE)
        else:
            chunks.append(frame)
    first = chunks[0].index(PICTURE_START)
    return [chunks[0][:first] + DIVX_NOTE + chunks[0][first:], *chunks[1:]]


# H.264, uncompressed -------------------------------------------------------------------------------------------------


class Bits:
    """Bits one after the other."""

    def __init__(self) -> None:
        self.digits: list[str] = []

    def put(self, value: int, length: int) -> Bits:
        """A number of so many bits."""
        self.digits.append(f"{value:0{length}b}")
        return self

    def golomb(self, *values: int) -> Bits:
        """Numbers of variable length (Exp-Golomb)."""
        for value in values:
            self.put(value + 1, 2 * (value + 1).bit_length() - 1)
        return self

    def flags(self, *values: int) -> Bits:
        """Single bits."""
        self.digits += [str(int(value)) for value in values]
        return self

    def done(self, *, stop: bool = True) -> bytes:
        """All of them, filled up with zeros."""
        digits = "".join(self.digits) + "1" * stop
        digits += "0" * (-len(digits) % 8)
        return int(digits, 2).to_bytes(len(digits) // 8, "big")


def nal(kind: int, content: bytes) -> bytes:
    """A unit with its start code; zeros that would look like one are broken up."""
    return b"\0\0\0\1" + bytes([0x60 | kind]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", content)


@dataclass(frozen=True)
class PcmH264:
    """An H.264 encoder that compresses nothing, and so can code any picture in any way and order.

    Attributes
    ----------
    width, height
        Of a frame, px: multiples of 16 and 32.
    may_have_fields
        Whether the stream says that it may be interlaced.
    """

    width: int = 96
    height: int = 64
    may_have_fields: bool = True

    def headers(self) -> bytes:
        """Of the stream; nothing in them tells how far pictures are reordered."""
        rows = self.height // (32 if self.may_have_fields else 16)
        stream = Bits().put(77, 8).put(0, 8).put(30, 8).golomb(0, 4, 0, 4, 4).flags(0)
        stream.golomb(self.width // 16 - 1, rows - 1).flags(not self.may_have_fields)
        stream.flags(*([0] if self.may_have_fields else []), 1, 0, 0)
        pictures = Bits().golomb(0, 0).flags(0, 0).golomb(0, 0, 0).flags(0, 0, 0).golomb(0, 0, 0).flags(1, 0, 0)
        return nal(7, stream.done()) + nal(8, pictures.done())

    def frame(self, image: Images, number: int, order: int) -> list[bytes]:
        """A picture coded as a whole, the `number`-th of its group, shown as the `order`-th."""
        return [self._slice(self._grey(image), number, 2 * order, None)]

    def fields(self, image: Images, number: int, order: int, *, bottom_first: bool = False) -> list[bytes]:
        """A picture coded as two fields."""
        grey = self._grey(image)
        parities = (1, 0) if bottom_first else (0, 1)
        return [
            self._slice(grey[parity::2], number, 2 * order + second, parity, second=bool(second))
            for second, parity in enumerate(parities)
        ]

    @staticmethod
    def _grey(image: Images) -> Images:
        return np.asarray(np.rint(16 + image[..., 0].astype(np.float64) * (219 / 255)), np.uint8)

    def _slice(self, grey: Images, number: int, order: int, parity: int | None, *, second: bool = False) -> bytes:
        starts_group = number == 0 and not second
        head = Bits().golomb(0, 7, 0).put(number % 256, 8)
        if self.may_have_fields:
            head.flags(*([0] if parity is None else [1, parity]))
        if starts_group:
            head.golomb(0)
        head.put(order % 256, 8).flags(*([0, 0] if starts_group else [0])).golomb(0, 1)
        content = bytearray()
        for block in self._blocks(grey):
            head.golomb(25)
            content += head.done(stop=False) + block + bytes([128]) * 128
            head = Bits()
        return nal(5 if starts_group else 1, bytes(content) + b"\x80")

    @staticmethod
    def _blocks(grey: Images) -> Iterator[bytes]:
        for top in range(0, grey.shape[0], 16):
            for left in range(0, grey.shape[1], 16):
                yield grey[top : top + 16, left : left + 16].tobytes()


# Packets -------------------------------------------------------------------------------------------------------------

#: Content, presentation and decoding time (``None``: not said), whether it is a key frame.
Coded = tuple[bytes, int | None, int | None, bool]


def read_packets(path: Path) -> list[Coded]:
    """The coded pictures of the first video stream."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(container.streams.video[0]) if packet.size]
        return [(bytes(packet), packet.pts, packet.dts, packet.is_keyframe) for packet in packets]


def mux(source: Path, target: Path, packets: Iterable[Coded], time_base: Fraction | None = None) -> None:
    """Write packets as they are to a stream like that of `source`."""
    with av.open(str(source)) as model, av.open(str(target), "w") as sink:
        stream = sink.add_stream_from_template(model.streams.video[0])
        unit = time_base or model.streams.video[0].time_base or Fraction(1, 1000)
        for content, pts, dts, is_key in packets:
            packet = av.Packet(content)
            packet.stream, packet.time_base = stream, unit
            packet.pts, packet.dts, packet.is_keyframe = pts, dts, is_key
            sink.mux_one(packet)

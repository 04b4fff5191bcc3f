"""Whether a file extends to the end that its outermost parts promise, which a broken-off copy does not."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from posecli.errors import VideoError

#: Bytes of an AVI chunk's name and length, before its content.
CHUNK_HEADER = 8
#: Matroska's numbers of its header and of the element that holds everything else.
EBML, SEGMENT = 0x1A45DFA3, 0x18538067


def breaks_off(path: Path, format_name: str) -> bool:
    """Whether parts of a file reach beyond its end; ``False`` where the format does not tell."""
    check = _CHECKS.get(format_name)
    return check is not None and check(path)


def lost_chunks(path: Path, index: Iterable[Any] | None, places: Sequence[int]) -> int:
    """Number of frames at the end of an AVI file's index that are not in the file, given where the others begin.

    Raises
    ------
    VideoError
        If frames are lost before others.
    """
    known = set(places)
    held = [entry.pos in known or entry.pos + CHUNK_HEADER in known for entry in index or ()]
    if not any(held):
        return 0
    last = len(held) - held[::-1].index(True)
    if lost := held[:last].count(False):
        raise VideoError(
            f"'{path}' lost {lost} frames before its end, and since an AVI file keeps no times, nothing tells which "
            "frame the others are: copy it again, or cut it where it is whole"
        )
    return len(held) - last


def _avi_breaks_off(path: Path) -> bool:
    """A recorder that never finished the file leaves no length."""
    size, place = path.stat().st_size, 0
    with path.open("rb") as file:
        while place + CHUNK_HEADER <= size:
            file.seek(place)
            name, length = struct.unpack("<4sI", file.read(CHUNK_HEADER))
            if name != b"RIFF":
                return False
            place += CHUNK_HEADER + length + length % 2
    return place > size + 1


def _mp4_breaks_off(path: Path) -> bool:
    size, place = path.stat().st_size, 0
    with path.open("rb") as file:
        while place + 8 <= size:
            file.seek(place)
            length, name = struct.unpack(">I4s", file.read(8))
            if length == 1:
                length = int.from_bytes(file.read(8))
            if length < 8 or not name.isascii():  # 0: to the end of the file, however long that is
                return False
            place += length
    return place > size


def _matroska_breaks_off(path: Path) -> bool:
    """A recorder that was killed, or writes to a pipe, leaves the length open."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header, length = _element(file)
        if header != EBML or length is None:
            return False
        file.seek(length, 1)
        segment, length = _element(file)
        return segment == SEGMENT and length is not None and file.tell() + length > size


def _element(file: BinaryIO) -> tuple[int, int | None]:
    """Number and length of an element of Matroska; ``None`` for a length that was left open."""
    return _number(file, keeps_mark=True) or 0, _number(file, keeps_mark=False)


def _number(file: BinaryIO, *, keeps_mark: bool) -> int | None:
    """A number whose first byte tells its length by the place of its first bit, the mark."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    extra = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(extra))
    if keeps_mark:
        return value
    largest = (1 << 7 * (extra + 1)) - 1
    return None if value & largest == largest else value & largest


_CHECKS: dict[str, Callable[[Path], bool]] = {
    "avi": _avi_breaks_off,
    "mov,mp4,m4a,3gp,3g2,mj2": _mp4_breaks_off,
    "matroska,webm": _matroska_breaks_off,
}

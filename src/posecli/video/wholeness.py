"""Whether a file goes on to the end that its outermost parts name: a copy that broke off does not."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from posecli.video.avi import is_cut_off

#: Matroska's numbers of its header and of what holds everything else.
EBML, SEGMENT = 0x1A45DFA3, 0x18538067


def breaks_off(path: Path, format_name: str) -> bool:
    """Whether parts of a file go on behind its end; ``False`` where the format does not tell."""
    check = _CHECKS.get(format_name)
    return check is not None and check(path)


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
    size = path.stat().st_size
    with path.open("rb") as file:
        header, length = _element(file)
        if header != EBML or length is None:
            return False
        file.seek(length, 1)
        segment, length = _element(file)
        # A recorder that was killed, or writes to a pipe, leaves the length open.
        return segment == SEGMENT and length is not None and file.tell() + length > size


def _element(file: BinaryIO) -> tuple[int, int | None]:
    """Number and length of an element of Matroska; ``None`` for a length that was left open."""
    return _number(file, keeps_mark=True) or 0, _number(file, keeps_mark=False)


def _number(file: BinaryIO, *, keeps_mark: bool) -> int | None:
    first = file.read(1)
    if not first or not first[0]:
        return None
    extra = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(extra))
    if keeps_mark:
        return value
    value &= (1 << 7 * (extra + 1)) - 1
    return None if value == (1 << 7 * (extra + 1)) - 1 else value


_CHECKS: dict[str, Callable[[Path], bool]] = {
    "avi": is_cut_off,
    "mov,mp4,m4a,3gp,3g2,mj2": _mp4_breaks_off,
    "matroska,webm": _matroska_breaks_off,
}

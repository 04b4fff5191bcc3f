"""What only the bytes of an AVI file tell: whether it is whole. It keeps no times, and counts frames that it lacks."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from posecli.errors import VideoError

#: Bytes of a name and a length before what a chunk holds.
CHUNK_HEADER = 8


def is_cut_off(path: Path) -> bool:
    """Whether the file ends before its outermost chunks do. A recorder that never finished it leaves no length."""
    size = path.stat().st_size
    place = 0
    with path.open("rb") as file:
        while place + CHUNK_HEADER <= size:
            file.seek(place)
            name, length = struct.unpack("<4sI", file.read(CHUNK_HEADER))
            if name != b"RIFF":
                return False
            place += CHUNK_HEADER + length + length % 2
    return place > size + 1


def lost_chunks(path: Path, index: Iterable[Any] | None, places: Sequence[int]) -> int:
    """How many frames at the end of its index are not in the file, given where those begin that are.

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

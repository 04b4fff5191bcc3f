"""The rows of a table that is being made, safe against kills at any moment.

A journal is one file that only grows, a record at a time: first what the rows are of, then the rows of one batch per
record, and at last that all are there. Each record carries a checksum that goes on from the one before, so that what
a kill, a full disk or a power cut left half-written is told from what is whole, and is cut off. HDF5 has nothing of
the kind: a file that was open when its process died may be lost as a whole. Therefore a table is written from its
journal when all rows are there.
"""

from __future__ import annotations

import io
import json
import os
import struct
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from posecli.errors import OutputError
from posecli.support.files import sync_folder

Rows = npt.NDArray[np.float64]

MAGIC = b"posecli-rows 1\n"
#: Head of a record: kind, frames per batch, bytes of its content, checksum over all of it and the record before.
_HEAD = struct.Struct("<4sIQI")
_HEADER, _SESSION, _ROWS, _END = b"HEAD", b"RUN ", b"ROWS", b"END "
#: Notes are small; one that claims to be larger is damage.
LARGEST_NOTE_BYTES = 64 << 20
#: Seconds of work that a power cut may cost: what is written is sent to the disk itself so often. (A kill costs none.)
SYNC_SECONDS = 5.0
#: Rows that are read back at once.
PIECE_ROWS = 8192


class _Record(NamedTuple):
    kind: bytes
    batch_size: int
    content: bytes
    checksum: int
    end: int

    def note(self) -> dict[str, Any] | None:
        """Its content as a note; ``None`` if it is none."""
        try:
            note = json.loads(self.content)
        except (ValueError, RecursionError):
            return None
        return note if isinstance(note, dict) else None


@dataclass
class JournalContent:
    """The whole part of a journal: what its `rows` are of, `width` numbers each, and how far it goes."""

    header: dict[str, Any]
    width: int
    #: What was noted whenever a run began or went on.
    sessions: list[dict[str, Any]] = field(default_factory=list)
    rows: int = 0
    #: First row of the last batch, where it lies in the file, and frames per batch then; 0 if there is none.
    last_start: int = 0
    last_offset: int = 0
    batch_size: int = 0
    #: Rows without values.
    bad_rows: list[int] = field(default_factory=list)
    #: What was noted when all rows were there; ``None`` if they are not.
    ending: dict[str, Any] | None = None
    size: int = 0
    checksum: int = 0

    @property
    def last_note(self) -> dict[str, Any]:
        assert self.ending is not None, "rows are missing"
        return self.ending

    def take_in(self, record: _Record) -> bool:
        """Add a whole record; ``False`` if it cannot belong here."""
        if self.ending is not None:
            return False
        if record.kind == _ROWS:
            return self._take_in_rows(record)
        note = record.note()
        if note is None or record.kind not in (_SESSION, _END):
            return False
        if record.kind == _SESSION:
            self.sessions.append(note)
        else:
            self.ending = note
        return True

    def _take_in_rows(self, record: _Record) -> bool:
        if len(record.content) % (8 * self.width) or not record.batch_size:
            return False
        values = np.frombuffer(record.content).reshape(-1, self.width)
        # Of poses every third value is an x; of behaviours all are missing together.
        self.bad_rows.extend((self.rows + np.flatnonzero(np.isnan(values[:, ::3]).all(axis=1))).tolist())
        self.last_start, self.last_offset = self.rows, record.end - len(record.content)
        self.rows += len(values)
        self.batch_size = record.batch_size
        return True


def holds(content: Mapping[str, Any], **types: type | list[type]) -> bool:
    """Whether what comes from a file, and may be anything, has values of these types.

    >>> holds({"frames": 50, "bad_frames": [3]}, frames=int, bad_frames=[int])
    True
    """
    return all(
        isinstance(content.get(name), list) and all(isinstance(each, wanted[0]) for each in content[name])
        if isinstance(wanted, list)
        else isinstance(content.get(name), wanted)
        for name, wanted in types.items()
    )


@contextmanager
def refusal(path: Path, cannot: str, advice: str) -> Iterator[None]:
    """Say in one sentence what the system refused."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"'{path}' cannot be {cannot} ({error.strerror or error}): {advice}") from error


def read_journal(path: Path) -> JournalContent | None:
    """Read the whole part of a journal, without changing the file; ``None`` where nothing in it can be used."""
    advice = "check its permissions"
    with refusal(path, "read", advice), suppress(FileNotFoundError, NotADirectoryError), path.open("rb") as stream:
        return _whole_part(stream)
    return None


def _whole_part(stream: BinaryIO) -> JournalContent | None:
    records = _records(stream)
    first = next(records, None)
    header = first.note() if first is not None and first.kind == _HEADER else None
    width = header.get("values_per_row") if header else None
    if first is None or header is None or not isinstance(width, int) or width < 1:
        return None
    content = JournalContent(header, width, size=first.end, checksum=first.checksum)
    for record in records:
        if not content.take_in(record):
            break
        content.size, content.checksum = record.end, record.checksum
    return content


def _records(stream: BinaryIO) -> Iterator[_Record]:
    """Records until one is not whole; nothing is read that the file is too short for."""
    size = os.fstat(stream.fileno()).st_size
    checksum = 0
    if stream.read(len(MAGIC)) != MAGIC:
        return
    while len(head := stream.read(_HEAD.size)) == _HEAD.size:
        kind, batch_size, length, expected = _HEAD.unpack(head)
        if length > size - stream.tell() or (kind != _ROWS and length > LARGEST_NOTE_BYTES):
            return
        content = stream.read(length)
        checksum = _checksum(kind, batch_size, content, checksum)
        if checksum != expected:
            return
        yield _Record(kind, batch_size, content, checksum, stream.tell())


def _checksum(kind: bytes, batch_size: int, content: bytes, before: int) -> int:
    return zlib.crc32(content, zlib.crc32(_HEAD.pack(kind, batch_size, len(content), 0), before))


def read_rows(path: Path, content: JournalContent) -> Iterator[Rows]:
    """The rows of a journal, ``(n, width)``, in pieces of about `PIECE_ROWS`, so that memory stays flat."""
    pieces: list[bytes] = []
    with path.open("rb") as stream:
        for record in _records(stream):
            if record.kind == _ROWS:
                pieces.append(record.content)
            is_last = record.end >= content.size
            if is_last or sum(map(len, pieces)) >= PIECE_ROWS * 8 * content.width:
                yield np.frombuffer(b"".join(pieces)).reshape(-1, content.width)
                pieces = []
            if is_last:
                return


def read_last_batch(path: Path, content: JournalContent) -> Rows:
    """The rows of the last batch, ``(n, width)``."""
    count = (content.rows - content.last_start) * content.width
    return np.fromfile(path, np.float64, count, offset=content.last_offset).reshape(-1, content.width)


def read_rows_before(path: Path, content: JournalContent, row: int, count: int = 64) -> Rows:
    """Some rows that lie before one, ``(n, width)``, at most so many."""
    found = np.empty((0, content.width))
    done = 0
    for rows in read_rows(path, content):
        found = np.concatenate([found, rows[: max(0, row - done)]])[-count:]
        done += len(rows)
    return found


class JournalWriter:
    """Adds to a journal, which has so many `rows`; use `begin` or `resume`.

    Any method raises an `OutputError` if the disk refuses. What is whole stays whole.
    """

    def __init__(self, path: Path, stream: io.FileIO, rows: int = 0, checksum: int = 0) -> None:
        self.path = path
        self.rows = rows
        self._stream = stream
        self._checksum = checksum
        self._synced = 0.0

    @classmethod
    def begin(cls, path: Path, header: Mapping[str, Any]) -> JournalWriter:
        """A new journal in the place of any other; `header` has ``values_per_row``."""
        with refusal(path, "written", "choose another folder with --out-dir"):
            journal = cls(path, path.open("wb", buffering=0))
        journal._write(MAGIC)
        journal._add(_HEADER, _encoded(header))
        journal.sync()
        sync_folder(path.parent)
        return journal

    @classmethod
    def resume(cls, path: Path, content: JournalContent) -> JournalWriter:
        """Go on behind the whole part, and cut off what is not."""
        with refusal(path, "written", "check the permissions of its folder"):
            stream = path.open("r+b", buffering=0)
            stream.truncate(content.size)
            stream.seek(content.size)
        return cls(path, stream, content.rows, content.checksum)

    def note_session(self, note: Mapping[str, Any]) -> None:
        self._add(_SESSION, _encoded(note))

    def append(self, values: Rows, batch_size: int) -> None:
        """Add the rows of one batch, ``(n, width)``; they are whole whatever happens to this process afterwards."""
        self._add(_ROWS, np.ascontiguousarray(values).tobytes(), batch_size)
        self.rows += len(values)
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            self.sync()

    def end(self, note: Mapping[str, Any]) -> None:
        self._add(_END, _encoded(note))
        self.sync()

    def sync(self) -> None:
        with self._refusal():
            os.fsync(self._stream.fileno())
        self._synced = time.monotonic()

    def close(self) -> None:
        """Sync as far as the disk allows, and let go of the file; one without rows is removed."""
        if self._stream.closed:
            return
        with self._stream, suppress(OSError):  # whoever reads the journal tells what is whole
            os.fsync(self._stream.fileno())
        if not self.rows:
            self.path.unlink(missing_ok=True)

    def _add(self, kind: bytes, content: bytes, batch_size: int = 0) -> None:
        checksum = _checksum(kind, batch_size, content, self._checksum)
        self._write(_HEAD.pack(kind, batch_size, len(content), checksum) + content)
        self._checksum = checksum

    def _write(self, content: bytes) -> None:
        """Straight to the system, which keeps it when this process is killed."""
        left = memoryview(content)
        with self._refusal():
            while left:
                left = left[self._stream.write(left) :]

    def _refusal(self) -> Any:
        return refusal(self.path, "written any more", "check the free space of its disk")


def _encoded(note: Mapping[str, Any]) -> bytes:
    return json.dumps(note, ensure_ascii=False, default=str).encode()

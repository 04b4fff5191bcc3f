"""Rows that are safe as soon as they are written, however the file ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posecli.analysis import journal
from posecli.analysis.journal import JournalContent, JournalWriter, Rows, read_journal, read_last_batch, read_rows
from posecli.errors import OutputError

WIDTH = 6
HEADER = {"values_per_row": WIDTH, "fingerprint": "f"}


def some_rows(count: int) -> Rows:
    rows = np.random.default_rng(count).random((count, WIDTH))
    rows[3::7] = (np.nan, np.nan, 0.0) * 2
    return rows


def written(path: Path, rows: Rows, batch: int = 4, *, ended: bool = False) -> list[int]:
    """Write a journal; sizes of the file after each batch."""
    writer = JournalWriter.begin(path, HEADER)
    writer.note_session({"first_row": 0})
    sizes = []
    for start in range(0, len(rows), batch):
        writer.append(rows[start : start + batch], batch)
        sizes.append(path.stat().st_size)
    if ended:
        writer.end({"timing": 1})
    writer.close()
    return sizes


def known(path: Path) -> JournalContent:
    content = read_journal(path)
    assert content is not None
    return content


def rows_of(path: Path) -> bytes:
    return b"".join(piece.tobytes() for piece in read_rows(path, known(path)))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path, rows = tmp_path / "j", some_rows(22)
    written(path, rows, ended=True)
    content = known(path)
    assert (content.header, content.rows, content.batch_size) == (HEADER, 22, 4)
    assert content.bad_rows == [3, 10, 17]
    assert (content.sessions, content.ending) == ([{"first_row": 0}], {"timing": 1})
    assert rows_of(path) == rows.tobytes()
    assert read_last_batch(path, content).tobytes() == rows[20:].tobytes()
    assert content.size == path.stat().st_size


def test_rows_come_back_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "PIECE_ROWS", 8)
    written(tmp_path / "j", some_rows(22))
    assert [len(piece) for piece in read_rows(tmp_path / "j", known(tmp_path / "j"))] == [8, 8, 6]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1), tail=st.binary(max_size=40), flip=st.none() | st.floats(0, 1, exclude_max=True))
def test_whatever_a_crash_leaves(tmp_path: Path, cut: float, tail: bytes, flip: float | None) -> None:
    """Cut anywhere, with anything behind, or with a bit turned: whole batches from the start, and never another."""
    path, rows = tmp_path / "j", some_rows(22)
    sizes = written(path, rows)
    whole = path.read_bytes()
    torn = bytearray(whole[: round(cut * len(whole))] + tail)
    if flip is not None and torn:
        torn[int(flip * len(torn))] ^= 16
    path.write_bytes(torn)
    content = read_journal(path)
    if content is None:
        return
    first_difference = next((i for i, (a, b) in enumerate(zip(whole, torn, strict=False)) if a != b), len(torn))
    safe = [size for size in sizes if size <= min(first_difference, len(torn))]
    assert content.rows == min(4 * len(safe), 22)
    assert rows_of(path) == rows[: content.rows].tobytes()
    writer = JournalWriter.resume(path, content)
    writer.append(rows[content.rows :] if content.rows < 22 else rows[:1], 4)
    writer.close()
    assert rows_of(path)[: rows.nbytes] == rows.tobytes()


def test_rows_are_with_the_system_at_once(tmp_path: Path) -> None:
    """A kill of this process could not take them back."""
    writer = JournalWriter.begin(tmp_path / "j", HEADER)
    writer.append(some_rows(4), 4)
    assert known(tmp_path / "j").rows == 4
    writer.close()


def test_nothing_of_an_older_journal_comes_back(tmp_path: Path) -> None:
    """Cut off and written over with fewer bytes: what stood behind belongs to another chain of checksums."""
    path = tmp_path / "j"
    written(path, some_rows(40))
    old = path.read_bytes()
    written(path, some_rows(8))
    new = path.read_bytes()
    path.write_bytes(new + old[len(new) :])
    assert rows_of(path) == some_rows(8).tobytes()


def test_journal_without_rows_is_not_left(tmp_path: Path) -> None:
    JournalWriter.begin(tmp_path / "j", HEADER).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        journal.MAGIC,
        journal.MAGIC + b"HEAD" + b"\xff" * 16,
        journal.MAGIC + b"ROWS" + bytes(16),
    ],
)
def test_what_is_no_journal(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "j").write_bytes(content)
    assert read_journal(tmp_path / "j") is None
    assert read_journal(tmp_path / "missing") is None


@pytest.mark.parametrize("header", [[], {"values_per_row": 0}, {"values_per_row": "6"}, {}])
def test_header_that_is_none(tmp_path: Path, header: Any) -> None:
    writer = JournalWriter.begin(tmp_path / "j", header)
    assert read_journal(tmp_path / "j") is None
    writer.close()


def test_full_disk_keeps_what_is_whole(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no device that is always full")
    with (
        full.open("wb", buffering=0) as stream,
        pytest.raises(OutputError, match=r"\(No space left on device\): check"),
    ):
        JournalWriter(full, stream).append(some_rows(4), 4)

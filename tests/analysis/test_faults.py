"""Disks that are full: a clear error, no table under its final name, and no work that is lost."""

from __future__ import annotations

import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from posecli.analysis import RunObserver
from posecli.analysis import analyze as analyze_here
from posecli.analysis.journal import read_journal
from posecli.cli import cli
from posecli.errors import OutputError
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions, PipelineName
from posecli.tables.pose_table import CHUNK_ROWS, PoseTableWriter, pose_columns, read_pose_table

NATIVE: tuple[PipelineName, ...] = ("async", "parallel", "sync")

#: Bytes that the disk, or the file, has room for: the journal and the empty table, but no rows in it.
ROOM = 64 << 10
#: Room for the journal's first rows only.
LESS_ROOM = 4 << 10
#: Room for everything.
ENOUGH_ROOM = 4 << 20

pytestmark = pytest.mark.usefixtures("fake_engine")


def analyze(clip: Path, model: ModelFolder, out_dir: Path, *arguments: str) -> Result:
    command = ["analyze", clip, "-m", model.path, "-o", out_dir, *arguments]
    return CliRunner().invoke(cli, [str(part) for part in command], catch_exceptions=False)


@contextmanager
def files_no_larger_than(room: int) -> Iterator[None]:
    """A write beyond the limit fails like one on a full disk, instead of killing."""
    handler, (soft, hard) = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk with room for `ROOM` bytes, or as many as the test says."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={getattr(request, 'param', ROOM)}", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no 'mount' to make a small disk with")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def check_refused(done: Result, out_dir: Path, words: str) -> None:
    assert done.exit_code == 7, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert len(errors) == 1
    assert words in errors[0]
    assert "HDF5" not in done.stderr
    assert not list(out_dir.glob("*.h5"))


@pytest.mark.parametrize("pipeline", NATIVE)
@pytest.mark.parametrize(("room", "rows"), [(ROOM, 50), (LESS_ROOM, 8)])
def test_file_may_not_grow(
    pipeline: str, room: int, rows: int, dots_clip: Path, dots_model: ModelFolder, tmp_path: Path
) -> None:
    """Neither the journal while rows are made, nor the table behind it: what is whole is gone on with."""
    out_dir = tmp_path / "poses"
    arguments = ("--pipeline", pipeline)
    with files_no_larger_than(room):
        done = analyze(dots_clip, dots_model, out_dir, *arguments)
    check_refused(done, out_dir, "cannot be written any more (File too large): check the free space of its disk")
    (journal,) = out_dir.iterdir()
    content = read_journal(journal)
    assert content is not None
    assert content.rows >= rows
    assert "are kept, and the same command continues from there" in done.stderr
    again = analyze(dots_clip, dots_model, out_dir, *arguments)
    assert again.exit_code == 0, again.stderr
    assert "taken over" in again.stdout if rows == 50 else f"continuing at frame {content.rows} of 50" in again.stdout
    assert len(list(out_dir.glob("*.h5"))) == 1


def test_disk_is_full(dots_clip: Path, dots_model: ModelFolder, small_disk: Path) -> None:
    """What cannot end well is not begun."""
    done = analyze(dots_clip, dots_model, small_disk)
    check_refused(done, small_disk, "need up to 0.5 MiB, and their disk has 0.1 MiB left: free some, or choose")
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("small_disk", [ENOUGH_ROOM], indirect=True)
def test_disk_fills_up_while_rows_are_made(
    dots_clip: Path, dots_model: ModelFolder, small_disk: Path, tmp_path: Path
) -> None:
    filler = small_disk / "somebody else's"

    class Filling(RunObserver):
        def frames_done(self, count: int) -> None:
            if not filler.exists():
                fill(filler)

    options = AnalyzeOptions(out_dir=small_disk, batch_size=8, pipeline="sync")
    video, model = dots_clip, dots_model.path
    (failed,) = analyze_here(video, model, options, Filling()).results
    assert (failed.state, failed.exit_code) == ("failed", 7)
    assert "(No space left on device)" in failed.message
    filler.unlink()
    (result,) = analyze_here(video, model, options).results
    assert result.state == "done"
    assert result.first_frame >= 8
    (whole,) = analyze_here(video, model, AnalyzeOptions(out_dir=tmp_path / "whole")).results
    assert result.table is not None
    assert whole.table is not None
    assert read_pose_table(result.table).equals(read_pose_table(whole.table))


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as stream:
        for size in (1 << 16, 1):
            try:
                while stream.write(bytes(size)):
                    pass
            except OSError:
                continue


def test_writing_after_the_disk_filled_up_is_refused_at_once(small_disk: Path) -> None:
    """Not when the table is closed, hours later."""
    writer = PoseTableWriter(small_disk / "v.h5", pose_columns("DLC_x", ("snout",)))
    with pytest.raises(OutputError, match=r"\(No space left on device\)"):
        writer.append(np.zeros((CHUNK_ROWS, 1, 1, 3)))
    writer.discard()
    assert list(small_disk.iterdir()) == []


def test_rows_that_did_not_reach_the_disk_are_missed(tmp_path: Path) -> None:
    """HDF5 says nothing of a failed flush: what a table holds is read back before it is called whole."""
    writer = PoseTableWriter(tmp_path / "v.h5", pose_columns("DLC_x", ("snout",)))
    row, lost = b"\x01" * 24, bytes(24)
    writer.append(np.full((CHUNK_ROWS, 1, 1, 3), np.frombuffer(row)[0]))
    content = writer.partial_path.read_bytes()
    assert content.count(row) == CHUNK_ROWS
    writer.partial_path.write_bytes(content.replace(row, lost, 1))
    with pytest.raises(OutputError, match="what was written is not what is read back"):
        writer.close(np.zeros(CHUNK_ROWS))
    assert not (tmp_path / "v.h5").exists()

"""Disks that are full: a clear error, no table under its final name, and nothing half-written left."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecli.errors import OutputError
from posecli.model.folder import ModelFolder
from posecli.options import PipelineName
from posecli.table import CHUNK_ROWS, PoseTableWriter, pose_columns

RUNNER = Path(__file__).resolve().parent / "support" / "run_with_fake_engine.py"
NATIVE: tuple[PipelineName, ...] = ("async", "parallel", "sync")

#: Bytes that the disk, or the file, has room for: the empty table, but no rows.
ROOM = 64 << 10


def analyze(clip: Path, model: ModelFolder, out_dir: Path, *arguments: str, **options: Any) -> Any:
    command = [sys.executable, RUNNER, "analyze", clip, "-m", model.path, "-o", out_dir, *arguments]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=300, **options
    )


def refuse_larger_files() -> None:
    """In the process to be: a write beyond the limit fails like one on a full disk, instead of killing."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for `ROOM` bytes."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(place)]
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


def check_refused(done: Any, out_dir: Path, reason: str) -> None:
    assert done.returncode == 7, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert len(errors) == 1
    assert f"cannot be written any more ({reason}): check the free space of its disk" in errors[0]
    assert "Traceback" not in done.stderr
    assert "HDF5" not in done.stderr
    assert list(out_dir.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", NATIVE)
def test_file_may_not_grow(pipeline: str, dots_clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    out_dir = tmp_path / "poses"
    done = analyze(dots_clip, dots_model, out_dir, "--pipeline", pipeline, preexec_fn=refuse_larger_files)
    check_refused(done, out_dir, "File too large")


@pytest.mark.slow
def test_disk_is_full(dots_clip: Path, dots_model: ModelFolder, small_disk: Path) -> None:
    check_refused(analyze(dots_clip, dots_model, small_disk), small_disk, "No space left on device")


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

"""One process per table, and no lock that outlives its process."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from posecli.analysis import lock as locks
from posecli.analysis.lock import HeldError, held, holder
from posecli.errors import OutputError

HOLDER = """
import sys, time
from pathlib import Path
from posecli.analysis.lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "v.lock"


def me() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def test_held_once(path: Path) -> None:
    with held(path):
        assert holder(path) == me()
        with pytest.raises(HeldError, match=me()), held(path):
            pass
        assert path.exists()
    assert not path.exists()
    assert holder(path) is None
    with held(path):
        pass


def test_released_by_an_error(path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), held(path):
        raise ValueError("mine")
    assert not path.exists()


def test_dies_with_its_process(path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(HeldError, match=f"process {process.pid} on "), held(path):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert path.exists()
    assert holder(path) is None
    with held(path):
        assert holder(path) == me()


def test_the_system_may_take_a_moment_to_free_the_lock_of_the_dead(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    path.write_text(json.dumps({"host": socket.gethostname(), "process": gone.pid}))
    flock = fcntl.flock
    calls: list[int] = []

    def late(descriptor: int, how: int) -> None:
        calls.append(how)
        if len(calls) < 4:
            raise BlockingIOError
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with held(path):
        assert len(calls) == 4
        assert holder(path) == me()


def test_patience_with_the_dead_ends(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the holder is in another container of the same name."""

    def never(descriptor: int, how: int) -> None:
        raise BlockingIOError

    path.write_text(json.dumps({"host": socket.gethostname(), "process": 2**22 + 1}))
    monkeypatch.setattr(fcntl, "flock", never)
    monkeypatch.setattr(locks, "GRACE_SECONDS", 0.05)
    with pytest.raises(HeldError, match="process 4194305 on "), held(path):
        pass


def test_removed_between_opening_and_locking(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that was opened is locked, but another one has its name by then."""
    flock = fcntl.flock
    calls: list[int] = []

    def late(descriptor: int, how: int) -> None:
        if not calls:
            path.unlink()
            path.touch()
        calls.append(descriptor)
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with held(path):
        assert len(calls) == 2
        assert json.loads(path.read_text())["process"] == os.getpid()


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written \(No such file.*--out-dir"), held(tmp_path / "a" / "b"):
        pass


def test_link_to_another_file_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    path.symlink_to(tmp_path / "thesis.txt")
    with pytest.raises(OutputError, match="cannot be written"), held(path):
        pass
    assert holder(path) is None
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


class TestDriveWithoutLocks:
    """What the file says is all there is."""

    @pytest.fixture(autouse=True)
    def no_locks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(descriptor: int, how: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", refuse)

    def sign(self, path: Path, content: Any, age: float = 0.0) -> None:
        path.write_text(json.dumps(content))
        os.utime(path, (time.time() - age,) * 2)

    def test_held_once(self, path: Path) -> None:
        with held(path):
            assert holder(path) == me()
            with pytest.raises(HeldError, match=me()), held(path):
                pass
        assert not path.exists()

    def test_other_machine(self, path: Path) -> None:
        self.sign(path, {"host": "elsewhere", "process": 1})
        with pytest.raises(HeldError, match="process 1 on elsewhere"), held(path):
            pass

    @pytest.mark.parametrize(
        ("content", "age"),
        [
            ({"host": "elsewhere", "process": 1}, locks.STALE_SECONDS + 1),
            ({"host": socket.gethostname(), "process": 2**22 + 1}, 0.0),
            ({"host": socket.gethostname(), "process": "me"}, 0.0),
            ("nothing", 0.0),
        ],
    )
    def test_stale(self, path: Path, content: Any, age: float) -> None:
        self.sign(path, content, age)
        with held(path):
            assert holder(path) == me()

    def test_renewed_while_it_is_held(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(locks, "RENEWAL_SECONDS", 0.0)
        with held(path) as lock:
            os.utime(path, (0, 0))
            lock.renew()
            assert time.time() - path.stat().st_mtime < 60

"""One process per table: a lock beside it, which dies with its process.

The lock is the operating system's own, on a small file that says who holds it. It ends with the process, however that
ends, on this machine and on network drives that know of locks. On a drive that does not, the file itself is the lock:
its holder renews its time now and then, and a file that nobody renews, or whose process on this machine is gone, counts
for nothing.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from posecli.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: On a drive without locks: seconds between renewals, and after which a file that was not renewed counts for nothing.
RENEWAL_SECONDS = 30.0
STALE_SECONDS = 900.0
#: The system may take a moment to free the lock of a process that was killed.
GRACE_SECONDS = 2.0
_LARGEST_LOCK_BYTES = 4096
#: A link under the lock's name could have any file signed.
NO_LINK = getattr(os, "O_NOFOLLOW", 0)


class HeldError(Exception):
    """Another process holds the lock; the message says which."""


class Lock:
    """A lock that is held; see `held`."""

    def __init__(self, path: Path, descriptor: int, *, by_system: bool) -> None:
        self._path = path
        self._descriptor = descriptor
        self._by_system = by_system
        self._renewed = time.monotonic()

    def renew(self) -> None:
        """Say that the holder lives; the system knows by itself, other drives must be told."""
        if not self._by_system and time.monotonic() - self._renewed > RENEWAL_SECONDS:
            self._renewed = time.monotonic()
            with suppress(OSError):
                os.utime(self._path)

    def release(self) -> None:
        """Remove the file while the lock is still held, so that nobody can be waiting for it in vain."""
        try:
            with suppress(OSError):
                self._path.unlink()
        finally:
            os.close(self._descriptor)


@contextmanager
def held(path: Path) -> Iterator[Lock]:
    """Hold a lock while the body runs.

    Raises
    ------
    HeldError
        If another process holds it.
    OutputError
        If its folder cannot be written to.
    """
    try:
        lock = _acquired(path)
    except OSError as error:
        raise OutputError(
            f"'{path}' cannot be written ({error.strerror or error}): choose another folder with --out-dir"
        ) from error
    try:
        yield lock
    finally:
        lock.release()


def holder(path: Path) -> str | None:
    """Who holds a lock, in words, without taking it; ``None`` if nobody does."""
    try:
        # For writing too: some network drives lock nothing that is open for reading only.
        descriptor = os.open(path, os.O_RDWR | NO_LINK)
    except OSError:
        return None
    try:
        system_lock = _system_lock(descriptor)
        content = _content(descriptor)
        is_held = system_lock is False or _seems_held(descriptor, system_lock)
        return _words(content) if is_held and not _is_of_the_dead(content) else None
    finally:
        os.close(descriptor)


def _acquired(path: Path) -> Lock:
    patience = time.monotonic() + GRACE_SECONDS
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
        try:
            lock = _taken(path, descriptor, patient=time.monotonic() < patience)
        except BaseException:
            os.close(descriptor)
            raise
        if lock is not None:
            return lock
        os.close(descriptor)
        time.sleep(0.01)


def _taken(path: Path, descriptor: int, *, patient: bool) -> Lock | None:
    """The lock on an open file, or ``None`` if it is to be tried again."""
    system_lock = _system_lock(descriptor)
    if system_lock is False or _seems_held(descriptor, system_lock):
        content = _content(descriptor)
        if patient and _is_of_the_dead(content):
            return None
        raise HeldError(_words(content))
    # Its last holder may have removed the file between the two steps: then the lock is one on nothing.
    if not _is_at(path, descriptor):
        return None
    _sign(descriptor)
    return Lock(path, descriptor, by_system=bool(system_lock))


def _system_lock(descriptor: int) -> bool | None:
    """Whether the system gave the lock to this process; ``None`` where it knows no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _seems_held(descriptor: int, system_lock: bool | None) -> bool:
    """Whether a file on a drive without locks was signed by a process that still lives."""
    content = _content(descriptor)
    if system_lock or not content:
        return False
    if time.time() - os.fstat(descriptor).st_mtime > STALE_SECONDS:
        return False
    return content.get("host") != socket.gethostname() or _is_alive(content.get("process"))


def _is_of_the_dead(content: dict[str, Any]) -> bool:
    """Whether a lock was signed by a process of this machine that is gone."""
    return content.get("host") == socket.gethostname() and not _is_alive(content.get("process"))


def _is_alive(process: Any) -> bool:
    if not isinstance(process, int) or process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is somebody else's
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    content = {"host": socket.gethostname(), "process": os.getpid()}
    with suppress(OSError):  # the signature is for people; a full disk shall be reported where it matters
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, json.dumps(content).encode())


def _content(descriptor: int) -> dict[str, Any]:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        content = json.loads(os.read(descriptor, _LARGEST_LOCK_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _words(content: dict[str, Any]) -> str:
    """Who signed.

    >>> _words({"host": "node7", "process": 4711})
    'process 4711 on node7'
    """
    if not content:
        return "another process"
    return f"process {content.get('process')} on {content.get('host')}"

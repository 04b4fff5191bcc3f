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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from posecli.analysis.journal import refusal

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


@dataclass
class Lock:
    """A lock that is held; see `held`."""

    _path: Path
    _descriptor: int
    _by_system: bool
    _renewed: float = field(default_factory=time.monotonic)

    def renew(self) -> None:
        """Show that the holder is alive; the system knows by itself, other drives must be told."""
        if not self._by_system and time.monotonic() - self._renewed > RENEWAL_SECONDS:
            self._renewed = time.monotonic()
            with suppress(OSError):
                os.utime(self._path)

    def release(self) -> None:
        """Remove the file while the lock is still held, so that nobody waits for it in vain."""
        try:
            with suppress(OSError):
                self._path.unlink()
        finally:
            os.close(self._descriptor)


@contextmanager
def held(path: Path) -> Iterator[Lock]:
    """Hold a lock while the body runs; a `HeldError` says who else holds it."""
    patience = time.monotonic() + GRACE_SECONDS
    with refusal(path, "written", "choose another folder with --out-dir"):
        while (lock := _taken(path, patient=time.monotonic() < patience)) is None:
            time.sleep(0.01)
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
        is_held = _is_held(descriptor, _system_lock(descriptor))
        owner = _owner(descriptor)
        return _words(owner) if is_held and not owner_is_gone(owner) else None
    finally:
        os.close(descriptor)


def _taken(path: Path, *, patient: bool) -> Lock | None:
    """The lock, or ``None`` if it is to be tried again."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
    lock = None
    try:
        system_lock = _system_lock(descriptor)
        if _is_held(descriptor, system_lock):
            owner = _owner(descriptor)
            if not (patient and owner_is_gone(owner)):
                raise HeldError(_words(owner))
        # Its last holder may have removed the file between the two steps: then the lock is one on nothing.
        elif _is_at(path, descriptor):
            _sign(descriptor)
            lock = Lock(path, descriptor, bool(system_lock))
        return lock
    finally:
        if lock is None:
            os.close(descriptor)


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


def _is_held(descriptor: int, system_lock: bool | None) -> bool:
    """Whether another process holds it; where the system does not know, one that signed it, lives and renews it."""
    if system_lock is not None:
        return not system_lock
    owner = _owner(descriptor)
    is_stale = time.time() - os.fstat(descriptor).st_mtime > STALE_SECONDS
    return bool(owner) and not is_stale and not owner_is_gone(owner)


def owner_is_gone(owner: dict[str, Any]) -> bool:
    """Whether a lock was signed by a process of this machine that is gone."""
    process = owner.get("process")
    is_alive = isinstance(process, int) and psutil.pid_exists(process)
    return owner.get("host") == socket.gethostname() and not is_alive


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


def _owner(descriptor: int) -> dict[str, Any]:
    """Who signed; nothing where nobody did."""
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        content = json.loads(os.read(descriptor, _LARGEST_LOCK_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _words(owner: dict[str, Any]) -> str:
    """Who it is.

    >>> _words({"host": "node7", "process": 4711})
    'process 4711 on node7'
    """
    return f"process {owner.get('process')} on {owner.get('host')}" if owner else "another process"

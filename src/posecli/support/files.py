"""Files appear whole or not at all: written beside their place, and then given their name."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from posecli.errors import OutputError


def make_folder(folder: Path, option: str = "--out-dir") -> None:
    """Make a folder, parents too.

    Parameters
    ----------
    folder
        May be there already.
    option
        Of the command line, which chooses another.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"folder '{folder}' cannot be made ({error.strerror or error}): choose another with {option}"
        ) from error


def partial_path(path: Path) -> Path:
    """Where a file is until it is whole; no tool takes it for a table, a picture or a video.

    >>> partial_path(Path("m1DLC_x.h5")).name
    'm1DLC_x.h5.partial'
    """
    return path.with_name(f"{path.name}.partial")


def write_partial(path: Path, content: bytes) -> None:
    """Write a small file under its partial name.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    try:
        partial_path(path).write_bytes(content)
    except OSError as error:
        raise OutputError(
            f"'{path}' cannot be written ({error.strerror or error}): check its folder and disk"
        ) from error


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file: all of it appears, or nothing.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    try:
        write_partial(path, content)
        move_into_place(partial_path(path), path)
    except OutputError:
        with contextlib.suppress(OSError):
            partial_path(path).unlink()
        raise


def move_into_place(partial: Path, path: Path) -> None:
    """Give a whole file its final name, after its content has reached the disk.

    Raises
    ------
    OutputError
        If it cannot be put there.
    """
    try:
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError(f"'{path}' cannot be put in place ({error.strerror or error}): check its folder") from error


def sync_folder(folder: Path) -> None:
    """Have the names in a folder sent to the disk itself."""
    if os.name != "posix":  # elsewhere a folder cannot be opened, and need not be
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network drives refuse, because they write names at once.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)

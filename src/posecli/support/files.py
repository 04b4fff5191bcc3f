"""Files appear whole or not at all: they are written under a partial name beside their place, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from posecli.errors import OutputError, OutputExistsError


def make_folder(folder: Path, option: str = "--out-dir") -> None:
    """Make a folder and its parents; the message of the `OutputError` names the option that chooses another."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"folder '{folder}' cannot be made ({error.strerror or error}): choose another with {option}"
        ) from error


def refuse_existing(path: Path, *, overwrite: bool, instead: str = "folder with --out-dir") -> None:
    """Raise an `OutputExistsError` if a file is there that nobody asked to replace."""
    if path.exists() and not overwrite:
        raise OutputExistsError(
            f"'{path}' is there already: pass --overwrite to replace it, or choose another {instead}"
        )


def partial_path(path: Path) -> Path:
    """Where a file is until it is whole; no tool takes it for a table, a picture or a video.

    >>> partial_path(Path("m1DLC_x.h5")).name
    'm1DLC_x.h5.partial'
    """
    return path.with_name(f"{path.name}.partial")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write to the path that this gives: the file gets its name if all goes well; else nothing is left of it.

    An `OutputError` if it cannot be written.
    """
    partial = partial_path(path)
    try:
        try:
            yield partial
        except OSError as error:
            raise _cannot_write(path, error) from error
        move_into_place(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file as `whole_file` does."""
    with whole_file(path) as partial:
        partial.write_bytes(content)


def write_partial(path: Path, content: bytes) -> None:
    """Write a small file under its partial name; an `OutputError` if that cannot be."""
    try:
        partial_path(path).write_bytes(content)
    except OSError as error:
        raise _cannot_write(path, error) from error


def move_into_place(partial: Path, path: Path) -> None:
    """Give a file its final name once its content has reached the disk; an `OutputError` if that cannot be."""
    try:
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError(f"'{path}' cannot be put in place ({error.strerror or error}): check its folder") from error


def sync_folder(folder: Path) -> None:
    """Send the names in a folder to the disk itself."""
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


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(f"'{path}' cannot be written ({error.strerror or error}): check its folder and disk")

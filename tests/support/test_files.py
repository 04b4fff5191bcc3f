"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from posecli.errors import OutputError
from posecli.support.files import make_folder, move_into_place, partial_path, sync_folder, write_partial, write_whole


def test_a_whole_file_has_its_name_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a file.json"
    path.write_bytes(b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")

    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"'.*a\.json' cannot be put in place \(No space left on device\)"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"'.*none/a\.json' cannot be written \(No such file or directory\)"):
        write_partial(tmp_path / "none" / "a.json", b"")
    with pytest.raises(OutputError, match=r"cannot be put in place"):
        move_into_place(partial_path(tmp_path / "a.json"), tmp_path / "a.json")


def test_folders_are_made_with_their_parents_and_may_be_there(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_where_a_folder_should_be_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"folder '.*b' cannot be made \(Not a directory\): .* with --out$"):
        make_folder(tmp_path / "file" / "b", "--out")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_drives_that_write_names_at_once_are_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(file: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    sync_folder(tmp_path)


def test_a_broken_drive_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output error"):
        sync_folder(tmp_path)

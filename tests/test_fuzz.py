"""A short turn of the fuzzer on every reader of files from outside, and whether it finds what is wrong."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from support import fuzz

from posecli.errors import ModelError


@pytest.mark.slow
@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_no_change_makes_a_reader_stumble(name: str, tmp_path: Path) -> None:
    report = fuzz.fuzz(name, 0.2, 0, tmp_path, keep=None)
    assert report.findings == []
    assert report.executions > fuzz.FEWEST


@pytest.mark.slow
def test_whole_files_are_read(tmp_path: Path) -> None:
    for number, (name, make) in enumerate(fuzz.TARGETS.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        target = make(folder)
        for content in target.seeds:
            target.path.write_bytes(content)
            target.read()
        assert target.seeds, name


@pytest.mark.parametrize("problem", ["exception", "warning", "two lines"])
def test_findings_are_found(problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"

    def read() -> None:
        if path.read_bytes() == b"seed":
            return
        if problem == "exception":
            raise ValueError("no")
        if problem == "warning":
            warnings.warn("no", RuntimeWarning, stacklevel=1)
        raise ModelError("one\ntwo")

    monkeypatch.setitem(fuzz.TARGETS, "planted", lambda _: fuzz.Target(path, read, [b"seed"]))
    found = fuzz.fuzz("planted", 0.05, 0, tmp_path, keep=tmp_path).findings
    assert len(found) == 1
    assert found[0].startswith({"exception": "ValueError", "warning": "RuntimeWarning"}.get(problem, "a message"))
    assert (tmp_path / "planted-0-0").read_bytes() != b"seed"

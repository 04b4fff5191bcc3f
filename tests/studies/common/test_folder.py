"""The folder of a study: its journal, what continues it, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from posecli.errors import OutputError, OutputExistsError
from posecli.studies.common.folder import DESIGN_FILE, StudyFolder, StudyKind

TASTING = StudyKind("tasting", "sips.jsonl", ("bottles",), {"glass": "round"})


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path, TASTING)


def test_rows_come_back_in_order(folder: StudyFolder) -> None:
    assert folder.rows() == []
    folder.append([{"wine": 1}, {"wine": "Blaufränkisch"}])
    folder.append([{"wine": 3}])
    assert folder.rows() == [{"wine": 1}, {"wine": "Blaufränkisch"}, {"wine": 3}]


@pytest.mark.parametrize("torn", [b'{"wine": 2', b'{"wine": 2}', b"[2]\n", b"\xff\n"])
def test_a_torn_line_is_left_out_and_cut_off_before_the_next(folder: StudyFolder, torn: bytes) -> None:
    folder.append([{"wine": 1}])
    path = folder.path / TASTING.rows_file
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert folder.rows() == [{"wine": 1}]
    assert path.read_bytes() == whole + torn, "who only reads changes nothing"
    assert folder.rows(repair=True) == [{"wine": 1}]
    folder.append([{"wine": 2}])
    assert folder.rows() == [{"wine": 1}, {"wine": 2}]


def test_a_disk_that_refuses_is_told(folder: StudyFolder) -> None:
    (folder.path / TASTING.rows_file).mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        folder.append([{"wine": 1}])


def test_the_same_study_is_continued(folder: StudyFolder) -> None:
    asked = {"wines": (1, 2), "cellar": Path("here"), "glass": "round"}
    assert folder.begun(asked, overwrite=False) is None
    design = folder.write_design(asked, {"order": [2, 1]})
    assert (design["format"], design["format_version"], design["order"]) == ("posecli-tasting", 1, [2, 1])
    found = folder.begun(asked, overwrite=False)
    assert found is not None
    assert found["order"] == [2, 1]


def test_what_earlier_versions_did_not_write_is_no_difference(folder: StudyFolder) -> None:
    folder.write_design({"wines": 1}, {})
    assert folder.begun({"wines": 1, "glass": "round"}, overwrite=False) is not None
    with pytest.raises(OutputExistsError, match="glass was round, not tall"):
        folder.begun({"wines": 1, "glass": "tall"}, overwrite=False)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"wines": 2}, r"holds another tasting \(wines was 1, not 2\): choose another folder"),
        ({"wines": [1, 2]}, "wines was 1, not 1,2"),
        ({"wines": {"red": 1}}, "other wines"),
    ],
)
def test_another_study_is_refused_by_what_differs(folder: StudyFolder, asked: dict[str, Any], words: str) -> None:
    folder.write_design({"wines": 1}, {})
    with pytest.raises(OutputExistsError, match=words):
        folder.begun(asked, overwrite=False)


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ("{}", OutputExistsError, "is not a tasting's"),
        ("[]", OutputExistsError, "is not a tasting's"),
        ("{", OutputError, "cannot be read"),
        (json.dumps({"format": "posecli-tasting", "format_version": 0}), OutputExistsError, "another version"),
    ],
)
def test_other_files_are_no_study(folder: StudyFolder, content: str, error: type[Exception], words: str) -> None:
    (folder.path / DESIGN_FILE).write_text(content)
    with pytest.raises(error, match=words):
        folder.begun({}, overwrite=False)


def test_overwriting_clears_what_the_study_made_and_nothing_else(folder: StudyFolder) -> None:
    folder.write_design({"wines": 1}, {})
    folder.append([{"wine": 1}])
    (folder.path / "bottles").mkdir()
    (folder.path / "notes.txt").write_text("mine")
    assert folder.begun({"wines": 2}, overwrite=True) is None
    assert [path.name for path in folder.path.iterdir()] == ["notes.txt"]

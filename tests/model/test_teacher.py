"""Finding a student's teacher: the one that is named, or beside it, and never another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import make_dots_model
from support.students import make_pair

from posecli.errors import ModelError, UsageError
from posecli.model.folder import MODEL_FILE, ModelFolder
from posecli.model.teacher import find_teacher


@pytest.fixture
def pair(tmp_path: Path) -> tuple[ModelFolder, ModelFolder]:
    return make_pair(tmp_path / "models")


def test_a_teacher_beside_its_student_is_found(pair: tuple[ModelFolder, ModelFolder]) -> None:
    student, teacher = pair
    (teacher.path.parent / "aaa").mkdir()
    (teacher.path.parent / "aaa" / MODEL_FILE).write_text("damaged")
    assert find_teacher(student) == teacher
    moved = teacher.path.rename(teacher.path.with_name("zzz"))
    found = find_teacher(student)
    assert found is not None
    assert found.path == moved
    assert find_teacher(student, "off") is None
    assert find_teacher(teacher) is None, "it is no student"


def test_a_teacher_elsewhere_is_named(pair: tuple[ModelFolder, ModelFolder], tmp_path: Path) -> None:
    student, teacher = pair
    elsewhere = tmp_path / "elsewhere"
    shutil.move(teacher.path, elsewhere)
    assert find_teacher(student) is None
    found = find_teacher(student, str(elsewhere))
    assert found is not None
    assert found.identity == teacher.identity


def test_another_network_is_refused(pair: tuple[ModelFolder, ModelFolder], tmp_path: Path) -> None:
    student, teacher = pair
    words = (
        rf"^'{student.path}' is not the network that taught '{student.path}' \(DLC_resnet50_dots.* whose hash begins "
        rf"{teacher.identity[:12]}, not {student.identity[:12]}\): name that one, or give --teacher off$"
    )
    with pytest.raises(ModelError, match=words):
        find_teacher(student, str(student.path))
    with pytest.raises(ModelError, match=r"does not exist: check the path"):
        find_teacher(student, str(tmp_path / "nowhere"))
    plain = make_dots_model(tmp_path / "plain")
    with pytest.raises(UsageError, match=rf"^'{plain.path}' learned from no other network: leave out --teacher$"):
        find_teacher(plain, str(teacher.path))

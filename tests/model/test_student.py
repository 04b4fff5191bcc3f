"""The record of a student: what goes in comes out, and another network's is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support import projects

from posecli.cli import cli
from posecli.errors import ModelError
from posecli.inference.teacher import DoubtRule, plain_rules
from posecli.model.folder import MODEL_FILE, ModelFolder, read_model_folder
from posecli.model.student import (
    STUDENT_FILE,
    AgainstTruth,
    Conditions,
    Lessons,
    Stretch,
    StudentRecord,
    StudentShift,
    Teacher,
    part_shifts,
    read_student,
    write_student,
)


@pytest.fixture
def student(tmp_path: Path) -> ModelFolder:
    return projects.new_model_folder(tmp_path, "mobilenet_v2_0.35")


def record_of(folder: ModelFolder) -> StudentRecord:
    """As a distillation writes it."""
    bodyparts = folder.description.bodyparts
    teacher = np.random.default_rng(0).uniform(0, 1, (50, len(bodyparts), 3))
    pose = teacher + (1.0, 0.0, 0.0)
    return StudentRecord(
        Teacher.of(folder, "int8"),
        bodyparts,
        0.6,
        (Stretch("m1.mp4", 100, 149), Stretch("m2.mp4", 0, 99)),
        StudentShift.between(pose, teacher, 0.6),
        part_shifts(pose, teacher, bodyparts, 0.6),
        (AgainstTruth("labels", 10, 2.0, 1.5, 2.5, 2.0),),
        Conditions(640, 480, (90.0, 110.5), (55.0, 120.0)),
        Lessons(2, 1000, 10, 1800.0, 4000, "float32", "scratch"),
    )


def test_what_goes_in_comes_out(student: ModelFolder) -> None:
    record = record_of(student)
    assert read_student(student) is None
    for written in (record, replace(record, doubt={"likelihood": 0.5, "parts": {"snout": [1.0, 2.0]}})):
        write_student(student, written)
        assert read_student(student) == written


def test_another_recording_of_one_scene_is_like_it() -> None:
    learned = Conditions(640, 480, (174.0, 177.0), (60.0, 80.0))
    assert [*learned.unlike([172.0], [55.0])] == []
    assert [*learned.unlike([210.0], [100.0])] == []
    brightness, animal = learned.unlike([130.0], [110.0])
    assert brightness == "frames have a brightness of 130, where it learned 174 to 177"
    assert animal == "the animal is 110 px across, where it learned 60 to 80"


def test_parts_that_the_teacher_never_sees_have_no_shift() -> None:
    pose = np.zeros((3, 2, 3)) + (1.0, 1.0, 0.9)
    teacher = pose.copy()
    teacher[:, 1, 2] = 0.1
    seen, unseen = part_shifts(pose, teacher, ("a", "b"), cutoff=0.6).values()
    assert (seen.points, seen.largest_px, seen.agreement) == (3, 0.0, 1.0)
    assert (unseen.points, unseen.agreement) == (0, 0.0)
    assert np.isnan(unseen.median_px)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("format_version: 1", "format_version: 9", "is not a posecli-student file of version 1"),
        ("points:", "pints:", "is damaged"),
        ("doubt: null", "doubt: [1]", "doubt is not a mapping"),
        ("bodyparts:\n- ", "bodyparts:\n- x", "other body parts"),
    ],
)
def test_damage_is_told(student: ModelFolder, old: str, new: str, words: str) -> None:
    write_student(student, record_of(student))
    path = student.path / STUDENT_FILE
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ModelError, match=words):
        read_student(student)


def test_a_record_belongs_to_its_weights(student: ModelFolder) -> None:
    write_student(student, record_of(student))
    path = student.path / MODEL_FILE
    path.write_text(path.read_text(encoding="utf-8").replace("locref_stdev: 7.2801", "locref_stdev: 7.0"))
    with pytest.raises(ModelError, match=r"other weights.*posecli distill"):
        read_student(read_model_folder(student.path))


def test_info_shows_it(student: ModelFolder) -> None:
    parts = len(student.description.bodyparts)
    rules = [DoubtRule(4.5, (0.2,) * parts, (9.0,) * parts, 0.01), DoubtRule(4.0, (0.5,) * parts, (3.0,) * parts, 0.25)]
    write_student(student, replace(record_of(student), doubt=plain_rules(rules)))
    shown = CliRunner().invoke(cli, ["model", "info", str(student.path)])
    assert shown.exit_code == 0, shown.output
    assert "student's held out" in shown.output
    assert "m1.mp4:100-149, m2.mp4:0-99" in shown.output
    assert "about 1.0 % of frames for 4.5 px, 25.0 % for 4 px" in shown.output
    as_json = CliRunner().invoke(cli, ["model", "info", str(student.path), "--json"])
    assert json.loads(as_json.stdout)["student"]["lessons"]["steps"] == 4000

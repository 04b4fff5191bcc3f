"""A student and its teacher for `support.fake_engine.TaughtEngine`, and what they look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import make_dots_model
from inference.test_windows import drawn, walk

from posecli import engine
from posecli.inference.teacher import DoubtRule, plain_rules
from posecli.model.folder import MODEL_FILE, ModelFolder, read_model_folder
from posecli.model.student import (
    Conditions,
    Lessons,
    Stretch,
    StudentRecord,
    StudentShift,
    Teacher,
    part_shifts,
    write_student,
)
from posecli.precision import gate
from support import clips
from support.fake_engine import FakeEngine

#: Frames of the clip, and those of which the student is unsure; the later ones begin where a group of eight does.
FRAMES, DIM = 120, (slice(21, 26), slice(72, 78))
#: One that asks where dots are dim, and one that asks about all.
RULES = (DoubtRule(2.0, (0.9,) * 3, (7.0,) * 3, 0.1), DoubtRule(1.0, (2.0,) * 3, (-1.0,) * 3, 1.0))


def make_pair(place: Path, rules: Sequence[DoubtRule] = RULES) -> tuple[ModelFolder, ModelFolder]:
    """Folders of a student and its teacher, beside each other."""
    teacher = make_dots_model(place / "teacher")
    student = make_dots_model(place / "student")
    text = (student.path / MODEL_FILE).read_text()
    (student.path / MODEL_FILE).write_text(text[: text.index("mean_pixel")] + "mean_pixel: [1.0, 2.0, 3.0]\n")
    student = read_model_folder(student.path)
    write_student(student, record_of(student, teacher, rules))
    return student, teacher


def record_of(student: ModelFolder, teacher: ModelFolder, rules: Sequence[DoubtRule] = ()) -> StudentRecord:
    """A student's record, with its rules."""
    parts = student.description.bodyparts
    pose = np.tile([10.0, 10.0, 0.9], (60, len(parts), 1))
    shifted = pose + (3.0, 4.0, 0.0)
    return StudentRecord(
        Teacher.of(teacher, "fp32"),
        parts,
        0.6,
        (Stretch("m1.mp4", 100, 159),),
        StudentShift.between(shifted, pose, 0.6),
        part_shifts(shifted, pose, parts, 0.6),
        (),
        Conditions(320, 240, (80.0, 100.0), (40.0, 60.0)),
        Lessons(1, 100, 0, None, 10, "float32", "scratch"),
        plain_rules(rules) if rules else None,
    )


def make_dim_clip(place: Path) -> Path:
    """A clip in some of whose frames everything is three quarters as bright."""
    frames = drawn(walk(FRAMES)).images
    for stretch in DIM:
        frames[stretch] = frames[stretch] // 4 * 3
    return clips.encode(place / "walk.mp4", frames)


def use_taught_engine(patch: pytest.MonkeyPatch) -> None:
    """Every network is a fake one, and the gate looks at no more frames than it must."""
    patch.setattr(FakeEngine, "calls", [])
    patch.setitem(engine.ENGINE_CLASSES, "openvino", "support.fake_engine:TaughtEngine")
    patch.setattr(gate, "SAMPLE_PIXELS", 1)

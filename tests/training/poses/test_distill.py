"""A student from a teacher that says where dots are: its folder, its record, and that a break leaves no trace."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import labels, trainings
from support.fake_engine import FakeEngine

from posecli import engine
from posecli.analysis.lock import held
from posecli.errors import OutputExistsError, UsageError
from posecli.inference.predictor import PoseModel
from posecli.model.folder import ModelFolder, read_model_folder
from posecli.model.student import Stretch, Teacher, read_student
from posecli.options import EngineOptions
from posecli.training.config import PoseConfig
from posecli.training.loop import FLOAT32, TrainingObserver
from posecli.training.objective import Row
from posecli.training.poses import choice
from posecli.training.poses import distill as module
from posecli.training.poses.distill import DistillObserver, DistillOptions, distill, sides
from posecli.training.state import RunFolder
from posecli.video.probe import probe

pytestmark = pytest.mark.usefixtures("blank_figures")
OPTIONS = DistillOptions("compact_8", steps=5, held_out=("dots.mp4:40-49",))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, dots_clip: Path) -> None:
    """Few frames next to the stretches, small batches, states that are often kept."""
    monkeypatch.setattr(choice, "GUARD", 2 / probe(dots_clip).frame_rate)
    changed = {"BATCH": 2, "CROP": 64, "KEPT_EVERY": 2, "MEASURES": 1, "SPEED_SECONDS": 0.01, "LEAST_STEPS": 2}
    for name, value in changed.items():
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch, dots_model: ModelFolder) -> PoseModel:
    """It runs on an engine without a network; its student does not."""
    monkeypatch.setitem(engine.ENGINE_CLASSES, "tensorflow", "support.fake_engine:FakeEngine")
    monkeypatch.setattr(FakeEngine, "calls", [])
    return PoseModel(dots_model, EngineOptions("tensorflow", "fp32"))


class BrokenOffError(Exception):
    pass


class KillsAt(DistillObserver, TrainingObserver):
    """Breaks training off after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def trains(self, config: PoseConfig, run: RunFolder) -> TrainingObserver:
        self.precision = config.precision
        return self

    def stepped(self, step: int, row: Row | None) -> None:
        if step == self.step:
            raise BrokenOffError


class Settles(DistillObserver):
    """Notes what was settled."""

    def settled(self, steps: int, speeds: module.Speeds, seconds: float) -> None:
        self.steps, self.speeds, self.seconds = steps, speeds, seconds


@pytest.mark.slow
def test_a_student_and_its_record(
    teacher: PoseModel, dots_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "steps_per_second", lambda config, objective: 2.0)
    project, observer = labels.write_project(tmp_path / "project", 8), Settles()
    options = replace(OPTIONS, labels=project, steps=None, budget=3.0)
    made = distill(teacher, [dots_clip], tmp_path / "student", options, observer)
    assert 2 <= observer.steps <= 5  # a tenth of the budget is for other things, and what the teacher took
    assert min(observer.speeds.teacher, observer.speeds.student) > 0
    folder = read_model_folder(tmp_path / "student")
    assert made.folder.identity == folder.identity
    assert (folder.description.net_type, folder.description.bodyparts) == ("compact_8", ("red", "green", "blue"))
    record = read_student(folder)
    assert record == made.record
    assert record.teacher == Teacher.of(teacher.folder, "fp32")
    assert record.held_out == (Stretch("dots.mp4", 40, 49),)
    assert [*record.parts] == ["red", "green", "blue"]
    assert (record.lessons.frames, record.lessons.steps, record.lessons.labeled_frames) == (38, observer.steps, 7)
    assert record.lessons.budget_seconds == observer.seconds == 3.0
    assert (record.conditions.width, record.conditions.height) == (160, 120)
    assert record.conditions.brightness[0] <= record.conditions.brightness[1] < 255
    assert [(error.source, error.points > 0) for error in record.errors] == [("labels", True)]


@pytest.mark.slow
def test_a_break_leaves_no_trace(
    teacher: PoseModel, dots_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    observer = Settles()
    monkeypatch.setattr(module, "steps_per_second", lambda config, objective: 2.0)
    # It is found once for each student, and never again.
    found = iter([FLOAT32, FLOAT32])
    monkeypatch.setattr(module, "fastest_policy", lambda precision, trial: next(found))
    whole = distill(teacher, [dots_clip], tmp_path / "whole", OPTIONS, observer)
    assert 2.5 < observer.seconds < OPTIONS.budget  # five steps, and the teacher's look
    kills = KillsAt(1)  # before a state is kept
    with pytest.raises(BrokenOffError):
        distill(teacher, [dots_clip], tmp_path / "broken", OPTIONS, kills)
    assert kills.precision == "fp32"
    assert not (tmp_path / "broken").exists()
    looked_at = len(FakeEngine.calls)
    with pytest.raises(OutputExistsError, match="other settings"):
        distill(teacher, [dots_clip], tmp_path / "broken", replace(OPTIONS, seed=1))
    broken = distill(teacher, [dots_clip], tmp_path / "broken", OPTIONS)
    assert len(FakeEngine.calls) == looked_at, "the teacher looks once"
    first, second = (each.folder.weights() for each in (whole, broken))
    assert trainings.furthest(first, second) == 0
    assert whole.record.overall == broken.record.overall
    with pytest.raises(OutputExistsError, match="--overwrite"):
        distill(teacher, [dots_clip], tmp_path / "broken", OPTIONS)


class TouchedError(Exception):
    pass


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever begins, fails."""

    def carried_out(self: object, *, restart: bool) -> None:
        raise TouchedError

    monkeypatch.setattr(module._Distillation, "carried_out", carried_out)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("held_out", ["other.mp4", "dots.mp4"])
def test_what_cannot_be_learned_leaves_nothing_behind(
    teacher: PoseModel, dots_clip: Path, tmp_path: Path, held_out: str
) -> None:
    with pytest.raises(UsageError, match=r"is to be held out|leaves no frame"):
        distill(teacher, [dots_clip], tmp_path / "student", replace(OPTIONS, held_out=(held_out,)))
    assert not [*tmp_path.glob("student*")]


@pytest.mark.usefixtures("untouched")
def test_one_process_makes_a_student(teacher: PoseModel, dots_clip: Path, tmp_path: Path) -> None:
    student = tmp_path / "student"
    (tmp_path / "student-training").mkdir()
    with (
        held(tmp_path / "student-training" / module.LOCK_FILE),
        pytest.raises(OutputExistsError, match=f"being distilled by process {os.getpid()} on"),
    ):
        distill(teacher, [dots_clip], student, OPTIONS, overwrite=True)
    with pytest.raises(TouchedError):
        distill(teacher, [dots_clip], student, OPTIONS)


def test_sides_are_told_by_names() -> None:
    assert sides(("nose", "tail")) == ()
    assert sides(("Right_Paw", "Left_Paw")) == (("Left_Paw", "Right_Paw"),)
    assert sides(("nose", "right ear")) is None
    for left, right in (("L_ear", "R_ear"), ("ear_l", "ear_r"), ("earL", "earR"), ("lEar", "rEar"), ("LEFT", "RIGHT")):
        assert sides(("nose", right, "tail", left)) == ((left, right),)
    for hint in (("nose", "R_ear"), ("earl", "earr"), ("L_ear", "R_ear", "paw_L")):
        assert sides(hint) is None


def test_worth_it_only_if_faster() -> None:
    assert module.worth_it_from(module.Speeds(100.0, 100.0), 60) == np.inf


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"budget": 0.0}, "budget 0 s"),
        ({"net_type": "vast"}, "network 'vast' is not known"),
        ({"steps": 0}, "steps 0 is too small"),
    ],
)
def test_options_that_make_no_student(options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        DistillOptions(**options)  # type: ignore[arg-type]

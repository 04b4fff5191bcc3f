"""Analyses by a student whose teacher is asked where it is unsure."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analysis.test_resume import Interrupting, content, interrupt, killed_series, run
from click.testing import CliRunner
from support.students import DIM, FRAMES, RULES, make_dim_clip, make_pair, record_of, use_taught_engine

from posecli.analysis import RunObserver, analyze, decide
from posecli.analysis.verify import Recomputing, verify
from posecli.cli import cli
from posecli.errors import ModelError, UsageError
from posecli.model.folder import ModelFolder
from posecli.model.student import write_student
from posecli.options import AnalyzeOptions, EngineOptions, PipelineName
from posecli.tables.poses import read_poses

FP32 = EngineOptions(precision="fp32")


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    use_taught_engine(monkeypatch)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dim_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[ModelFolder, ModelFolder]:
    return make_pair(tmp_path / "models")


@pytest.fixture
def options(tmp_path: Path) -> AnalyzeOptions:
    return AnalyzeOptions(FP32, out_dir=tmp_path / "poses")


@pytest.fixture(scope="module")
def unbroken(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Any, bytes]:
    """Values of tables that were made in one go, of whole frames and in windows."""
    place = tmp_path_factory.mktemp("unbroken")
    student, _ = make_pair(place / "models")
    with pytest.MonkeyPatch.context() as patch:
        use_taught_engine(patch)
        options = AnalyzeOptions(FP32)
        return {
            window: content(run(clip, student, replace(options, window=window, out_dir=place / str(window))))
            for window in ("off", 112)
        }


def manifest_of(options: AnalyzeOptions) -> dict[str, Any]:
    assert options.out_dir is not None
    (path,) = options.out_dir.glob("*.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_rows_are_the_teachers_where_the_student_is_unsure(
    clip: Path, pair: tuple[ModelFolder, ModelFolder], options: AnalyzeOptions, tmp_path: Path
) -> None:
    student, teacher = pair
    result = run(clip, student, options)
    alone = run(clip, student, replace(options, teacher="off", out_dir=tmp_path / "alone"))
    exact = run(clip, teacher, replace(options, out_dir=tmp_path / "exact"))
    found, by_student, by_teacher = (read_poses(each.table).points for each in (result, alone, exact) if each.table)
    asked = (found == by_teacher).all(axis=(1, 2))
    expected = np.zeros(FRAMES, bool)
    for stretch in DIM:
        expected[stretch] = True
    expected[[20, 26, 78, 79]] = True  # those beside a jump, and the last of a group with the one before it
    np.testing.assert_array_equal(asked, expected)
    np.testing.assert_array_equal(found[~asked], by_student[~asked])
    assert result.teacher_frames == asked.sum() == 15
    assert alone.teacher_frames is None
    manifest = manifest_of(options)
    assert manifest["settings"]["teacher"]["identity"] == teacher.identity
    assert manifest["settings"]["teacher"]["rule"]["px"] == 2.0
    assert manifest["teacher"] == {
        "path": str(teacher.path), "identity": teacher.identity, "scorer": teacher.description.scorer,
        "frames": FRAMES, "teacher_frames": 15,
    }  # fmt: skip
    gate = manifest["parity_gate"][-1]
    assert gate["passed"]
    assert gate["limit_px"] == gate["rule_px"] == 2.0
    assert 0 < gate["asked"] < 0.25
    assert "teacher" not in manifest_of(replace(options, out_dir=tmp_path / "alone"))["settings"]


@pytest.mark.parametrize(
    ("pipeline", "batch_size", "window"),
    [
        ("sync", 1, 112),
        pytest.param("async", 64, "off", marks=pytest.mark.slow),
        pytest.param("parallel", 20, "off", marks=pytest.mark.slow),
    ],
)
def test_batches_and_pipelines_leave_no_trace(
    clip: Path,
    pair: tuple[ModelFolder, ModelFolder],
    options: AnalyzeOptions,
    unbroken: dict[Any, bytes],
    pipeline: PipelineName,
    batch_size: int,
    window: Any,
) -> None:
    options = replace(options, pipeline=pipeline, batch_size=batch_size, window=window)
    assert content(run(clip, pair[0], options)) == unbroken[window]
    assert ("windows" in manifest_of(options)) == (window != "off")


@pytest.mark.parametrize(("window", "then"), [("off", 20), pytest.param(112, 5, marks=pytest.mark.slow)])
def test_interrupted_run_goes_on_in_other_batches(
    clip: Path,
    pair: tuple[ModelFolder, ModelFolder],
    options: AnalyzeOptions,
    unbroken: dict[Any, bytes],
    window: Any,
    then: int,
) -> None:
    options = replace(options, window=window)
    interrupt(clip, pair[0], options, 24)
    observer = Interrupting()
    result = run(clip, pair[0], replace(options, batch_size=then), observer)
    assert observer.afresh == []
    assert result.first_frame == 24
    assert content(result) == unbroken[window]
    assert manifest_of(options)["teacher"]["frames"] == FRAMES - 16, "its last batch was made once more"


@pytest.mark.slow
def test_kills_at_random_moments(clip: Path, pair: tuple[ModelFolder, ModelFolder], tmp_path: Path) -> None:
    tally = killed_series("taught", clip, pair[0].path, tmp_path / "poses", "async", 5, "teacher", 112)
    assert tally["kills"] == 5
    assert tally["kills_with_rows"] > 1, tally


@pytest.mark.slow
def test_another_teacher_or_none_is_another_table(
    clip: Path, pair: tuple[ModelFolder, ModelFolder], options: AnalyzeOptions
) -> None:
    student, teacher = pair
    run(clip, student, options)
    assert run(clip, student, options).state == "skipped"
    named = replace(options, teacher=str(teacher.path), engine=EngineOptions(), window="off")
    assert decide(clip, student.path, named)[0].action == "skip"
    refused = decide(clip, student.path, replace(options, teacher="off"))[0]
    assert refused.action == "refuse"
    assert "its teacher was asked, and is not now" in refused.message
    alone = replace(options, teacher="off", overwrite=True)
    run(clip, student, alone)
    assert "its teacher was not asked, and is now" in decide(clip, student.path, options)[0].message
    with pytest.raises(ModelError, match="is not the network that taught"):
        run(clip, student, replace(options, teacher=str(student.path)))
    with pytest.raises(UsageError, match="a teacher is not for the standard decoder"):
        replace(named, decoder="standard")


@pytest.mark.slow
@pytest.mark.parametrize("window", ["off", 112])
def test_rows_are_computed_again_by_both(
    clip: Path, pair: tuple[ModelFolder, ModelFolder], options: AnalyzeOptions, tmp_path: Path, window: Any
) -> None:
    student, teacher = pair
    table = run(clip, student, replace(options, window=window)).table
    assert table is not None
    recomputing = Recomputing(clip, rows=FRAMES)
    assert verify(table, recomputing=recomputing).findings == ()
    shutil.move(teacher.path, tmp_path / "moved")
    (finding,) = verify(table, recomputing=recomputing).findings
    assert finding.words.endswith("any more: name it with --teacher")
    assert verify(table, recomputing=replace(recomputing, teacher=tmp_path / "moved")).findings == ()
    (finding,) = verify(table, recomputing=replace(recomputing, teacher=student.path)).findings
    assert "is not the teacher that it was made with" in finding.words


@pytest.mark.slow
def test_what_a_student_alone_is_worth_is_said(
    clip: Path, pair: tuple[ModelFolder, ModelFolder], tmp_path: Path
) -> None:
    student, teacher = pair

    def lines(*flags: object) -> str:
        command = ["analyze", str(clip), "-m", str(student.path), "--precision", "fp32", "-o", str(tmp_path / "poses")]
        result = CliRunner().invoke(cli, [*command, "--overwrite", *map(str, flags)])
        assert result.exit_code == 0, result.output
        return result.output

    worth = "on frames that it never saw it lay from it by: median 5.00 px, 99th percentile 5.00, largest 5.0 of 180"
    assert "walk.mp4: done (its teacher was asked about 15 frames, 12.5 %), 120 frames" in lines()
    off = lines("--teacher", "off")
    assert f"'student' works without its teacher, {teacher.description.scorer}; {worth}" in off
    assert "was asked" not in off
    write_student(student, record_of(student, teacher))
    assert f"works without its teacher, {teacher.description.scorer}; {worth}" in lines(), "it has no rule"
    write_student(student, record_of(student, teacher, RULES))
    shutil.move(teacher.path, tmp_path / "elsewhere")
    assert f"{teacher.description.scorer} (it is not beside the student: name it with --teacher); {worth}" in lines()
    assert "its teacher was asked about 15 frames" in lines("--teacher", tmp_path / "elsewhere")


def test_videos_unlike_those_that_it_learned_are_told(
    clip: Path, pair: tuple[ModelFolder, ModelFolder], options: AnalyzeOptions
) -> None:
    class Listener(RunObserver):
        def preparing(self, step: str) -> None:
            heard.append(step)

    heard: list[str] = []
    student, teacher = pair
    record = record_of(student, teacher, RULES)
    known = replace(record.conditions, brightness=(0.0, 255.0), animal_px=(0.0, 999.0))
    write_student(student, replace(record, conditions=known))
    analyze(clip, student.path, options, Listener())
    assert heard == []
    write_student(student, replace(record, conditions=replace(known, brightness=(1.0, 2.0), animal_px=(1.0, 2.0))))
    analyze(clip, student.path, replace(options, overwrite=True), Listener())
    (note,) = heard
    assert note.startswith("these videos look unlike what 'student' learned: frames have a brightness of ")
    assert note.endswith(" px across, where it learned 1 to 2")

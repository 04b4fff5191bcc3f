"""A plan is plain values, which any executor can carry out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.fake_engine import FakeEngine

from posecli.analysis import RunObserver, analyze, context, decide, executors
from posecli.analysis.executors import Outcome, Verb
from posecli.analysis.executors.here import here
from posecli.analysis.plan import RunPlan, Settled, VideoPlan, from_plain, plain
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions, ClassifyOptions, Crop, EngineOptions, InputSize, Shard
from posecli.support.results import StageReport, VideoResult

pytestmark = pytest.mark.usefixtures("fake_engine")

VIDEOS = (Path("a/m1.mp4"), Path("b/mäuse ♀.avi"))
SETTLED = Settled(
    "bf16",
    ({"precision": "bf16", "p99_px": 0.1},),
    ({"shape": [120, 160, 3], "choice": {}},),
    teacher={"precision": "int8", "rule": {"px": 2.0, "jumps": [3.0]}},
)


@pytest.mark.parametrize(
    "options",
    [
        AnalyzeOptions(),
        AnalyzeOptions(
            EngineOptions("tensorflow", "fp32", 3), "auto", Crop(0, 9, 1, 8), scale=0.37, pipeline="tf-sync"
        ),
        ClassifyOptions(out_dir=Path("out"), shard=Shard(1, 2), input_size=InputSize(224, 160), stride=16),
    ],
)
def test_a_plan_goes_to_json_and_back(dots_model: ModelFolder, options: AnalyzeOptions | ClassifyOptions) -> None:
    plan = replace(RunPlan.of(VIDEOS, dots_model, options), settled=SETTLED)
    assert RunPlan.from_json(plan.to_json()) == plan
    assert len(plan.videos) == (1 if options.shard else 2)
    assert plan.sampled == VIDEOS


@pytest.mark.parametrize(
    "outcome",
    [
        VideoPlan(VIDEOS[0], "resume", Path("m1.h5"), 50, 24, 26, (480, 640, 3), "interrupted"),
        VideoResult(
            VIDEOS[1], "short", Path("m.h5"), 2, 0.5, (1,), StageReport(2, 0.5, {"read": 0.1}), plan={"left_out": []}
        ),
        VideoResult(VIDEOS[1], "failed", message="gone", exit_code=3),
    ],
)
def test_an_outcome_goes_to_json_and_back(outcome: Outcome) -> None:
    assert from_plain(type(outcome), plain(outcome)) == outcome


def test_what_is_left_of_a_plan(dots_model: ModelFolder) -> None:
    plan = RunPlan.of(VIDEOS, dots_model, AnalyzeOptions())
    assert [files.video for files in plan.without(VIDEOS[:1]).videos] == [VIDEOS[1]]
    assert plan.without(VIDEOS[:1]).sampled == VIDEOS
    assert plan.without((), lost=VIDEOS[:1]).sampled == VIDEOS[1:]


@pytest.mark.usefixtures("quick_trials")
@pytest.mark.usefixtures("short_videos_pay")
def test_what_was_settled_is_not_measured_again(
    dots_clip: Path, dots_model: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeEngine, "obstacle", staticmethod(lambda _folder, name: None if name != "int8" else "no"))
    notes: list[dict[str, Any]] = []
    plan = RunPlan.of([dots_clip], dots_model, AnalyzeOptions(batch_size="auto", out_dir=tmp_path / "a"))
    here(plan, "carry_out", RunObserver(), note=notes.append)
    settled = from_plain(Settled, [note["settled"] for note in notes if "settled" in note][-1])
    assert settled.precision == "bf16"
    for name in ("choose_precision", "choose_batch"):
        monkeypatch.setattr(context, name, lambda *_: pytest.fail("measured again"))
    again = RunPlan.of([dots_clip], dots_model, AnalyzeOptions(batch_size="auto", out_dir=tmp_path / "b"))
    (result,) = here(replace(again, settled=settled), "carry_out", RunObserver())
    assert isinstance(result, VideoResult)
    assert result.state == "done"


def one_task_each(plan: RunPlan, verb: Verb, observer: RunObserver) -> Sequence[Outcome]:
    """A cluster in miniature: a task for each video, the last one first, given as text."""
    tasks = [replace(plan, videos=(files,)).to_json() for files in reversed(plan.videos)]
    return [here(RunPlan.from_json(task), verb, observer)[0] for task in tasks][::-1]


def test_another_executor_is_one_function(
    dots_clip: Path, dots_model: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(executors.EXECUTORS, "toy", f"{__name__}:one_task_each")
    videos = [dots_clip, tmp_path / "missing.mp4"]
    options = AnalyzeOptions(out_dir=tmp_path / "poses")
    planned = decide(videos, dots_model.path, options, executor="toy")
    assert [each.action for each in planned] == ["analyse", "refuse"]
    report = analyze(videos, dots_model.path, options, executor="toy")
    assert [(result.video, result.state) for result in report.results] == [(videos[0], "done"), (videos[1], "failed")]

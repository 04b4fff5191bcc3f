"""The gate of a student and its teacher: the cheapest setting that stays within a bound, or a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analysis.test_resume import run
from analysis.test_windows import Heard
from support.students import FRAMES, RULES, make_dim_clip, make_pair, use_taught_engine

from posecli.errors import PrecisionError
from posecli.inference.teacher import DoubtRule
from posecli.options import AnalyzeOptions, EngineOptions
from posecli.precision.gate import sampled_moments

FP32 = EngineOptions(precision="fp32")


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    use_taught_engine(monkeypatch)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dim_clip(tmp_path_factory.mktemp("clip"))


def settings(options: AnalyzeOptions) -> dict[str, Any]:
    assert options.out_dir is not None
    (path,) = options.out_dir.glob("*.json")
    found: dict[str, Any] = json.loads(path.read_text())["settings"]
    return found


def test_sampled_frames_come_with_those_beside_them(clip: Path) -> None:
    (sample,) = sampled_moments([clip], AnalyzeOptions(), lag=8, beside=True)
    assert sample.beside is not None
    assert sample.earlier is not None
    before, after = sample.beside
    places = sample.items.indices
    assert len(places) == 32
    for other, offset in ((before, -1), (after, 1), (sample.earlier, -8)):
        np.testing.assert_array_equal(other.indices, places + offset)
    (short,) = sampled_moments([clip], AnalyzeOptions(), frames=4, lag=FRAMES - 1, beside=True)
    assert (short.beside, short.earlier, len(short.items)) == (None, None, 4)


@pytest.mark.slow
def test_the_cheapest_that_stays_within_a_bound(clip: Path, tmp_path: Path) -> None:
    student, _ = make_pair(tmp_path / "models")
    found = {}
    for within in (40.0, 2.5, 1.0, 0.3):
        options = AnalyzeOptions(FP32, within=within, window="off", out_dir=tmp_path / str(within))
        result = run(clip, student, options)
        assert run(clip, student, options).state == "skipped"
        found[within] = settings(options)
    assert "teacher" not in found[40.0], "the student alone is good enough"
    assert [found[within]["teacher"]["rule"]["px"] for within in (2.5, 1.0, 0.3)] == [2.0, 1.0, 1.0]
    assert result.teacher_frames == FRAMES


def test_without_a_bound_about_a_tenth_is_asked(clip: Path, tmp_path: Path) -> None:
    """By the tightest rule that asks no more; what that is worth is measured, and refuses nothing."""
    blind = DoubtRule(1.5, (0.0,) * 3, (1e3,) * 3, 0.08)
    student, _ = make_pair(tmp_path / "models", (RULES[0], blind, RULES[1]))
    options = AnalyzeOptions(FP32, window="off", out_dir=tmp_path / "poses")
    heard = Heard()
    assert run(clip, student, options, heard).teacher_frames == 0
    assert settings(options)["teacher"]["rule"]["px"] == 1.5
    words = "the student with its teacher in fp32 on 0 % of frames (rule for 1.5 px), in fp32 moves points by a median"
    assert heard.lines[0].startswith(words)
    assert "96 points of 32 frames; no --within is given)" in heard.lines[0]


def test_nothing_stays_within_a_bound(clip: Path, tmp_path: Path) -> None:
    student, _ = make_pair(tmp_path / "models", RULES[:1])
    words = (
        r"^the student with its teacher in fp32 on \d+ % of frames \(rule for 2 px\), in fp32 moves points .*: allow "
        r"more with --within, or use its teacher alone \(--model\), or the student alone \(--teacher off\)$"
    )
    with pytest.raises(PrecisionError, match=words):
        run(clip, student, AnalyzeOptions(FP32, within=0.1, window="off", out_dir=tmp_path / "poses"))

"""The parity gate: what it measures, what it lets pass, and what a run makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import clips
from support.fake_engine import FakeEngine
from support.pictures import lose_pictures

from posecli import engine as engines
from posecli.analysis import analyze
from posecli.engine import Shape
from posecli.engine.outputs import Maps
from posecli.errors import EngineError, PrecisionError
from posecli.model.folder import AnyFolder, ModelFolder
from posecli.options import AnalyzeOptions, Crop, EngineOptions, FixedPrecision, Precision
from posecli.precision import reckoning
from posecli.precision.gate import SAMPLE_FRAMES, SAMPLE_PLACES, SAMPLE_STEP, _stretches, compare_poses, sample_frames
from posecli.support.results import AnalysisReport


class ShakyEngine(FakeEngine):
    """Exact in fp32; elsewhere it shifts every point by a known number of px."""

    shifts: ClassVar[dict[FixedPrecision, float]] = {}

    def __init__(self, folder: ModelFolder, shape: Shape, options: EngineOptions) -> None:
        super().__init__(folder, shape, options)
        self._shift = 0.0 if options.fixed_precision == "fp32" else self.shifts[options.fixed_precision]

    @staticmethod
    def obstacle(folder: AnyFolder, precision: FixedPrecision) -> str | None:
        known = precision == "fp32" or precision in ShakyEngine.shifts
        return None if known else f"this processor does not compute in {precision}"

    def __call__(self, images: npt.NDArray[np.uint8]) -> Maps:
        output = super().__call__(images)
        assert output.locref is not None
        output.locref[..., 0] += np.float32(self._shift / 7.2801)
        return Maps(np.minimum(3 * output.scoremap, 1).astype(np.float32), output.locref)


@pytest.fixture
def shaky(monkeypatch: pytest.MonkeyPatch, short_videos_pay: None) -> type[ShakyEngine]:
    monkeypatch.setattr(ShakyEngine, "shifts", {})
    monkeypatch.setitem(engines.ENGINE_CLASSES, "openvino", f"{__name__}:ShakyEngine")
    monkeypatch.setattr(engines, "_engine_class", lambda name: ShakyEngine)
    return ShakyEngine


def run(clip: Path, model: ModelFolder, out_dir: Path, precision: Precision, **changes: Any) -> AnalysisReport:
    return analyze(clip, model.path, AnalyzeOptions(EngineOptions(precision=precision), out_dir=out_dir, **changes))


def manifest_of(report: AnalysisReport) -> dict[str, Any]:
    table = report.results[0].table
    assert table is not None, report.results[0].message
    content: dict[str, Any] = json.loads(table.with_suffix(".json").read_text())
    return content


@pytest.mark.parametrize(
    ("shifts", "chosen", "measured"),
    [
        ({}, "fp32", []),
        ({"bf16": 0.02}, "bf16", ["bf16"]),
        ({"bf16": 0.02, "int8": 0.1}, "int8", ["int8"]),
        ({"bf16": 0.02, "int8": 4.0}, "bf16", ["int8", "bf16"]),
        ({"bf16": 3.0, "int8": 4.0}, "fp32", ["int8", "bf16"]),
    ],
    ids=str,
)
def test_auto_takes_the_fastest_that_passes(
    shaky: type[ShakyEngine],
    dots_clip: Path,
    dots_model: ModelFolder,
    tmp_path: Path,
    shifts: dict[FixedPrecision, float],
    chosen: str,
    measured: list[str],
) -> None:
    shaky.shifts.update(shifts)
    manifest = manifest_of(run(dots_clip, dots_model, tmp_path, "auto"))
    assert manifest["settings"]["precision"] == manifest["engine"]["precision"] == chosen
    assert [figures["precision"] for figures in manifest["parity_gate"]] == measured
    for figures in manifest["parity_gate"]:
        assert figures["median_px"] == pytest.approx(shifts[figures["precision"]], abs=1e-4)
        assert figures["passed"] == (figures["precision"] == chosen)


def test_choice_by_name_that_does_not_pass_is_an_error_with_the_figures(
    shaky: type[ShakyEngine], dots_clip: Path, dots_model: ModelFolder, tmp_path: Path
) -> None:
    shaky.shifts["bf16"] = 2.5
    with pytest.raises(PrecisionError, match=r"bf16 moves points by a median of 2\.500 px.*more with --max-shift$"):
        run(dots_clip, dots_model, tmp_path, "bf16")
    assert not list(tmp_path.glob("*DLC*"))
    allowed = run(dots_clip, dots_model, tmp_path, "bf16", max_shift=3.0)
    assert manifest_of(allowed)["parity_gate"][0]["limit_px"] == 3.0


def test_precision_that_the_processor_does_not_have_is_said(
    shaky: type[ShakyEngine], dots_clip: Path, dots_model: ModelFolder, tmp_path: Path
) -> None:
    with pytest.raises(PrecisionError, match="this processor does not compute in int8"):
        run(dots_clip, dots_model, tmp_path, "int8")
    with pytest.raises(EngineError, match="does not compute in fp16"):
        engines.open_engine(dots_model, (120, 160, 3), EngineOptions(precision="fp16"))


def test_fp32_is_not_measured(
    shaky: type[ShakyEngine], dots_clip: Path, dots_model: ModelFolder, tmp_path: Path
) -> None:
    shaky.shifts["bf16"] = 0.02
    assert manifest_of(run(dots_clip, dots_model, tmp_path, "fp32"))["parity_gate"] == []


def test_video_without_points_is_not_judged(shaky: type[ShakyEngine], dots_model: ModelFolder, tmp_path: Path) -> None:
    shaky.shifts["bf16"] = 0.02
    video = clips.encode(tmp_path / "dark.mp4", np.zeros((40, 120, 160, 3), np.uint8))
    manifest = manifest_of(run(video, dots_model, tmp_path / "auto", "auto"))
    assert manifest["settings"]["precision"] == "fp32"
    assert manifest["parity_gate"][0]["points"] == 0
    with pytest.raises(
        PrecisionError,
        match=r"bf16 could not be judged: only 0 points of 32 frames.*: choose --precision auto or fp32$",
    ):
        run(video, dots_model, tmp_path / "bf16", "bf16")


def test_gate_that_costs_more_than_it_saves_is_left_out(
    shaky: type[ShakyEngine],
    dots_clip: Path,
    dots_model: ModelFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reckoning, "LEAST_SURE_GAIN", 1.0)
    shaky.shifts["bf16"] = 0.02
    shaky.calls.clear()
    manifest = manifest_of(run(dots_clip, dots_model, tmp_path, "auto"))
    assert (manifest["settings"]["precision"], manifest["parity_gate"]) == ("fp32", [])
    (sentence,) = manifest["left_out"]
    assert sentence.startswith("no faster precision is tried: that takes as long as ")
    assert sum(shape[0] for shape in shaky.calls) == 50, "its frames, and no others"
    manifest = manifest_of(run(dots_clip, dots_model, tmp_path / "named", "bf16"))
    assert (manifest["settings"]["precision"], manifest["left_out"]) == ("bf16", [])


def test_one_precision_for_all_videos_of_a_run(
    shaky: type[ShakyEngine], dots_clip: Path, dots_model: ModelFolder, tmp_path: Path
) -> None:
    shaky.shifts["bf16"] = 0.02
    dark = clips.encode(tmp_path / "dark.mp4", np.zeros((40, 120, 160, 3), np.uint8))
    options = AnalyzeOptions(out_dir=tmp_path)
    report = analyze([dark, dots_clip, tmp_path / "missing.mp4"], dots_model.path, options)
    tables = [result.table for result in report.results if result.table]
    assert [json.loads(table.with_suffix(".json").read_text())["settings"]["precision"] for table in tables] == [
        "bf16"
    ] * 2


def test_auto_accepts_what_auto_made_before_without_measuring(
    shaky: type[ShakyEngine], dots_clip: Path, dots_model: ModelFolder, tmp_path: Path
) -> None:
    shaky.shifts["bf16"] = 0.02
    run(dots_clip, dots_model, tmp_path, "auto")
    shaky.calls.clear()
    assert run(dots_clip, dots_model, tmp_path, "auto").results[0].state == "skipped"
    assert shaky.calls == []
    other = run(dots_clip, dots_model, tmp_path, "fp32").results[0]
    assert "precision was bf16, not fp32" in other.message


def test_sample_comes_from_all_over_the_videos(dots_clip: Path, tmp_path: Path) -> None:
    long = clips.encode(tmp_path / "long.mp4", clips.numbered_frames(160))
    first, second = sample_frames([long, dots_clip], AnalyzeOptions(), 32)
    numbers = [clips.read_number(image) for image in first.images]
    assert len(numbers) == 16
    assert numbers == sorted(set(numbers))
    assert numbers[0] < 16
    assert numbers[-1] > 144
    assert max(np.diff(numbers)) < 16
    assert len(second.images) == 16


@pytest.mark.slow
def test_small_frames_make_a_larger_sample_from_as_many_places(dots_clip: Path, tmp_path: Path) -> None:
    long = clips.encode(tmp_path / "long.mp4", clips.numbered_frames(800))
    (sample,) = sample_frames([long], AnalyzeOptions())
    numbers = [clips.read_number(image) for image in sample.images]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == SAMPLE_FRAMES[1]
    gaps = np.diff(numbers)
    assert set(gaps[gaps <= SAMPLE_STEP]) == {SAMPLE_STEP}
    assert (gaps > SAMPLE_STEP).sum() == SAMPLE_PLACES - 1
    (short,) = sample_frames([dots_clip], AnalyzeOptions())
    assert 32 <= len(short.images) <= 50


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 300), st.integers(1, 64))
def test_frames_of_a_sample_are_distinct_and_in_the_video(n_frames: int, count: int, places: int) -> None:
    stretches = _stretches(n_frames, count, places)
    frames = [index for stretch in stretches for index in stretch]
    assert frames == sorted(set(frames))
    assert 0 <= frames[0] <= frames[-1] < n_frames
    assert len(stretches) <= places
    if count <= places:
        assert len(frames) == min(count, n_frames)


def test_a_video_that_cannot_be_sampled_is_passed_over(
    dots_clip: Path, dots_model: ModelFolder, shaky: type[ShakyEngine], tmp_path: Path
) -> None:
    """It is reported when its turn comes, and only then: here its frames are smaller than the crop."""
    shaky.shifts["bf16"] = 0.1
    small = clips.encode(tmp_path / "small.mp4", clips.numbered_frames(20, 48, 64))
    videos, crop = [small, dots_clip], Crop(0, 100, 0, 100)
    (sample,) = sample_frames(videos, AnalyzeOptions(crop=crop))
    assert sample.images.shape[1:] == (100, 100, 3)
    options = AnalyzeOptions(EngineOptions(precision="bf16"), out_dir=tmp_path / "poses", crop=crop)
    report = analyze(videos, dots_model.path, options)
    assert [result.state for result in report.results] == ["failed", "done"]


def test_broken_frames_are_left_out_of_a_sample(dots_clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_pictures(monkeypatch, range(0, 50, 2))
    (sample,) = sample_frames([dots_clip], AnalyzeOptions())
    assert sample.images.any(axis=(1, 2, 3)).all()
    assert {clips.read_number(image) % 2 for image in sample.images} == {1}


def test_only_points_above_the_cutoff_count() -> None:
    exact = np.zeros((100, 2, 3)) + (10, 20, 0.9)
    exact[:, 1, 2] = 0.1
    found = exact + (0.0, 0.5, 0.0)
    found[:, 1, 0] += 100
    figures = compare_poses("bf16", found, exact, seen_from=0.6, limit_px=1.5)
    assert (figures.points, figures.largest_px) == (100, 0.5)

"""The search for the fastest setting inside a limit: what is tried, what is chosen, and what a run makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analysis.test_resume import Interrupting, content, interrupt, run
from conftest import make_dots_model
from inference.test_windows import drawn, walk
from support import clips
from support.fake_engine import FakeEngine

from posecli.analysis import decide
from posecli.errors import PrecisionError, UsageError
from posecli.model.folder import AnyFolder, ModelFolder
from posecli.options import AnalyzeOptions, EngineOptions, FixedPrecision

FRAMES = 64
#: Px by which the engine is off in each precision.
OFF = {"fp32": 0.0, "bf16": 0.2, "int8": 2.0}


class NarrowEngine(FakeEngine):
    """Computes in other precisions too, and is off by so much in each."""

    @staticmethod
    def obstacle(folder: AnyFolder, precision: FixedPrecision) -> str | None:
        return None if precision in OFF else f"no {precision}"

    def __call__(self, images: Any) -> Any:
        found = super().__call__(images)
        assert found.locref is not None
        return replace(found, locref=found.locref + np.float32(OFF[self.info.precision] / 7.2801))


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch, short_videos_pay: None) -> None:
    from posecli import engine

    monkeypatch.setitem(engine.ENGINE_CLASSES, "openvino", f"{__name__}:NarrowEngine")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.encode(tmp_path_factory.mktemp("clip") / "walk.mp4", drawn(walk(FRAMES)).images)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return make_dots_model(tmp_path_factory.mktemp("model") / "dots")


def settings(options: AnalyzeOptions) -> dict[str, Any]:
    assert options.out_dir is not None
    (path,) = options.out_dir.glob("*.json")
    manifest: dict[str, Any] = json.loads(path.read_text())
    return {**manifest["settings"], "tried": [figures.get("scale") for figures in manifest["parity_gate"]]}


@pytest.mark.slow
def test_the_precision_is_as_narrow_as_the_limit_allows(clip: Path, model: ModelFolder, tmp_path: Path) -> None:
    found = {}
    for within in (0.1, 1.0, 3.0):
        options = AnalyzeOptions(within=within, window="off", scale=1.0, out_dir=tmp_path / str(within))
        run(clip, model, options)
        found[within] = settings(options)
    # A square that is shrunk moves by some px here: a smaller scale never passes at 1 px.
    assert [found[within]["precision"] for within in (0.1, 1.0)] == ["fp32", "bf16"]
    assert [found[within]["network_width"] for within in (0.1, 1.0)] == [320, 320]
    assert found[0.1]["tried"][:2] == [1.0, 1.0]
    assert found[3.0]["within_px"] == 3.0
    assert found[3.0]["precision"] == "int8"


@pytest.mark.slow
def test_a_smaller_scale_where_the_limit_is_wide(clip: Path, model: ModelFolder, tmp_path: Path) -> None:
    options = AnalyzeOptions(within=12.0, window="off", out_dir=tmp_path / "poses")
    result = run(clip, model, options)
    found = settings(options)
    assert found["network_width"] < 320
    assert result.table is not None
    full = AnalyzeOptions(window="off", engine=EngineOptions(precision="fp32"), out_dir=tmp_path / "full")
    apart = np.frombuffer(content(result)) - np.frombuffer(content(run(clip, model, full)))
    assert np.quantile(np.abs(apart), 0.95) < 12
    assert run(clip, model, options).state == "skipped"
    assert decide(clip, model.path, replace(options, within=1.0))[0].action == "refuse"
    kept = replace(options, scale=0.5, overwrite=True)
    run(clip, model, kept)
    assert settings(kept)["network_width"] == 160


def test_an_interrupted_search_is_not_made_again(clip: Path, model: ModelFolder, tmp_path: Path) -> None:
    options = AnalyzeOptions(within=12.0, out_dir=tmp_path / "poses")
    interrupt(clip, model, options, 16)
    FakeEngine.calls.clear()
    observer = Interrupting()
    result = run(clip, model, options, observer)
    assert observer.afresh == []
    assert result.first_frame == 16
    assert len({shape[1:] for shape in FakeEngine.calls}) <= 2, "its frames, and their windows"
    whole = replace(options, out_dir=tmp_path / "whole")
    assert content(run(clip, model, whole)) == content(result)


@pytest.mark.slow
def test_a_window_that_is_named_is_kept_at_every_scale(clip: Path, model: ModelFolder, tmp_path: Path) -> None:
    options = AnalyzeOptions(within=12.0, window=96, out_dir=tmp_path / "poses")
    run(clip, model, options)
    found = settings(options)
    assert abs(found["windows"]["width"] - 96) <= 8
    assert found["windows"]["width"] < found["network_width"]
    assert run(clip, model, options).state == "skipped"


def test_nothing_passes(clip: Path, model: ModelFolder, tmp_path: Path) -> None:
    options = AnalyzeOptions(EngineOptions(precision="int8"), within=0.5, out_dir=tmp_path)
    words = r"^nothing that was tried stays within 0.5 px of fp32 on the full frame \(at scale 1 int8 moves points"
    with pytest.raises(PrecisionError, match=words):
        run(clip, model, options)


def test_a_limit_is_a_length() -> None:
    for within in (0.0, float("inf"), float("nan")):
        with pytest.raises(UsageError, match=rf"within {within:g} is out of range: give a number of px above 0"):
            AnalyzeOptions(within=within)
    with pytest.raises(UsageError, match=r"within 1 and max-shift 0\.1 px both limit the shift: leave one out"):
        AnalyzeOptions(within=1.0, max_shift=0.1)
    assert AnalyzeOptions(EngineOptions("tensorflow")).windows == "off"
    assert AnalyzeOptions(within=2.0).limit == 2.0
    assert AnalyzeOptions(EngineOptions(precision="bf16"), within=2.0).windows == "auto"

"""Analyses whose network looks at windows: their tables are those of whole frames, and know how they were made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analysis.test_resume import Interrupting, content, interrupt, killed_series, run
from conftest import make_dots_model
from inference.test_windows import HEIGHT, WIDTH, drawn, walk
from support import clips
from support.fake_engine import FakeEngine

from posecli import engine
from posecli.analysis import RunObserver, analyze, decide
from posecli.analysis.verify import Recomputing, verify
from posecli.errors import PrecisionError, UsageError
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions, EngineOptions, PipelineName
from posecli.precision import reckoning
from posecli.precision import windows as measuring

pytestmark = pytest.mark.usefixtures("fake_engine")

#: Long enough for every kind of group; the animal leaves for a while.
FRAMES = 300


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = walk(FRAMES)
    path[100:120] = np.nan
    return clips.encode(tmp_path_factory.mktemp("clip") / "walk.mp4", drawn(path).images)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return make_dots_model(tmp_path_factory.mktemp("model") / "dots")


@pytest.fixture
def options(tmp_path: Path) -> AnalyzeOptions:
    return AnalyzeOptions(window=112, out_dir=tmp_path / "poses")


@pytest.fixture(scope="module")
def unbroken(clip: Path, model: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Values of a table that was made of whole frames."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(engine.ENGINE_CLASSES, "openvino", "support.fake_engine:FakeEngine")
        folder = tmp_path_factory.mktemp("whole")
        return content(run(clip, model, AnalyzeOptions(window="off", out_dir=folder)))


def manifest_of(options: AnalyzeOptions) -> dict[str, Any]:
    assert options.out_dir is not None
    (path,) = options.out_dir.glob("*.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize(
    ("pipeline", "batch_size"), [("async", 64), pytest.param("parallel", 20, marks=pytest.mark.slow), ("sync", 1)]
)
def test_table_is_that_of_whole_frames(
    clip: Path, model: ModelFolder, options: AnalyzeOptions, unbroken: bytes, pipeline: PipelineName, batch_size: int
) -> None:
    result = run(clip, model, replace(options, pipeline=pipeline, batch_size=batch_size))
    assert content(result) == unbroken
    manifest = manifest_of(options)
    assert manifest["settings"]["windows"] == {
        "width": 112, "height": 112, "grid": 16, "cutoff": 0.6, "group": 8, "anchor": 256, "margin": 24,
        "reach": 50, "coarse": 0, "still": 0,
    }  # fmt: skip
    assert manifest["windows"]["frames"] == FRAMES
    assert 20 < manifest["windows"]["whole_frames"] < 60
    assert manifest["parity_gate"][-1]["passed"]
    assert manifest["run"]["batch_size"] % 8 == 0


@pytest.mark.parametrize("after", [112, pytest.param(256, marks=pytest.mark.slow)])
def test_interrupted_run_goes_on(
    clip: Path, model: ModelFolder, options: AnalyzeOptions, unbroken: bytes, after: int
) -> None:
    interrupt(clip, model, options, after)
    observer = Interrupting()
    result = run(clip, model, options, observer)
    assert observer.afresh == []
    assert result.first_frame == after
    assert content(result) == unbroken


@pytest.mark.slow
@pytest.mark.parametrize(("first", "then"), [(8, 12), (64, 5)])
def test_a_run_that_goes_on_in_other_batches(
    clip: Path, model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch, first: int, then: int
) -> None:
    monkeypatch.setitem(engine.ENGINE_CLASSES, "openvino", "support.fake_engine:PlacedEngine")
    whole = replace(options, out_dir=options.out_dir and options.out_dir / "whole")
    interrupt(clip, model, replace(options, batch_size=first), 128)
    observer = Interrupting()
    result = run(clip, model, replace(options, batch_size=then), observer)
    assert observer.afresh == []
    assert content(result) == content(run(clip, model, whole))


@pytest.mark.slow
def test_smaller_batches_when_memory_runs_out(
    clip: Path, model: ModelFolder, options: AnalyzeOptions, unbroken: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, groups = FakeEngine.__call__, []

    def small(self: FakeEngine, images: Any) -> Any:
        groups.extend([images.shape] if images.shape[:2] == (8, 112) else [])
        if len(groups) in (20, 21) and images.shape[:2] == (8, 112):
            raise MemoryError
        return call(self, images)

    monkeypatch.setattr(FakeEngine, "__call__", small)
    observer = Interrupting()
    result = run(clip, model, replace(options, batch_size=64), observer)
    assert observer.halved == [32, 16]
    assert content(result) == unbroken


@pytest.mark.slow
def test_kills_at_random_moments(clip: Path, model: ModelFolder, tmp_path: Path) -> None:
    tally = killed_series("placed", clip, model.path, tmp_path / "poses", "async", 10, "windows", 112)
    assert tally["kills"] == 10
    assert tally["kills_with_rows"] > 2, tally


class Heard(RunObserver):
    """Notes what the gate found, and what goes through the network."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def gate_measured(self, figures: Any) -> None:
        self.lines.append(str(figures))

    def engine_ready(self, network: str, info: Any, work: str) -> None:
        self.lines.append(work)


@pytest.mark.slow
def test_auto_finds_a_size_where_there_is_enough_to_gain(
    clip: Path, model: ModelFolder, options: AnalyzeOptions, unbroken: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = replace(options, window=None)
    run(clip, model, auto)
    assert "windows" not in manifest_of(auto)["settings"], "the video is too short"
    assert manifest_of(auto)["left_out"][0].startswith("no windows are tried: ")
    monkeypatch.setattr(reckoning, "LEAST_GAIN", 0.05)
    again = replace(auto, overwrite=True)
    heard = Heard()
    result = run(clip, model, again, heard)
    assert content(result) == unbroken
    assert heard.lines[0].startswith("windows of ")
    assert heard.lines[0].endswith("% of the work")
    assert heard.lines[-1].endswith(" out of frames")
    found = manifest_of(auto)["settings"]["windows"]
    assert found["width"] * found["height"] < WIDTH * HEIGHT / 2
    assert run(clip, model, auto).state == "skipped"


@pytest.mark.slow
@pytest.mark.parametrize("source", ["still", "coarse"])
def test_an_animal_that_is_elsewhere_in_each_frame(
    model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str
) -> None:
    """It cannot be tracked: what differs from the background says where it is, or a picture of half the size."""
    # In the middle of cells of the smaller picture, too.
    places = (np.random.default_rng(0).integers(3, 12, (FRAMES // 2, 2)) * 16 + 8).astype(np.float64)
    clip = clips.encode(tmp_path / "elsewhere.mp4", drawn(places).images)
    monkeypatch.setattr(reckoning, "LEAST_GAIN", 0.05)
    monkeypatch.setattr(measuring, "COARSE", (2,) if source == "coarse" else ())
    monkeypatch.setattr(measuring, "STILL", 8 if source == "still" else WIDTH)  # one cell shows nothing
    whole = run(clip, model, replace(options, window="off"))
    auto = replace(options, window="auto", out_dir=tmp_path / "auto")
    interrupt(clip, model, auto, 64)
    observer = Interrupting()
    result = run(clip, model, auto, observer)
    assert observer.afresh == []
    assert content(result) == content(whole)
    manifest = manifest_of(auto)
    assert manifest["settings"]["windows"][source] == {"still": 8, "coarse": 2}[source]
    assert manifest["windows"]["whole_frames"] < len(places) / 10
    assert result.table is not None
    assert verify(result.table, recomputing=Recomputing(clip, rows=20)).findings == ()


def test_a_precision_by_name_leaves_frames_whole(clip: Path, model: ModelFolder, options: AnalyzeOptions) -> None:
    exact = replace(options, window=None, engine=EngineOptions(precision="fp32"))
    assert exact.windows == "off"
    run(clip, model, exact)
    assert "windows" not in manifest_of(exact)["settings"]


@pytest.mark.slow
def test_another_window_is_another_table(clip: Path, model: ModelFolder, options: AnalyzeOptions) -> None:
    run(clip, model, options)
    assert decide(clip, model.path, options)[0].action == "skip"
    assert decide(clip, model.path, replace(options, window="auto"))[0].action == "skip", "whatever was measured then"
    for window in (128, "off"):
        refused = decide(clip, model.path, replace(options, window=window))[0]
        assert refused.action == "refuse"
        assert "windows was" in refused.message


@pytest.mark.slow
def test_rows_are_computed_again_with_their_windows(
    clip: Path, model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(clip, model, options)
    assert result.table is not None
    FakeEngine.calls.clear()
    assert verify(result.table, recomputing=Recomputing(clip, rows=60)).findings == ()
    assert sum(shape[1:3] == (112, 112) for shape in FakeEngine.calls) > 60


@pytest.mark.slow
def test_a_window_that_moves_points_is_refused(
    clip: Path, model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = FakeEngine.__call__

    def shifted(self: FakeEngine, images: Any) -> Any:
        found = call(self, images)
        assert found.locref is not None
        return replace(found, locref=found.locref + 1) if images.shape[1:3] == (112, 112) else found

    monkeypatch.setattr(FakeEngine, "__call__", shifted)
    words = r"^windows of 112x112 px in fp32 moves .*: choose --window auto or off, or allow more with --max-shift"
    with pytest.raises(PrecisionError, match=words):
        run(clip, model, options)
    assert run(clip, model, replace(options, max_shift=20)).state == "done"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"num_outputs": 2},
            "a window of 112 px is not for 2 peaks per body part, which may lie anywhere: leave",
        ),
        (
            {"decoder": "standard"},
            "a window of 112 px is not for the standard decoder, which takes one frame at a time",
        ),
        ({"window": 20}, "window 20 is too small: give a whole number of 64 or more"),
        ({"window": "some"}, "window 'some' is not known: choose one of auto, off, a whole number of px"),
    ],
)
def test_what_has_no_windows(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        AnalyzeOptions(**({"window": 112} | changes))


@pytest.mark.slow
def test_videos_of_several_sizes(clip: Path, model: ModelFolder, options: AnalyzeOptions, tmp_path: Path) -> None:
    """One that is no larger than the window is refused, one too short to be measured on has windows all the same."""
    small = clips.encode(tmp_path / "small.mp4", drawn(walk(40)).images[:, :112, :112])
    short = clips.encode(tmp_path / "short.mp4", drawn(walk(8)).images[:, :, :304])
    videos = [clip, small, short]
    first, second, third = analyze(videos, model.path, options).results
    assert (first.state, third.state) == ("done", "done")
    assert (second.state, second.exit_code) == ("failed", 2)
    assert second.message == "a window of 112 px is all of a frame of 112x112 px: choose a smaller one, or --window off"
    again = analyze(videos, model.path, options).results
    assert [result.state for result in again] == ["skipped", "failed", "skipped"]

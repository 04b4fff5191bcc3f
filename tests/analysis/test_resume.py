"""Runs that are interrupted, at any moment and in any way: the same call goes on, and the table is the same."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_dots_model
from support import clips, projects
from support.fake_engine import FakeEngine
from support.pictures import lose_pictures
from support.small_network import shrink

from posecli import engine
from posecli.analysis import RunObserver, analyze, decide
from posecli.analysis import context as analysis_context
from posecli.analysis import video as analysis_video
from posecli.analysis.journal import read_journal
from posecli.errors import StopRequest
from posecli.inference.batching import BatchChoice
from posecli.model.description import ModelDescription
from posecli.model.folder import ModelFolder, write_folder
from posecli.options import AnalyzeOptions, FixedPrecision, PipelineName
from posecli.support.results import VideoResult
from posecli.tables import manifest
from posecli.tables.pose_table import read_pose_table

pytestmark = pytest.mark.usefixtures("fake_engine")

FRAMES = 50
KILLS = Path(__file__).resolve().parents[1] / "support" / "kills.py"


@pytest.fixture
def options(tmp_path: Path) -> AnalyzeOptions:
    return AnalyzeOptions(out_dir=tmp_path / "poses")


class Interrupting(RunObserver):
    """Raises when so many frames are done, and notes what it hears."""

    def __init__(self, after: int | None = None, failure: type[BaseException] = KeyboardInterrupt) -> None:
        self.after = after
        self.failure = failure
        self.frames = 0
        self.resumed: list[int] = []
        self.afresh: list[str] = []
        self.halved: list[int] = []

    def frames_done(self, count: int) -> None:
        self.frames += count
        if self.after is not None and self.frames >= self.after:
            raise self.failure

    def video_resumed(self, info: Any, first_frame: int) -> None:
        self.resumed.append(first_frame)

    def started_afresh(self, info: Any, reason: str) -> None:
        self.afresh.append(reason)

    def batch_halved(self, info: Any, batch_size: int) -> None:
        self.halved.append(batch_size)


def run(video: Path, model: ModelFolder, options: AnalyzeOptions, observer: RunObserver = RunObserver()) -> VideoResult:
    return analyze(video, model.path, options, observer).results[0]


def content(result: VideoResult) -> bytes:
    assert result.table is not None, result.message
    return read_pose_table(result.table).to_numpy().tobytes()


def interrupt(
    video: Path, model: ModelFolder, options: AnalyzeOptions, after: int, failure: type[BaseException] = StopRequest
) -> None:
    with pytest.raises(failure):
        run(video, model, options, Interrupting(after, failure))


def names(options: AnalyzeOptions) -> list[str]:
    assert options.out_dir is not None
    return sorted(path.name.partition("shuffle1_100")[2] for path in options.out_dir.iterdir())


@pytest.fixture(scope="module")
def unbroken(dots_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Values of a table that was made in one go."""
    place = tmp_path_factory.mktemp("unbroken")
    model = make_dots_model(place / "model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(engine.ENGINE_CLASSES, "openvino", "support.fake_engine:FakeEngine")
        return content(run(dots_clip, model, AnalyzeOptions(out_dir=place / "poses")))


@pytest.mark.parametrize("failure", [KeyboardInterrupt, StopRequest, OSError])
@pytest.mark.parametrize("pipeline", ["async", "parallel", "sync"])
def test_interrupted_run_goes_on(
    dots_clip: Path,
    dots_model: ModelFolder,
    options: AnalyzeOptions,
    unbroken: bytes,
    failure: type[BaseException],
    pipeline: PipelineName,
) -> None:
    options = replace(options, pipeline=pipeline)
    interrupt(dots_clip, dots_model, options, 24, failure)
    assert names(options) == [".rows.partial"]
    FakeEngine.calls.clear()
    observer = Interrupting()
    result = run(dots_clip, dots_model, options, observer)
    assert (result.state, result.frames, result.first_frame) == ("done", FRAMES, 24)
    assert content(result) == unbroken
    assert (observer.resumed, observer.frames) == ([24], FRAMES - 24)
    # The last batch is made once more, to compare; the batches are those of an unbroken run.
    assert [shape[0] for shape in FakeEngine.calls] == [8, 8, 8, 8, 2]
    assert names(options) == [".h5", ".json", "_meta.pickle"]
    assert run(dots_clip, dots_model, options).state == "skipped"


def test_manifest_tells_of_both_sessions(dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions) -> None:
    interrupt(dots_clip, dots_model, options, 16)
    result = run(dots_clip, dots_model, options)
    assert result.table is not None
    content_of = json.loads(result.table.with_suffix(".json").read_text())
    assert [session["first_row"] for session in content_of["sessions"]] == [0, 16]
    assert content_of["video"]["frames"]["rows"] == FRAMES


def test_resumed_with_the_batch_size_that_was_measured(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(options, batch_size="auto")
    monkeypatch.setattr(analysis_context, "choose_batch", lambda *_: BatchChoice(5))
    interrupt(dots_clip, dots_model, options, 15)
    monkeypatch.setattr(analysis_context, "choose_batch", lambda *_: pytest.fail("measured again"))
    FakeEngine.calls.clear()
    assert run(dots_clip, dots_model, options).state == "done"
    assert {shape[0] for shape in FakeEngine.calls} == {5}


def choosing(precision: FixedPrecision) -> Callable[..., tuple[Any, list[Any]]]:
    """In the place of `choose_precision`: the gate would have let this one pass."""
    return lambda model, *_: (model.with_precision(precision), [])


@pytest.mark.usefixtures("short_videos_pay")
def test_resumed_in_the_precision_that_was_measured(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeEngine, "obstacle", staticmethod(lambda folder, precision: None))
    monkeypatch.setattr(analysis_context, "choose_precision", choosing("bf16"))
    interrupt(dots_clip, dots_model, options, 16)
    monkeypatch.setattr(analysis_context, "choose_precision", lambda *_: pytest.fail("measured again"))
    result = run(dots_clip, dots_model, options)
    assert result.state == "done"
    assert result.table is not None
    assert '"precision": "bf16"' in result.table.with_suffix(".json").read_text()


@pytest.mark.usefixtures("short_videos_pay")
def test_precision_that_cannot_run_any_more(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(FakeEngine, "obstacle", staticmethod(lambda folder, precision: None))
        patch.setattr(analysis_context, "choose_precision", choosing("bf16"))
        interrupt(dots_clip, dots_model, options, 16)
    monkeypatch.setattr(analysis_context, "choose_precision", choosing("fp32"))
    observer = Interrupting()
    result = run(dots_clip, dots_model, options, observer)
    assert (result.state, observer.frames) == ("done", FRAMES)
    assert observer.afresh == ["16 rows of an earlier run are not used: the fake engine does not compute in bf16"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scale": 2.0}, "network_width was 160, not 320"),
        ({"num_outputs": 2}, "num_outputs was 1, not 2"),
        ({"overwrite": True}, None),
    ],
    ids=str,
)
def test_changed_settings_start_afresh_and_say_so(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, changes: dict[str, Any], reason: str | None
) -> None:
    interrupt(dots_clip, dots_model, options, 16)
    observer = Interrupting()
    result = run(dots_clip, dots_model, replace(options, **changes), observer)
    assert (result.state, observer.frames, result.first_frame) == ("done", FRAMES, 0)
    assert len(observer.afresh) == (reason is not None)
    assert reason is None or reason in observer.afresh[0]


def test_changed_video_starts_afresh(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, tmp_path: Path
) -> None:
    interrupt(dots_clip, dots_model, options, 16)
    other = clips.encode(tmp_path / "dots.mp4", clips.numbered_frames(20))
    observer = Interrupting()
    assert run(other, dots_model, options, observer).frames == 20
    assert observer.afresh == ["16 rows of an earlier run are not used: another video"]


def test_other_software_starts_afresh(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(dots_clip, dots_model, options, 16)
    monkeypatch.setattr(manifest, "installed_versions", lambda names: {"openvino": "9.9"})
    observer = Interrupting()
    assert run(dots_clip, dots_model, options, observer).first_frame == 0
    assert observer.afresh[0].endswith(", not 9.9")


def test_frames_that_come_out_otherwise_start_afresh(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a processor with other instructions, whose last bits differ."""
    interrupt(dots_clip, dots_model, options, 24)
    call = FakeEngine.__call__

    def slightly_other(self: FakeEngine, images: Any) -> Any:
        output = call(self, images)
        return replace(output, scoremap=np.nextafter(output.scoremap, np.float32(2)))

    monkeypatch.setattr(FakeEngine, "__call__", slightly_other)
    observer = Interrupting()
    result = run(dots_clip, dots_model, options, observer)
    assert (result.state, result.first_frame) == ("done", 0)
    assert observer.afresh == ["24 rows of an earlier run are not used: its last batch does not come out the same here"]
    whole = run(dots_clip, dots_model, replace(options, overwrite=True))
    assert content(whole) == content(result)


def test_smaller_batches_may_be_asked_for(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, unbroken: bytes
) -> None:
    interrupt(dots_clip, dots_model, options, 24)
    FakeEngine.calls.clear()
    result = run(dots_clip, dots_model, replace(options, batch_size=3))
    assert (result.first_frame, max(shape[0] for shape in FakeEngine.calls)) == (24, 3)
    assert content(result) == unbroken


def test_damaged_journal_goes_on_from_what_is_whole(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, unbroken: bytes
) -> None:
    interrupt(dots_clip, dots_model, options, 40)
    assert options.out_dir is not None
    (path,) = options.out_dir.iterdir()
    whole = path.read_bytes()
    for size in (0, 7, 300, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size] + b"\0" * 100)  # what a power cut may leave
        before = read_journal(path)
        result = run(dots_clip, dots_model, replace(options, overwrite=False))
        assert result.first_frame == (before.rows if before else 0)
        assert content(result) == unbroken
        assert result.table is not None
        result.table.unlink()


def test_missing_frames_are_remembered(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = {3, 15, 16, 17, 18, 49}

    lose_pictures(monkeypatch, lost)
    interrupt(dots_clip, dots_model, options, 16)
    refused = run(dots_clip, dots_model, options)
    assert (refused.state, refused.exit_code) == ("failed", 4)
    assert names(options) == [".rows.partial"]
    result = run(dots_clip, dots_model, replace(options, allow_short=True))
    assert (result.state, set(result.bad_frames), result.frames) == ("short", lost, FRAMES)


def test_killed_after_the_last_row(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, unbroken: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(analysis_video, "move_into_place", killed)
        with pytest.raises(KeyboardInterrupt):
            run(dots_clip, dots_model, options)
    FakeEngine.calls.clear()
    result = run(dots_clip, dots_model, options)
    assert FakeEngine.calls == []
    assert content(result) == unbroken
    assert names(options) == [".h5", ".json", "_meta.pickle"]


def test_journal_that_was_left_beside_a_finished_table_goes(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions
) -> None:
    interrupt(dots_clip, dots_model, options, 24)
    assert options.out_dir is not None
    (journal,) = options.out_dir.iterdir()
    content = journal.read_bytes()
    run(dots_clip, dots_model, options)
    journal.write_bytes(content)
    assert run(dots_clip, dots_model, options).state == "skipped"
    assert names(options) == [".h5", ".json", "_meta.pickle"]


class TestMemory:
    def short_of_memory(self, monkeypatch: pytest.MonkeyPatch, most: int, error: Exception) -> None:
        call = FakeEngine.__call__

        def refusing(self: FakeEngine, images: Any) -> Any:
            if len(images) > most:
                raise error
            return call(self, images)

        monkeypatch.setattr(FakeEngine, "__call__", refusing)

    @pytest.mark.parametrize("error", [MemoryError(), RuntimeError("std::bad_alloc"), Exception("OOM when allocating")])
    def test_batch_is_halved(
        self,
        dots_clip: Path,
        dots_model: ModelFolder,
        options: AnalyzeOptions,
        unbroken: bytes,
        monkeypatch: pytest.MonkeyPatch,
        error: Exception,
    ) -> None:
        self.short_of_memory(monkeypatch, 3, error)
        observer = Interrupting()
        result = run(dots_clip, dots_model, replace(options, batch_size=16), observer)
        assert (result.state, observer.halved, observer.frames) == ("done", [8, 4, 2], FRAMES)
        assert content(result) == unbroken

    def test_halved_batch_is_kept_when_a_run_goes_on(
        self, dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            self.short_of_memory(patch, 4, MemoryError())
            interrupt(dots_clip, dots_model, options, 12)
        FakeEngine.calls.clear()
        assert run(dots_clip, dots_model, options).first_frame == 12
        assert max(shape[0] for shape in FakeEngine.calls) == 4

    def test_not_even_one_frame(
        self, dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.short_of_memory(monkeypatch, 0, MemoryError())
        result = run(dots_clip, dots_model, options)
        assert (result.state, result.exit_code) == ("failed", 6)
        assert "not enough memory for a single frame" in result.message
        assert names(options) == []

    def test_other_errors_are_not_taken_for_it(
        self, dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.short_of_memory(monkeypatch, 0, ValueError("bad shape"))
        with pytest.raises(ValueError, match="bad shape"):
            run(dots_clip, dots_model, options)


def test_dry_run_says_what_a_run_would_do(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, tmp_path: Path
) -> None:
    def decided(**changes: Any) -> tuple[str, int, str]:
        (decision,) = decide(dots_clip, dots_model.path, replace(options, **changes))
        return decision.action, decision.first_frame, decision.message

    assert decided() == ("analyse", 0, "")
    assert options.out_dir is not None
    assert not options.out_dir.exists()
    interrupt(dots_clip, dots_model, options, 24)
    FakeEngine.calls.clear()
    assert decided() == ("resume", 24, "an earlier run was interrupted")
    assert decided(scale=0.5)[0] == "analyse"
    assert "24 rows of an earlier run are not used" in decided(scale=0.5)[2]
    assert decided(overwrite=True)[:2] == ("analyse", 0)
    assert names(options) == [".rows.partial"]
    assert FakeEngine.calls == []
    run(dots_clip, dots_model, options)
    assert decided()[0] == "skip"
    assert decided(scale=0.5)[0] == "refuse"
    assert decided(overwrite=True) == ("analyse", 0, "replaces the table that is there")
    (missing,) = decide(tmp_path / "missing.mp4", dots_model.path, options)
    assert (missing.action, missing.exit_code) == ("refuse", 3)


def killed_series(*arguments: object) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, str(KILLS), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    tally: dict[str, int] = json.loads(done.stdout)
    assert (tally["differing_tables"], tally["lost_rows"]) == (0, 0), tally
    assert tally["tables"] >= 1
    return tally


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", ["async", "parallel", "sync"])
def test_kills_at_random_moments(
    dots_clip: Path, dots_model: ModelFolder, tmp_path: Path, pipeline: PipelineName
) -> None:
    """Some in each pipeline, every other one when there are new rows."""
    tally = killed_series("fake", dots_clip, dots_model.path, tmp_path / "poses", pipeline, 24, f"kills {pipeline}")
    assert tally["kills"] == 24
    assert tally["kills_with_rows"] > 6, tally


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "kills"), [("openvino", 12), ("tensorflow", 3)])
def test_kills_with_a_real_engine(
    dots_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, kills: int
) -> None:
    shrink(monkeypatch)
    description = ModelDescription("resnet_50", projects.BODYPARTS, projects.SCORER)
    model = write_folder(tmp_path / "small-model", description, projects.random_weights())
    tally = killed_series(engine, dots_clip, model.path, tmp_path / "poses", "async", kills, engine)
    assert tally["kills"] == kills

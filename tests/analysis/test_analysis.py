"""Videos to tables with the fake engine: right rows, right pixels, nothing lost, nothing replaced unasked."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from support import clips
from support.fake_engine import FakeEngine
from support.pictures import lose_pictures

from posecli.analysis import RunObserver, analyze, decide
from posecli.analysis.lock import held
from posecli.analysis.verify import verify
from posecli.errors import ModelError, UsageError, VideoError
from posecli.inference.predictor import PoseModel, load_model
from posecli.model.folder import ModelFolder
from posecli.network.network import Blur, PoseHead
from posecli.options import AnalyzeOptions, Crop, EngineOptions, Shard
from posecli.support.results import AnalysisReport, VideoResult
from posecli.tables.pose_table import read_pose_table

pytestmark = pytest.mark.usefixtures("fake_engine")

Poses = npt.NDArray[np.float64]

#: The fake engine finds a dot to the cell, 8 px of the network's input.
CELL = 8.0


@pytest.fixture
def options(tmp_path: Path) -> AnalyzeOptions:
    return AnalyzeOptions(out_dir=tmp_path / "poses")


def run(video: Path, model: ModelFolder, options: AnalyzeOptions) -> VideoResult:
    return analyze(video, model.path, options).results[0]


def poses(result: VideoResult) -> Poses:
    assert result.table is not None, result.message
    return read_pose_table(result.table).to_numpy().reshape(-1, 3, 3)


def truth(count: int, height: int = 120, width: int = 160) -> Poses:
    return np.array([clips.dot_centres(number, height, width) for number in range(count)])


def manifest_of(result: VideoResult) -> dict[str, Any]:
    assert result.table is not None
    content: dict[str, Any] = json.loads(result.table.with_suffix(".json").read_text())
    return content


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_size": 1},
        {"batch_size": 7},
        {"batch_size": 64},
        {"decoder": "standard"},
        {"decoder": "double-loop"},
        {"video_backend": "pyav"},
        {"pipeline": "sync"},
        {"pipeline": "parallel"},
        {"scale": 2.0},
    ],
    ids=str,
)
def test_every_frame_has_its_pose(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, changes: dict[str, Any]
) -> None:
    result = run(dots_clip, dots_model, replace(options, **changes))
    assert (result.state, result.frames, result.exit_code) == ("done", 50, 0)
    found = poses(result)
    assert np.abs(found[..., :2] - truth(50)).max() < CELL
    assert (found[..., 2] > 0.2).all()


def test_batch_size_and_decoder_give_equal_tables(dots_clip: Path, dots_model: ModelFolder, tmp_path: Path) -> None:
    same_poses: list[dict[str, Any]] = [{}, {"batch_size": 64}, {"decoder": "double-loop"}, {"decoder": "standard"}]
    tables = [
        poses(run(dots_clip, dots_model, AnalyzeOptions(out_dir=tmp_path / str(number), **changes)))
        for number, changes in enumerate(same_poses)
    ]
    assert len({table.tobytes() for table in tables}) == 1


def test_batches_reach_the_network_whole(dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions) -> None:
    run(dots_clip, dots_model, replace(options, batch_size=16))
    assert FakeEngine.calls == [(16, 120, 160, 3)] * 3 + [(2, 120, 160, 3)]


def test_cropped_poses_are_in_pixels_of_the_full_frame(
    tmp_path: Path, dots_model: ModelFolder, options: AnalyzeOptions
) -> None:
    video = clips.encode(tmp_path / "large.mp4", clips.numbered_frames(5, 240, 320))
    result = run(video, dots_model, replace(options, crop=Crop(150, 320, 70, 240)))
    centres = truth(5, 240, 320)
    inside = (centres > (150 + 10, 70 + 10)).all(axis=2)
    assert 0 < inside.sum() < inside.size
    assert np.abs(poses(result)[..., :2] - centres)[inside].max() < CELL
    assert FakeEngine.calls == [(5, 170, 170, 3)]


def test_scaled_poses_are_in_pixels_of_the_full_frame(
    tmp_path: Path, dots_model: ModelFolder, options: AnalyzeOptions
) -> None:
    video = clips.encode(tmp_path / "large.mp4", clips.numbered_frames(5, 240, 320))
    result = run(video, dots_model, replace(options, scale=0.5))
    assert FakeEngine.calls == [(5, 120, 160, 3)]
    assert np.abs(poses(result)[..., :2] - truth(5, 240, 320)).max() < 2 * CELL


def test_files_of_a_result(dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions) -> None:
    result = run(dots_clip, dots_model, options)
    stem = f"dots{dots_model.description.scorer}"
    assert options.out_dir is not None
    assert sorted(path.name for path in options.out_dir.iterdir()) == [
        f"{stem}.h5",
        f"{stem}.json",
        f"{stem}_meta.pickle",
    ]
    assert result.table == options.out_dir / f"{stem}.h5"


def test_manifest_says_what_was_done(dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions) -> None:
    result = run(dots_clip, dots_model, replace(options, batch_size=16, crop=Crop(0, 144, 0, 120)))
    manifest = manifest_of(result)
    assert manifest["state"] == "complete"
    assert manifest["video"]["frames"] == {
        "promised_by_container": 50,
        "packets": 50,
        "rows": 50,
        "not_decoded": 0,
    }
    assert manifest["video"]["bad_frames"] == []
    assert manifest["model"]["identity"] == dots_model.identity
    assert manifest["settings"]["crop"] == "0,144,0,120"
    assert manifest["run"] == {
        "batch_size": 16,
        "decoder": "numpy",
        "pipeline": "async",
        "video_backend": "auto",
    }
    assert manifest["engine"]["name"] == "fake"
    assert set(manifest["timing"]["stage_seconds"]) == {"read", "network", "decode", "write"}
    assert manifest["machine"]["packages"]["numpy"] == np.__version__
    with h5py.File(result.table) as file:
        np.testing.assert_allclose(file[manifest["video"]["timestamps"]["hdf5_node"]], np.arange(50) / 25)


def test_meta_file_is_plain_and_says_not_cropped(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions
) -> None:
    result = run(dots_clip, dots_model, replace(options, crop=Crop(0, 144, 0, 120)))
    assert result.table is not None
    content = result.table.with_name(f"{result.table.stem}_meta.pickle").read_bytes()
    assert b"numpy" not in content
    assert b"posecli" not in content
    data = pickle.loads(content)["data"]
    assert data["cropping"] is False
    assert data["cropping_parameters"] == [0, 160, 0, 120]
    assert data["frame_dimensions"] == (120, 160)
    assert data["nframes"] == 50
    assert data["Scorer"] == dots_model.description.scorer


def test_same_again_is_skipped(dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions) -> None:
    first = run(dots_clip, dots_model, options)
    assert first.table is not None
    written = first.table.stat().st_mtime_ns
    FakeEngine.calls.clear()
    second = run(dots_clip, dots_model, replace(options, batch_size=3, decoder="double-loop"))
    assert (second.state, second.exit_code, second.table) == ("skipped", 0, first.table)
    assert FakeEngine.calls == []
    assert first.table.stat().st_mtime_ns == written


def test_skipped_with_csv_makes_the_csv(dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions) -> None:
    run(dots_clip, dots_model, options)
    result = run(dots_clip, dots_model, replace(options, csv=True))
    assert result.state == "skipped"
    assert result.table is not None
    assert result.table.with_suffix(".csv").exists()


def test_copied_video_is_known_by_its_content(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, tmp_path: Path
) -> None:
    run(dots_clip, dots_model, options)
    copy = shutil.copy(dots_clip, tmp_path / "dots.mp4")
    assert run(Path(copy), dots_model, options).state == "skipped"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scale": 0.5}, "network_width was 160, not 80"),
        ({"crop": Crop(0, 80, 0, 80)}, "crop was None, not 0,80,0,80"),
        ({"num_outputs": 2}, "num_outputs was 1, not 2"),
    ],
    ids=str,
)
def test_result_made_differently_is_not_replaced_unasked(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, changes: dict[str, Any], reason: str
) -> None:
    first = run(dots_clip, dots_model, options)
    before = poses(first)
    second = run(dots_clip, dots_model, replace(options, **changes))
    assert (second.state, second.exit_code) == ("failed", 8)
    assert reason in second.message
    np.testing.assert_array_equal(poses(first), before)
    third = run(dots_clip, dots_model, replace(options, overwrite=True, **changes))
    assert third.state == "done"


def test_another_video_of_the_same_name_is_not_replaced_unasked(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, tmp_path: Path
) -> None:
    run(dots_clip, dots_model, options)
    other = clips.encode(tmp_path / "dots.mp4", clips.numbered_frames(5))
    result = run(other, dots_model, options)
    assert result.exit_code == 8
    assert "another video" in result.message


def test_another_tools_table_is_not_replaced_unasked(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions
) -> None:
    assert options.out_dir is not None
    options.out_dir.mkdir()
    table = options.out_dir / f"dots{dots_model.description.scorer}.h5"
    table.write_bytes(b"years of work")
    result = run(dots_clip, dots_model, options)
    assert result.exit_code == 8
    assert "was not made by posecli" in result.message
    assert table.read_bytes() == b"years of work"


def test_two_videos_for_one_table(dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions) -> None:
    with pytest.raises(UsageError, match=r"would both write .*--out-dir"):
        analyze([dots_clip, dots_clip.with_suffix(".avi")], dots_model.path, options)


def test_one_failure_does_not_stop_the_others(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, tmp_path: Path
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    report = analyze([tmp_path / "missing.mp4", text, dots_clip], dots_model.path, options)
    assert [result.state for result in report.results] == ["failed", "failed", "done"]
    assert [result.exit_code for result in report.results] == [3, 3, 0]
    assert report.exit_code == 3


def test_model_that_is_not_there(dots_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        analyze(dots_clip, tmp_path / "nothing")


@pytest.fixture
def two_lost_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    lose_pictures(monkeypatch, {10, 33})


@pytest.mark.usefixtures("two_lost_frames")
def test_lost_frames_fail_a_video_and_its_rows_are_kept(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions
) -> None:
    assert options.out_dir is not None
    result = run(dots_clip, dots_model, options)
    assert (result.state, result.exit_code, result.table) == ("failed", 4, None)
    assert "2 of 50 frames" in result.message
    assert "(10, 33)" in result.message
    assert not list(options.out_dir.glob("*.h5"))
    FakeEngine.calls.clear()
    again = run(dots_clip, dots_model, options)
    assert again.exit_code == 4
    accepted = run(dots_clip, dots_model, replace(options, allow_short=True))
    assert FakeEngine.calls == []  # the work was not done twice
    assert (accepted.state, accepted.bad_frames, accepted.exit_code) == ("short", (10, 33), 0)
    assert not list(options.out_dir.glob("*.partial"))
    check_lost_rows(accepted)


@pytest.mark.usefixtures("two_lost_frames")
def test_lost_frames_can_be_allowed(dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions) -> None:
    result = run(dots_clip, dots_model, replace(options, allow_short=True))
    assert (result.state, result.frames, result.exit_code) == ("short", 50, 0)
    check_lost_rows(result)
    assert run(dots_clip, dots_model, replace(options, allow_short=True)).state == "skipped"
    refused = run(dots_clip, dots_model, options)
    assert refused.exit_code == 4
    assert "frames are missing from it" in refused.message


def check_lost_rows(result: VideoResult) -> None:
    found = poses(result)
    lost = [10, 33]
    assert np.isnan(found[lost, :, :2]).all()
    assert (found[lost, :, 2] == 0).all()
    kept = np.delete(np.arange(50), lost)
    assert np.abs(found[kept, :, :2] - truth(50)[kept]).max() < CELL
    manifest = manifest_of(result)
    assert manifest["state"] == "short"
    assert manifest["video"]["bad_frames"] == lost
    assert manifest["video"]["frames"]["not_decoded"] == 2


def test_truncated_video_is_refused_before_the_network_runs(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions, tmp_path: Path
) -> None:
    whole = tmp_path / "whole.mp4"
    clips.ffmpeg("-i", dots_clip, "-c", "copy", "-movflags", "+faststart", whole)
    short = tmp_path / "short.mp4"
    short.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    result = run(short, dots_model, options)
    assert result.exit_code == 4
    assert "ends early: its index lists" in result.message
    assert FakeEngine.calls == []
    allowed = run(short, dots_model, replace(options, allow_short=True))
    assert allowed.state == "short"
    assert 5 < allowed.frames < 50
    rows = allowed.frames - len(allowed.bad_frames)
    assert np.abs(poses(allowed)[: rows - 1, :, :2] - truth(rows - 1)).max() < CELL


def test_loaded_model_keeps_its_own_engine_options(
    dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions
) -> None:
    model = load_model(dots_model.path, EngineOptions(threads=1))
    report = analyze(dots_clip, model, replace(options, engine=EngineOptions(threads=2)))
    assert manifest_of(report.results[0])["engine"]["threads"] == 1


def test_observer_hears_of_every_frame(dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions) -> None:
    heard: list[Any] = []

    class Listening(RunObserver):
        def frames_done(self, count: int) -> None:
            heard.append(count)

        def video_finished(self, result: VideoResult) -> None:
            heard.append(result.state)

    analyze(dots_clip, dots_model.path, replace(options, batch_size=20), Listening())
    assert heard == [20, 20, 10, "done"]


class TestManyVideos:
    @pytest.fixture
    def folder(self, dots_clip: Path, tmp_path: Path) -> Path:
        folder = tmp_path / "day 1"
        (folder / "deeper").mkdir(parents=True)
        for name in ("m10.mp4", "m2.MP4", "deeper/m3.mp4"):
            shutil.copy(dots_clip, folder / name)
        (folder / "notes.txt").write_text("no video")
        return folder

    def names(self, report: AnalysisReport) -> list[str]:
        return [result.video.name for result in report.results]

    def test_folder(self, folder: Path, dots_model: ModelFolder, options: AnalyzeOptions) -> None:
        report = analyze(folder, dots_model.path, options)
        assert self.names(report) == ["m2.MP4", "m10.mp4"]
        assert report.counts == {"done": 2}
        deep = analyze(folder, dots_model.path, replace(options, recursive=True))
        assert deep.counts == {"done": 1, "skipped": 2}

    def test_shards_share_the_videos(self, folder: Path, dots_model: ModelFolder, options: AnalyzeOptions) -> None:
        options = replace(options, recursive=True)
        parts = [
            self.names(analyze(folder, dots_model.path, replace(options, shard=Shard(number, 2)))) for number in (1, 2)
        ]
        assert parts == [["m3.mp4", "m10.mp4"], ["m2.MP4"]]
        assert analyze(folder, dots_model.path, replace(options, shard=Shard(7, 8))).results == ()

    def test_shards_of_two_videos_for_one_table(
        self, folder: Path, dots_clip: Path, dots_model: ModelFolder, options: AnalyzeOptions
    ) -> None:
        shutil.copy(dots_clip, folder / "deeper" / "m10.mp4")
        with pytest.raises(UsageError, match="would both write"):
            analyze(folder, dots_model.path, replace(options, recursive=True, shard=Shard(1, 3)))

    def test_folder_without_videos(self, tmp_path: Path, dots_model: ModelFolder, options: AnalyzeOptions) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(VideoError, match="holds no video"):
            analyze(tmp_path / "empty", dots_model.path, options)

    def test_video_that_another_process_is_at(
        self, folder: Path, dots_model: ModelFolder, options: AnalyzeOptions
    ) -> None:
        assert options.out_dir is not None
        options.out_dir.mkdir()
        lock = options.out_dir / f"m2{dots_model.description.scorer}.lock"
        with held(lock):
            report = analyze(folder, dots_model.path, options)
            assert [decision.action for decision in decide(folder, dots_model.path, options)] == ["busy", "skip"]
        assert [result.state for result in report.results] == ["busy", "done"]
        assert report.results[0].message == f"being analysed by process {os.getpid()} on {socket.gethostname()}"
        assert report.exit_code == 0
        assert [result.state for result in analyze(folder, dots_model.path, options).results] == ["done", "skipped"]


def test_body_parts_that_are_not_found_are_missing_from_frames_that_can_be_decoded(
    dots_model: ModelFolder, options: AnalyzeOptions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As DLCRNet leaves them out: the first one of a frame, or all."""
    frames = clips.numbered_frames(8)
    frames[5] = 90
    frames[2][..., 0] = frames[2][..., 1:].min(axis=-1)  # nothing is red
    video = clips.encode(tmp_path / "clip.mp4", frames)
    monkeypatch.setattr(PoseModel, "_head", PoseHead("scoremap", None, 7.2801, blur=Blur(0.5, 1, least_score=0.2)))
    result = run(video, dots_model, options)
    assert (result.state, result.bad_frames) == ("done", ())
    assert result.notes[0] == "no animal was found in 1 of its frames: NaN and likelihood 0 there"
    missing = np.isnan(poses(result)[..., 0])
    assert [np.flatnonzero(part).tolist() for part in missing.T] == [[2, 5], [5], [5]]
    assert manifest_of(result)["video"]["frames_without_animal"] == [5]
    assert result.table is not None
    assert verify(result.table).findings == ()

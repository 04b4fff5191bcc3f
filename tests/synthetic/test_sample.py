"""Samples: a video, and its true poses in the layout of a pose table."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from posecli import read_pose_table
from posecli.behaviour.intervals import frame_labels, read_intervals
from posecli.errors import LabelError, OutputError, OutputExistsError
from posecli.synthetic import SampleFiles, SceneOptions, open_scene, read_truth, sample_files, write_sample
from posecli.tables.pose_table import PoseTableWriter
from posecli.video.encode import EncodeOptions

SMALL = SceneOptions(width=160, height=120, frames=30, seed=3, occlusion=0.5)
CAGE = SceneOptions("home-cage", width=64, height=48, frames=200, seed=1)
QUICK = EncodeOptions(crf=12, preset="ultrafast")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleFiles:
    return write_sample(SMALL, tmp_path_factory.mktemp("sample") / "new folder" / "mouse.mp4", QUICK)


def test_names(sample: SampleFiles) -> None:
    assert sample.truth.name == "mouseDLC_synthetic_trailtrackingseed3.h5"
    assert sample.truth == sample.video.with_name(f"mouse{sample.scorer}.h5")
    assert sorted(path.name for path in sample.video.parent.iterdir()) == ["mouse.mp4", sample.truth.name]
    assert sample == sample_files(SMALL, sample.video)


def test_truth_is_a_pose_table_of_what_can_be_seen(sample: SampleFiles) -> None:
    table = read_pose_table(sample.truth)
    assert table.columns.names == ["scorer", "bodyparts", "coords"]
    assert list(dict.fromkeys(table.columns.get_level_values("scorer"))) == [sample.scorer]
    assert list(dict.fromkeys(table.columns.get_level_values("bodyparts"))) == [
        *("snout", "leftear", "rightear", "tailbase")
    ]
    assert list(table.index) == list(range(30))
    pose = table.to_numpy().reshape(30, 4, 3)
    scene = open_scene(SMALL)
    hidden = 0
    for index in range(30):
        frame = scene.frame(index)
        np.testing.assert_array_equal(pose[index, frame.visible, :2], frame.points[frame.visible])
        assert np.isnan(pose[index, ~frame.visible, :2]).all()
        np.testing.assert_array_equal(pose[index, :, 2], frame.visible)
        hidden += int(np.count_nonzero(~frame.visible))
    assert hidden > 0
    assert table.equals(read_truth(sample.video))


def test_video_shows_the_frames(sample: SampleFiles) -> None:
    scene = open_scene(SMALL)
    with av.open(str(sample.video)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 30
    assert len(decoded) == 30
    errors = [np.abs(image.astype(int) - scene.frame(index).image).mean() for index, image in enumerate(decoded)]
    assert max(errors) < 4
    assert np.abs(decoded[10].astype(int) - scene.frame(20).image).mean() > errors[10]


def test_progress_is_told_of_every_frame(tmp_path: Path) -> None:
    told: list[int] = []
    write_sample(
        SceneOptions("treadmill", width=64, height=64, frames=5), tmp_path / "a.mp4", QUICK, progress=told.append
    )
    assert sum(told) == 5


def test_nothing_is_replaced_unless_told(sample: SampleFiles) -> None:
    before = sample.video.read_bytes(), sample.truth.read_bytes()
    with pytest.raises(OutputExistsError, match="pass --overwrite"):
        write_sample(SMALL, sample.video, QUICK)
    assert before == (sample.video.read_bytes(), sample.truth.read_bytes())


def test_a_stale_truth_does_not_stay_beside_another_video(tmp_path: Path) -> None:
    tiny = {"width": 64, "height": 48, "frames": 3}
    old = write_sample(SceneOptions(seed=1, **tiny), tmp_path / "a.mp4", QUICK)  # type: ignore[arg-type]
    write_sample(SceneOptions(seed=7, **tiny), tmp_path / "aa.mp4", QUICK)  # type: ignore[arg-type]
    old.video.unlink()
    with pytest.raises(OutputExistsError, match=r"seed1\.h5"):
        write_sample(SceneOptions(seed=2, **tiny), old.video, QUICK)  # type: ignore[arg-type]
    new = write_sample(SceneOptions(seed=2, **tiny), old.video, QUICK, overwrite=True)  # type: ignore[arg-type]
    assert not old.truth.exists()
    assert len(read_truth(new.video)) == 3
    assert (tmp_path / "aaDLC_synthetic_trailtrackingseed7.h5").exists()


def test_behaviours_are_those_of_the_scene(tmp_path: Path) -> None:
    files = write_sample(CAGE, tmp_path / "cage.mp4", QUICK)
    assert files.behaviours == tmp_path / "cage_behaviours.csv"
    assert files == sample_files(CAGE, files.video)
    intervals = read_intervals(files.behaviours)
    assert {interval.video for interval in intervals} == {files.video}
    scene = open_scene(CAGE)
    np.testing.assert_array_equal(frame_labels(intervals, scene.behaviours, 200), scene.labels())
    assert len(read_truth(files.video)) == 200


def test_stale_behaviours_do_not_stay_beside_another_video(tmp_path: Path) -> None:
    old = write_sample(CAGE, tmp_path / "a.mp4", QUICK)
    assert old.behaviours is not None
    old.video.unlink()
    old.truth.unlink()
    tiny = SceneOptions(width=64, height=48, frames=3)
    with pytest.raises(OutputExistsError, match=r"a_behaviours\.csv' is there already"):
        write_sample(tiny, old.video, QUICK)
    assert write_sample(tiny, old.video, QUICK, overwrite=True).behaviours is None
    assert not old.behaviours.exists()
    write_sample(CAGE, old.video, QUICK, overwrite=True)
    assert old.behaviours.exists()
    assert old.truth.exists()


@pytest.mark.parametrize("options", [SMALL, CAGE])
def test_interruption_leaves_nothing(tmp_path: Path, options: SceneOptions) -> None:
    def stop(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sample(options, tmp_path / "a.mp4", QUICK, progress=stop)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [SMALL, CAGE])
def test_table_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: SceneOptions) -> None:
    def full(*_: object) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr(PoseTableWriter, "close", full)
    with pytest.raises(OutputError, match="disk is full"):
        write_sample(options, tmp_path / "a.mp4", QUICK)
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"folder '.*file' cannot be made"):
        write_sample(SMALL, tmp_path / "file" / "a.mp4", QUICK)


def test_truth_that_is_missing_or_double(sample: SampleFiles, tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"'.*none.mp4' does not exist: check the path"):
        read_truth(tmp_path / "none.mp4")
    (tmp_path / "mouse.mp4").write_bytes(b"")
    with pytest.raises(LabelError, match=r"no truth table is beside '.*mouse.mp4', where one named 'mouseDLC_"):
        read_truth(tmp_path / "mouse.mp4")
    for seed in (3, 4):
        (tmp_path / f"mouseDLC_synthetic_treadmillseed{seed}.h5").write_bytes(sample.truth.read_bytes())
    with pytest.raises(LabelError, match="2 truth tables are beside"):
        read_truth(tmp_path / "mouse.mp4")

"""Pose tables of every shape as arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.poses import dot_poses, pose_frame, save_frame

from posecli.errors import LabelError, UsageError, VideoError
from posecli.options import TableChoice
from posecli.support.files import move_into_place
from posecli.tables.pose_table import KEY, PoseTableWriter, pose_columns, read_pose_table
from posecli.tables.poses import find_table, model_pcutoff, one_animal, read_poses


def write_table(path: Path, rows: int = 4, num_outputs: int = 1, scorer: str = "DLC_x") -> np.ndarray:
    writer = PoseTableWriter(path, pose_columns(scorer, ("a", "b"), num_outputs))
    values = np.arange(rows * 2 * num_outputs * 3, dtype=float).reshape(rows, 2, num_outputs, 3)
    if rows:
        writer.append(values)
    writer.close(np.arange(rows) / 25)
    move_into_place(writer.partial_path, path)
    return values


def test_best_peak_and_times(tmp_path: Path) -> None:
    values = write_table(tmp_path / "t.h5", num_outputs=2)
    poses = read_poses(tmp_path / "t.h5")
    assert (poses.scorer, poses.bodyparts, poses.individuals, len(poses)) == ("DLC_x", ("a", "b"), (), 4)
    np.testing.assert_array_equal(poses.points, values[:, :, 0])
    assert poses.seconds is not None
    np.testing.assert_array_equal(poses.seconds, np.arange(4) / 25)


@pytest.mark.parametrize("layout", ["table", "fixed"])
def test_several_animals(tmp_path: Path, layout: Literal["table", "fixed"]) -> None:
    points = [("m1", "a"), ("m1", "b"), ("m2", "a"), ("single", "corner")]
    columns = pd.MultiIndex.from_tuples(
        [("DLC_x", *point, coord) for point in points for coord in ("x", "y", "likelihood")],
        names=["scorer", "individuals", "bodyparts", "coords"],
    )
    values = np.random.default_rng(0).random((5, 12))
    pd.DataFrame(values, columns=columns).to_hdf(tmp_path / "t.h5", key=KEY, format=layout, mode="w")
    poses = read_poses(tmp_path / "t.h5")
    assert poses.names == ("m1 a", "m1 b", "m2 a", "single corner")
    np.testing.assert_array_equal(poses.points, values.reshape(5, 4, 3))
    assert poses.seconds is None


def test_points_below_the_cutoff_are_unknown(tmp_path: Path) -> None:
    write_table(tmp_path / "t.h5")
    shown = read_poses(tmp_path / "t.h5").shown(6)
    assert np.isnan(shown[0]).tolist() == [[True, True], [True, True]]
    assert np.isfinite(shown[1:]).all()


def test_what_is_no_pose_table_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("scorer,x\n")
    with pytest.raises(UsageError, match=r"t\.csv' is not an HDF5 file"):
        read_poses(tmp_path / "t.csv")
    with pytest.raises(UsageError, match="is a folder"):
        read_poses(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        read_poses(tmp_path / "none.h5")
    pd.DataFrame({"a": [1.0]}).to_hdf(tmp_path / "o.h5", key=KEY, format="table")
    with pytest.raises(UsageError, match="is not a pose table"):
        read_poses(tmp_path / "o.h5")


def test_table_beside_the_video(tmp_path: Path) -> None:
    video = tmp_path / "m1.mp4"
    with pytest.raises(VideoError, match="does not exist"):
        find_table(video)
    video.touch()
    with pytest.raises(UsageError, match=r"no pose table \(m1DLC\*\.h5\)"):
        find_table(video)
    for name in ("m10DLC_x.h5", "m1 notes.h5", "m1DLC_x.h5.partial", "m1DLC_x.h5"):
        (tmp_path / name).touch()
    assert find_table(video) == tmp_path / "m1DLC_x.h5"
    (tmp_path / "m1DLC_x_filtered.h5").touch()
    with pytest.raises(UsageError, match=r"2 pose tables .*'m1DLC_x\.h5', 'm1DLC_x_filtered\.h5'"):
        find_table(video)


@pytest.mark.parametrize(("said", "used"), [(0.4, 0.4), (None, 0.6), ("high", 0.6), (7, 0.6)])
def test_cutoff_is_the_models(tmp_path: Path, said: object, used: float) -> None:
    table = tmp_path / "t.h5"
    assert model_pcutoff(table) == 0.6
    table.with_suffix(".json").write_text(json.dumps({"format": "posecli-manifest", "model": {"pcutoff": said}}))
    assert model_pcutoff(table) == used


@given(order=st.permutations(range(9)), rows=st.permutations(range(5)))
@settings(max_examples=20, deadline=None)
def test_columns_are_known_by_their_names_and_rows_by_their_numbers(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], rows: list[int]
) -> None:
    poses, frames = dot_poses(5), np.array([3, 4, 7, 20, 21])
    frame = pose_frame(poses, frames.tolist()).iloc[rows, order]
    found = read_poses(save_frame(frame, tmp_path_factory.mktemp("t") / "t.h5"))
    np.testing.assert_array_equal(found.frames, frames)
    places = [found.bodyparts.index(name) for name in ("red", "green", "blue")]
    np.testing.assert_array_equal(found.points[:, places], poses)


@pytest.mark.parametrize("layout", ["table", "fixed"])
def test_columns_sorted_by_name(tmp_path: Path, layout: str) -> None:
    frame = pose_frame(dot_poses(4)).sort_index(axis=1)
    assert frame.columns.get_level_values("coords").tolist()[:3] == ["likelihood", "x", "y"]
    found = read_poses(save_frame(frame, tmp_path / "t.h5", layout))
    assert found.bodyparts == ("blue", "green", "red")
    np.testing.assert_array_equal(found.points, dot_poses(4)[:, ::-1])


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([0, 1.5, 2], r"has a row labelled 1\.5 \(row 1\), which is not a frame number"),
        ([0, float("nan"), 2], r"has a row labelled nan \(row 1\)"),
        ([0, float("inf"), 2], r"has a row labelled inf \(row 1\)"),
        ([-1, 0, 1], r"has a row labelled -1 \(row 0\)"),
        ([5, 7, 5], r"has frame 5 twice \(rows 0 and 2, and 1 such in all\): keep one row of each frame"),
        (["labeled-data/m1/a.png"] * 3, r"has a row named 'labeled-data/m1/a\.png', as labelled images have"),
    ],
)
def test_rows_that_are_no_frames_are_refused(tmp_path: Path, frames: list[object], words: str) -> None:
    path = save_frame(pose_frame(dot_poses(3), frames), tmp_path / "t.h5")
    with pytest.raises(UsageError, match=words):
        read_poses(path)


def test_whole_numbers_may_be_stored_as_others(tmp_path: Path) -> None:
    path = save_frame(pose_frame(dot_poses(3), [4.0, 2.0, 9.0]), tmp_path / "t.h5")
    assert read_poses(path).frames.tolist() == [2, 4, 9]


def test_times_are_those_of_the_frames(tmp_path: Path) -> None:
    write_table(tmp_path / "t.h5", rows=9)
    whole = read_pose_table(tmp_path / "t.h5")
    for frames in ([8, 2, 3], [0], list(range(9))):
        save_frame(whole.loc[frames], tmp_path / "t.h5", mode="a")
        found = read_poses(tmp_path / "t.h5")
        assert found.seconds is not None
        np.testing.assert_array_equal(found.seconds, np.sort(frames) / 25)
    save_frame(whole.set_axis(range(1, 10)), tmp_path / "t.h5", mode="a")
    assert read_poses(tmp_path / "t.h5").seconds is None, "nobody knows the time of frame 9"


def test_times_belong_to_posecli_s_own_table(tmp_path: Path) -> None:
    write_table(tmp_path / "t.h5")
    save_frame(pose_frame(dot_poses(4)), tmp_path / "t.h5", key="other", mode="a")
    assert read_poses(tmp_path / "t.h5", TableChoice(KEY)).seconds is not None
    assert read_poses(tmp_path / "t.h5", TableChoice("other")).seconds is None


def test_times_that_lie_in_another_file_are_not_followed(tmp_path: Path) -> None:
    path = save_frame(pose_frame(dot_poses(3)), tmp_path / "t.h5")
    with h5py.File(path, "r+") as file:
        file["posecli/seconds"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/a")
    with pytest.raises(UsageError, match="is a link"):
        read_poses(path)


def test_one_named_individual_is_one_animal(tmp_path: Path) -> None:
    poses = read_poses(save_frame(pose_frame(dot_poses(3), individual="mouse1"), tmp_path / "t.h5"))
    assert (poses.individuals, poses.names) == ((), ("red", "green", "blue"))
    assert one_animal(poses, UsageError) is poses
    several = pd.concat([pose_frame(dot_poses(3), individual=name) for name in ("mouse1", "mouse2")], axis=1)
    with pytest.raises(LabelError, match=r"holds 2 animals \(mouse1, mouse2\), where one is expected"):
        one_animal(read_poses(save_frame(several, tmp_path / "s.h5")), LabelError)


def test_several_scorers_are_named_and_chosen(tmp_path: Path) -> None:
    frames = [pose_frame(dot_poses(3) + shift, scorer=name) for name, shift in (("DLC_a", 0), ("DLC_b", 50))]
    path = save_frame(pd.concat(frames, axis=1), tmp_path / "t.h5")
    with pytest.raises(UsageError, match=r"points of 2 scorers \('DLC_a', 'DLC_b'\): choose one with --scorer$"):
        read_poses(path)
    with pytest.raises(UsageError, match=r"choose one with --truth-scorer$"):
        read_poses(path, TableChoice(option="truth-"))
    with pytest.raises(UsageError, match=r"no points of scorer 'me': it has those of 'DLC_a', 'DLC_b'"):
        read_poses(path, TableChoice(scorer="me"))
    found = read_poses(path, TableChoice(scorer="DLC_b"))
    assert found.scorer == "DLC_b"
    np.testing.assert_array_equal(found.points, dot_poses(3) + 50)


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = save_frame(pose_frame(dot_poses(3)), tmp_path / "t.h5", "fixed")
    with h5py.File(path, "r+") as file:
        for level in range(3):
            codes = file[f"{KEY}/block0_items_label{level}"]
            codes[-1] = codes[0]
    with pytest.raises(UsageError, match="has two columns 'x' of 'red': keep one of them"):
        read_poses(path)


def test_gaps_are_broken_with_one_row_each(tmp_path: Path) -> None:
    poses = read_poses(save_frame(pose_frame(dot_poses(4), [2, 3, 90_000_000, 90_000_001]), tmp_path / "t.h5"))
    broken = poses.broken_at_gaps()
    assert broken.frames.tolist() == [2, 3, 4, 90_000_000, 90_000_001]
    assert np.isnan(broken.points[2]).all()
    np.testing.assert_array_equal(np.delete(broken.points, 2, axis=0), poses.points)

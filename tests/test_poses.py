"""Pose tables of every shape as arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from posecli.errors import UsageError, VideoError
from posecli.files import move_into_place
from posecli.poses import find_table, model_pcutoff, read_poses
from posecli.table import KEY, PoseTableWriter, pose_columns


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
    with pytest.raises(UsageError, match=r"t\.csv' is no HDF5 file"):
        read_poses(tmp_path / "t.csv")
    with pytest.raises(UsageError, match="is a folder"):
        read_poses(tmp_path)
    with pytest.raises(UsageError, match="does not exist"):
        read_poses(tmp_path / "none.h5")
    pd.DataFrame({"a": [1.0]}).to_hdf(tmp_path / "o.h5", key=KEY, format="table")
    with pytest.raises(UsageError, match="is no pose table"):
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

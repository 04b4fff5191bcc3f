"""Pose tables: DeepLabCut's layout, streamed, whole or not there."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import tables
from hypothesis import given, settings
from hypothesis import strategies as st
from support.poses import dot_poses, pose_frame, save_frame

from posecli.errors import OutputError, UsageError
from posecli.support.files import move_into_place, partial_path
from posecli.tables.pose_table import CHUNK_ROWS, KEY, PoseTableWriter, pose_columns, read_pose_table, table_to_csv

Poses = npt.NDArray[np.float64]

SCORER = "DLC_resnet50_testNov20shuffle1_100"
PARTS = ("snout", "leftear", "tail base")


def write(path: Path, pose: Poses, batch: int = 64) -> Path:
    writer = PoseTableWriter(path, pose_columns(SCORER, PARTS, pose.shape[2]))
    for start in range(0, len(pose), batch):
        writer.append(pose[start : start + batch])
    writer.close(np.arange(len(pose)) / 25)
    move_into_place(partial_path(path), path)
    return path


def random_pose(rows: int, peaks: int = 1) -> Poses:
    pose = np.random.default_rng(rows).random((rows, len(PARTS), peaks, 3)) * 640
    pose[::7, 1] = (np.nan, np.nan, 0)
    return pose


@settings(max_examples=15, deadline=None)
@given(rows=st.integers(1, 3000), batch=st.sampled_from([1, 7, 64, 5000]))
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: int, batch: int) -> None:
    pose = random_pose(rows)
    frame = read_pose_table(write(tmp_path_factory.mktemp("t") / "v.h5", pose, max(batch, rows // 50)))
    assert frame.to_numpy().tobytes() == pose.reshape(rows, -1).tobytes()
    assert list(frame.index) == list(range(rows))


def test_layout_is_deeplabcuts(tmp_path: Path) -> None:
    path = write(tmp_path / "v.h5", random_pose(2 * CHUNK_ROWS + 3))
    frame = read_pose_table(path)
    assert frame.columns.names == ["scorer", "bodyparts", "coords"]
    assert [tuple(column) for column in frame.columns[:4]] == [
        (SCORER, "snout", "x"),
        (SCORER, "snout", "y"),
        (SCORER, "snout", "likelihood"),
        (SCORER, "leftear", "x"),
    ]
    assert set(frame.dtypes) == {np.dtype(np.float64)}
    assert frame.index.dtype == np.int64
    with h5py.File(path) as file:
        fields = file[KEY]["table"].dtype
        assert fields.names == ("index", "values_block_0")
        attributes = dict(file[KEY].attrs)
    assert attributes["pandas_type"] == b"frame_table"
    assert attributes["pandas_version"] == b"0.15.2"
    assert attributes["table_type"] == b"appendable_frame"


def test_key_less_read_finds_the_one_table(tmp_path: Path) -> None:
    path = write(tmp_path / "v.h5", random_pose(5))
    assert pd.read_hdf(path).shape == (5, 9)


@pytest.mark.parametrize("type_", [np.float64, np.float32])
def test_plain_reading_gives_what_pandas_gives(tmp_path: Path, type_: type[np.floating[Any]]) -> None:
    path = write(tmp_path / "v.h5", random_pose(9, peaks=2))
    if type_ is np.float32:
        pd.read_hdf(path).astype(type_).to_hdf(path, key=KEY, format="table", mode="w")
    expected = pd.read_hdf(path)
    assert isinstance(expected, pd.DataFrame)
    pd.testing.assert_frame_equal(read_pose_table(path), expected, check_exact=True)


def test_deeplabcuts_own_table_is_read_as_pandas_reads_it(shared_data: Path) -> None:
    path = next((shared_data / "dlc-openfield" / "golden").glob("m3v1w320*.h5"))
    expected = pd.read_hdf(path)
    assert isinstance(expected, pd.DataFrame)
    pd.testing.assert_frame_equal(read_pose_table(path), expected, check_exact=True)


def test_table_with_objects_in_it_is_not_read(tmp_path: Path) -> None:
    """Pandas would make them, and so run what they say."""
    path = write(tmp_path / "v.h5", random_pose(3))
    with h5py.File(path, "r+") as file:
        file[KEY]["table"].attrs["values_block_0_kind"] = np.bytes_(pickle.dumps([Path("anything")]))
    with pytest.raises(UsageError, match="its column names"):
        read_pose_table(path)


@pytest.mark.parametrize("columns", [["x", "y"], pd.MultiIndex.from_product([["a"], ["x", "y"]])])
def test_other_table_is_no_pose_table(tmp_path: Path, columns: Any) -> None:
    path = tmp_path / "other.h5"
    pd.DataFrame(np.zeros((2, 2)), columns=columns).to_hdf(path, key=KEY, format="table")
    with pytest.raises(UsageError, match="is not a pose table"):
        read_pose_table(path)


def test_times_lie_beside_the_table(tmp_path: Path) -> None:
    path = write(tmp_path / "v.h5", random_pose(5))
    with h5py.File(path) as file:
        np.testing.assert_allclose(file["posecli/seconds"], [0, 0.04, 0.08, 0.12, 0.16])


def test_further_peaks_have_columns_of_their_own(tmp_path: Path) -> None:
    pose = random_pose(4, peaks=2)
    frame = read_pose_table(write(tmp_path / "v.h5", pose))
    assert list(frame.columns.get_level_values("coords")[:6]) == ["x", "y", "likelihood", "x2", "y2", "likelihood2"]
    np.testing.assert_array_equal(frame[SCORER]["leftear"]["x2"], pose[:, 1, 1, 0])


def test_nothing_under_the_final_name_until_whole(tmp_path: Path) -> None:
    path = tmp_path / "v.h5"
    writer = PoseTableWriter(path, pose_columns(SCORER, PARTS))
    writer.append(random_pose(CHUNK_ROWS))
    assert [file.name for file in tmp_path.iterdir()] == ["v.h5.partial"]
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_rows_reach_the_disk_as_they_are_made(tmp_path: Path) -> None:
    writer = PoseTableWriter(tmp_path / "v.h5", pose_columns(SCORER, PARTS))
    before = writer.partial_path.stat().st_size
    for _ in range(3):
        writer.append(random_pose(CHUNK_ROWS))
    assert writer.partial_path.stat().st_size - before >= 3 * CHUNK_ROWS * 9 * 8
    writer.discard()


def test_caller_may_reuse_its_array(tmp_path: Path) -> None:
    writer = PoseTableWriter(tmp_path / "v.h5", pose_columns(SCORER, PARTS))
    pose = random_pose(3)
    writer.append(pose)
    expected = pose.copy()
    pose[:] = -1
    writer.close(np.zeros(3))
    np.testing.assert_array_equal(read_pose_table(writer.partial_path).to_numpy().reshape(expected.shape), expected)


def test_csv_is_deeplabcuts(tmp_path: Path) -> None:
    pose = random_pose(3)
    table_to_csv(write(tmp_path / "v.h5", pose), tmp_path / "v.csv")
    lines = (tmp_path / "v.csv").read_text().splitlines()
    assert lines[0] == ",".join(["scorer"] + [SCORER] * 9)
    assert lines[1].startswith("bodyparts,snout,snout,snout,leftear")
    assert lines[2].startswith("coords,x,y,likelihood,x")
    assert lines[3].startswith("0,") or lines[3].startswith("0,,")
    again = pd.read_csv(tmp_path / "v.csv", header=[0, 1, 2], index_col=0)
    np.testing.assert_allclose(again.to_numpy(), pose.reshape(3, -1), rtol=1e-15)


def test_csv_does_not_depend_on_the_pieces_it_is_written_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write(tmp_path / "v.h5", random_pose(7))
    table_to_csv(table, tmp_path / "whole.csv")
    monkeypatch.setattr("posecli.tables.pose_table.READ_CHUNK_ROWS", 3)
    table_to_csv(table, tmp_path / "pieces.csv")
    assert (tmp_path / "pieces.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_csv_of_a_damaged_table_is_not_begun(tmp_path: Path) -> None:
    (tmp_path / "v.h5").write_bytes(b"no HDF5")
    with pytest.raises(UsageError, match="is not an HDF5 file"):
        table_to_csv(tmp_path / "v.h5", tmp_path / "v.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["v.h5"]


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written \(No such file or directory\).*--out-dir"):
        PoseTableWriter(tmp_path / "missing" / "v.h5", pose_columns(SCORER, PARTS))


def test_disk_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = PoseTableWriter(tmp_path / "v.h5", pose_columns(SCORER, PARTS))

    def refuse(*arguments: object, **options: object) -> None:
        raise tables.HDF5ExtError("no space left on device")

    monkeypatch.setattr(pd.HDFStore, "append", refuse)
    with pytest.raises(OutputError, match=r"no space left on device\): check the free space"):
        writer.append(random_pose(CHUNK_ROWS))
    writer.discard()


def test_one_table_and_one_scorer_of_several(tmp_path: Path) -> None:
    first, second = (pose_frame(dot_poses(3) + shift, scorer=f"DLC_{shift}") for shift in (0, 50))
    path = save_frame(pd.concat([first, second], axis=1), tmp_path / "t.h5", key="both")
    save_frame(first, path, key="one", mode="a")
    with pytest.raises(UsageError, match=r"holds 2 tables \('both', 'one'\): choose one with --key"):
        read_pose_table(path)
    pd.testing.assert_frame_equal(read_pose_table(path, "one"), first, check_freq=False)
    with pytest.raises(UsageError, match=r"2 scorers \('DLC_0', 'DLC_50'\): choose one with --scorer"):
        read_pose_table(path, "both")
    pd.testing.assert_frame_equal(read_pose_table(path, "both", "DLC_50"), second)


def test_rows_of_given_frames(tmp_path: Path) -> None:
    writer = PoseTableWriter(tmp_path / "t.h5", pose_columns("DLC_x", ("a",)))
    for frames in ([3, 4], [9]):
        writer.append(np.ones((len(frames), 1, 1, 3)), np.array(frames))
    writer.close(np.arange(10.0))
    move_into_place(writer.partial_path, tmp_path / "t.h5")
    assert read_pose_table(tmp_path / "t.h5").index.tolist() == [3, 4, 9]

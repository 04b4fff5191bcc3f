"""Pose tables in other formats."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.poses import dot_poses, pose_frame, save_frame, write_table

from posecli.errors import OutputExistsError, UsageError, VideoError
from posecli.options import TableChoice
from posecli.tables.convert import ConvertOptions, convert_table
from posecli.tables.pose_table import KEY, read_pose_table, table_to_csv

START = datetime(2026, 5, 17, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_csv_is_what_pandas_and_deeplabcut_write(tmp_path: Path, dtype: type) -> None:
    frame = read_pose_table(write_table(tmp_path / "raw.h5", dot_poses(7))).astype(dtype)
    frame.iloc[3, :2] = np.nan
    frame.to_hdf(tmp_path / "t.h5", key=KEY, format="table", mode="w")
    result = convert_table(tmp_path / "t.h5", ConvertOptions("csv"))
    frame.to_csv(tmp_path / "wanted.csv")
    assert result.path.read_bytes() == (tmp_path / "wanted.csv").read_bytes()
    assert (result.rows, result.times) == (7, None)


def test_csv_is_the_one_that_analyze_writes(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.h5", dot_poses(7))
    table_to_csv(table, tmp_path / "wanted.csv")
    assert convert_table(table, ConvertOptions("csv")).path.read_bytes() == (tmp_path / "wanted.csv").read_bytes()


def test_csv_of_several_animals_keeps_their_names(tmp_path: Path) -> None:
    columns = pd.MultiIndex.from_product(
        [["DLC_x"], ["m1", "m2"], ["a"], ["x", "y", "likelihood"]],
        names=["scorer", "individuals", "bodyparts", "coords"],
    )
    frame = pd.DataFrame(np.arange(12.0).reshape(2, 6), columns=columns)
    frame.to_hdf(tmp_path / "t.h5", key=KEY, format="table", mode="w")
    frame.to_csv(tmp_path / "wanted.csv")
    assert (
        convert_table(tmp_path / "t.h5", ConvertOptions("csv")).path.read_bytes()
        == (tmp_path / "wanted.csv").read_bytes()
    )
    tidy = pd.read_csv(convert_table(tmp_path / "t.h5", ConvertOptions("csv", tidy=True)).path)
    assert tidy.columns.tolist() == ["frame", "individual", "bodypart", "x", "y", "likelihood"]
    assert tidy["individual"].tolist() == ["m1", "m2", "m1", "m2"]
    assert tidy["x"].tolist() == [0, 3, 6, 9]


def test_tidy_has_a_row_for_each_frame_and_body_part(tmp_path: Path) -> None:
    poses = dot_poses(5)
    result = convert_table(write_table(tmp_path / "t.h5", poses), ConvertOptions("csv", tidy=True), tmp_path / "new")
    assert result.path == tmp_path / "new" / "t_tidy.csv"
    assert result.times == "table"
    tidy = pd.read_csv(result.path)
    assert tidy["frame"].tolist() == [frame for frame in range(5) for _ in range(3)]
    np.testing.assert_allclose(tidy["seconds"], tidy["frame"] / 25)
    # The file has every digit; pandas' fast reader may miss the last bit.
    np.testing.assert_allclose(tidy[["x", "y", "likelihood"]].to_numpy(), poses.reshape(-1, 3), rtol=1e-15)
    assert tidy["bodypart"].tolist()[:4] == ["red", "green", "blue", "red"]


def test_times_come_from_the_video_or_the_frame_rate(dots_clip: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.h5", dot_poses(50))
    done = convert_table(table, ConvertOptions("csv", tidy=True, fps=50), tmp_path / "a")
    assert done.times == "fps"
    assert pd.read_csv(done.path)["seconds"].max() == 49 / 50
    assert convert_table(table, ConvertOptions("csv", tidy=True, video=dots_clip), tmp_path / "b").times == "video"
    long = write_table(tmp_path / "long.h5", dot_poses(51))
    with pytest.raises(VideoError, match=r"50 frames, and .* a row for frame 50"):
        convert_table(long, ConvertOptions("csv", tidy=True, video=dots_clip))


def test_existing_file_is_kept(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.h5", dot_poses(3))
    (tmp_path / "t.csv").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"t\.csv' is there already"):
        convert_table(table, ConvertOptions("csv"))
    assert (tmp_path / "t.csv").read_text() == "mine"
    convert_table(table, ConvertOptions("csv"), overwrite=True)
    assert (tmp_path / "t.csv").read_text().startswith("scorer")


@pytest.mark.parametrize(("to", "library"), [("parquet", "pyarrow"), ("nwb", "pynwb")])
def test_missing_library_is_told_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    table = write_table(tmp_path / "t.h5", dot_poses(3))
    options = ConvertOptions(to, session_start=START)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=rf'needs the library \'{library}\' .*pip install "posecli\[{to}\]"'):
        convert_table(table, options, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nwb_does_not_guess_times(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--session-start"):
        ConvertOptions("nwb")
    read_pose_table(write_table(tmp_path / "raw.h5", dot_poses(3))).to_hdf(
        tmp_path / "t.h5", key=KEY, format="table", mode="w"
    )
    with pytest.raises(UsageError, match="--video, or frames per second with --fps"):
        convert_table(tmp_path / "t.h5", ConvertOptions("nwb", session_start=START))


def test_options_that_exclude_each_other(dots_clip: Path) -> None:
    with pytest.raises(UsageError, match="leave out --tidy"):
        ConvertOptions("nwb", tidy=True, session_start=START)
    with pytest.raises(UsageError, match="one of them"):
        ConvertOptions("csv", fps=25, video=dots_clip)
    with pytest.raises(UsageError, match="fps 0"):
        ConvertOptions("csv", fps=0)


@pytest.mark.slow
@given(
    dtypes=st.lists(
        st.sampled_from(["float64", "float32", "int64", "int32", "int16", "int8", "uint8"]), min_size=6, max_size=6
    )
    | st.sampled_from(["float64", "float32", "int64", "int32", "uint8"]).map(lambda name: [name] * 6),
    layout=st.sampled_from(["table", "fixed"]),
    frames=st.lists(st.integers(0, 10**6), min_size=4, max_size=4, unique=True),
    values=st.lists(st.floats(0, 127, width=32), min_size=24, max_size=24),
)
@settings(max_examples=20, deadline=None)
def test_csv_of_any_type_of_number_is_pandas_own(
    tmp_path_factory: pytest.TempPathFactory, dtypes: list[str], layout: str, frames: list[int], values: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("t")
    frame = pose_frame(np.array(values).reshape(4, 2, 3), frames)
    frame = frame.astype(dict(zip(frame.columns, dtypes, strict=True)))
    path = save_frame(frame, folder / "t.h5", layout)
    frame.to_csv(folder / "wanted.csv")
    assert convert_table(path, ConvertOptions("csv")).path.read_bytes() == (folder / "wanted.csv").read_bytes()


def converted(table: Path, options: ConvertOptions, folder: Path) -> pd.DataFrame:
    return pd.read_csv(convert_table(table, options, folder).path, index_col="frame")


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory, dots_clip: Path) -> list[tuple[ConvertOptions, pd.DataFrame]]:
    """A table of 50 frames, converted with the times of a frame rate, of a video, and of its own."""
    folder = tmp_path_factory.mktemp("whole")
    write_table(folder / "t.h5", dot_poses(50))
    timed = ConvertOptions("csv", tidy=True, fps=12.5), ConvertOptions("csv", tidy=True, video=dots_clip)
    choices = [*timed, ConvertOptions("csv", tidy=True)]
    return [(options, converted(folder / "t.h5", options, folder / str(n))) for n, options in enumerate(choices)]


@given(rows=st.lists(st.integers(0, 49), min_size=1, max_size=50, unique=True))
@settings(max_examples=10, deadline=None)
def test_a_part_of_a_table_becomes_that_part_of_what_the_whole_one_becomes(
    tmp_path_factory: pytest.TempPathFactory, wholes: list[tuple[ConvertOptions, pd.DataFrame]], rows: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("t")
    part = save_frame(pose_frame(dot_poses(50)).loc[rows], folder / "part.h5")
    for number, (options, whole) in enumerate(wholes):
        some = converted(part, options, folder / str(number))
        pd.testing.assert_frame_equal(some, whole.loc[sorted(rows), some.columns.tolist()])
        assert ("seconds" in some.columns) == (number < 2)


def test_other_formats_have_the_numbers_of_the_frames(tmp_path: Path) -> None:
    from posecli.tables.convert import tidy_columns, wide_columns
    from posecli.tables.poses import read_poses

    poses = read_poses(save_frame(pose_frame(dot_poses(3), [9, 4, 12]), tmp_path / "t.h5"))
    assert wide_columns(poses, None)["frame"].tolist() == [4, 9, 12]
    assert wide_columns(poses, None)["red_x"].tolist() == dot_poses(3)[[1, 0, 2], 0, 0].tolist()
    assert tidy_columns(poses, None)["frame"].tolist() == [4] * 3 + [9] * 3 + [12] * 3


def test_one_of_several_scorers_is_converted(tmp_path: Path) -> None:
    frames = [pose_frame(dot_poses(3) + shift, scorer=f"DLC_{shift}") for shift in (0, 50)]
    path = save_frame(pd.concat(frames, axis=1), tmp_path / "t.h5")
    with pytest.raises(UsageError, match="choose one with --scorer"):
        convert_table(path, ConvertOptions("csv"))
    done = convert_table(path, ConvertOptions("csv", choice=TableChoice(scorer="DLC_50")))
    frames[1].to_csv(tmp_path / "wanted.csv")
    assert done.path.read_bytes() == (tmp_path / "wanted.csv").read_bytes()

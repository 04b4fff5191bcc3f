"""Filters over time, and the tables that they make."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.signal import medfilt
from support.poses import dot_poses, pose_frame, save_frame

from posecli.errors import OutputExistsError, UsageError
from posecli.options import TableChoice
from posecli.support.files import move_into_place
from posecli.tables.filtering import (
    FilterMethod,
    FilterOptions,
    Kalman,
    Median,
    SavitzkyGolay,
    filter_pose,
    filter_table,
)
from posecli.tables.pose_table import PoseTableWriter, pose_columns, read_pose_table
from posecli.tables.poses import read_poses

METHODS: tuple[FilterMethod, ...] = (Median(), SavitzkyGolay(), Kalman())
LINES = hnp.arrays(np.float64, st.integers(7, 40), elements=st.floats(1, 600, width=32))


def pose_of(x: np.ndarray, likelihood: float | np.ndarray = 0.9) -> np.ndarray:
    """One body part that moves along x."""
    return np.stack([x, 2 * x, np.broadcast_to(likelihood, x.shape)], axis=1)[:, None]


def write_table(path: Path, pose: np.ndarray, peaks: int = 1) -> Path:
    parts = tuple(f"part{number}" for number in range(pose.shape[1]))
    writer = PoseTableWriter(path, pose_columns("DLC_net", parts, peaks))
    writer.append(pose.reshape(len(pose), len(parts), peaks, 3) if peaks == 1 else pose)
    writer.close(np.arange(len(pose)) / 30)
    move_into_place(writer.partial_path, path)
    return path


@given(LINES, st.sampled_from([3, 5, 7]))
def test_median_is_deeplabcuts_to_the_last_bit(x: np.ndarray, window: int) -> None:
    pose = pose_of(x)
    smooth = filter_pose(pose, FilterOptions(Median(window)))
    for axis in range(2):
        assert np.array_equal(smooth[:, 0, axis], medfilt(pose[:, 0, axis], window))
    assert np.array_equal(smooth[..., 2], pose[..., 2])


@settings(deadline=None, max_examples=25)
@given(LINES, st.sampled_from(METHODS), st.floats(-100, 100))
def test_filters_follow_a_shift(x: np.ndarray, method: FilterMethod, offset: float) -> None:
    options = FilterOptions(method)
    inner = slice(4, -4)  # the median takes zeros for what is beyond the ends
    plain, shifted = filter_pose(pose_of(x), options), filter_pose(pose_of(x + 100 + offset), options)
    assert shifted[inner, 0, 0] == pytest.approx(plain[inner, 0, 0] + 100 + offset, abs=1e-5)


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(METHODS), st.floats(10, 500))
def test_what_stands_still_stays(method: FilterMethod, place: float) -> None:
    pose = pose_of(np.full(20, place))
    smooth = filter_pose(pose, FilterOptions(method))
    assert smooth[3:-3] == pytest.approx(pose[3:-3], rel=1e-6)


@pytest.mark.parametrize("method", [SavitzkyGolay(), Kalman(noise=0.5)], ids=["savgol", "kalman"])
def test_steady_movement_stays(method: FilterMethod) -> None:
    pose = pose_of(np.linspace(10, 200, 60))
    assert filter_pose(pose, FilterOptions(method)) == pytest.approx(pose, abs=0.05)


@pytest.mark.parametrize("method", [Median(7), SavitzkyGolay(7), Kalman(noise=3, push=0.3)])
def test_noise_becomes_less(method: FilterMethod) -> None:
    truth = 100 + 50 * np.sin(np.arange(300) / 25)
    noisy = truth + np.random.default_rng(0).normal(0, 3, 300)
    smooth = filter_pose(pose_of(noisy), FilterOptions(method))
    inner = slice(5, -5)
    assert np.abs(smooth[inner, 0, 0] - truth[inner]).mean() < 0.8 * np.abs(noisy[inner] - truth[inner]).mean()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_unlikely_points_are_gaps_and_do_not_pull_their_neighbours(method: FilterMethod) -> None:
    x, likelihood = np.full(30, 50.0), np.full(30, 0.9)
    x[10:14], likelihood[10:14] = 400, 0.1
    pose = pose_of(x, likelihood)
    smooth = filter_pose(pose, FilterOptions(method, pcutoff=0.6))
    assert np.isnan(smooth[10:14, 0, :2]).all()
    assert smooth[[8, 9, 14, 15], 0, 0] == pytest.approx(50)
    assert np.array_equal(smooth[..., 2], pose[..., 2])


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_short_gaps_are_filled_if_asked_for_and_open_ends_are_not(method: FilterMethod) -> None:
    x = np.linspace(100, 158, 30)
    pose = pose_of(x)
    pose[[0, 8, 9, 15, 16, 17], 0] = (np.nan, np.nan, 0)
    smooth = filter_pose(pose, FilterOptions(method, fill=2))
    assert smooth[[8, 9], 0, 0] == pytest.approx(x[[8, 9]], abs=1)
    assert np.isnan(smooth[[0, 15, 16, 17], 0, 0]).all()
    assert np.isfinite(smooth[[1, 7, 10, 14, 18], 0, 0]).all()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_part_that_is_never_known_is_unknown(method: FilterMethod) -> None:
    pose = np.concatenate([pose_of(np.arange(20.0)), pose_of(np.full(20, np.nan), 0.0)], axis=1)
    smooth = filter_pose(pose, FilterOptions(method))
    assert np.isnan(smooth[:, 1, :2]).all()
    assert np.isfinite(smooth[:, 0, :2]).all()


def test_median_of_fewer_frames_than_the_window_warns_nobody() -> None:
    assert filter_pose(pose_of(np.array([5.0, 6.0])), FilterOptions(Median(7))).shape == (2, 1, 3)


def test_savgol_of_fewer_frames_than_the_window_is_refused() -> None:
    with pytest.raises(UsageError, match="3 frames are fewer than the window 5"):
        filter_pose(pose_of(np.arange(3.0)), FilterOptions(SavitzkyGolay()))


@pytest.mark.parametrize(
    ("made", "settings", "words"),
    [
        (Median, {"window": 4}, "window 4 has no middle"),
        (SavitzkyGolay, {"window": 1}, "window 1 has no middle"),
        (SavitzkyGolay, {"order": 5}, "order 5 does not fit window 5"),
        (Kalman, {"noise": 0.0}, "noise 0 is out of range"),
        (Kalman, {"push": float("nan")}, "push nan is out of range"),
        (FilterOptions, {"pcutoff": 1.5}, "pcutoff 1.5 is out of range"),
        (FilterOptions, {"fill": -1}, "fill-gaps -1 is too small"),
    ],
)
def test_settings_out_of_range(made: Callable[..., object], settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        made(**settings)


def test_options_are_plain_values_whatever_the_method() -> None:
    method = {"method": "kalman", "window": 5, "order": 2, "noise": 2.0, "push": 1.0}
    assert FilterOptions(Kalman(noise=2.0), fill=3).as_dict() == method | {"pcutoff": None, "fill": 3}


def test_table_keeps_its_layout_and_the_raw_one_its_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pose = rng.uniform(0, 100, (40, 2, 3))
    raw = write_table(tmp_path / "m1DLC_net.h5", pose)
    before = raw.read_bytes()
    done = filter_table(raw, csv=True)
    assert raw.read_bytes() == before
    assert done.path == tmp_path / "m1DLC_net_filtered.h5"
    old, new = read_pose_table(raw), read_pose_table(done.path)
    assert new.columns.equals(old.columns)
    assert new.index.equals(old.index)
    assert (new.dtypes == old.dtypes).all()
    expected = old.copy()
    for column in expected.columns:
        if column[2] != "likelihood":
            expected[column] = medfilt(expected[column], 5)
    pd.testing.assert_frame_equal(new, expected)
    assert len((tmp_path / "m1DLC_net_filtered.csv").read_text().splitlines()) == 43
    assert json.loads(done.path.with_suffix(".json").read_text())["options"]["method"] == "median"
    assert not list(tmp_path.glob("*.partial"))


def test_further_peaks_are_smoothed_and_their_likelihoods_are_not(tmp_path: Path) -> None:
    pose = np.random.default_rng(0).uniform(0, 100, (20, 2, 2, 3))
    raw = write_table(tmp_path / "m1DLC_net.h5", pose, peaks=2)
    new = read_pose_table(filter_table(raw).path)
    old = read_pose_table(raw)
    assert new["DLC_net", "part1", "likelihood2"].equals(old["DLC_net", "part1", "likelihood2"])
    expected = medfilt(old["DLC_net", "part1", "y2"], 5)
    assert np.array_equal(new["DLC_net", "part1", "y2"], expected)


def test_single_precision_stays_single(tmp_path: Path) -> None:
    pose = np.random.default_rng(0).uniform(0, 100, (20, 1, 3)).astype(np.float32)
    raw = tmp_path / "m1DLC_net.h5"
    frame = pd.DataFrame(pose.reshape(20, 3), columns=pose_columns("DLC_net", ("part0",)))
    frame.to_hdf(raw, key="df_with_missing", format="table")
    assert set(read_pose_table(filter_table(raw).path).dtypes) == {np.dtype(np.float32)}


def test_what_is_there_is_not_replaced_unasked(tmp_path: Path) -> None:
    raw = write_table(tmp_path / "m1DLC_net.h5", np.ones((9, 1, 3)))
    filter_table(raw)
    with pytest.raises(OutputExistsError, match="pass --overwrite"):
        filter_table(raw)
    assert filter_table(raw, FilterOptions(SavitzkyGolay()), overwrite=True).rows == 9


def test_what_is_no_raw_pose_table_is_refused(tmp_path: Path) -> None:
    raw = write_table(tmp_path / "m1DLC_net.h5", np.ones((9, 1, 3)))
    done = filter_table(raw, out_dir=tmp_path / "new" / "folder")
    with pytest.raises(UsageError, match=r"is filtered already: give the raw table 'm1DLC_net\.h5'"):
        filter_table(done.path)
    with pytest.raises(UsageError, match="does not exist"):
        filter_table(tmp_path / "none.h5")
    other = tmp_path / "other.h5"
    pd.DataFrame({"a": [1.0]}).to_hdf(other, key="df_with_missing", format="table")
    with pytest.raises(UsageError, match="is not a pose table: its columns"):
        filter_table(other)


def test_deeplabcuts_own_table(shared_data: Path, tmp_path: Path) -> None:
    raw = next((shared_data / "dlc-openfield" / "golden").glob("m3v1w320*.h5"))
    new = read_pose_table(filter_table(raw, out_dir=tmp_path).path)
    old = read_pose_table(raw)
    snout = (old.columns[0][0], "snout", "x")
    assert np.array_equal(new[snout], medfilt(old[snout], 5))


@settings(deadline=None, max_examples=40)
@given(LINES, st.sampled_from(METHODS), st.integers(0, 4), st.data())
def test_frames_without_a_row_are_frames_that_are_not_known(
    x: np.ndarray, method: FilterMethod, fill: int, data: st.DataObject
) -> None:
    inner = data.draw(st.sets(st.integers(1, len(x) - 2), max_size=len(x) - 2))
    frames = np.array(sorted(set(range(len(x))) - inner))
    whole = pose_of(x)
    whole[sorted(inner)] = np.nan
    options = FilterOptions(method, fill=fill)
    first = data.draw(st.integers(0, 1000))
    found = filter_pose(whole[frames], options, frames + first)
    np.testing.assert_array_equal(found, filter_pose(whole, options)[frames])


def test_no_window_leads_over_a_gap(tmp_path: Path) -> None:
    """Two rests far from each other in time and place: rows at the gap's edges stay where they are."""
    poses = np.ones((8, 1, 3))
    poses[4:, 0, :2] = 400
    frames = [10, 11, 12, 13, 5000, 5001, 5002, 5003]
    done = filter_table(save_frame(pose_frame(poses, frames), tmp_path / "t.h5"), FilterOptions(Median(3)))
    found = read_pose_table(done.path)
    assert found.index.tolist() == frames
    np.testing.assert_array_equal(found.to_numpy()[1:-1], poses.reshape(8, 3)[1:-1])
    assert (done.rows, done.gaps) == (8, 0)


def test_rows_and_times_are_those_of_the_raw_table(tmp_path: Path) -> None:
    raw = write_table(tmp_path / "m1DLC_net.h5", np.ones((60, 2, 3)))
    some = read_pose_table(raw).loc[[40, 7, 8, 31]]
    save_frame(some, raw, mode="a")
    done = read_poses(filter_table(raw).path)
    assert done.frames.tolist() == [7, 8, 31, 40]
    assert done.seconds is not None
    np.testing.assert_array_equal(done.seconds, np.array([7, 8, 31, 40]) / 30)


@pytest.mark.parametrize("layout", ["table", "fixed"])
def test_columns_are_put_in_order_and_keep_their_type(tmp_path: Path, layout: str) -> None:
    poses = dot_poses(9)
    frame = pose_frame(poses, individual="m1").sort_index(axis=1).astype(np.float32)
    found = read_pose_table(filter_table(save_frame(frame, tmp_path / "t.h5", layout)).path)
    assert found.columns.names == ["scorer", "individuals", "bodyparts", "coords"]
    assert found.columns.get_level_values("bodyparts").tolist()[::3] == ["blue", "green", "red"]
    assert found.columns.get_level_values("coords").tolist() == ["x", "y", "likelihood"] * 3
    assert set(found.dtypes) == {np.dtype(np.float32)}
    wanted = filter_pose(frame[pose_frame(poses, individual="m1").columns].to_numpy(np.float64).reshape(9, 3, 3))
    np.testing.assert_array_equal(
        found["DLC_x"]["m1"]["red"].to_numpy(), wanted[:, 0].astype(np.float32), err_msg="by name, not by place"
    )


def test_several_animals_and_scorers_are_named(tmp_path: Path) -> None:
    both = pd.concat([pose_frame(dot_poses(9), individual=name) for name in ("m1", "m2")], axis=1)
    with pytest.raises(UsageError, match=r"holds 2 animals \(m1, m2\)"):
        filter_table(save_frame(both, tmp_path / "animals.h5"))
    scored = pd.concat([pose_frame(dot_poses(9) + shift, scorer=f"DLC_{shift}") for shift in (0, 50)], axis=1)
    path = save_frame(scored, tmp_path / "scorers.h5")
    with pytest.raises(UsageError, match="choose one with --scorer"):
        filter_table(path)
    done = filter_table(path, choice=TableChoice(scorer="DLC_50"))
    assert read_pose_table(done.path).columns.get_level_values(0).unique().tolist() == ["DLC_50"]
    assert json.loads(done.path.with_suffix(".json").read_text())["scorer"] == "DLC_50"


def test_numbers_that_are_no_frames_take_no_memory(tmp_path: Path) -> None:
    path = save_frame(pose_frame(dot_poses(2), [0, 10**15]), tmp_path / "t.h5")
    with pytest.raises(UsageError, match="2 rows span 1000000000000001 frames, too many to filter"):
        filter_table(path)

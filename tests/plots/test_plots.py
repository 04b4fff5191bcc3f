"""A pose table as figures and numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.poses import dot_poses, pose_frame, save_frame, write_table

from posecli.errors import OutputExistsError, UsageError, VideoError
from posecli.plots.figures import draw_jumps, draw_occupancy, draw_paths, draw_trajectories, thinned, without_rests
from posecli.plots.poses import PlotOptions, chosen, largest_jumps, plot_table, step_lengths
from posecli.support.figures import part_colors, save_figure
from posecli.tables.poses import PoseData, read_poses

FIGURES = ("paths", "trajectories", "likelihoods", "jumps", "occupancy")


@pytest.mark.slow
def test_figures_and_their_numbers(dots_clip: Path, tmp_path: Path) -> None:
    poses = dot_poses(50)
    poses[20, 1, :2] += 60
    poses[30:35, 2, 2] = 0.1
    poses[:, 0] = np.nan
    table = write_table(tmp_path / "ta ble.h5", poses)
    result = plot_table(table, options=PlotOptions(video=dots_clip, jumps=3))
    folder = tmp_path / "ta ble-plots"
    names = {f"{name}.{ending}" for name in FIGURES for ending in ("png", "svg")} | {"summary.json"}
    assert {path.name for path in folder.iterdir()} == names == {path.name for path in result.files}
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["bodyparts"]["red"] == result.bodyparts["red"]
    assert result.bodyparts["red"]["share_seen"] == 0
    assert result.bodyparts["red"]["way_px"] is None
    assert result.bodyparts["blue"]["share_seen"] == 0.9
    assert result.bodyparts["blue"]["share_at_cutoff"]["0.6"] == 0.9
    assert [(jump.bodypart, jump.frame) for jump in result.jumps[:2]] in (
        [("green", 20), ("green", 21)],
        [("green", 21), ("green", 20)],
    )
    assert result.jumps[0].px > 80
    with pytest.raises(OutputExistsError, match=r"paths\.png"):
        plot_table(table)


def test_other_video_and_unknown_body_part(dots_clip: Path, tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.h5", dot_poses(51))
    with pytest.raises(VideoError, match=r"50 frames, and .* a row for frame 50"):
        plot_table(table, options=PlotOptions(video=dots_clip))
    with pytest.raises(UsageError, match=r"'nose' is not in .* red, green, blue"):
        plot_table(table, options=PlotOptions(bodyparts=("nose",)))
    assert not (tmp_path / "t-plots").exists()


def test_body_parts_are_chosen_of_every_animal(tmp_path: Path) -> None:
    labels = (("m1", "a"), ("m1", "b"), ("m2", "a"), ("m2", "b"))
    poses = PoseData(tmp_path, "s", labels, np.arange(24.0).reshape(2, 4, 1, 3), np.arange(2))
    some = chosen(poses, ("b",))
    assert some.names == ("m1 b", "m2 b")
    np.testing.assert_array_equal(some.points, poses.points[:, [1, 3]])


def test_jumps_do_not_lead_over_gaps(tmp_path: Path) -> None:
    poses = dot_poses(10)
    poses[4, :, 2] = 0.0
    poses[5:, 0, 0] += 100
    table = read_poses(write_table(tmp_path / "t.h5", poses))
    steps = step_lengths(table.shown(0.6))
    assert np.isnan(steps[3:5]).all()
    assert np.isfinite(steps[[0, 1, 2, 5, 6, 7, 8]]).all()
    assert all(jump.px < 30 for jump in largest_jumps(table, steps, 5))
    assert largest_jumps(table, np.full_like(steps, np.nan), 5) == ()


def test_peaks_of_a_long_line_stay() -> None:
    y = np.zeros(1_000_000)
    y[123_456], y[777_777] = 50.0, -40.0
    y[500_000:600_000] = np.nan
    x, thin = thinned(np.arange(len(y), dtype=float), y)
    assert len(x) <= 6000
    assert (np.nanmax(thin), np.nanmin(thin)) == (50.0, -40.0)
    assert x[np.nanargmax(thin)] == 123_456
    assert np.isnan(thin[(x > 500_400) & (x < 599_600)]).all()


def test_resting_leaves_one_point_of_a_path() -> None:
    path = np.repeat(np.array([[1.0, 1.0], [4.0, 1.0], [np.nan, np.nan], [4.0, 9.0]]), 1000, axis=0)
    np.testing.assert_array_equal(without_rests(path), [[1, 1], [4, 1], [np.nan, np.nan], [4, 9]])


def test_y_points_down_and_pixels_are_square() -> None:
    axes = draw_paths(np.array([[[10.0, 20.0]], [[30.0, 60.0]]]), ("a",), (640, 480)).axes[0]
    assert axes.get_ylim() == (480, 0)
    assert axes.get_xlim() == (0, 640)
    assert axes.get_aspect() == 1


@pytest.mark.parametrize("count", [0, 1, 5])
def test_occupancy_adds_up_to_the_time(count: int) -> None:
    centres = np.array([[100.0, 50.0]] * count).reshape(-1, 2)
    figure = draw_occupancy(centres, 0.04, (640, 480))
    maps = [mesh for mesh in figure.axes[0].collections if mesh.get_array() is not None]
    total = sum((float(np.ma.sum(np.ma.asarray(mesh.get_array()))) for mesh in maps), start=0.0)
    assert total == pytest.approx(count * 0.04)


def test_jump_figure_of_nothing_says_so() -> None:
    axes = draw_jumps(np.full((3, 1), np.nan), ("a",)).axes[0]
    assert [text.get_text() for text in axes.texts] == ["no point above the cut-off"]


def test_time_is_counted_in_frames_where_it_is_not_known() -> None:
    figure = draw_trajectories(dot_poses(5), ("a", "b", "c"), None, 0.6)
    assert figure.axes[2].get_xlabel() == "frame"


@pytest.mark.parametrize("wrong", [{"pcutoff": -0.1}, {"jumps": -1}])
def test_options_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=str(next(iter(wrong.values())))):
        PlotOptions(**wrong)  # type: ignore[arg-type]


def test_jumps_are_told_by_the_numbers_of_the_frames(tmp_path: Path) -> None:
    poses = dot_poses(8)
    poses[4:, :, :2] += 1000
    poses[6, 1, 0] += 500
    path = save_frame(pose_frame(poses, [20, 21, 22, 23, 700, 701, 702, 703]), tmp_path / "t.h5")
    broken = read_poses(path).broken_at_gaps()
    jumps = largest_jumps(broken, step_lengths(broken.shown(0.6)), 20)
    assert {(jump.bodypart, jump.frame) for jump in jumps[:2]} == {("green", 702), ("green", 703)}
    assert {jump.frame for jump in jumps} == {21, 22, 23, 701, 702, 703}
    assert max(jump.px for jump in jumps) < 600, "none leads from frame 23 to 700"


@pytest.mark.slow
def test_times_of_rows_are_those_of_their_frames(dots_clip: Path, tmp_path: Path) -> None:
    path = save_frame(pose_frame(dot_poses(3), [10, 11, 40]), tmp_path / "t.h5")
    result = plot_table(path, options=PlotOptions(video=dots_clip))
    assert result.frames == 3
    assert [(jump.frame, jump.seconds) for jump in result.jumps] == [(11, 11 / 25)] * 3


def test_lines_break_at_gaps(tmp_path: Path) -> None:
    path = save_frame(pose_frame(dot_poses(4), [2, 3, 90, 91]), tmp_path / "t.h5")
    broken = read_poses(path).broken_at_gaps()
    figure = draw_trajectories(broken.points, broken.names, None, 0.6, frames=broken.frames)
    line = figure.axes[0].get_lines()[0]
    assert np.asarray(line.get_xdata()).tolist() == [2, 3, 4, 90, 91]
    assert np.isnan(np.asarray(line.get_ydata(), float)).tolist() == [False, False, True, False, False]


@given(st.sets(st.integers(0, 400), min_size=1), st.integers(1, 20), st.data())
@settings(deadline=None)
def test_gaps_of_a_thinned_line_are_those_of_the_whole_one(
    frames: set[int], stretches: int, data: st.DataObject
) -> None:
    """A line with rows for some frames looks like one with NaN in the others."""
    places = np.array(sorted(frames))
    y = np.array(data.draw(st.lists(st.floats(-9, 9) | st.just(np.nan), min_size=len(places), max_size=len(places))))
    x, thin = thinned(places / 1.0, y, places, stretches)
    whole = np.full(places[-1] - places[0] + 1, np.nan)
    whole[places - places[0]] = y
    whole_x, whole_thin = thinned(np.arange(places[0], places[-1] + 1.0), whole, None, stretches)
    known, whole_known = np.isfinite(thin), np.isfinite(whole_thin)
    np.testing.assert_array_equal(x[known], whole_x[whole_known])
    np.testing.assert_array_equal(thin[known], whole_thin[whole_known])
    length = -(-len(whole) // stretches)
    if length >= 3:
        assert _joined(x, thin) == _joined(whole_x, whole_thin)


def _joined(x: np.ndarray, y: np.ndarray) -> set[tuple[float, float]]:
    """Neighbours that a line joins."""
    return {(x[i], x[i + 1]) for i in range(len(y) - 1) if np.isfinite(y[i : i + 2]).all() and x[i] != x[i + 1]}


def test_unlikely_points_are_left_out_and_truth_is_black(tmp_path: Path) -> None:
    poses = np.zeros((10, 2, 3))
    poses[..., 0] = np.arange(10)[:, None]
    poses[..., 2] = 0.9
    poses[3, 1, 2] = 0.1
    figure = draw_trajectories(poses, ("a", "b"), np.arange(10) / 30, 0.6, truth=poses[..., :2])
    x, y, likelihood = figure.axes
    lines = {line.get_label(): line for line in x.get_lines()}
    assert np.isnan(np.asarray(lines["b"].get_ydata(), float)).tolist() == [step == 3 for step in range(10)]
    assert not np.isnan(np.asarray(lines["a"].get_ydata(), float)).any()
    assert sum(line.get_color() == "black" for line in y.get_lines()) == 2
    assert len(likelihood.get_lines()) == 3, "two body parts and the cut-off"
    assert all(path.stat().st_size > 1000 for path in save_figure(figure, tmp_path / "fig"))


def test_every_body_part_has_a_colour_of_its_own() -> None:
    assert all(len(set(part_colors(count))) == count for count in (1, 6, 7, 14, 40))

"""Trajectories as a figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posecli.plots.pose_figures import draw_trajectories
from posecli.support.figures import part_colors, save_figure


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

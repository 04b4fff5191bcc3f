"""Targets say what decoding reads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecli.inference.decode import DecodeOptions, decode_numpy
from posecli.network.architectures import pose_network
from posecli.network.network import PoseSpec
from posecli.training.poses.examples import RADIUS, SMALLEST_RADIUS, Floats, Grid, grid_of, make_targets

NETWORK = pose_network(PoseSpec("resnet_50", 2))


def grid(height: int, width: int) -> Grid:
    """The cells of a ResNet: its backbone's stride of 16, rounded up, times the heads' two."""
    return Grid(2 * -(-height // 16), 2 * -(-width // 16), 8, 7.2801)


def made(
    points: npt.NDArray[np.float64], cells: Grid, scale: float, hidden: list[bool] | None = None
) -> tuple[Floats, Floats, Floats]:
    """Scoremap, its weight, and offsets of body parts that the source knows."""
    behind = np.array(hidden or [False] * len(points))
    scoremap, locref = make_targets(points, np.ones_like(behind), behind, cells, scale)
    assert np.array_equal(locref[..., 2], scoremap[..., 0]), "offsets count where something is marked"
    return scoremap[..., 0], scoremap[..., 1], locref[..., :2]


@given(data=st.data(), scale=st.floats(0.02, 4), height=st.integers(16, 200), width=st.integers(16, 200))
@settings(max_examples=100, deadline=None)
def test_decoding_gives_back_the_points(data: st.DataObject, scale: float, height: int, width: int) -> None:
    points = np.array(
        [[data.draw(st.floats(0, width, exclude_max=True)), data.draw(st.floats(0, height, exclude_max=True))]] * 2
    )
    points[1] = points[1][::-1] % (width, height)
    scoremap, _, locref = made(points, grid(height, width), scale)
    pose = decode_numpy(scoremap[None], locref[None], DecodeOptions(8.0, 7.2801))[0, :, 0]
    assert np.allclose(pose[:, :2], points, atol=2e-5)
    assert pose[:, 2].tolist() == [1.0, 1.0]


def test_every_marked_cell_points_to_the_body_part() -> None:
    scoremap, _, locref = made(np.array([[33.0, 21.5]]), grid(64, 96), scale=1.0)
    rows, columns = np.nonzero(scoremap[..., 0])
    centres = np.stack([(columns + 0.5) * 8, (rows + 0.5) * 8], axis=1)
    assert len(rows) > 8
    assert np.linalg.norm(centres - (33.0, 21.5), axis=1).max() <= RADIUS
    found = centres + locref[rows, columns, 0] * 7.2801
    assert np.allclose(found, (33.0, 21.5), atol=1e-5)


def test_nothing_is_marked_where_nothing_is_seen() -> None:
    scoremap, _, locref = made(np.array([[np.nan, np.nan], [8.0, 8.0]]), grid(32, 32), scale=1.0)
    assert not scoremap[..., 0].any()
    assert not locref[:, :, 0].any()
    assert np.isfinite(locref).all()
    assert scoremap[..., 1].any()


def test_nothing_is_asked_around_what_is_hidden() -> None:
    points = np.array([[33.0, 21.5], [33.0, 21.5], [np.nan, np.nan]])
    scoremap, weight, locref = made(points, grid(64, 96), scale=1.0, hidden=[True, False, True])
    marked = scoremap[..., 1] == 1
    assert marked.any()
    assert not scoremap[..., 0].any()
    assert not locref[:, :, 0].any()
    assert np.array_equal(weight[..., 0] == 0, marked)
    assert (weight[..., 1:] == 1).all()


def test_the_radius_shrinks_with_the_animal_but_keeps_a_cell() -> None:
    point = np.array([[40.0, 40.0]])  # a corner of four cells: as far from all centres as can be
    counts = [int(made(point, grid(80, 80), scale)[0].sum()) for scale in (2.0, 1.0, 0.5, 0.125, 0.01)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 4
    assert SMALLEST_RADIUS**2 > 2 * 4**2


@pytest.mark.parametrize("pixels", [16, 17, 31, 32, 33, 120, 128, 640])
def test_the_grid_is_the_networks(pixels: int) -> None:
    assert grid_of(NETWORK, pixels, 64) == grid(pixels, 64)

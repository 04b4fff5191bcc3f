"""The geometry ladder: every rung inverts, and pictures move as coordinates do."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.errors import UsageError
from posecli.options import Crop
from posecli.video.geometry import Geometry, recrop, rescale, uncrop, unscale
from posecli.video.prepare import prepare

points = st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), min_size=1, max_size=5)
factors = st.floats(0.05, 4)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    width, height = draw(st.integers(200, 2000)), draw(st.integers(200, 2000))
    x1, y1 = draw(st.integers(0, width - 160)), draw(st.integers(0, height - 160))
    x2, y2 = draw(st.integers(x1 + 160, width)), draw(st.integers(y1 + 160, height))
    crop = draw(st.sampled_from([None, Crop(x1, x2, y1, y2)]))
    return Geometry.plan(width, height, crop, Fraction(draw(st.sampled_from(["1", "1/2", "0.3", "1.7", "1/8"]))))


@given(points, st.integers(0, 500), st.integers(0, 500))
def test_crop_inverts(xy: list[tuple[float, float]], x1: int, y1: int) -> None:
    crop = Crop(x1, x1 + 10, y1, y1 + 10)
    np.testing.assert_allclose(recrop(uncrop(np.array(xy), crop), crop), xy, atol=1e-9)


@given(points, factors, factors)
def test_scale_inverts(xy: list[tuple[float, float]], x: float, y: float) -> None:
    np.testing.assert_allclose(rescale(unscale(np.array(xy), (x, y)), (x, y)), xy, rtol=1e-12, atol=1e-12)


@given(geometries(), points)
def test_ladder_inverts(geometry: Geometry, xy: list[tuple[float, float]]) -> None:
    frame = np.array(xy)
    np.testing.assert_allclose(geometry.to_frame(geometry.to_network(frame)), frame, atol=1e-6)


@given(geometries())
def test_corners_of_the_network_input_are_corners_of_the_crop(geometry: Geometry) -> None:
    corners = geometry.to_frame(np.array([[0.0, 0.0], [geometry.width, geometry.height]]))
    box = geometry.crop
    np.testing.assert_allclose(corners, [[box.x1, box.y1], [box.x2, box.y2]], atol=1e-9)


def test_whole_frame_at_full_size_is_left_alone_to_the_bit() -> None:
    geometry = Geometry.plan(640, 480)
    xy = np.random.default_rng(1).random((50, 2)) * 640
    assert geometry.to_frame(xy).tobytes() == xy.tobytes()
    assert not geometry.is_cropped
    assert not geometry.is_resized


def test_unknown_stays_unknown() -> None:
    geometry = Geometry.plan(640, 480, Crop(10, 110, 20, 120), Fraction(1, 2))
    assert np.isnan(geometry.to_frame(np.full((1, 2), np.nan))).all()


@pytest.mark.parametrize("scale", ["1", "1/2", "1/4", "2"])
def test_a_dot_in_the_picture_goes_where_its_coordinates_go(scale: str) -> None:
    geometry = Geometry.plan(200, 160, Crop(40, 168, 24, 152), Fraction(scale))
    frame = np.zeros((160, 200, 3), np.uint8)
    frame[64:80, 96:112] = 255  # centre at x 104, y 72
    seen = np.zeros((geometry.height, geometry.width, 3), np.uint8)
    prepare(frame, geometry, out=seen)
    rows, columns = np.nonzero(seen[..., 0] > 127)
    centre = np.array([[columns.mean() + 0.5, rows.mean() + 0.5]])
    np.testing.assert_allclose(geometry.to_frame(centre), [[104, 72]], atol=0.5)


@pytest.mark.parametrize("crop", [Crop(0, 641, 0, 480), Crop(0, 640, 0, 481), Crop(700, 800, 0, 10)])
def test_crop_outside_the_frame_is_refused(crop: Crop) -> None:
    with pytest.raises(UsageError, match=r"leaves the frame of 640x480 px: x2 may be at most 640 and y2 at most 480"):
        Geometry.plan(640, 480, crop)


def test_too_small_for_the_network_is_refused() -> None:
    with pytest.raises(UsageError, match="only 20x15 px"):
        Geometry.plan(80, 60, None, Fraction(1, 4))

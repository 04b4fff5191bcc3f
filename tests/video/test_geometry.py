"""Geometry is undone exactly, one for all frames or one for each, and pictures move as coordinates do."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.errors import UsageError
from posecli.options import Crop
from posecli.video.batch import Batch, prepare
from posecli.video.geometry import BatchGeometry, Geometry

points = st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), min_size=1, max_size=5)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    width, height = draw(st.integers(200, 2000)), draw(st.integers(200, 2000))
    x1, y1 = draw(st.integers(0, width - 160)), draw(st.integers(0, height - 160))
    x2, y2 = draw(st.integers(x1 + 160, width)), draw(st.integers(y1 + 160, height))
    crop = draw(st.sampled_from([None, Crop(x1, x2, y1, y2)]))
    return Geometry.plan(width, height, crop, Fraction(draw(st.sampled_from(["1", "1/2", "0.3", "1.7", "1/8"]))))


@given(geometries(), points)
def test_frame_to_network_and_back(geometry: Geometry, xy: list[tuple[float, float]]) -> None:
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


def test_batch_has_a_geometry_for_each_frame() -> None:
    plans = [
        Geometry.plan(640, 480),
        Geometry.plan(640, 480, Crop(10, 110, 20, 120), Fraction(1, 2)),
        Geometry.plan(640, 480, None, Fraction(1, 3)),
    ]
    single = [plan.of_batch(1) for plan in plans]
    geometry = BatchGeometry(*(np.concatenate([getattr(one, name) for one in single]) for name in ("offset", "scale")))
    xy = np.random.default_rng(2).random((3, 4, 5, 2)) * 300
    found = geometry.to_frame(xy)
    for plan, before, after in zip(plans, xy, found, strict=True):
        assert plan.to_frame(before).tobytes() == after.tobytes()
    assert geometry[1:].to_frame(xy[1:]).tobytes() == found[1:].tobytes()


def test_window_of_what_the_network_saw() -> None:
    """A point's place in the frame does not depend on the window in which it was found."""
    coarse = Geometry.plan(640, 480, Crop(100, 500, 40, 440), Fraction(1, 4)).of_batch(2)
    corners = np.array([[10.0, 20.0], [60.0, 0.0]])
    fine = coarse.window(corners, 3.0)
    inside = np.array([[4.5, 7.0], [0.0, 1.0]])
    np.testing.assert_allclose(fine.to_frame(inside), coarse.to_frame(corners + inside / 3), atol=1e-9)


def test_batch_is_indexed_like_an_array() -> None:
    images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1).repeat(3, axis=3)
    batch = Batch.of(images, fresh=np.array([5, 1, 1, 2]), valid=np.array([True, False, True, True]))
    assert (len(batch), batch.frames, len(batch.geometry)) == (4, 9, 4)
    last = batch[2:]
    assert (last.indices.tolist(), last.frames, last.images[:, 0, 0, 0].tolist()) == ([2, 3], 3, [2, 3])
    assert batch[batch.valid].indices.tolist() == [0, 2, 3]
    assert [len(part) for part in batch.split(3)] == [3, 1]
    assert repr(batch) == "Batch(images=(4, 1, 1, 3) uint8, items 0..3, valid=3)"
    with pytest.raises(ValueError, match="differ in length"):
        Batch.of(images, fresh=np.ones(3, np.int64))

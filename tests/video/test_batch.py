"""One frame down the ladder: crop, then resize, then RGB."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from support.clips import Images

from posecli.options import Crop
from posecli.video.batch import prepare
from posecli.video.geometry import Geometry


def noise(height: int, width: int) -> Images:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def prepared(image: Images, geometry: Geometry) -> Images:
    out = np.full((geometry.height, geometry.width, 3), 77, np.uint8)
    prepare(image, geometry, out)
    return out


def test_channels_come_out_as_rgb() -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    image[:] = (1, 2, 3)  # blue, green, red
    assert (prepared(image, Geometry.plan(16, 16)) == (3, 2, 1)).all()


@pytest.mark.parametrize("crop", [None, Crop(3, 24, 2, 20)], ids=["whole", "cropped"])
def test_crop_is_cut_out(crop: Crop | None) -> None:
    image = noise(30, 40)
    geometry = Geometry.plan(40, 30, crop)
    box = geometry.crop
    np.testing.assert_array_equal(prepared(image, geometry), image[box.y1 : box.y2, box.x1 : box.x2, ::-1])


def test_shrinking_averages_areas_of_the_crop() -> None:
    image = noise(80, 80)
    geometry = Geometry.plan(80, 80, Crop(10, 74, 4, 68), Fraction(1, 4))
    averages = image[4:68, 10:74, ::-1].astype(np.float64).reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(prepared(image, geometry), averages, atol=0.51)


def test_enlarging_interpolates_linearly() -> None:
    ramp = np.repeat(np.arange(0, 160, 10, dtype=np.uint8)[None, :, None], 16, axis=0).repeat(3, axis=2)
    row = prepared(ramp, Geometry.plan(16, 16, None, Fraction(2)))[8, :, 0]
    np.testing.assert_allclose(row[1:-1], np.arange(2.5, 150, 5), atol=1)


def test_frame_is_left_alone_and_out_is_filled_in_place() -> None:
    image = noise(40, 40)
    before = image.copy()
    buffer = np.zeros((2, 20, 20, 3), np.uint8)
    prepare(image, Geometry.plan(40, 40, None, Fraction(1, 2)), buffer[1])
    np.testing.assert_array_equal(image, before)
    assert buffer[1].any()
    assert not buffer[0].any()

"""Regions of a picture: where the boxes stand that are moved, and which maps are looked at."""

from __future__ import annotations

import numpy as np

from posecli.network.regions import AlignedRegions, Proposals


def test_boxes_stand_at_the_corners_of_cells_of_whole_pixels() -> None:
    operation = Proposals("at", (), (((10.0, 20.0), (4.0, 4.0)), ((8.0, 8.0),)))
    near, far = operation.references((800, 1088), [(25, 34), (13, 17)])
    assert (near.shape, far.shape) == ((25 * 34 * 2, 4), (13 * 17, 4))
    np.testing.assert_array_equal(near[2 * 35 + 1], (32, 32, 4, 4))  # second box of the second cell of the second row
    np.testing.assert_array_equal(far[18], (64, 61, 8, 8))  # 800 / 13 is 61 and a half


def test_maps_are_said_to_be_finer_by_powers_of_two() -> None:
    operation = AlignedRegions("regions", ("resized", "proposals", "map"), 1000)
    assert operation.scales(799, [200, 100, 50, 25]) == [1 / 4, 1 / 8, 1 / 16, 1 / 32]
    assert operation.scales(8, [8, 4]) == [1.0, 0.5]  # a narrow picture, most of which is padding
    assert operation.output_shape((8, 8, 3), (1000, 4), (2, 2, 16)) == (7, 7, 16)

"""Shapes at fractions of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecli.synthetic.canvas import Canvas, contains, coverage, ellipse, ribbon

WHITE = np.full(3, 255, np.float32)


@settings(deadline=None, max_examples=40)
@given(st.floats(20, 44), st.floats(20, 44), st.floats(3, 9), st.floats(3, 9), st.floats(0, 3.2), st.floats(0, 2))
def test_a_shape_lies_where_its_coordinates_say(
    x: float, y: float, along: float, across: float, angle: float, blur: float
) -> None:
    mask = coverage(ellipse(np.array([x, y]), (along, across), angle, 64), 64, 64, blur).astype(float)
    rows, columns = np.mgrid[:64, :64] + 0.5
    assert abs((mask * columns).sum() / mask.sum() - x) < 0.2
    assert abs((mask * rows).sum() / mask.sum() - y) < 0.2
    # The outline itself counts as inside, half a pixel of it on either side.
    assert np.pi * along * across * 0.95 < mask.sum() < np.pi * (along + 0.8) * (across + 0.8)


@pytest.mark.parametrize("corner", [(-20.0, -20.0), (-3.0, 5.0), (28.0, 30.0), (90.0, 5.0), (5.0, 90.0)])
def test_shapes_may_leave_the_image(corner: tuple[float, float]) -> None:
    square = np.array([[0.0, 0], [8, 0], [8, 8], [0, 8]])
    whole = Canvas(np.zeros((96, 112, 3), np.uint8), 0.7)
    part = Canvas(np.zeros((32, 40, 3), np.uint8), 0.7)
    whole.paint(square + corner + [32.0, 32.0], WHITE)
    part.paint(square + corner, WHITE)
    np.testing.assert_array_equal(part.image, whole.image[32:64, 32:72])


def test_shade_darkens_in_proportion() -> None:
    canvas = Canvas(np.full((20, 20, 3), 200, np.uint8), 0.0)
    canvas.shade(np.array([[-5.0, -5], [25, -5], [25, 25], [-5, 25]]), 0.25, 0.0)
    assert np.unique(canvas.image).tolist() == [150]


def test_half_opacity_is_half_way() -> None:
    canvas = Canvas(np.full((20, 20, 3), 100, np.uint8), 0.0)
    canvas.paint(ellipse(np.array([10.0, 10.0]), (5, 5), 0.0), np.array([200, 0, 300], np.float32), 0.5)
    assert canvas.image[10, 10].tolist() == [150, 50, 200]


def test_ribbon_is_as_wide_as_told() -> None:
    line = np.stack([np.linspace(0, 30, 16), np.full(16, 10.0)], axis=1)
    outline = ribbon(line, np.linspace(1, 4, 16))
    assert np.ptp(outline[[0, -1], 1]) == pytest.approx(2)
    assert np.ptp(outline[[15, 16], 1]) == pytest.approx(8)


def test_contains_counts_the_edge_in() -> None:
    square = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])
    assert contains(square, np.array([[4.0, 2], [2, 2], [4.1, 2]])).tolist() == [True, True, False]

"""Which windows are tried, by the poses of sampled frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posecli.inference.step import Values
from posecli.inference.windows import Windows
from posecli.precision.gate import Sample
from posecli.precision.windows import _expected, _Moments, _reach
from posecli.video.batch import Batch
from posecli.video.geometry import Geometry

SIZE = 240, 320
WHOLE = Windows(320, 240, grid=16, cutoff=0.6)


def moments(found: Values, geometry: Geometry = Geometry.plan(320, 240)) -> _Moments:
    """Frames that show nothing, and poses ``(N, K, 1, 3)`` of whole frames."""
    sample = Sample(Batch.of(np.zeros((len(found), *SIZE, 3), np.uint8), geometry))
    return _Moments((*SIZE, 3), [sample], [found], [found], [found])


def animal(x: float, likelihood: float = 0.9) -> Values:
    """Sixteen frames of two body parts, 50 px apart."""
    return np.tile([[[x, 100, 0.9]], [[x + 30, 140, likelihood]]], (16, 1, 1, 1))


def test_body_parts_reach_somewhat_farther_than_they_were_seen() -> None:
    assert _reach(moments(animal(100)), 0.6) == 63
    shrunk = Geometry.plan(640, 480).brought_to(320, 240)
    assert _reach(moments(animal(100), shrunk), 0.6) == 32, "px of the network's picture"


@pytest.mark.parametrize("seen", [0, 3])
def test_how_far_body_parts_reach_is_unknown_where_one_is_hardly_seen(seen: int) -> None:
    found = animal(100, likelihood=0.1)
    found[:seen, ..., 2] = 0.9
    assert _reach(moments(found), 0.6) == 0


def test_a_single_body_part_has_no_reach() -> None:
    assert _reach(moments(animal(100)[:, :1]), 0.6) == 0


def test_an_animal_that_a_window_does_not_show_costs_a_whole_frame() -> None:
    """Nothing in such a window says where to look instead."""
    works = _expected(WHOLE, np.full((16, 2), 30.0), moments(animal(250)))
    assert works[replace(WHOLE, width=96, height=96)] == pytest.approx(96 * 96 / (320 * 240) + 1)


@pytest.mark.parametrize("away", [-150, -20, 30])
def test_no_window_is_better_placed_than_about_what_is_to_be_seen(away: int) -> None:
    seen = moments(animal(180))
    right, wrong = (_expected(WHOLE, WHOLE.centers(seen.found) + shift, seen) for shift in (0, away))
    assert min(right.values()) <= min(wrong.values())

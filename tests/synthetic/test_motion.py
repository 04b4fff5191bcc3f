"""Movement over all frames at once."""

from __future__ import annotations

import numpy as np
import pytest

from posecli.synthetic.canvas import spline, wander
from posecli.synthetic.trail import LARGEST_BEND, walk


def test_spline_reproduces_straight_lines() -> None:
    knots = np.stack([np.arange(8.0), 3 - 2 * np.arange(8.0)], axis=1)
    at = np.linspace(0, 5, 31)
    np.testing.assert_allclose(spline(knots, at), np.stack([at + 1, 3 - 2 * (at + 1)], axis=1), atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 1000])
@pytest.mark.parametrize("period", [0.1, 3.3, 5000.0])
def test_wander_has_any_length(n: int, period: float) -> None:
    values = wander(np.random.default_rng(0), n, period)
    assert values.shape == (n,)
    assert np.isfinite(values).all()


def test_wander_is_smooth_and_about_zero() -> None:
    values = wander(np.random.default_rng(0), 20_000, 20.0)
    assert abs(values.mean()) < 0.1
    assert 0.5 < values.std() < 0.8
    assert np.abs(np.diff(values)).max() < 0.2


@pytest.fixture
def waypoints() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.random.default_rng(3).uniform(0, 500, (20, 2))


def test_walk_goes_at_the_speed_it_is_given(waypoints: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    speed = np.concatenate([np.full(400, 3.0), np.zeros(50), np.full(400, 1.0)])
    path = walk(np.random.default_rng(0), speed, waypoints, 100.0)
    steps = np.hypot(np.diff(path.x), np.diff(path.y))
    assert np.median(steps[:399]) == pytest.approx(3.0, rel=0.02)
    assert steps[400:449].max() == 0
    assert np.ptp(path.heading[400:449]) == 0
    assert steps.max() < 3.3, "no jump where the path closes"


def test_walk_looks_where_it_goes_and_turns_no_faster_than_a_body_can(
    waypoints: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> None:
    path = walk(np.random.default_rng(0), np.full(8000, 2.0), waypoints, 100.0)
    course = np.arctan2(np.gradient(path.y), np.gradient(path.x))
    assert np.mean(np.cos(path.heading - course)) > 0.9
    assert np.abs(path.bend).max() <= LARGEST_BEND
    assert np.abs(np.diff(np.unwrap(path.heading))).max() < 0.3
    assert np.abs(np.diff(path.bend)).max() < 0.3

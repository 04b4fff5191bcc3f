"""Laws of the block bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from posecli.studies.sweep.measures import Resampling, block_length

VALUES = hnp.arrays(np.float64, st.integers(20, 60), elements=st.floats(0, 100, width=32))


def drawn(frames: int, block: int = 5, resamples: int = 200, seed: int = 0) -> Resampling:
    return Resampling((frames,), (block,), resamples, seed)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=3))
def test_every_resample_has_whole_blocks_of_each_video(videos: list[tuple[int, int]]) -> None:
    lengths = tuple(length for length, _ in videos)
    blocks = tuple(min(block, length) for length, block in videos)
    counts = Resampling(lengths, blocks, 100, 3).counts
    assert counts.shape == (100, sum(lengths))
    ends = np.cumsum(lengths)[:-1]
    for part, length, block in zip(np.split(counts, ends, axis=1), lengths, blocks, strict=True):
        assert (part.sum(axis=1) == block * -(-length // block)).all()


def test_frames_are_drawn_equally_often() -> None:
    counts = drawn(40, 7, 4000).counts.astype(np.float64).mean(axis=0)
    assert np.abs(counts / counts.mean() - 1).max() < 0.15


def test_neighbours_are_drawn_together() -> None:
    counts = drawn(200, 20, 500).counts.astype(np.float64)
    near = np.corrcoef(counts[:, 50], counts[:, 51])[0, 1]
    far = np.corrcoef(counts[:, 50], counts[:, 120])[0, 1]
    assert near > 0.8
    assert far < 0.2


@settings(deadline=None)
@given(VALUES)
def test_point_estimates_are_the_plain_statistics(values: np.ndarray) -> None:
    resampling = drawn(len(values))
    assert resampling.mean(values).value == pytest.approx(values.mean())
    for share, found in zip((0.5, 0.99), resampling.quantiles(values, (0.5, 0.99)), strict=True):
        assert found.value == np.quantile(values, share, method="inverted_cdf")


@settings(deadline=None)
@given(VALUES, st.floats(0.1, 10), st.floats(-50, 50))
def test_intervals_move_and_stretch_with_the_values(values: np.ndarray, factor: float, offset: float) -> None:
    resampling = drawn(len(values))
    plain, other = resampling.mean(values), resampling.mean(factor * values + offset)
    for name in ("value", "low", "high"):
        assert getattr(other, name) == pytest.approx(factor * getattr(plain, name) + offset, abs=1e-6)


@settings(deadline=None)
@given(VALUES)
def test_intervals_are_ordered_and_inside_the_values(values: np.ndarray) -> None:
    resampling = drawn(len(values))
    for found in (resampling.mean(values), *resampling.quantiles(values, (0.5, 0.99))):
        assert values.min() - 1e-9 <= found.low <= found.high <= values.max() + 1e-9


@given(st.floats(0, 50), st.integers(20, 60))
def test_a_constant_has_no_spread(constant: float, frames: int) -> None:
    found = drawn(frames).mean(np.full(frames, constant))
    assert found.low == pytest.approx(constant)
    assert found.high == pytest.approx(constant)


def test_what_is_not_known_does_not_count() -> None:
    values = np.tile([[1.0, np.nan, 3.0]], (50, 1))
    found = drawn(50).mean(values)
    assert (found.value, found.low, found.high) == (2.0, 2.0, 2.0)
    assert drawn(50).quantiles(values, (0.5,))[0].value == 1.0


def test_nothing_known_is_not_a_number() -> None:
    values = np.full((50, 2), np.nan)
    assert np.isnan(drawn(50).mean(values).value)
    assert np.isnan(drawn(50).quantiles(values, (0.5,))[0].high)


def test_seed_decides() -> None:
    values = np.random.default_rng(0).exponential(size=100)
    assert drawn(100, seed=1).mean(values) == drawn(100, seed=1).mean(values)
    assert drawn(100, seed=1).mean(values) != drawn(100, seed=2).mean(values)


def test_blocks_are_a_second_but_at_most_a_tenth() -> None:
    assert block_length(3000, 30) == 30
    assert block_length(100, 30) == 10
    assert block_length(5, 30) == 1
    assert block_length(1_000_000, 1) == 100
    assert block_length(3000, 29.97) == 30


def test_intervals_of_autocorrelated_errors_cover_the_truth() -> None:
    """Frames that are alike: an interval that took them for independent would cover the mean in 60 % of cases."""
    rng = np.random.default_rng(5)
    hits = 0
    for trial in range(60):
        noise = rng.normal(size=1200)
        errors = np.empty(1200)
        errors[0] = noise[0]
        for frame in range(1, 1200):
            errors[frame] = 0.8 * errors[frame - 1] + noise[frame]
        found = Resampling((1200,), (30,), 300, trial).mean(errors)
        hits += found.low <= 0 <= found.high
    assert hits >= 50

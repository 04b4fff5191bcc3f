"""What is measured of a version, on poses whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sweeps import walk

from posecli.evaluation import ALL
from posecli.studies.sweep.measures import MEDIAN, RAW, Comparison, PartMeasures, Resampling, Trajectories

PARTS = ("a", "b", "c")
FRAMES = 60


def measure(
    version: np.ndarray, original: np.ndarray, truth: np.ndarray | None = None, lengths: tuple[int, ...] = (FRAMES,)
) -> dict[tuple[str, str], PartMeasures]:
    comparison = Comparison(PARTS, 0.6, 5, Resampling(lengths, tuple(1 for _ in lengths), 100))
    found = comparison.measure(Trajectories(version, lengths), Trajectories(original, lengths), truth)
    return {(item.bodypart, item.filtering): item for item in found}


def test_a_version_that_is_the_original_has_no_error() -> None:
    poses = walk(FRAMES)
    for item in measure(poses, poses).values():
        assert item.mean.high == item.p99.high == item.lost.high == item.jitter.high == 0


@settings(deadline=None, max_examples=25)
@given(st.floats(-20, 20), st.floats(-20, 20))
def test_a_shift_is_the_error_and_no_jitter(dx: float, dy: float) -> None:
    poses = walk(FRAMES)
    item = measure(poses + (dx, dy, 0), poses)[ALL, RAW]
    for interval in (item.mean, item.median, item.p99):
        assert interval.value == pytest.approx(np.hypot(dx, dy), abs=1e-9)
    assert item.jitter.value == pytest.approx(0, abs=1e-9)
    assert item.lost.value == 0


def test_each_part_is_measured_by_itself() -> None:
    poses = walk(FRAMES)
    version = poses.copy()
    version[:, 1, 0] += 6
    found = measure(version, poses)
    assert found["a", RAW].mean.value == 0
    assert found["b", RAW].mean.value == pytest.approx(6)
    assert found[ALL, RAW].mean.value == pytest.approx(2)


def test_points_that_the_original_does_not_see_do_not_count() -> None:
    poses = walk(FRAMES)
    poses[:30, 0, 2] = 0.1
    version = poses.copy()
    version[:30, 0, :2] += 500
    item = measure(version, poses)["a", RAW]
    assert item.points == 30
    assert item.mean.value == 0


def test_lost_points_and_likelihood() -> None:
    poses = walk(FRAMES)
    version = poses.copy()
    version[::4, 2, 2] = 0.2
    item = measure(version, poses)["c", RAW]
    assert item.lost.value == pytest.approx(0.25)
    assert item.likelihood_change.value == pytest.approx(0.25 * (0.2 - 0.95))


def test_jitter_counts_steps_beyond_the_originals() -> None:
    still = np.tile([50.0, 50, 0.9], (FRAMES, 3, 1))
    shaking = still.copy()
    shaking[1::2, :, 0] += 4
    assert measure(shaking, still)[ALL, RAW].jitter.value == pytest.approx(4)
    assert measure(still, shaking)[ALL, RAW].jitter.value == pytest.approx(-4)


def test_a_median_filter_repairs_single_frames_and_no_steady_shift() -> None:
    still = np.tile([50.0, 50, 0.9], (FRAMES, 3, 1))
    spiked = still.copy()
    spiked[10::15, :, 0] += 100
    found = measure(spiked, still)
    assert found[ALL, RAW].mean.value == pytest.approx(100 * 4 / FRAMES)
    assert found[ALL, MEDIAN].mean.value == 0
    assert measure(still + (3, 0, 0), still)[ALL, MEDIAN].mean.value == pytest.approx(3)


def test_the_step_between_two_videos_is_none() -> None:
    two = np.concatenate([np.tile([0.0, 0, 0.9], (30, 3, 1)), np.tile([500.0, 0, 0.9], (30, 3, 1))])
    steps = Trajectories(two, (30, 30)).steps()
    assert np.isnan(steps[[0, 30]]).all()
    assert (steps[1:30] == 0).all()
    assert measure(two, two, lengths=(30, 30))[ALL, RAW].jitter.value == 0


def test_videos_are_filtered_apart() -> None:
    two = Trajectories.of([np.tile([10.0, 10, 0.9], (20, 1, 1)), np.tile([500.0, 10, 0.9], (20, 1, 1))])
    smooth = two.filtered(5).poses[:, 0, 0]
    assert set(smooth.tolist()) == {10.0, 500.0}


def test_truth_is_compared_where_it_is_known() -> None:
    poses = walk(FRAMES)
    truth = poses[..., :2] + (0, 3)
    truth[:, 2] = np.nan
    truth[5:] = np.nan
    item = measure(poses, poses, truth)[ALL, RAW]
    assert item.truth_points == 10
    assert item.truth_mean.value == pytest.approx(3)
    without = measure(poses, poses)[ALL, RAW]
    assert without.truth_points == 0
    assert without.as_dict()["truth_mean_px"] is None


def test_a_frame_that_could_not_be_decoded_is_lost_and_has_no_error() -> None:
    poses = walk(FRAMES)
    version = poses.copy()
    version[7] = (np.nan, np.nan, 0)
    item = measure(version, poses)[ALL, RAW]
    assert item.mean.value == 0
    assert item.lost.value == pytest.approx(1 / FRAMES)

"""The rule by which a student asks its teacher: it asks no more than it must, and leaves the shift inside the bound."""

from __future__ import annotations

import numpy as np
import pytest

from posecli.inference.step import Values
from posecli.precision.doubt import calibrated_rules

COUNT = 800
NUMBERS = np.arange(COUNT)


@pytest.fixture(scope="module")
def pair() -> tuple[Values, Values]:
    """A teacher's poses, and a student's: the less sure of a part, the farther off; in some frames it jumps, surely."""
    draw = np.random.default_rng(0)
    teacher = np.full((COUNT, 2, 1, 3), 0.95)
    teacher[..., :2] = 100 + 30 * np.sin(NUMBERS / 30)[:, None, None, None]
    student = teacher.copy()
    scale = np.array([1.0, 0.4])  # the second part is never as sure as the first, and not farther off for that
    doubt = draw.beta(1, 6, (COUNT, 2))
    student[:, :, 0, 2] = scale * (1 - doubt)
    student[:, :, 0, 0] += draw.normal(0, 1, (COUNT, 2)) * (0.3 + 5 * doubt)
    leaps = draw.choice(COUNT, 12, replace=False)
    student[leaps, 0, 0, 1] += 30
    return student, teacher


def left(student: Values, teacher: Values, asked: np.ndarray) -> float:
    """99th percentile of the shift, px, where the teacher's poses stand for those that it was asked about."""
    shift = np.linalg.norm((student - teacher)[:, :, 0, :2], axis=-1)
    shift[asked] = 0
    return float(np.quantile(shift, 0.99))


def test_the_shift_that_is_left_lies_inside_the_bound(pair: tuple[Values, Values]) -> None:
    rules = calibrated_rules(*pair, cutoff=0.6)
    assert left(*pair, asked=np.zeros(COUNT, bool)) > 5
    bounds, shares = [rule.px for rule in rules], [rule.asked for rule in rules]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] == 5.0
    assert bounds[-1] <= 2.0
    assert shares == sorted(set(shares)), "of rules that ask as much the one for the tightest bound"
    for rule in rules:
        asked = rule.doubtful(pair[0], NUMBERS)
        assert left(*pair, asked) <= rule.px
        assert asked.mean() == rule.asked
    assert rules[0].asked < 0.08, "it asks about the jumps, those beside them, and few others"
    assert rules[0].likelihoods[0] > rules[0].likelihoods[1], "each part has its own"


def test_no_more_is_asked_than_must_be(pair: tuple[Values, Values]) -> None:
    """Of frames at random a rule would need far more."""
    (rule,) = calibrated_rules(*pair, cutoff=0.6, bounds=[2.0])
    draw = np.random.default_rng(1)
    assert left(*pair, draw.uniform(size=COUNT) < 2 * rule.asked) > 2.0


def test_points_that_the_teacher_is_unsure_of_do_not_count(pair: tuple[Values, Values]) -> None:
    student, teacher = pair[0].copy(), pair[1].copy()
    teacher[:400, 0, 0, 2] = 0.2
    student[:400, 0, 0, 0] += 50
    assert next(rule.px for rule in calibrated_rules(student, teacher, cutoff=0.6)) == 5.0
    assert calibrated_rules(student, teacher, cutoff=0.1) == ()


def test_what_is_far_from_all_that_was_seen_is_asked_about(pair: tuple[Values, Values]) -> None:
    """Though no held-out frame is: twice as unsure, or twice as far."""
    student, teacher = pair[1].copy(), pair[1]
    (rule,) = calibrated_rules(student, teacher, cutoff=0.6, bounds=[1.0])
    assert rule.asked == 0.0
    student[[4, 5], 0, 0, 2] -= np.array([0.04, 0.06])
    student[100, 1, 0, 0] += 10
    assert np.flatnonzero(rule.doubtful(student, NUMBERS)).tolist() == [5, 99, 100, 101]


def test_stretches_are_no_neighbours(pair: tuple[Values, Values]) -> None:
    """Where one ends and the next begins, nothing has jumped."""
    numbers = np.concatenate([np.arange(0, 400), np.arange(9000, 9400)])
    student, teacher = (poses.copy() for poses in pair)
    student[:] = teacher
    for poses in (student, teacher):
        poses[400:, ..., :2] += 300
    (apart,) = calibrated_rules(student, teacher, 0.6, numbers, [1.0])
    assert max(apart.jumps) < 1

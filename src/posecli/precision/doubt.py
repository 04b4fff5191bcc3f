"""When a student should ask its teacher: thresholds from frames that the student never saw.

For each body part it is found how often points of a likelihood, or of a jump against their neighbours, lie farther
from the teacher's than a bound: rates that only rise as points get less sure. Frames are asked about from the worst
on, by the highest rate of any of their points, until 99 % of the points that are left lie within the bound. Where no
point that was held out is asked about, one that is twice as unsure as all of them, or jumps twice as far, is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from posecli.inference.step import Values
from posecli.inference.teacher import DoubtRule, jumps
from posecli.inference.windows import GROUP
from posecli.video.geometry import Floats

#: Bounds for which a student has rules, px: 99th percentiles of the shift from its teacher.
BOUNDS = tuple(quarters / 4 for quarters in range(20, 1, -1))
#: Rules that ask about more of the held-out frames than this are left out: the teacher alone is little slower.
MOST_ASKED = 0.5
#: Below all that doubt rises with: likelihoods taken negative, and px.
NOTHING = -2.0
#: How much larger than all that was held out px, or what a likelihood lacks to 1, must be to be odd.
ODD = 2.0


def calibrated_rules(
    student: Values,
    teacher: Values,
    cutoff: float,
    indices: npt.NDArray[np.int64] | None = None,
    bounds: Sequence[float] = BOUNDS,
) -> tuple[DoubtRule, ...]:
    """For each bound the rule that asks least, and leaves the 99th percentile of the shift inside it.

    Parameters
    ----------
    student, teacher
        ``(N, K, M, 3)`` poses of held-out frames, px of the full frame, as `posecli.inference.step` has them.
    cutoff
        Likelihood from which on the teacher is sure of a point; others do not count.
    indices
        ``(N,)`` the frames' numbers, rising within each stretch of frames; by default 0, 1, 2, ... Numbers of stretches
        from several videos must not lie within a group of each other.
    bounds
        Px.

    Returns
    -------
    tuple of DoubtRule
        The loosest first. A bound that would take more than half of the frames has none, nor has one for which the rule
        of a tighter bound asks no more.

    Examples
    --------
    >>> draw = np.random.default_rng(0)
    >>> teacher = np.full((200, 1, 1, 3), (50.0, 50.0, 0.9))
    >>> student = teacher + 0
    >>> student[:, 0, 0, 2] = draw.uniform(0.5, 1.0, 200)
    >>> student[:, 0, 0, 0] += np.where(student[:, 0, 0, 2] < 0.6, 9.0, 0.5)
    >>> (rule,) = calibrated_rules(student, teacher, cutoff=0.6, bounds=[2.0])
    >>> bool((rule.doubtful(student, np.arange(200)) <= (student[:, 0, 0, 2] < 0.6)).all())
    True
    """
    numbers = np.arange(len(student)) if indices is None else indices
    features = -student[:, :, 0, 2], np.nan_to_num(jumps(student, numbers // GROUP))
    is_sure = teacher[:, :, 0, 2] >= cutoff
    shift = np.where(is_sure, np.linalg.norm(student[:, :, 0, :2] - teacher[:, :, 0, :2], axis=-1), 0.0)
    rules = [_calibrated(features, shift, is_sure, bound) for bound in sorted(bounds, reverse=True)]
    tightest = {(rule.likelihoods, rule.jumps): rule for rule in rules if rule.asked <= MOST_ASKED}
    return tuple(tightest.values())


def _calibrated(
    features: tuple[Floats, Floats], shift: Floats, is_sure: npt.NDArray[np.bool_], bound: float
) -> DoubtRule:
    """The rule for one bound, by ``(N, K)`` features that rise with doubt, and the shifts of the same points."""
    risks = [_risks(each, shift > bound) for each in features]
    of_frames = np.max(risks, axis=(0, 2))
    worst_first = np.argsort(-of_frames, kind="stable")
    low, high = 0, len(shift)  # frames that are asked about: `high` are enough
    while low < high:
        middle = (low + high) // 2
        left = shift.copy()
        left[worst_first[:middle]] = 0
        if is_sure.any() and np.quantile(left[is_sure], 0.99) > bound:
            low = middle + 1
        else:
            high = middle
    least = of_frames[worst_first[high - 1]] if high else np.inf
    unsure, far = (
        [_threshold(values, risk < least, zero) for values, risk in zip(each.T, risked.T, strict=True)]
        for each, risked, zero in zip(features, risks, (-1.0, 0.0), strict=True)
    )
    rule = DoubtRule(bound, tuple(-each for each in unsure), tuple(far))
    return replace(rule, asked=float((of_frames >= least).mean()))


def _threshold(values: Floats, is_left: npt.NDArray[np.bool_], zero: float) -> float:
    """Above which a body part is asked about, by those of the held-out values that are not; no doubt is at `zero`."""
    largest = float(values[is_left].max(initial=NOTHING))
    return zero + ODD * (largest - zero) if is_left.all() else largest


def _risks(feature: Floats, is_far: npt.NDArray[np.bool_]) -> Floats:
    """How often points of each body part lie too far, ``(N, K)``: rates that rise with the feature, and all differ."""
    found = np.empty(feature.shape)
    for part, (values, far) in enumerate(zip(feature.T, is_far.T, strict=True)):
        levels, places, counts = np.unique(values, return_inverse=True, return_counts=True)
        rates = _rising(np.bincount(places, far) / counts, counts)
        found[:, part] = (rates + 1e-6 * np.arange(len(levels)) / len(levels))[places]
    return found


def _rising(values: Floats, counts: npt.NDArray[np.int64]) -> Floats:
    """The rising sequence closest to values that count so often each: neighbours that fall are averaged.

    >>> _rising(np.array([0.0, 1.0, 0.0, 1.0]), np.ones(4, int)).tolist()
    [0.0, 0.5, 0.5, 1.0]
    """
    blocks: list[tuple[float, int, int]] = []  # mean, weight, how many values
    for value, weight in zip(values.tolist(), counts.tolist(), strict=True):
        mean, total, length = value, weight, 1
        while blocks and blocks[-1][0] >= mean:
            before, size, many = blocks.pop()
            mean, total, length = (before * size + mean * total) / (size + total), size + total, length + many
        blocks.append((mean, total, length))
    return np.repeat([mean for mean, _, _ in blocks], [length for *_, length in blocks])

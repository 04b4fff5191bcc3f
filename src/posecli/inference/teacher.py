"""Poses from a small network, and from the one that it learned from where the small one is unsure.

The student looks at every frame. A rule says of which frames its word is not taken: where a body part is less sure
than a threshold, or lies farther from the middle between its neighbours in time. Those frames are shown to the teacher,
one by one. Neighbours are looked at within groups of frames, whose bounds depend on nothing but the frames' numbers: so
the same frames are asked about whatever the size of batches, and wherever an interrupted run goes on.

Rules are found by `posecli.precision.doubt.calibrated_rules` on frames that the student never saw, and kept in the
student's record (``student.yaml``, under ``doubt``), one for each of several bounds in px.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.errors import UsageError
from posecli.inference.step import Step, Values
from posecli.inference.windows import GROUP, Flags, WindowStep
from posecli.options import FIXED_PRECISIONS, FixedPrecision, one_of
from posecli.video.batch import Batch
from posecli.video.geometry import Floats

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DoubtRule:
    """When a student's word is not taken, by the poses that it gives.

    >>> rule = DoubtRule(2.0, likelihoods=(0.5,), jumps=(10.0,))
    >>> poses = np.array([[0, 0, 0.9], [1, 0, 0.9], [2, 0, 0.4], [3, 0, 0.9]]).reshape(4, 1, 1, 3)
    >>> rule.doubtful(poses, np.arange(4)).tolist()
    [False, False, True, False]
    """

    #: The bound for which it was found: 99th percentile of the shift from the teacher, px of the full frame.
    px: float
    likelihoods: tuple[float, ...]  #: ``(K,)``, below which a body part is unsure.
    jumps: tuple[float, ...]  #: ``(K,)`` px of the full frame, above which a body part is unsure.
    asked: float = 0.0  #: Share of the held-out frames of which the teacher would have been asked.
    group: int = GROUP

    def __post_init__(self) -> None:
        numbers = (self.px, self.asked, *self.likelihoods, *self.jumps)
        if not all(isinstance(number, int | float) for number in numbers):
            raise TypeError(f"a rule has something else than numbers: {numbers}")
        if not isinstance(self.group, int) or self.group < 1 or len(self.likelihoods) != len(self.jumps):
            raise TypeError(f"a rule for {len(self.likelihoods)} and {len(self.jumps)} body parts, group {self.group}")

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> DoubtRule:
        """From plain values; a `TypeError` if they are none of a rule."""
        lists = {name: tuple(content.get(name, ())) for name in ("likelihoods", "jumps")}
        return cls(**{**content, **lists})

    def doubtful(self, values: Values, indices: Numbers) -> Flags:
        """``(N,)`` bool, of which frames the teacher is asked, by the student's poses ``(N, K, M, 3)`` of them.

        `indices` ``(N,)`` are the frames' numbers, rising; no group may lack frames.
        """
        unsure = values[:, :, 0, 2] < np.array(self.likelihoods)
        far = jumps(values, indices // self.group) > np.array(self.jumps)  # never where it is not known
        return np.asarray((unsure | far).any(axis=1))


def jumps(values: Values, groups: Numbers) -> Floats:
    """``(N, K)`` px of each body part from the middle between its neighbours in time; NaN where that is not known.

    Neighbours are of the same group, ``(N,)`` numbers; the first and the last of a group have what those beside them
    have.

    >>> path = np.array([[0, 0, 1], [1, 0, 1], [8, 0, 1], [3, 0, 1]]).reshape(4, 1, 1, 3)
    >>> jumps(path, np.zeros(4, int))[:, 0].tolist()
    [3.0, 3.0, 6.0, 6.0]
    """
    places = values[:, :, 0, :2]
    found = np.full((len(values) + 2, values.shape[1]), np.nan)
    middle = (places[:-2] + places[2:]) / 2
    inside = (groups[:-2] == groups[2:])[:, None]
    found[2:-2] = np.where(inside, np.hypot(*np.moveaxis(places[1:-1] - middle, -1, 0)), np.nan)
    before, own, after = found[:-2], found[1:-1], found[2:]
    is_first, is_last = (np.concatenate(each) for each in (([True], _differ(groups)), (_differ(groups), [True])))
    return np.where(is_first[:, None], after, np.where(is_last[:, None], before, own))


def _differ(groups: Numbers) -> Flags:
    return np.asarray(groups[1:] != groups[:-1])


def rules_of(doubt: Mapping[str, Any] | None) -> tuple[DoubtRule, ...]:
    """The rules of a student's record, the loosest first; a `UsageError` if they are none that posecli makes."""
    if doubt is None:
        return ()
    try:
        rules = [DoubtRule.of(each) for each in doubt["rules"]]
    except (KeyError, TypeError, AttributeError):
        raise UsageError(
            f"its rules of doubt {str(doubt)[:80]} are none that posecli makes: distil the student again"
        ) from None
    return tuple(sorted(rules, key=lambda rule: -rule.px))


@dataclass(frozen=True)
class Teaching:
    """When which teacher is asked, as a manifest has it among its settings."""

    identity: str  # of the teacher's folder
    precision: FixedPrecision
    int8_version: str | None  # hash of it, if that computes
    rule: DoubtRule

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Teaching | None:
        """From a manifest's settings; a `UsageError` if it cannot be what posecli wrote."""
        found = settings.get("teacher")
        try:
            if found is None:
                return None
            teaching = cls(**{**found, "rule": DoubtRule.of(found["rule"])})
            one_of("precision", teaching.precision, FIXED_PRECISIONS)
        except (KeyError, TypeError, AttributeError):
            raise UsageError(f"a teacher {str(found)[:80]} is none that posecli has asked: analyse again") from None
        return teaching


def plain_rules(rules: Sequence[DoubtRule]) -> dict[str, Any]:
    """What a student's record has under ``doubt``."""
    return {"rules": [asdict(rule) | {"likelihoods": [*rule.likelihoods], "jumps": [*rule.jumps]} for rule in rules]}


def in_words(rules: Sequence[DoubtRule]) -> str:
    """How much of the held-out frames rules ask about.

    >>> in_words([DoubtRule(4.5, (0.2,), (9.0,), 0.01), DoubtRule(4.0, (0.5,), (3.0,), 0.25)])
    'about 1.0 % of frames for 4.5 px, 25.0 % for 4 px'
    """
    asked = [f"{100 * rule.asked:.1f} %{' of frames' * (place == 0)}" for place, rule in enumerate(rules)]
    return "about " + ", ".join(f"{share} for {rule.px:g} px" for share, rule in zip(asked, rules, strict=True))


@dataclass
class TeacherStep(Step):
    """A student, and its teacher where the student is unsure.

    Batches come in the order of their frames and begin where a group does. A student that looks at windows finds them
    by what its teacher saw last, as whoever goes on with an interrupted run does.
    """

    rule: DoubtRule
    student: Step
    teacher: Step
    frames: int = 0  # that were looked at
    asked: int = 0  # of these, by the teacher

    def resume(self, first: int, before: Values) -> None:
        self.student.resume(first, before)

    def account(self) -> dict[str, int]:
        """How many frames were looked at, and of how many of these the teacher was asked."""
        return {"frames": self.frames, "teacher_frames": self.asked}

    def warm_up(self, batch_size: int) -> None:
        self.student.warm_up(batch_size)
        self.teacher.warm_up(1)

    def infer(self, batch: Batch) -> Values:
        in_groups = isinstance(self.student, WindowStep)
        return np.concatenate([self._of(part) for part in (batch.groups(self.rule.group) if in_groups else [batch])])

    def finish(self, batch: Batch, output: Values) -> Values:  # noqa: ARG002  # the rule needs poses
        return output

    def _of(self, batch: Batch) -> Values:
        values = self.student(batch)
        doubtful = self.rule.doubtful(values, batch.indices) & batch.valid
        self.frames += len(batch)
        self.asked += int(doubtful.sum())
        if doubtful.any():
            # One by one, with all cores on each: few come at once, and never the same number.
            values[doubtful] = np.concatenate([self.teacher(one) for one in batch[doubtful].split(1)])
            self.student.resume(int(batch.indices[-1]) + 1, values)
        return values

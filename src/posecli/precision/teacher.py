"""When a run's student asks its teacher, by the user's own frames: the parity gate of the two together.

A student has a rule for each of several bounds. Where one is asked for, the cheapest setting is taken whose points stay
within it, against the teacher in fp32 on the full frame: the student alone, or with the rule for that bound or a
tighter one; with windows, where they pay, or without. Else the tightest rule is taken that asks about no more than a
tenth of the frames, and it is only measured. Each sampled frame comes with those beside it: the rules look at these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from posecli.errors import PrecisionError, UsageError
from posecli.inference.predictor import Model, PoseModel
from posecli.inference.step import Values
from posecli.inference.teacher import DoubtRule, rules_of
from posecli.inference.windows import Flags, WindowStep
from posecli.model.folder import ModelFolder
from posecli.model.student import StudentRecord, read_student
from posecli.model.teacher import find_teacher
from posecli.options import NO_TEACHER, AnalyzeOptions, FixedPrecision
from posecli.precision.gate import (
    WORK,
    Evidence,
    Figures,
    Gate,
    GateFigures,
    choose_precision,
    compare_poses,
    model_cutoff,
)
from posecli.precision.windows import ChosenWindows, background_of
from posecli.video.batch import Batch

#: Rules that are tried at most, from that for the bound on.
ATTEMPTS = 3
#: Share of the frames of which the teacher is asked at most where nobody asks for a bound.
USUAL = 0.1


def teacher_of(
    student: ModelFolder, options: AnalyzeOptions
) -> tuple[StudentRecord | None, ModelFolder | None, tuple[DoubtRule, ...]]:
    """A student's record, the teacher that may be asked, and by which rules; errors as `find_teacher`.

    ``None`` and no rules for a network that is no student, or whose teacher is not at hand or not wanted. A
    `UsageError` if a teacher is named for a student that has no rules.
    """
    record = read_student(student)
    found = find_teacher(student, NO_TEACHER if options.decoder == "standard" else options.teacher)
    rules = () if record is None else rules_of(record.doubt)
    if found is not None and not rules and options.teacher is not None:
        raise UsageError(
            f"'{student.path}' has no rule that says when to ask its teacher: leave out --teacher, or distil it again"
        )
    return record, found if rules else None, rules


def without_teacher(student: ModelFolder, options: AnalyzeOptions) -> str | None:
    """What a student is worth whose teacher is not asked, in a sentence; ``None`` if it is, or for no student."""
    record, found, rules = teacher_of(student, options)
    if record is None or found is not None:
        return None
    missing = " (it is not beside the student: name it with --teacher)" if rules and options.teacher is None else ""
    return (
        f"'{student.path.name}' works without its teacher, {record.teacher.name}{missing}; on frames that it never "
        f"saw it lay from it by: {record.overall}"
    )


@dataclass(frozen=True)
class TeacherFigures(GateFigures):
    """How far a precision moves the teacher's own points."""

    network: str = "teacher"

    def __str__(self) -> str:
        return f"the {self.network} in {super().__str__()}"


@dataclass(frozen=True)
class StudentFigures(GateFigures):
    """How far a student, and its teacher where it is asked, lie from the teacher in fp32 on the full frame."""

    in_windows: bool
    teacher: FixedPrecision | None  # its precision; None where it is not asked
    rule_px: float | None  # the bound for which the rule was found
    asked: float  # share of the frames of which the teacher is asked
    work: float  # multiply-adds, as a share of the teacher's alone
    must_stay: bool  # whether a bound was asked for

    @property
    def passed(self) -> bool:
        return super().passed or not self.must_stay

    @property
    def limit_words(self) -> str:
        return super().limit_words if self.must_stay else "no --within is given"

    def __str__(self) -> str:
        windows = " in windows" if self.in_windows else ""
        asked = "without its teacher"
        if self.teacher is not None:
            share = f"{100 * self.asked:.0f} % of frames (rule for {self.rule_px:g} px)"
            asked = f"with its teacher in {self.teacher} on {share},"
        work = f", {100 * self.work:.0f} % of the teacher's work" if self.judged else ""
        return f"the student{windows} {asked} in {super().__str__()}{work}"


class WithTeacher(NamedTuple):
    """How a run asks the teacher."""

    windows: tuple[ChosenWindows, ...]  # of the student
    teacher: PoseModel  # in its precision
    rule: DoubtRule | None  # None where the student suffices


@dataclass(frozen=True)
class _Looked:
    """What a student says of the sampled frames, in windows or not, and what it costs."""

    windows: tuple[ChosenWindows, ...]
    values: Values  # ``(3 * n, K, M, 3)`` of each frame after the one before it and before the one after it
    work: float  # of the student, as a share of the teacher's alone

    def asked(self, rule: DoubtRule | None) -> Flags:
        """``(n,)``, of which of the sampled frames a rule asks the teacher."""
        if rule is None:
            return np.zeros(len(self.values) // 3, np.bool_)
        numbers = np.arange(len(self.values))
        return rule.doubtful(self.values, rule.group * (numbers // 3) + numbers % 3)[1::3]


def choose_teacher(
    student: PoseModel,
    teacher: PoseModel,
    rules: Sequence[DoubtRule],
    evidence: Evidence,
    options: AnalyzeOptions,
    windows: Sequence[ChosenWindows],
) -> tuple[WithTeacher, list[Figures]]:
    """How a run asks the teacher, and what was measured; a `PrecisionError` if no rule keeps the bound asked for.

    The student is in its precision, and the windows are those that pay; `evidence` shows frames, with those beside
    them, at full scale; rules are the loosest first.
    """
    taught = Evidence(lambda: [each for each in evidence.samples if each.beside is not None and len(each.items)], 8)
    shown = taught.scaled(options.exact_scale)
    fast, tried = choose_precision(teacher, _own_gate(shown, options))
    figures: list[Figures] = [*tried]
    exact, known = (each[:, :, 0] for each in (taught.joined(teacher.with_precision("fp32")), shown.joined(fast)))
    cost = _cost(student) / _cost(fast)
    looked = [_looked(student, shown, options, each, cost) for each in _variants(windows, options)]
    attempts = [_Attempt(each, rule, each.asked(rule)) for each, rule in product(looked, _rules(rules, options))]
    for attempt in sorted(attempts, key=lambda each: each.work):
        found = np.where(attempt.asked[:, None, None], known, attempt.looked.values[1::3, :, 0])
        precision, cutoff = student.options.fixed_precision, model_cutoff(teacher.folder)
        limit = options.within or (0.0 if attempt.rule is None else attempt.rule.px)
        shift = compare_poses(precision, found, exact, cutoff, limit)
        figures.append(attempt.figures(shift, fast.options.fixed_precision, must_stay=options.within is not None))
        if figures[-1].passed:
            return WithTeacher(attempt.looked.windows, fast, attempt.rule), figures
    more = "allow more with --within, or " if figures[-1].judged else ""
    raise PrecisionError(f"{figures[-1]}: {more}use its teacher alone (--model), or the student alone (--teacher off)")


class _Attempt(NamedTuple):
    """A rule, or none, for what a student says of the sampled frames."""

    looked: _Looked
    rule: DoubtRule | None
    asked: Flags

    @property
    def work(self) -> float:
        """As a share of the teacher's alone."""
        return self.looked.work + float(self.asked.mean() if len(self.asked) else 0)

    def figures(self, shift: GateFigures, teacher: FixedPrecision, *, must_stay: bool) -> StudentFigures:
        """What it makes of a measured shift."""
        return StudentFigures(
            **asdict(shift),
            in_windows=bool(self.looked.windows),
            teacher=None if self.rule is None else teacher,
            rule_px=None if self.rule is None else self.rule.px,
            asked=float(self.asked.mean() if len(self.asked) else 0),
            work=self.work,
            must_stay=must_stay,
        )


def _own_gate(evidence: Evidence, options: AnalyzeOptions) -> Gate:
    """What compares the teacher's precisions."""

    def measure(model: Model[Any, Any], found: Values, expected: Values) -> TeacherFigures:
        precision, cutoff = model.options.fixed_precision, model_cutoff(model.folder)
        return TeacherFigures(
            **asdict(compare_poses(precision, found[:, :, 0], expected[:, :, 0], cutoff, options.limit))
        )

    return Gate(options.limit_option, evidence, measure)


def _cost(model: PoseModel) -> float:
    """Multiply-adds for a pixel, in those of fp32."""
    crop = model.description.top_down
    extents = (256, 256) if crop is None else (crop.height, crop.width)
    work = sum(model.description.network.multiplications(extents).values())
    return work / extents[0] / extents[1] * WORK[model.options.fixed_precision]


def _variants(windows: Sequence[ChosenWindows], options: AnalyzeOptions) -> list[tuple[ChosenWindows, ...]]:
    """With windows, if any pay, and without, unless they were asked for."""
    chosen = tuple(windows)
    return [chosen] if not chosen or isinstance(options.windows, int) else [chosen, ()]


def _rules(rules: Sequence[DoubtRule], options: AnalyzeOptions) -> list[DoubtRule | None]:
    """None at all, and those for the bound and tighter ones, else the tightest; one where no bound was asked for."""
    if options.within is None:
        return [([rule for rule in rules if rule.asked <= USUAL] or rules)[-1]]
    return [None, *([rule for rule in rules if rule.px <= options.within][:ATTEMPTS] or rules[-1:])]


def _looked(
    student: PoseModel, shown: Evidence, options: AnalyzeOptions, windows: tuple[ChosenWindows, ...], cost: float
) -> _Looked:
    """What a student says of each sampled frame and of those beside it; `cost` is that of a whole frame."""
    values, works = [np.empty((0, *student.values_shape))], []
    for sample in shown.samples:
        assert sample.beside is not None
        trio = (sample.beside[0], sample.items, sample.beside[1])
        shape = sample.items.images.shape[1:]
        chosen = next((each for each in windows if each.shape == shape), None)
        if chosen is None:
            found = np.stack([shown.values_of(student, each) for each in trio], axis=1)
        else:
            assert sample.earlier is not None
            step = student.window_step(shape, chosen.windows, options.decoder, partial(background_of, sample))
            found = _in_windows(step, shown.values_of(student, sample.earlier), trio)
        values.append(found.reshape(-1, *student.values_shape))
        works.append(1.0 if chosen is None else chosen.work)
    return _Looked(windows, np.concatenate(values), cost * float(np.mean(works or [1.0])))


def _in_windows(step: WindowStep, earlier: Values, trio: Sequence[Batch]) -> Values:
    """``(n, 3, K, 1, 3)`` from windows that are placed by the poses of earlier frames."""
    poses = []
    for place in range(len(earlier)):
        step.resume(1, earlier[place : place + 1], gap=True)
        frames = Batch.joined([each[place : place + 1] for each in trio])
        poses.append(step(replace(frames, indices=np.arange(1, 4))))
    return np.stack(poses)

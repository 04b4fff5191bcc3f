"""A student and its teacher: which frames the teacher is asked about, and that nobody sees batches in the poses."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import yaml
from conftest import make_dots_model
from hypothesis import given
from hypothesis import strategies as st
from inference.test_windows import SIZE, WINDOWS, drawn, leaves_and_returns, runs, walk
from support.fake_engine import FakeEngine, PlacedEngine

from posecli.errors import UsageError
from posecli.inference.decode import DecodeOptions, decode
from posecli.inference.sources import Tracking
from posecli.inference.step import POSES, NetworkStep, Step, Values
from posecli.inference.teacher import DoubtRule, TeacherStep, jumps, plain_rules, rules_of
from posecli.inference.windows import WindowStep
from posecli.options import EngineOptions
from posecli.video.batch import Batch

RULE = DoubtRule(2.0, (0.5, 0.4), (10.0, 5.0), asked=0.1, group=4)
COUNT = 42


class Saying(Step):
    """Says of each frame what a table has, and notes which frames it saw."""

    def __init__(self, table: Values) -> None:
        self.table = table
        self.seen: list[int] = []

    def infer(self, batch: Batch) -> Values:
        self.seen += batch.indices.tolist()
        return self.table[batch.indices]

    def finish(self, batch: Batch, output: Values) -> Values:
        output[~batch.valid] = np.nan, np.nan, 0.0
        return output


def calm(count: int = COUNT) -> Values:
    """Poses ``(count, 2, 1, 3)`` of an animal that goes straight on, and is seen well."""
    found = np.full((count, 2, 1, 3), 0.9)
    found[..., :2] = np.arange(count)[:, None, None, None] + np.array([[[0.0, 5.0]], [[9.0, 2.0]]])
    return found


def frames(count: int = COUNT, first: int = 0, lost: tuple[int, ...] = ()) -> Batch:
    indices = np.arange(first, count)
    return Batch.of(np.zeros((len(indices), 1, 1, 3), np.uint8), indices=indices, valid=~np.isin(indices, lost))


def test_the_teacher_is_asked_where_a_part_is_unsure_or_jumps() -> None:
    table = calm()
    table[9, 0, 0, 2] = 0.45
    table[21, 1, 0, 0] += 12
    student, teacher = Saying(table), Saying(calm() + 100)
    step = TeacherStep(RULE, student, teacher)
    found = step(frames())
    asked = [9, 20, 21, 22, 23]  # those beside it are 6 px from the middle between it and others, and end the group
    assert teacher.seen == asked
    expected = table.copy()
    expected[asked] = (calm() + 100)[asked]
    np.testing.assert_array_equal(found, expected)
    assert student.seen == [*range(COUNT)]
    assert step.account() == {"frames": COUNT, "teacher_frames": 5}


def test_frames_that_could_not_be_decoded_are_not_asked_about() -> None:
    table = calm()
    table[9, 0, 0, 2] = 0.45
    teacher = Saying(calm() + 100)
    found = TeacherStep(RULE, Saying(table), teacher)(frames(lost=(5, 9)))
    assert teacher.seen == []
    assert np.isnan(found[[5, 9], ..., :2]).all()
    np.testing.assert_array_equal(found[[4, 6]], table[[4, 6]])


def test_jumps_stay_within_groups() -> None:
    table = calm(10)[:, :1]
    table[4:, ..., 0] += 50  # where a group begins
    groups = np.arange(10) // 4
    np.testing.assert_allclose(jumps(table, groups)[:8], 0)
    assert np.isnan(jumps(table, groups)[8:]).all(), "two frames have no middle"
    assert jumps(table, np.zeros(10, int)).max() == 25
    table[1, 0, 0, :2] = np.nan
    assert np.isnan(jumps(table, groups)[:3]).all()
    assert jumps(table[:1], groups[:1]).shape == (1, 1)


@given(seed=st.integers(0, 100), size=st.sampled_from([4, 8, 20, 64]), group=st.integers(0, 10))
def test_batches_and_interruptions_leave_no_trace(seed: int, size: int, group: int) -> None:
    draw = np.random.default_rng(seed)
    table = calm()
    table[..., 2] = draw.uniform(0.3, 1.0, table.shape[:-1])
    table[..., 0] += draw.uniform(0, 8, table.shape[:-1])
    make = partial(TeacherStep, RULE, Saying(table), Saying(calm() + 100))
    expected = make()(frames())
    first = group * RULE.group
    found = [make()(part) for part in frames(first=first).split(size)]
    np.testing.assert_array_equal(np.concatenate([expected[:first], *found]), expected)


@pytest.fixture(scope="module")
def windowed(tmp_path_factory: pytest.TempPathFactory) -> partial[TeacherStep]:
    """A student that looks at windows and is a little off in them, and a teacher that looks at whole frames."""
    model = make_dots_model(tmp_path_factory.mktemp("model") / "dots")

    def network(kind: type[FakeEngine], height: int, width: int) -> NetworkStep:
        engine = kind(model, (height, width, 3), EngineOptions())
        return NetworkStep(engine, partial(decode, options=DecodeOptions(8.0, 7.2801)), POSES)

    whole, near = (network(PlacedEngine, *size) for size in (SIZE, (WINDOWS.height, WINDOWS.width)))
    student = partial(WindowStep, WINDOWS, Tracking(WINDOWS.centers), whole, near)
    rule = DoubtRule(2.0, (0.5,) * 3, (9.0,) * 3, group=WINDOWS.group)
    return partial(lambda: TeacherStep(rule, student(), network(FakeEngine, *SIZE)))


def test_a_student_may_look_at_windows(windowed: partial[TeacherStep]) -> None:
    """Where they lie follows from what the teacher saw too, as for whoever goes on with the rows of both."""
    batch = drawn(np.concatenate([leaves_and_returns(), runs()[:24], walk(16)]))
    unbroken = windowed()
    expected = unbroken(batch)
    assert 10 < unbroken.asked < len(batch) / 2
    assert isinstance(unbroken.student, WindowStep)
    assert unbroken.student.account()["frames"] == len(batch)
    for first in range(0, len(batch), 12):
        step = windowed()
        step.resume(first, expected[:first])
        found = [step(part) for part in batch[first:].split(4 if first % 8 else 20)]
        np.testing.assert_array_equal(np.concatenate([expected[:first], *found]), expected)


def test_rules_come_back_from_a_record() -> None:
    loose = DoubtRule(4.0, (0.3, 0.2), (20.0, 30.0), 0.02)
    text = yaml.safe_dump(plain_rules([RULE, loose]))
    assert rules_of(yaml.safe_load(text)) == (loose, RULE)
    assert rules_of(None) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"px": "far"},
        {"likelihoods": [0.5]},
        {"jumps": [1.0, "a"]},
        {"likelihoods": 3},
        {"group": 0},
        {"group": None},
        {"more": 1},
    ],
)
def test_strange_rules_are_refused(change: dict[str, object]) -> None:
    (plain,) = plain_rules([RULE])["rules"]
    for doubt in ({"rules": [plain | change]}, {"rules": [3]}, {"rules": 3}, {}):
        with pytest.raises(UsageError, match=r"^its rules of doubt .* are none that posecli makes: distil the student"):
            rules_of(doubt)

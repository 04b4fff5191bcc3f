"""Conditions, their frames and their order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from posecli.studies.benchmark.conditions import DataSet
from posecli.studies.benchmark.design import FEWEST_BATCHES, Trial, frames_of, make_plan
from posecli.studies.benchmark.factors import PoseFactors, conditions_of
from posecli.studies.benchmark.options import BenchmarkOptions

OPEN_FIELD = DataSet("open-field", Path("a.mp4"), 640, 480, Path("m"), trained=True)
SQUARE = DataSet("square", Path("b.mp4"), 554, 554, Path("m"), trained=False)
TRIAL = Trial(start_seconds=2.5, seconds_per_pixel=6e-7, cores=2)
FACTORS = PoseFactors(
    data=(OPEN_FIELD, SQUARE),
    sizes=(80, 160, 320, 640),
    cores=(1, 2),
    engines=("openvino",),
    precisions=("fp32", "bf16"),
    batch_sizes=(1, 8, 64),
    decoders=("standard", "double-loop", "numpy"),
    pipelines=("sync", "parallel", "async"),
)
DEFAULT = conditions_of(FACTORS, "figures")
FULL = conditions_of(FACTORS, "full")


def test_figures_need_a_small_part_of_the_full_design() -> None:
    assert set(DEFAULT) < set(FULL)
    assert len(DEFAULT) < len(FULL) / 10
    assert len(set(FULL)) == len(FULL)


def test_full_design_holds_every_combination_once() -> None:
    # The standard decoder has one batch size, the two others three.
    assert len(FULL) == 2 * 4 * 2 * 2 * 3 * (1 + 2 * 3)


def test_standard_decoder_has_batch_size_one() -> None:
    assert {condition.batch_size for condition in FULL if condition.decoder == "standard"} == {1}


def test_every_factor_is_varied_in_the_default_design() -> None:
    assert {(c.width, c.cores) for c in DEFAULT if c.decoder == "standard"} == {
        (w, c) for w in FACTORS.sizes for c in (1, 2)
    }
    assert {(c.width, c.batch_size) for c in DEFAULT if c.decoder == "numpy" and c.data == "square"} >= {
        (width, batch) for width in FACTORS.sizes for batch in FACTORS.batch_sizes
    }
    assert {c.batch_size for c in DEFAULT if c.decoder == "double-loop"} == {1, 8, 64}
    assert {(c.pipeline, c.cores) for c in DEFAULT if c.width == 320 and c.decoder == "numpy"} >= {
        (pipeline, cores) for pipeline in FACTORS.pipelines for cores in (1, 2)
    }
    assert {(c.width, c.precision) for c in DEFAULT if c.pipeline == "async"} >= {
        (width, precision) for width in FACTORS.sizes for precision in FACTORS.precisions
    }


def test_heights_keep_the_aspect_and_are_even() -> None:
    assert [OPEN_FIELD.height_at(width) for width in (80, 160, 554)] == [60, 120, 416]
    assert SQUARE.height_at(80) == 80


def test_batch_of_what_is_not_about_batches_is_no_longer_than_needed() -> None:
    assert [FACTORS.good_batch(width, OPEN_FIELD.height_at(width)) for width in FACTORS.sizes] == [64, 64, 8, 8]
    assert replace(FACTORS, batch_sizes=(32, 64)).good_batch(640, 480) == 32


def test_tf_pipelines_run_with_their_own_engine() -> None:
    factors = replace(FACTORS, engines=("openvino", "tensorflow"), pipelines=("sync", "tf-sync"))
    engines = {(c.pipeline, c.engine) for c in conditions_of(factors, "figures")}
    assert ("tf-sync", "tensorflow") in engines
    assert ("tf-sync", "openvino") not in engines


@settings(deadline=None, max_examples=30)
@given(
    repeats=st.integers(1, 5),
    per_process=st.none() | st.integers(1, 6),
    seed=st.integers(0, 99),
    longest=st.floats(0, 9),
)
def test_a_plan_measures_every_repeat_once_or_says_why_not(
    repeats: int, per_process: int | None, seed: int, longest: float
) -> None:
    options = BenchmarkOptions(repeats=repeats, per_process=per_process, seed=seed, longest=longest)
    plan = make_plan(DEFAULT, options, TRIAL)
    counted = Counter((visit.condition, repeat) for visit in plan.visits for repeat in visit.repeats)
    left_out = {condition for condition, _ in plan.left_out}
    assert counted == Counter((c, r) for c in DEFAULT if c not in left_out for r in range(repeats))
    assert plan == make_plan(DEFAULT, options, TRIAL)
    assert all(visit.frames >= FEWEST_BATCHES * visit.condition.batch_size for visit in plan.visits)


def test_order_depends_on_the_seed_and_each_round_has_its_own() -> None:
    plan = make_plan(DEFAULT, BenchmarkOptions(per_process=1), TRIAL)
    other = make_plan(DEFAULT, BenchmarkOptions(per_process=1, seed=1), TRIAL)
    rounds = [[visit.condition for visit in plan.visits if visit.repeats == (number,)] for number in range(3)]
    assert plan.visits != other.visits
    assert rounds[0] != rounds[1]
    assert set(rounds[0]) == set(rounds[1]) == set(rounds[2])


def test_long_designs_put_all_repeats_into_one_process() -> None:
    assert make_plan(DEFAULT, BenchmarkOptions(), TRIAL).repeats_per_process == 3
    assert make_plan(DEFAULT[:5], BenchmarkOptions(), TRIAL).repeats_per_process == 1


def test_a_default_design_takes_minutes_on_two_cores() -> None:
    assert make_plan(DEFAULT, BenchmarkOptions(), TRIAL).seconds < 12 * 60


def test_what_would_take_too_long_is_left_out_with_its_reason() -> None:
    slow = FACTORS.condition(OPEN_FIELD, 640, batch_size=64)
    plan = make_plan([slow], BenchmarkOptions(), TRIAL)
    assert not plan.visits
    assert plan.left_out[0][1] == (
        "192 frames would take about 35 s a run, more than --longest 10: give --longest 0 to measure it all the same"
    )
    assert make_plan([slow], BenchmarkOptions(longest=0), TRIAL).visits


def test_frames_are_as_many_as_asked_for_or_enough() -> None:
    small = FACTORS.condition(OPEN_FIELD, 80, batch_size=64)
    frames = frames_of(small, BenchmarkOptions(), TRIAL)
    assert frames % 64 == 0
    assert frames * TRIAL.item_seconds(small) >= 1.5
    assert frames_of(small, BenchmarkOptions(frames=10), TRIAL) == 10


def test_clips_are_long_enough_for_every_run() -> None:
    plan = make_plan(DEFAULT, BenchmarkOptions(), TRIAL)
    frames = plan.frames_of_clips()
    assert all(visit.frames <= frames[visit.condition.clip] for visit in plan.visits)
    assert all(any(v.frames == most for v in plan.visits if v.condition.clip == clip) for clip, most in frames.items())


def test_guesses_follow_cores_and_precision() -> None:
    base = FACTORS.condition(OPEN_FIELD, 320)
    seconds = TRIAL.item_seconds(base)
    assert TRIAL.item_seconds(replace(base, cores=1)) > 1.9 * seconds
    assert TRIAL.item_seconds(replace(base, precision="bf16")) < 0.6 * seconds
    assert TRIAL.start(replace(base, engine="tensorflow")) > TRIAL.start(base) + 5

"""Conditions, their frames and their order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecli.behaviour.chunks import ChunkPlan
from posecli.options import InputSize
from posecli.precision.gate import FEWEST_CHUNKS
from posecli.studies.benchmark.design import (
    FEWEST_BATCHES,
    ClipFactors,
    Factors,
    PoseFactors,
    Trial,
    clip_frames,
    frames_of,
    make_plan,
)
from posecli.studies.benchmark.options import BenchmarkOptions, ClipBenchmarkOptions
from posecli.studies.benchmark.study import Condition, DataSet

OPEN_FIELD = DataSet("open-field", Path("a.mp4"), 640, 480, Path("m"), trained=True)
SQUARE = DataSet("square", Path("b.mp4"), 554, 554, Path("m"), trained=False)
TRIAL = Trial(start_seconds=2.5, seconds_per_pixel=6e-7, cores=2)
FACTORS = PoseFactors((OPEN_FIELD, SQUARE), BenchmarkOptions(cores=(1, 2), precisions=("fp32", "bf16")))
CLIP_FACTORS = ClipFactors(
    (OPEN_FIELD, SQUARE),
    ClipBenchmarkOptions(
        sizes=(InputSize(224, 224), InputSize(640, 480)),
        lengths=(64, 16),
        strides=(64, 16),
        cores=(1, 2),
        precisions=("fp32", "bf16", "int8"),
        batch_sizes=(1, 4),
    ),
)
#: Chunks of 10 frames, each beginning 8 behind the one before.
CHUNK = Condition("dots", 160, 120, 1, "openvino", "fp32", 1, None, "sync", length=10, stride=8)


def changed(factors: Factors, **options: Any) -> Factors:
    return replace(factors, options=replace(factors.options, **options))


DEFAULT = FACTORS.conditions()
FULL = changed(FACTORS, design="full").conditions()


@pytest.mark.parametrize(
    ("factors", "combinations"),
    [
        # The standard decoder has one batch size, the two others three.
        (FACTORS, 2 * 4 * 2 * 2 * 3 * (1 + 2 * 3)),
        (CLIP_FACTORS, 2 * 2 * 2 * 2 * 2 * 3 * 2 * 3),
    ],
    ids=["poses", "chunks"],
)
def test_full_design_holds_every_combination_once_and_figures_need_a_small_part(
    factors: Factors, combinations: int
) -> None:
    figures, full = factors.conditions(), changed(factors, design="full").conditions()
    assert len(full) == len({condition.key for condition in full}) == combinations
    assert set(figures) < set(full)
    assert len(set(figures)) == len(figures) < len(full) / 10


def test_standard_decoder_has_batch_size_one() -> None:
    assert {condition.batch_size for condition in FULL if condition.decoder == "standard"} == {1}


def test_every_factor_is_varied_in_the_default_design() -> None:
    assert {(c.width, c.cores) for c in DEFAULT if c.decoder == "standard"} == {
        (w, c) for w in FACTORS.options.sizes for c in (1, 2)
    }
    assert {(c.width, c.batch_size) for c in DEFAULT if c.decoder == "numpy" and c.data == "square"} >= {
        (width, batch) for width in FACTORS.options.sizes for batch in FACTORS.options.batch_sizes
    }
    assert {c.batch_size for c in DEFAULT if c.decoder == "double-loop"} == {1, 8, 64}
    assert {(c.pipeline, c.cores) for c in DEFAULT if c.width == 320 and c.decoder == "numpy"} >= {
        (pipeline, cores) for pipeline in FACTORS.options.pipelines for cores in (1, 2)
    }
    assert {(c.width, c.precision) for c in DEFAULT if c.pipeline == "async"} >= {
        (width, precision) for width in FACTORS.options.sizes for precision in FACTORS.options.levels["precisions"]
    }


def test_figures_of_chunks_hold_what_the_paper_shows() -> None:
    found = CLIP_FACTORS.conditions()
    first = [c for c in found if (c.data, c.width, c.stride, c.length) == ("open-field", 224, 64, 64)]
    assert {(c.cores, c.pipeline) for c in first} >= {
        (cores, pipeline) for cores in (1, 2) for pipeline in CLIP_FACTORS.options.pipelines
    }
    for data in ("open-field", "square"):
        for width in (224, 640):
            shown = {(c.pipeline, c.precision) for c in found if (c.data, c.width) == (data, width)}
            assert shown >= {("sync", "fp32"), ("async", "fp32"), ("async", "bf16"), ("async", "int8")}
    assert {(c.length, c.stride) for c in found} == {(64, 64), (64, 16), (16, 64), (16, 16)}
    assert {c.batch_size for c in first} == {1, 4}


@given(length=st.integers(9, 80), stride=st.integers(1, 100), step=st.integers(1, 3), frames=st.integers(1, 400))
def test_chunks_of_a_run_are_those_that_are_read(length: int, stride: int, step: int, frames: int) -> None:
    condition = replace(CHUNK, length=length, stride=stride, frame_step=step)
    starts = ChunkPlan(length, stride, step).starts(frames)
    assert abs(condition.items_in(frames) - len(starts)) <= (1 if stride > length * step else 0)
    for items in (1, 2, 7):
        assert condition.items_in(condition.frames_of(items)) == items


def test_heights_keep_the_aspect_and_are_even() -> None:
    assert [OPEN_FIELD.height_at(width) for width in (80, 160, 554)] == [60, 120, 416]
    assert SQUARE.height_at(80) == 80


def test_batch_of_what_is_not_about_batches_is_no_longer_than_needed() -> None:
    assert [FACTORS.good_batch(width, OPEN_FIELD.height_at(width)) for width in FACTORS.options.sizes] == [
        64,
        64,
        8,
        8,
    ]
    large = PoseFactors(FACTORS.data, replace(FACTORS.options, batch_sizes=(32, 64)))
    assert large.good_batch(640, 480) == 32


def test_tf_pipelines_run_with_their_own_engine() -> None:
    factors = changed(FACTORS, engines=("openvino", "tensorflow"), pipelines=("sync", "tf-sync"))
    engines = {(c.pipeline, c.engine) for c in factors.conditions()}
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
    frames = clip_frames(plan.visits)
    assert all(visit.frames <= frames[visit.condition.clip] for visit in plan.visits)
    assert all(any(v.frames == most for v in plan.visits if v.condition.clip == clip) for clip, most in frames.items())


def test_guesses_follow_cores_and_precision() -> None:
    base = FACTORS.condition(OPEN_FIELD, 320)
    seconds = TRIAL.item_seconds(base)
    assert TRIAL.item_seconds(replace(base, cores=1)) > 1.9 * seconds
    assert TRIAL.item_seconds(replace(base, precision="bf16")) < 0.6 * seconds
    assert TRIAL.start(replace(base, engine="tensorflow")) > TRIAL.start(base) + 5


def test_runs_are_whole_batches_of_chunks() -> None:
    for batch in (1, 4):
        condition = replace(CHUNK, batch_size=batch, length=64, stride=64, cores=2, width=224, height=224)
        frames = frames_of(condition, ClipBenchmarkOptions(), TRIAL)
        chunks, left = divmod(frames, 64)
        assert left == 0
        assert chunks % batch == 0
        assert chunks >= max(FEWEST_BATCHES * batch, FEWEST_CHUNKS)
    assert frames_of(CHUNK, ClipBenchmarkOptions(frames=3), TRIAL) == 10, "a chunk at least"


def test_a_larger_network_input_takes_longer() -> None:
    small, large = (CLIP_FACTORS.condition(OPEN_FIELD, size) for size in CLIP_FACTORS.options.sizes)
    assert TRIAL.item_seconds(large) > 5 * TRIAL.item_seconds(small)


def test_what_is_blocked_is_in_the_plan_with_its_reason() -> None:
    plan = make_plan([CHUNK], ClipBenchmarkOptions(longest=0), TRIAL, [(replace(CHUNK, precision="int8"), "no beads")])
    assert [item.condition for item in plan.visits[:1]] == [CHUNK]
    assert [(item.precision, reason) for item, reason in plan.left_out] == [("int8", "no beads")]

"""What is measured of one condition, with an engine that needs no time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.model.folder import ModelFolder
from posecli.options import PipelineName
from posecli.studies.benchmark.bench import Job
from posecli.studies.benchmark.conditions import Condition
from posecli.studies.benchmark.load import peak_mib
from posecli.studies.benchmark.measure import measure
from posecli.studies.benchmark.readers import FirstFrames
from posecli.studies.benchmark.recorder import Recorder, steady_rate

CONDITION = Condition("dots", 160, 120, 1, "openvino", "fp32", 8, "numpy", "sync")


@pytest.fixture
def job(dots_clip: Path, dots_model: ModelFolder, tmp_path: Path, fake_engine: object) -> Job:
    return Job("pose", CONDITION, dots_clip, dots_model.path, 30, (0, 1), tmp_path / "poses" / "dots.npy")


def with_pipeline(job: Job, name: PipelineName, poses: str) -> Job:
    return replace(job, condition=replace(job.condition, pipeline=name), poses=job.poses.with_name(poses))


def test_a_row_per_repeat_with_everything_in_it(job: Job) -> None:
    rows = measure(job)
    assert [row["repeat"] for row in rows] == [0, 1]
    for row in rows:
        assert row["frames"] == 30
        assert all(row[name] > 0 for name in ("fps", "loop_fps", "network_fps", "read_fps"))
        assert row["loop_fps"] == pytest.approx(30 / row["seconds"])
        assert row["cpu_seconds"] > 0
        assert row["peak_mib"] > 30
        assert row["network_threads"] == 1
        assert row["read_seconds"] + row["network_seconds"] + row["decode_seconds"] <= row["seconds"]
        assert row["curve"][-1][0] == 30
        assert [frames for frames, _ in row["curve"]] == [8, 16, 24, 30]
    assert rows[0]["spans"]
    assert not rows[1]["spans"]


def test_frames_stop_where_they_should(job: Job, fake_engine: Any) -> None:
    measure(replace(job, frames=20, repeats=(0,)))
    assert max(shape[0] for shape in fake_engine.calls) == 8
    assert np.load(job.poses).shape == (20, 3, 3)


def test_more_frames_than_the_clip_has_are_all_of_it(job: Job) -> None:
    assert measure(replace(job, frames=500, repeats=(0,)))[0]["frames"] == 50


def test_pipelines_give_equal_poses_and_run_on_threads_of_their_own(job: Job) -> None:
    stages: dict[str, dict[str, set[str]]] = {}
    names: tuple[PipelineName, ...] = ("sync", "parallel", "async")
    for name in names:
        (row,) = measure(replace(with_pipeline(job, name, f"{name}.npy"), repeats=(0,)))
        stages[name] = {}
        for stage, thread, start, end in row["spans"]:
            assert 0 <= start <= end
            stages[name].setdefault(stage, set()).add(thread)
    poses = [np.load(job.poses.with_name(f"{name}.npy")) for name in names]
    assert np.array_equal(poses[0], poses[1])
    assert np.array_equal(poses[0], poses[2])
    assert stages["sync"] == {stage: {"MainThread"} for stage in ("read", "network", "decode", "write")}
    assert all(thread.startswith("posecli-prepare") for thread in stages["parallel"]["prepare"])
    assert stages["async"]["read"] == {"posecli-read"}
    assert stages["async"]["network"] == {"MainThread"}
    assert stages["async"]["decode"] == stages["async"]["write"] == {"posecli-finish"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tf-sync", "tf-parallel", "tf-prefetch"])
def test_tf_pipelines_give_the_same_poses(job: Job, name: PipelineName) -> None:
    measure(replace(job, repeats=(0,)))
    tensorflow = replace(with_pipeline(job, name, "tf.npy"), repeats=(0,))
    (row,) = measure(replace(tensorflow, condition=replace(tensorflow.condition, engine="tensorflow")))
    assert row["frames"] == 30
    assert {stage for stage, *_ in row["spans"]} >= {"read", "network", "decode", "write"}
    assert np.array_equal(np.load(job.poses), np.load(job.poses.with_name("tf.npy")))


def test_first_frames_are_the_readers_own(dots_clip: Path) -> None:
    reader = FirstFrames(dots_clip, 20, Recorder())
    batches = [batch.indices.tolist() for batch in reader.batches(8)]
    assert batches == [list(range(8)), list(range(8, 16)), list(range(16, 20))]
    decoded = FirstFrames(dots_clip, 7, Recorder())
    assert [frame.number for frame in decoded.decoded()] == list(range(7))


@given(rate=st.floats(0.1, 1e4), batch=st.integers(1, 64), batches=st.integers(2, 50), late=st.floats(0, 10))
def test_steady_rate_does_not_see_the_ramp_up(rate: float, batch: int, batches: int, late: float) -> None:
    marks = [(batch * n, late + batch * n / rate) for n in range(1, batches + 1)]
    assert steady_rate(marks, otherwise=-1.0) == pytest.approx(rate, rel=1e-4)


def test_steady_rate_of_one_batch_is_the_whole_loops() -> None:
    assert steady_rate([(8, 2.0)], otherwise=4.0) == 4.0


def test_memory_of_this_process() -> None:
    assert 10 < peak_mib() < 1e5

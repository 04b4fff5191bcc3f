"""What is measured of one condition, with engines that need no time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_clip_engine import FakeClipEngine, make_fake_clip_model, numbers_of

from posecli import engine
from posecli.model.description import ClipDescription
from posecli.model.folder import ModelFolder
from posecli.options import PipelineName
from posecli.studies.benchmark.bench import Bench, ClipBench, FirstFrames, Job, PoseBench, Recorder, peak_mib
from posecli.studies.benchmark.study import Condition

FRAMES = Condition("dots", 160, 120, 1, "openvino", "fp32", 8, "numpy", "sync")
#: Chunks of 10 frames, each beginning 8 behind the one before.
CHUNKS = Condition("dots", 160, 120, 1, "openvino", "fp32", 1, None, "sync", length=10, stride=8)


@pytest.fixture
def poses(dots_clip: Path, dots_model: ModelFolder, tmp_path: Path, fake_engine: object) -> Job:
    return Job(FRAMES, dots_clip, dots_model.path, 30, (0, 1), tmp_path / "poses" / "dots.npy")


@pytest.fixture
def chunks(dots_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    for name in engine.ENGINE_CLASSES:
        monkeypatch.setitem(engine.ENGINE_CLASSES, name, "support.fake_clip_engine:FakeClipEngine")
    monkeypatch.setattr(FakeClipEngine, "calls", [])
    model = make_fake_clip_model(tmp_path / "numbers-model")
    return Job(CHUNKS, dots_clip, model.path, 42, (0, 1), tmp_path / "poses" / "dots.npy")


@pytest.fixture(params=["poses", "chunks"])
def job(request: pytest.FixtureRequest) -> Job:
    found: Job = request.getfixturevalue(request.param)
    return found


def bench_of(job: Job) -> Bench:
    return (ClipBench if job.condition.has_chunks else PoseBench)(job)


def measure(job: Job) -> list[dict[str, Any]]:
    return bench_of(job).measured()


def with_pipeline(job: Job, name: PipelineName, **changes: Any) -> Job:
    condition = replace(job.condition, pipeline=name, **changes)
    return replace(job, condition=condition, poses=job.poses.with_name(f"{name}.npy"), repeats=(0,))


def test_a_row_per_repeat_with_everything_in_it(job: Job) -> None:
    rows = measure(job)
    assert [row["repeat"] for row in rows] == [0, 1]
    for row in rows:
        assert row["frames"] == job.frames
        assert row["items"] == job.items == len(np.load(job.poses))
        assert all(row[name] > 0 for name in ("fps", "loop_fps", "network_fps", "read_fps", "cpu_seconds"))
        assert row["loop_fps"] == pytest.approx(job.frames / row["seconds"])
        assert row["peak_mib"] > 30
        assert row["network_threads"] == 1
        assert row["read_seconds"] + row["network_seconds"] + row["decode_seconds"] <= row["seconds"]
    assert rows[0]["spans"]
    assert not rows[1]["spans"]


def test_course_and_cost(poses: Job) -> None:
    (row,) = measure(replace(poses, repeats=(1,)))
    assert [frames for frames, _ in row["curve"]] == [8, 16, 24, 30]
    assert row["gmac_per_item"] is None


def test_course_and_cost_of_chunks(chunks: Job) -> None:
    (row,) = measure(replace(chunks, repeats=(0,)))
    assert [frames for frames, _ in row["curve"]] == [10, 18, 26, 34, 42]
    network = ClipDescription(tuple("abcd"), "I3D_a").network
    assert row["gmac_per_item"] * 1e9 == sum(network.multiplications((10, 120, 160)).values())
    assert numbers_of(np.load(chunks.poses)) == [[start, start + 1, start + 9] for start in (0, 8, 16, 24, 32)]


def test_frames_stop_where_they_should(poses: Job, fake_engine: Any) -> None:
    measure(replace(poses, frames=20, repeats=(0,)))
    assert max(shape[0] for shape in fake_engine.calls) == 8
    assert np.load(poses.poses).shape == (20, 3, 3)


def test_more_frames_than_the_clip_has_are_all_of_it(poses: Job) -> None:
    assert measure(replace(poses, frames=500, repeats=(0,)))[0]["frames"] == 50


def test_pipelines_give_equal_values_and_run_on_threads_of_their_own(job: Job) -> None:
    threads: dict[str, dict[str, set[str]]] = {}
    names: tuple[PipelineName, ...] = ("sync", "parallel", "async")
    for name in names:
        (row,) = measure(with_pipeline(job, name, batch_size=2))
        threads[name] = {}
        for stage, thread, start, end in row["spans"]:
            assert 0 <= start <= end
            threads[name].setdefault(stage, set()).add(thread)
    values = [np.load(job.poses.with_name(f"{name}.npy")) for name in names]
    assert np.array_equal(values[0], values[1])
    assert np.array_equal(values[0], values[2])
    assert threads["sync"] == {stage: {"MainThread"} for stage in ("read", "network", "decode", "write")}
    assert all(thread.startswith("posecli-prepare") for thread in threads["parallel"]["prepare"])
    assert threads["async"]["read"] == {"posecli-read"}
    assert threads["async"]["network"] == {"MainThread"}
    assert threads["async"]["decode"] == threads["async"]["write"] == {"posecli-finish"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tf-sync", "tf-parallel", "tf-prefetch"])
def test_tf_pipelines_give_the_same_poses(poses: Job, name: PipelineName) -> None:
    measure(replace(poses, repeats=(0,)))
    (row,) = measure(with_pipeline(poses, name, engine="tensorflow"))
    assert row["frames"] == 30
    assert {stage for stage, *_ in row["spans"]} >= {"read", "network", "decode", "write"}
    assert np.array_equal(np.load(poses.poses), np.load(poses.poses.with_name(f"{name}.npy")))


def test_frames_are_scaled_to_the_network_s_size(chunks: Job) -> None:
    bench = bench_of(replace(chunks, condition=replace(chunks.condition, width=80, height=60)))
    assert bench.shape == (10, 60, 80, 3)
    assert bench.run_network() == 2
    assert set(FakeClipEngine.calls) == {(1, 10, 60, 80, 3)}


def test_loading_alone_ends_in_time_and_asks_no_network(chunks: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = bench_of(chunks)
    assert bench.read_fps() > 0
    monkeypatch.setattr(type(bench), "read_seconds", 0.0)
    assert bench.read_fps() == 0.0, "not even a frame in no time"
    assert FakeClipEngine.calls == []


def test_first_frames_are_the_readers_own(dots_clip: Path) -> None:
    batches = [batch.indices.tolist() for batch in FirstFrames(dots_clip, 20, Recorder()).batches(8)]
    assert batches == [list(range(8)), list(range(8, 16)), list(range(16, 20))]
    assert [frame.number for frame in FirstFrames(dots_clip, 7, Recorder()).decoded()] == list(range(7))


@given(rate=st.floats(0.1, 1e4), batch=st.integers(1, 64), batches=st.integers(2, 50), late=st.floats(0, 10))
def test_steady_rate_does_not_see_the_ramp_up(rate: float, batch: int, batches: int, late: float) -> None:
    marks = [(batch * n, late + batch * n / rate) for n in range(1, batches + 1)]
    assert Recorder(marks=marks).steady_rate(otherwise=-1.0) == pytest.approx(rate, rel=1e-4)


def test_steady_rate_of_one_batch_is_the_whole_loops() -> None:
    assert Recorder(marks=[(8, 2.0)]).steady_rate(otherwise=4.0) == 4.0


def test_memory_of_this_process() -> None:
    assert 10 < peak_mib() < 1e5

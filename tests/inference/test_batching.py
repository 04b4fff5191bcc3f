"""``--batchsize auto``: what is tried, what is taken, and what is left out with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support import clips
from support.fake_engine import FakeEngine

from posecli.analysis import RunObserver, analyze
from posecli.engine.outputs import Maps
from posecli.errors import EngineError
from posecli.inference import batching
from posecli.inference.batching import BatchChoice, choose_batch, first_items
from posecli.inference.decode import DecodeOptions, decode
from posecli.inference.step import POSES, NetworkStep
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions
from posecli.tables.manifest import read_manifest
from posecli.video.batch import Batch
from posecli.video.probe import probe
from posecli.video.reader import VideoReader

FRAMES = Batch.of(np.zeros((5, 16, 24, 3), np.uint8))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, which only the engine of a test moves on."""
    now = [0.0]
    monkeypatch.setattr("posecli.inference.batching.time.perf_counter", lambda: now[0])
    monkeypatch.setattr(batching, "free_memory", lambda: 1 << 60)
    return now


class TimedEngine(FakeEngine):
    """Takes a known time per call and per frame, and runs out of memory at a known size."""

    def __init__(self, clock: list[float], per_call: float, per_frame: float, largest: int = 1000) -> None:
        self._clock = clock
        self._cost = (per_call, per_frame)
        self._largest = largest
        self.warmed: list[int] = []

    def warm_up(self, batch_size: int) -> None:
        self._clock[0] += 100  # what is done once must not count
        self.warmed.append(batch_size)

    def __call__(self, images: npt.NDArray[np.uint8]) -> Maps:
        if len(images) > self._largest:
            raise MemoryError
        self._clock[0] += self._cost[0] + self._cost[1] * len(images)
        return Maps(np.zeros((len(images), 2, 4, 3), np.float32), None)


def step(engine: TimedEngine) -> NetworkStep:
    return NetworkStep(engine, partial(decode, options=DecodeOptions(8.0, 7.2801)), POSES)


def choose(engine: TimedEngine, sizes: Sequence[int] = batching.SIZES) -> BatchChoice:
    return choose_batch(step(engine), FRAMES, sizes)


def test_rates_are_those_of_the_calls_without_warming_up(clock: list[float]) -> None:
    choice = choose(TimedEngine(clock, per_call=0.01, per_frame=0.001))
    rates = {trial.batch_size: trial.fps for trial in choice.trials}
    assert rates == pytest.approx({size: size / (0.01 + 0.001 * size) for size in batching.SIZES})
    assert choice.batch_size == 128


def test_smallest_of_those_that_are_as_fast_is_taken(clock: list[float]) -> None:
    assert choose(TimedEngine(clock, per_call=1e-4, per_frame=0.01)).batch_size == 1
    assert choose(TimedEngine(clock, per_call=0.001, per_frame=0.01)).batch_size == 8


def test_no_call_is_made_that_would_be_long(clock: list[float]) -> None:
    engine = TimedEngine(clock, per_call=0.0, per_frame=0.15)
    choice = choose(engine)
    assert engine.warmed == [1, 4, 8]
    assert str(choice) == "1 (1 at 6.7 fps, 4 at 6.7 fps, 8 at 6.7 fps, 16 and more left out: 2 s a call)"


def test_size_that_cannot_be_allocated_is_left_out_with_its_reason(clock: list[float]) -> None:
    choice = choose(TimedEngine(clock, per_call=0.01, per_frame=0.001, largest=20))
    assert choice.batch_size == 16
    assert str(choice).endswith("32 and more left out: not enough memory)")


def test_size_for_which_memory_would_not_suffice_is_not_tried(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "free_memory", lambda: 10 * 16 * 24 * batching.BYTES_PER_PIXEL / 0.5)
    engine = TimedEngine(clock, per_call=0.01, per_frame=0.001)
    choice = choose(engine)
    assert engine.warmed == [1, 4, 8]
    assert "16 and more left out: may need" in str(choice)


def test_nothing_can_be_run(clock: list[float]) -> None:
    with pytest.raises(EngineError, match=r"not even 1 \(not enough memory\): .* smaller --scale$"):
        choose(TimedEngine(clock, 0.01, 0.001, largest=0))


def test_trials_show_the_network_the_videos_frames_again_and_again(clock: list[float], dots_clip: Path) -> None:
    items = first_items(VideoReader(probe(dots_clip)))
    assert [clips.read_number(image) for image in items.images] == list(range(batching.TRIAL_ITEMS))
    seen: list[list[int]] = []

    class Looking(TimedEngine):
        def __call__(self, images: npt.NDArray[np.uint8]) -> Maps:
            seen.append([clips.read_number(image) for image in images])
            return super().__call__(images)

    choose_batch(step(Looking(clock, 1.0, 0.0)), items, [40])
    assert set(map(tuple, seen)) == {(*range(32), *range(8))}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, fake_engine: object) -> None:
    monkeypatch.setattr(batching, "TRIAL_SECONDS", 0.0)
    monkeypatch.setattr(choose_batch, "__defaults__", ((1, 2, 4),))


@pytest.mark.usefixtures("quick")
class TestRun:
    def analyzed(self, videos: Any, model: ModelFolder, out_dir: Path, **changes: Any) -> tuple[Any, list[BatchChoice]]:
        told: list[BatchChoice] = []

        class Listening(RunObserver):
            def batch_measured(self, choice: BatchChoice) -> None:
                told.append(choice)

        options = AnalyzeOptions(batch_size="auto", out_dir=out_dir, **changes)
        return analyze(videos, model.path, options, Listening()), told

    def test_manifest_and_observer_hear_of_the_trials(
        self, dots_clip: Path, dots_model: ModelFolder, tmp_path: Path
    ) -> None:
        report, (choice,) = self.analyzed(dots_clip, dots_model, tmp_path)
        manifest = read_manifest(report.results[0].table.with_suffix(".json"))
        assert manifest is not None
        assert [trial["batch_size"] for trial in manifest["batch_trials"]] == [1, 2, 4]
        assert manifest["run"]["batch_size"] == choice.batch_size
        assert FakeEngine.calls[-1][0] <= choice.batch_size

    def test_videos_of_one_size_share_a_batch_size(
        self, dots_clip: Path, dots_model: ModelFolder, tmp_path: Path
    ) -> None:
        same = tmp_path / "same.mp4"
        same.write_bytes(dots_clip.read_bytes())
        other = clips.encode(tmp_path / "other.mp4", clips.numbered_frames(5, 48, 64))
        _, told = self.analyzed([dots_clip, same, other], dots_model, tmp_path)
        assert told[0] == told[1]  # to the last digit of the measured speeds
        assert told[2] != told[0]

    def test_result_is_that_of_any_other_batch_size(
        self, dots_clip: Path, dots_model: ModelFolder, tmp_path: Path
    ) -> None:
        self.analyzed(dots_clip, dots_model, tmp_path)
        again = analyze(dots_clip, dots_model.path, AnalyzeOptions(batch_size=7, out_dir=tmp_path))
        assert again.results[0].state == "skipped"

    def test_nothing_is_measured_where_the_size_is_known(
        self, dots_clip: Path, dots_model: ModelFolder, tmp_path: Path
    ) -> None:
        _, told = self.analyzed(dots_clip, dots_model, tmp_path, decoder="standard")
        assert told == []
        assert {shape[0] for shape in FakeEngine.calls} == {1}


def test_real_engine_s_refusal_is_a_reason(clock: list[float]) -> None:
    """Runtimes raise errors of many lines; the first is said."""

    class Refusing(TimedEngine):
        def warm_up(self, batch_size: int) -> None:
            if batch_size > 1:
                raise RuntimeError("Exception from core.cpp:1:\nbad_alloc\n")

    assert str(choose(Refusing(clock, 0.01, 0.001))).endswith("4 and more left out: Exception from core.cpp:1:)")

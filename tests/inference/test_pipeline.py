"""The three pipelines: the same batches in the same order, bounded, and an error in any stage surfaces once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.fake_engine import FakeEngine

from posecli.engine.outputs import Maps
from posecli.inference import tfdata
from posecli.inference.decode import DecodeOptions, Pose, decode
from posecli.inference.pipeline import BUFFERS, Line, run_pipeline
from posecli.inference.step import POSES, NetworkStep
from posecli.model.folder import ModelFolder
from posecli.options import PIPELINES, EngineOptions, PipelineName
from posecli.video import reader as reader_module
from posecli.video.batch import Batch, prepare
from posecli.video.probe import probe
from posecli.video.reader import VideoReader

OPTIONS = DecodeOptions(8.0, 7.2801)


def a_step(engine: FakeEngine, decode: Callable[[Any], Pose] = partial(decode, options=OPTIONS)) -> NetworkStep:
    return NetworkStep(engine, decode, POSES)


def make_line(clip: Path, model: ModelFolder, **changes: Any) -> tuple[Line, list[tuple[list[int], bytes]]]:
    """A line over a clip with the fake engine, and what reaches its sink."""
    received: list[tuple[list[int], bytes]] = []

    def sink(batch: Batch, pose: Pose) -> None:
        received.append((batch.indices.tolist(), pose.tobytes()))

    stages: dict[str, Any] = {
        "reader": VideoReader(probe(clip)),
        "step": a_step(FakeEngine(model, (120, 160, 3), EngineOptions())),
        "sink": sink,
        "batch_size": 7,
    }
    return Line(**(stages | changes)), received


@pytest.mark.parametrize("name", PIPELINES)
def test_report_counts_frames_and_every_stage(name: PipelineName, dots_clip: Path, dots_model: ModelFolder) -> None:
    line, received = make_line(dots_clip, dots_model)
    report = run_pipeline(name, line)
    assert report.frames == 50
    assert [index for indices, _ in received for index in indices] == list(range(50))
    assert all(seconds > 0 for seconds in report.stage_seconds.values())
    assert report.seconds > 0
    assert report.sentence.startswith("limited by the ")


def test_pipelines_give_equal_bits(dots_clip: Path, dots_model: ModelFolder) -> None:
    results = []
    for name in PIPELINES:
        line, received = make_line(dots_clip, dots_model)
        run_pipeline(name, line)
        results.append(received)
    assert all(result == results[0] for result in results)


class WatchedReader(VideoReader):
    """Tells a test the index of every frame that it has read, or of the last one of a batch."""

    def __init__(self, clip: Path, on_index: Callable[[int], None]) -> None:
        super().__init__(probe(clip))
        self._on_index = on_index

    def read_into(self, buffer: Any, pool: Any = None) -> Batch | None:
        batch = super().read_into(buffer, pool)
        if batch is not None:
            self._on_index(int(batch.indices[-1]))
        return batch

    def decoded(self) -> Any:
        for frame in super().decoded():
            self._on_index(frame[0])
            yield frame


def failing_reader(clip: Path, failure: BaseException) -> VideoReader:
    def fail_later(index: int) -> None:
        if index >= 27:
            raise failure

    return WatchedReader(clip, fail_later)


def failing(failure: BaseException, after: int) -> Callable[..., Any]:
    calls: list[None] = []

    def stage(*arguments: Any) -> Any:
        calls.append(None)
        if len(calls) > after:
            raise failure
        return decode(arguments[0], OPTIONS) if len(arguments) == 1 else None

    return stage


class FailingEngine(FakeEngine):
    def __call__(self, images: Any) -> Maps:
        raise MemoryError("no memory for the network")


@pytest.mark.parametrize("name", PIPELINES)
def test_preparing_a_frame_fails(
    name: PipelineName, dots_clip: Path, dots_model: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the pipelines that prepare frames side by side, this is in another thread than reading."""
    calls: list[None] = []

    def failing_prepare(*arguments: Any) -> None:
        calls.append(None)
        if len(calls) > 20:
            raise OSError("worker broke")
        prepare(*arguments)

    monkeypatch.setattr(reader_module, "prepare", failing_prepare)
    monkeypatch.setattr(tfdata, "prepare", failing_prepare)
    before = threading.active_count()
    line, received = make_line(dots_clip, dots_model)
    with pytest.raises(OSError, match=r"^worker broke$"):
        run_pipeline(name, line)
    assert threading.active_count() == before
    assert len(received) <= 2
    line.reader.close()


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("stage", ["reader", "engine", "decode", "sink"])
def test_error_in_any_stage_stops_all_and_surfaces_once(
    name: PipelineName, stage: str, dots_clip: Path, dots_model: ModelFolder
) -> None:
    before = threading.active_count()
    failure: BaseException = (
        MemoryError("no memory for the network") if stage == "engine" else OSError(f"{stage} broke")
    )
    stages: dict[str, Callable[[], Any]] = {
        "reader": lambda: failing_reader(dots_clip, failure),
        "engine": lambda: a_step(FailingEngine(dots_model, (120, 160, 3), EngineOptions())),
        "decode": lambda: a_step(FakeEngine(dots_model, (120, 160, 3), EngineOptions()), failing(failure, 2)),
        "sink": lambda: failing(failure, 2),
    }
    line, _ = make_line(dots_clip, dots_model, **{"step" if stage in ("engine", "decode") else stage: stages[stage]()})
    with pytest.raises(type(failure), match=str(failure)):
        run_pipeline(name, line)
    assert threading.active_count() == before
    line.reader.close()  # a thread still in it would be an error


@pytest.mark.parametrize("name", PIPELINES)
def test_ctrl_c_in_the_network_stops_the_threads(name: PipelineName, dots_clip: Path, dots_model: ModelFolder) -> None:
    class Interrupted(FakeEngine):
        def __call__(self, images: Any) -> Maps:
            raise KeyboardInterrupt

    before = threading.active_count()
    line, received = make_line(
        dots_clip, dots_model, step=a_step(Interrupted(dots_model, (120, 160, 3), EngineOptions()))
    )
    with pytest.raises(KeyboardInterrupt):
        run_pipeline(name, line)
    assert threading.active_count() == before
    assert received == []
    line.reader.close()


def test_ctrl_c_while_threads_are_started(
    dots_clip: Path, dots_model: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    before = set(threading.enumerate())
    line, received = make_line(dots_clip, dots_model)
    with pytest.raises(KeyboardInterrupt):
        run_pipeline("async", line)
    line.reader.close()  # a thread still in it would be an error
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()
    assert received == []


@pytest.mark.parametrize("name", PIPELINES)
def test_nothing_is_written_behind_a_batch_that_was_not(
    name: PipelineName, dots_clip: Path, dots_model: ModelFolder
) -> None:
    written: list[int] = []

    def sink(batch: Batch, _pose: Pose) -> None:
        written.append(int(batch.indices[0]))
        if len(written) == 3:
            raise OSError("the disk is full")

    line, _ = make_line(dots_clip, dots_model, sink=sink, batch_size=2)
    with pytest.raises(OSError, match="the disk is full"):
        run_pipeline(name, line)
    assert written == [0, 2, 4]
    line.reader.close()


def test_reader_waits_when_it_is_ahead(dots_clip: Path, dots_model: ModelFolder) -> None:
    """With the network held up, no more frames are read than there are buffers for."""
    reader = VideoReader(probe(dots_clip))
    read: list[None] = []
    read_into = reader.read_into

    def counting(*arguments: Any) -> Batch | None:
        read.append(None)
        return read_into(*arguments)

    setattr(reader, "read_into", counting)  # noqa: B010  # a stand-in for this one reader
    seen: list[int] = []

    class Slow(FakeEngine):
        def __call__(self, images: Any) -> Maps:
            if not seen:
                threading.Event().wait(0.5)
            seen.append(len(read))
            return super().__call__(images)

    line, _ = make_line(
        dots_clip,
        dots_model,
        reader=reader,
        step=a_step(Slow(dots_model, (120, 160, 3), EngineOptions())),
        batch_size=2,
    )
    assert run_pipeline("async", line).frames == 50
    assert seen[0] <= BUFFERS


def test_frames_that_were_not_decoded_are_blank(
    dots_clip: Path, dots_model: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    poses = []
    reader = VideoReader(probe(dots_clip))
    read_into = reader.read_into

    def losing(*arguments: Any) -> Batch | None:
        batch = read_into(*arguments)
        if batch is not None and batch.indices[0] == 7:
            batch.valid[2] = False
        return batch

    setattr(reader, "read_into", losing)  # noqa: B010  # a stand-in for this one reader
    line, _ = make_line(dots_clip, dots_model, reader=reader, sink=lambda batch, pose: poses.append(pose))
    run_pipeline("async", line)
    whole = np.concatenate(poses)
    assert np.isnan(whole[9, :, :, :2]).all()
    assert (whole[9, ..., 2] == 0).all()
    assert np.isfinite(np.delete(whole, 9, axis=0)).all()

"""`posecli.classify`: the same runs as for poses, with chunks of frames instead of frames."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.fake_clip_engine import CLASSES, FakeClipEngine, make_fake_clip_model, numbers_of

from posecli import engine
from posecli.analysis import RunObserver, classify, decide
from posecli.behaviour.chunks import ChunkPlan
from posecli.behaviour.table import read_behaviours
from posecli.errors import StopRequest, UsageError
from posecli.model.folder import ClipModelFolder
from posecli.options import CLIP_PIPELINES, ClassifyOptions, InputSize, PipelineName
from posecli.support.results import VideoResult
from posecli.video.probe import VideoInfo
from posecli.video.reader import Frame, VideoReader

#: An ethogram is drawn for every video, which takes longer than all else here.
pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClipModelFolder:
    """Chunks of ten frames for an engine that reads their numbers."""
    for name in engine.ENGINE_CLASSES:
        monkeypatch.setitem(engine.ENGINE_CLASSES, name, "support.fake_clip_engine:FakeClipEngine")
    monkeypatch.setattr(FakeClipEngine, "calls", [])
    return make_fake_clip_model(tmp_path / "numbers-model")


@pytest.fixture
def options(tmp_path: Path) -> ClassifyOptions:
    return ClassifyOptions(out_dir=tmp_path / "found")


def run(
    video: Path, model: ClipModelFolder, options: ClassifyOptions, observer: RunObserver = RunObserver()
) -> VideoResult:
    result = classify(video, model.path, options, observer).results[0]
    assert result.table is not None, result.message
    return result


def found(result: VideoResult) -> list[list[int] | None]:
    assert result.table is not None
    return numbers_of(read_behaviours(result.table, "chunks")[list(CLASSES)].to_numpy())


def expected(plan: ChunkPlan, n_frames: int = 50) -> list[list[int]]:
    last = n_frames - 1
    return [
        [start, min(start + plan.frame_step, last), min(start + (plan.length - 1) * plan.frame_step, last)]
        for start in plan.starts(n_frames).tolist()
    ]


@pytest.mark.parametrize("pipeline", CLIP_PIPELINES)
@pytest.mark.parametrize(
    ("length", "stride", "frame_step"), [(10, 10, 1), (12, 5, 1), (9, 30, 1), (10, 7, 3), (64, 64, 1)]
)
def test_a_row_is_its_chunk(
    dots_clip: Path,
    model: ClipModelFolder,
    options: ClassifyOptions,
    pipeline: PipelineName,
    length: int,
    stride: int,
    frame_step: int,
) -> None:
    options = replace(options, pipeline=pipeline, length=length, stride=stride, frame_step=frame_step, batch_size=3)
    result = run(dots_clip, model, options)
    assert (result.state, result.frames, result.bad_frames) == ("done", 50, ())
    assert found(result) == expected(ChunkPlan(length, stride, frame_step))
    assert result.stages is not None
    assert result.stages.frames == 50 or stride > length * frame_step


def test_files_and_manifest(dots_clip: Path, model: ClipModelFolder, options: ClassifyOptions) -> None:
    result = run(dots_clip, model, replace(options, csv=True))
    assert options.out_dir is not None
    names = sorted(path.name for path in options.out_dir.iterdir())
    assert names == [f"dotsI3D_numbers_1.{ending}" for ending in ("csv", "h5", "json", "png")]
    assert result.table is not None
    manifest = json.loads(result.table.with_suffix(".json").read_text())
    assert manifest["state"] == "complete"
    assert manifest["model"]["classes"] == list(CLASSES)
    assert manifest["settings"] | {"length": 10, "stride": 10, "frame_step": 1} == manifest["settings"]
    assert manifest["video"]["frames"]["rows"] == 50
    assert (manifest["video"]["chunks"], manifest["video"]["bad_chunks"]) == (5, [])
    frames = read_behaviours(result.table)
    assert len(frames) == 50
    assert frames["label"].isin(CLASSES).all()
    np.testing.assert_allclose(frames["seconds"], np.arange(50) / 25, atol=1e-3)


def test_a_second_time_nothing_is_done(dots_clip: Path, model: ClipModelFolder, options: ClassifyOptions) -> None:
    run(dots_clip, model, options)
    FakeClipEngine.calls.clear()
    assert run(dots_clip, model, options).state == "skipped"
    assert FakeClipEngine.calls == []


def test_another_stride_is_another_result(dots_clip: Path, model: ClipModelFolder, options: ClassifyOptions) -> None:
    run(dots_clip, model, options)
    report = classify(dots_clip, model.path, replace(options, stride=5))
    assert (report.exit_code, report.results[0].state) == (8, "failed")
    assert "stride was 10, not 5" in report.results[0].message


class Interrupting(RunObserver):
    """Stops a run when so many frames are done."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.resumed: list[int] = []

    def frames_done(self, count: int) -> None:
        self.left -= count
        if self.left <= 0:
            raise StopRequest("a test")

    def video_resumed(self, info: VideoInfo, first_frame: int) -> None:
        self.resumed.append(first_frame)


@pytest.mark.parametrize("stride", [3, 10, 20])
@pytest.mark.parametrize("after", [1, 20, 40, 50])
def test_interrupted_run_goes_on(
    dots_clip: Path, model: ClipModelFolder, options: ClassifyOptions, stride: int, after: int
) -> None:
    options = replace(options, stride=stride, batch_size=2)
    whole = run(dots_clip, model, replace(options, out_dir=model.path.parent / "whole"))
    with pytest.raises(StopRequest):
        run(dots_clip, model, options, Interrupting(after))
    observer = Interrupting(10_000)
    (decision,) = decide(dots_clip, model.path, options)
    assert decision.action == "resume"
    result = run(dots_clip, model, options, observer)
    assert observer.resumed == [decision.first_frame]
    assert result.first_frame == decision.first_frame >= min(after, 50 - stride)
    assert result.table is not None
    assert whole.table is not None
    for key in ("frames", "chunks"):
        again, before = read_behaviours(result.table, key), read_behaviours(whole.table, key)
        assert again.to_csv() == before.to_csv()


def test_progress_counts_frames(dots_clip: Path, model: ClipModelFolder, options: ClassifyOptions) -> None:
    counter = Interrupting(10_000)
    run(dots_clip, model, replace(options, stride=3, batch_size=2), counter)
    assert 10_000 - counter.left == 50


def test_a_video_shorter_than_a_chunk(dots_clip: Path, model: ClipModelFolder, options: ClassifyOptions) -> None:
    result = run(dots_clip, model, replace(options, length=64, stride=64))
    assert result.table is not None
    chunks = read_behaviours(result.table, "chunks")
    assert chunks[["first_frame", "end_frame"]].to_numpy().tolist() == [[0, 50]]


def test_frames_that_cannot_be_decoded(
    dots_clip: Path, model: ClipModelFolder, options: ClassifyOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged = VideoReader.decoded

    def without_some(reader: VideoReader) -> Iterator[Frame]:
        return (frame._replace(image=None) if frame.number in (12, 13) else frame for frame in merged(reader))

    monkeypatch.setattr(VideoReader, "decoded", without_some)
    refused = classify(dots_clip, model.path, options).results[0]
    assert (refused.state, refused.exit_code) == ("failed", 4)
    assert "2 of 50 frames" in refused.message
    result = run(dots_clip, model, replace(options, allow_short=True))
    assert (result.state, result.bad_frames) == ("short", (12, 13))
    assert [row is None for row in found(result)] == [False, True, False, False, False]
    assert result.table is not None
    frames = read_behaviours(result.table)
    assert frames["label"].eq("").to_numpy().nonzero()[0].tolist() == list(range(10, 20))
    manifest = json.loads(result.table.with_suffix(".json").read_text())
    assert (manifest["state"], manifest["video"]["bad_chunks"]) == ("short", [1])


@pytest.mark.usefixtures("quick_trials")
def test_batch_size_by_measurement(dots_clip: Path, model: ClipModelFolder, options: ClassifyOptions) -> None:
    result = run(dots_clip, model, replace(options, batch_size="auto"))
    assert found(result) == expected(ChunkPlan(10, 10))


def test_input_size_and_crop(dots_clip: Path, model: ClipModelFolder, options: ClassifyOptions) -> None:
    with pytest.raises(UsageError, match="input size 16x16 is out of range"):
        InputSize.parse("16")
    options = replace(options, input_size=InputSize(160, 120))
    assert found(run(dots_clip, model, options)) == expected(ChunkPlan(10, 10))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"length": 8}, "chunk length 8 is too small: give 9 frames or more"),
        ({"stride": 0}, "stride 0 is too small"),
        ({"frame_step": 0}, "frame-step 0 is too small"),
        ({"pipeline": "tf-sync"}, "pipeline 'tf-sync' is not known: choose one of async, parallel, sync"),
        ({"max_change": 0.0}, "max-change 0.0 is out of range"),
    ],
)
def test_wrong_options(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ClassifyOptions(**changes)  # type: ignore[arg-type]


def test_networks_of_the_other_kind(
    dots_clip: Path, model: ClipModelFolder, dots_model: object, options: ClassifyOptions
) -> None:
    from posecli.errors import ModelError
    from posecli.inference.predictor import load_clip_model, load_model

    with pytest.raises(ModelError, match="is a network for behaviours: use it with 'posecli classify'"):
        load_model(model.path)
    with pytest.raises(ModelError, match="is a pose network, not one for behaviours: use it with 'posecli analyze'"):
        load_clip_model(dots_model.path)  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match="is not a model folder: make one with 'posecli train'"):
        load_clip_model(dots_clip.parent)


def test_verify_knows_behaviour_tables(dots_clip: Path, model: ClipModelFolder, options: ClassifyOptions) -> None:
    import h5py

    from posecli.analysis.verify import verify

    result = run(dots_clip, model, options)
    assert options.out_dir is not None
    assert result.table is not None
    assert verify(options.out_dir).findings == ()
    with h5py.File(result.table, "r+") as file:
        rows = file["chunks/table"][:]
        rows["last"][2] = 2.0
        file["chunks/table"][:] = rows
    words = " ".join(finding.words for finding in verify(result.table).findings)
    assert "probabilities are not between 0 and 1" in words
    result.table.with_suffix(".json").unlink()
    assert "no manifest" in " ".join(finding.words for finding in verify(result.table).findings)

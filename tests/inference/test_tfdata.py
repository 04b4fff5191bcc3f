"""`posecli.tf_dataset`: the frames of a video reader to the bit, in each mode, and errors that are posecli's own."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import clips, projects
from support.pictures import fail_at, lose_pictures

import posecli
from posecli.errors import UsageError, VideoError
from posecli.inference.tfdata import BATCHES_AHEAD, dataset_batches
from posecli.model.folder import ModelFolder
from posecli.options import DATASET_MODES, PIPELINES, AnalyzeOptions, Crop, DatasetMode, EngineOptions, PipelineName
from posecli.support.tensorflow import import_tensorflow
from posecli.video.batch import Batch
from posecli.video.geometry import Geometry
from posecli.video.probe import probe
from posecli.video.reader import FrameSizeError, VideoReader

modes = pytest.mark.parametrize("mode", DATASET_MODES)


def as_arrays(batches: Any) -> list[tuple[Any, ...]]:
    return [tuple(batch[name].numpy() for name in ("images", "indices", "seconds", "valid")) for batch in batches]


def assert_same(found: list[tuple[Any, ...]], reader: VideoReader, batch_size: int) -> None:
    batches = [(batch.images.copy(), batch.indices, batch.seconds, batch.valid) for batch in reader.batches(batch_size)]
    assert len(found) == len(batches) > 0
    for ours, theirs in zip(found, batches, strict=True):
        for array, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(array, other, strict=True)


@modes
def test_frames_are_the_readers_to_the_bit(mode: DatasetMode, dots_clip: Path) -> None:
    dataset = posecli.tf_dataset(dots_clip, mode, batch_size=16)
    info = probe(dots_clip)
    assert isinstance(dataset, import_tensorflow().data.Dataset)
    for _ in range(2):  # it can be read again
        assert_same(as_arrays(dataset), VideoReader(info), 16)


@modes
def test_crop_scale_and_rotation(mode: DatasetMode, dots_clip: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    clips.ffmpeg("-display_rotation", "90", "-i", dots_clip, "-c", "copy", turned)
    crop = Crop(10, 110, 20, 140)
    info = probe(turned)
    assert info.orientation.rotation != 0
    dataset = posecli.tf_dataset(turned, mode, batch_size=7, crop=crop, scale=0.5)
    geometry = Geometry.plan(info.width, info.height, crop, Fraction(1, 2))
    assert dataset.element_spec["images"].shape.as_list() == [None, 60, 50, 3]
    assert_same(as_arrays(dataset), VideoReader(info, geometry), 7)


@modes
def test_frames_that_cannot_be_decoded_are_black_and_not_valid(
    mode: DatasetMode, dots_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_pictures(monkeypatch, (3, 20))
    batches = as_arrays(posecli.tf_dataset(dots_clip, mode, batch_size=8))
    images, indices, _, valid = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert indices.tolist() == list(range(50))
    assert np.flatnonzero(~valid).tolist() == [3, 20]
    assert not images[~valid].any()
    assert images[valid].any(axis=(1, 2, 3)).all()


@modes
def test_what_goes_wrong_while_reading_is_posecli_s_error(
    mode: DatasetMode, dots_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, 30, FrameSizeError("frame 30 has another size"))
    indices: list[int] = []

    def read() -> None:
        for batch in posecli.tf_dataset(dots_clip, mode, batch_size=8):
            indices.extend(batch["indices"].numpy().tolist())

    with pytest.raises(VideoError, match=r"^frame 30 has another size$"):
        read()
    assert indices == list(range(24))


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"video": "missing.mp4"}, VideoError, "'missing.mp4' does not exist"),
        ({"mode": "async"}, UsageError, "dataset mode 'async' is not known: choose one of sync, parallel, prefetch"),
        ({"batch_size": 0}, UsageError, "batch size 0"),
        ({"scale": 0}, UsageError, "scale 0"),
        ({"crop": Crop(0, 500, 0, 10)}, UsageError, "leaves the frame"),
    ],
    ids=str,
)
def test_wrong_values_are_refused_at_once(
    values: dict[str, Any], error: type[Exception], words: str, dots_clip: Path
) -> None:
    with pytest.raises(error, match=words):
        posecli.tf_dataset(**({"video": dots_clip} | values))


def test_file_that_is_no_video(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(VideoError, match="cannot be read as a video"):
        posecli.tf_dataset(text)


class CountingReader(VideoReader):
    """Knows how many frames were asked of it."""

    asked = 0

    def read_into(self, buffer: Any, pool: Any = None) -> Batch | None:
        self.asked += len(buffer)
        return super().read_into(buffer, pool)

    def decoded(self) -> Any:
        for frame in super().decoded():
            self.asked += 1
            yield frame


def asked_after_waiting(mode: DatasetMode, clip: Path) -> int:
    """Frames that were read when a consumer has taken two batches of 2 and looked at them for a while."""
    reader = CountingReader(probe(clip))
    batches = dataset_batches(reader, mode, 2, 1, nullcontext)
    next(batches)
    next(batches)
    threading.Event().wait(0.5)
    asked = reader.asked
    batches.close()
    return asked


def test_sync_reads_nothing_ahead(dots_clip: Path) -> None:
    assert asked_after_waiting("sync", dots_clip) == 4


@pytest.mark.parametrize("mode", ["parallel", "prefetch"])
def test_reading_ahead_is_bounded(mode: DatasetMode, dots_clip: Path) -> None:
    ahead = asked_after_waiting(mode, dots_clip) - 4
    batches = BATCHES_AHEAD + 1 if mode == "prefetch" else 0
    assert ahead <= 2 * batches + 4


@modes
def test_reader_is_free_when_a_consumer_leaves_early(mode: DatasetMode, dots_clip: Path) -> None:
    reader = VideoReader(probe(dots_clip))
    batches = dataset_batches(reader, mode, 2, 2, nullcontext)
    next(batches)
    batches.close()
    reader.close()  # a thread still in it would be an error


def test_graph_functions_take_it(dots_clip: Path) -> None:
    tf = import_tensorflow()
    dataset = posecli.tf_dataset(dots_clip, "prefetch", batch_size=20)
    lengths = dataset.map(lambda batch: tf.shape(batch["indices"])[0])
    assert [int(length) for length in lengths] == [20, 20, 10]

    def first_index(iterator: Any) -> Any:
        return next(iterator)["indices"][0]

    compiled = tf.function(first_index)
    iterator = iter(dataset)
    assert [int(compiled(iterator)) for _ in range(2)] == [0, 20]


@pytest.mark.slow
def test_poses_of_the_tensorflow_engine_are_equal_in_every_pipeline(tmp_path: Path) -> None:
    clip = clips.encode(tmp_path / "small.mp4", clips.numbered_frames(20, 48, 64))
    model = posecli.load_model(projects.model_folder(tmp_path).path, EngineOptions("tensorflow"))
    tables = []
    for name in PIPELINES:
        options = AnalyzeOptions(batch_size=8, pipeline=name, out_dir=tmp_path / name)
        table = posecli.analyze(clip, model, options).results[0].table
        assert table is not None
        tables.append(posecli.read_pose_table(table).to_numpy())
    assert tables[0].shape == (20, 12)
    assert {table.tobytes() for table in tables} == {tables[0].tobytes()}


@pytest.mark.parametrize("name", ["tf-sync", "tf-parallel", "tf-prefetch"])
def test_pipelines_of_tensorflow_are_refused_for_other_engines(
    name: PipelineName, dots_clip: Path, dots_model: ModelFolder
) -> None:
    with pytest.raises(UsageError, match=f"'{name}' is for the tensorflow engine, not for openvino: pass --engine ten"):
        posecli.analyze(dots_clip, dots_model.path, AnalyzeOptions(pipeline=name))

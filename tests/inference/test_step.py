"""One step from frames to poses: engines that find peaks themselves, and steps made of other steps."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support import clips
from support.fake_engine import FakeEngine

from posecli.analysis import analyze
from posecli.engine.outputs import Maps, Peaks
from posecli.errors import EngineError
from posecli.inference.decode import DecodeOptions, decode
from posecli.inference.pipeline import Line, run_pipeline
from posecli.inference.predictor import PoseModel
from posecli.inference.step import POSES, NetworkStep, Step, Values
from posecli.model.folder import ModelFolder
from posecli.options import PIPELINES, AnalyzeOptions, Crop, EngineOptions, PipelineName
from posecli.tables.pose_table import read_pose_table
from posecli.video.batch import Batch
from posecli.video.geometry import Geometry
from posecli.video.probe import probe
from posecli.video.reader import VideoReader

HEIGHT, WIDTH = 120, 160
#: Side of a window, px, and how far from the dot that it is for its corner lies.
WINDOW, MARGIN = 48, 20
CROP = Crop(16, 144, 8, 120)


def network(model: ModelFolder, height: int, width: int) -> NetworkStep:
    engine = FakeEngine(model, (height, width, 3), EngineOptions())
    return NetworkStep(engine, partial(decode, options=DecodeOptions(8.0, 7.2801)), POSES)


class Windows(Step):
    """Finds the first body part twice: in the whole picture, then in a window of each frame that shows it alone."""

    def __init__(self, coarse: Step, fine: Step) -> None:
        self.coarse, self.fine = coarse, fine
        self.corners: list[npt.NDArray[np.int64]] = []

    def infer(self, batch: Batch) -> Any:
        """The second pass needs the pictures, and so what the first one found."""
        found = self.coarse(batch)[:, 0, 0, :2]
        inside = (found - batch.geometry.offset) * batch.geometry.scale - MARGIN
        limits = np.array(batch.images.shape[2:0:-1]) - WINDOW
        corners = np.clip(inside, 0, limits).round().astype(np.int64)
        self.corners.append(corners)
        pictures = np.stack(
            [image[y : y + WINDOW, x : x + WINDOW] for image, (x, y) in zip(batch.images, corners, strict=True)]
        )
        geometry = batch.geometry.window(corners.astype(np.float64))
        windows = Batch(pictures, geometry, batch.indices, batch.seconds, batch.valid, batch.fresh)
        return windows, self.fine.infer(windows)

    def finish(self, batch: Batch, output: Any) -> Values:
        """Poses of the windows, each where its window was."""
        return self.fine.finish(*output)


class Doubting(Step):
    """A student, and its teacher for the batches that the student is not sure of."""

    def __init__(self, student: Step, teacher: Step) -> None:
        self.student, self.teacher = student, teacher
        self.asked = 0

    def infer(self, batch: Batch) -> Any:
        """Whoever answers says how to finish."""
        output = self.student.infer(batch)
        if (self.student.finish(batch, output)[..., 2] > 0.5).all():
            return self.student, output
        self.asked += 1
        return self.teacher, self.teacher.infer(batch)

    def finish(self, batch: Batch, output: Any) -> Values:
        """By whoever answered."""
        step: Step
        step, found = output
        return step.finish(batch, found)


@pytest.mark.parametrize("name", PIPELINES)
def test_windows_of_their_own_for_each_frame(name: PipelineName, dots_clip: Path, dots_model: ModelFolder) -> None:
    """Through every pipeline, poses of windows are where the dots are in the displayed, full frame."""
    info = probe(dots_clip)
    step = Windows(network(dots_model, 112, 128), network(dots_model, WINDOW, WINDOW))
    poses: list[Values] = []
    reader = VideoReader(info, Geometry.plan(WIDTH, HEIGHT, CROP))
    report = run_pipeline(name, Line(reader, step, lambda batch, values: poses.append(values[:, 0, 0, :2]), 7))
    reader.close()
    assert report.frames == 50
    truth = np.array([clips.dot_centres(number, HEIGHT, WIDTH)[0] for number in range(50)])
    inside = ((truth > (CROP.x1 + 8, CROP.y1 + 8)) & (truth < (CROP.x2 - 8, CROP.y2 - 8))).all(axis=1)
    assert inside.sum() > 20
    assert np.abs(np.concatenate(poses) - truth)[inside].max() < 8
    assert len(np.unique(np.concatenate(step.corners), axis=0)) > 10


def test_analysis_does_not_see_what_a_step_is_made_of(
    dots_clip: Path, dots_model: ModelFolder, fake_engine: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = analyze(dots_clip, dots_model.path, AnalyzeOptions(out_dir=tmp_path / "plain"))
    made: list[Doubting] = []
    own = PoseModel.step

    def step(model: PoseModel, *arguments: Any, **settings: Any) -> Step:
        made.append(Doubting(Blind(), own(model, *arguments, **settings)))
        return made[-1]

    monkeypatch.setattr(PoseModel, "step", step)
    composed = analyze(dots_clip, dots_model.path, AnalyzeOptions(out_dir=tmp_path / "composed"))
    assert sum(one.asked for one in made) >= 50 // 8
    tables = [report.results[0].table for report in (plain, composed)]
    first, second = (read_pose_table(table) for table in tables if table is not None)
    np.testing.assert_array_equal(first.to_numpy(), second.to_numpy())


class Blind(Step):
    """A student that is never sure."""

    def infer(self, batch: Batch) -> None:
        """It does not look."""

    def finish(self, batch: Batch, _output: None) -> Values:
        """It says so."""
        return np.zeros((len(batch), 3, 1, 3))


class FindingEngine(FakeEngine):
    """Finds the best two peaks itself, in single precision as an accelerator would."""

    def __call__(self, images: npt.NDArray[np.uint8]) -> Any:
        pose = decode(super().__call__(images), DecodeOptions(8.0, 7.2801, num_outputs=2))
        return Peaks(pose.astype(np.float32))


def test_engine_that_finds_peaks_itself(dots_model: ModelFolder, fake_engine: object) -> None:
    model = PoseModel(dots_model)
    batch = Batch.of(clips.numbered_frames(5), Geometry.plan(WIDTH, HEIGHT))
    shape = batch.images.shape[1:]
    engine = FindingEngine(dots_model, shape, EngineOptions())
    for peaks in (1, 2):
        of_maps = model.step(shape, num_outputs=peaks)(batch)
        of_peaks = NetworkStep(engine, partial(model.decode, num_outputs=peaks), POSES)(batch)
        assert of_peaks.shape == (5, 3, peaks, 3)
        np.testing.assert_allclose(of_peaks, of_maps, atol=1e-4)
    with pytest.raises(EngineError, match="finds 2 peaks per body part: choose --num-outputs 2 or fewer"):
        NetworkStep(engine, partial(model.decode, num_outputs=3), POSES)(batch)


def test_geometry_is_undone_and_items_that_were_not_decoded_are_missing(dots_model: ModelFolder) -> None:
    step = network(dots_model, HEIGHT, WIDTH)
    frames = clips.numbered_frames(3)
    plain = step(Batch.of(frames))
    geometry = Geometry.plan(640, 480, Crop(100, 420, 20, 260), AnalyzeOptions(scale=0.5).exact_scale)
    moved = step(Batch.of(frames, geometry, valid=np.array([True, False, True])))
    np.testing.assert_array_equal(moved[[0, 2], ..., :2], plain[[0, 2], ..., :2] / 0.5 + (100, 20))
    assert np.isnan(moved[1, ..., :2]).all()
    assert (moved[1, ..., 2] == 0).all()


def test_a_function_can_stand_for_an_engine() -> None:
    """A network in training is not an engine: there is nothing to warm up."""

    def network(images: npt.NDArray[np.uint8]) -> Maps:
        return Maps(np.ones((len(images), 2, 2, 1), np.float32), None)

    step = NetworkStep(network, partial(decode, options=DecodeOptions(8.0, 7.2801)), POSES)
    step.warm_up(4)
    assert step(Batch.of(np.zeros((2, 16, 16, 3), np.uint8))).shape == (2, 1, 1, 3)

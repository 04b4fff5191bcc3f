"""What a teacher says of frames is kept, and reaches the student's targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import clips
from support.fake_engine import FakeEngine

from posecli.errors import OutputError
from posecli.inference.predictor import PoseModel
from posecli.model.folder import ModelFolder
from posecli.model.student import Stretch
from posecli.network.architectures import pose_network
from posecli.network.network import PoseSpec
from posecli.options import EngineOptions
from posecli.training.augment import Viewport
from posecli.training.config import AugmentOptions, PoseConfig, PosePhase, PoseSource
from posecli.training.poses.choice import ChosenFrames
from posecli.training.poses.examples import PoseBatchMaker, grid_of, open_sources, seen_scores
from posecli.training.poses.objective import held_out_examples
from posecli.training.poses.taught import TaughtFrames, teach

HELD_OUT = [Stretch("dots.mp4", 40, 49)]
PLAIN = AugmentOptions(
    scales=(1.0,), scale_jitter=1.0, rotation=0, mirror=0, light=0, blur=0, noise=0, occlusion=0, jpeg=0, h264=0
)


@pytest.fixture
def teacher(fake_engine: type[FakeEngine], dots_model: ModelFolder) -> PoseModel:
    return PoseModel(dots_model, EngineOptions(precision="fp32"))


def chosen(video: Path) -> list[ChosenFrames]:
    return [ChosenFrames(video, np.arange(0, 38, 2), np.array([44, 41]))]


@pytest.fixture
def taught(teacher: PoseModel, dots_clip: Path, tmp_path: Path) -> TaughtFrames:
    counts = [*teach(tmp_path / "taught", chosen(dots_clip), HELD_OUT, teacher)]
    assert counts[-1] == (21, 21)
    return TaughtFrames.read(tmp_path / "taught")


def test_all_that_is_said_is_kept(taught: TaughtFrames, teacher: PoseModel) -> None:
    (video,) = taught.videos
    assert (video.name, video.learned, taught.held_out, taught.stride) == ("dots.mp4", 19, tuple(HELD_OUT), 8.0)
    assert [clips.read_number(image) for image in video.images] == video.places.tolist() == [*range(0, 38, 2), 44, 41]
    assert np.array_equal(video.poses, teacher.predict(np.asarray(video.images)))
    assert video.scores is not None
    assert np.allclose(video.scores.max(axis=(1, 2)), video.poses[..., 2], atol=1e-3)


def test_a_teacher_that_was_interrupted_goes_on(teacher: PoseModel, dots_clip: Path, tmp_path: Path) -> None:
    whole = teach(tmp_path / "whole", chosen(dots_clip), HELD_OUT, teacher)
    assert [*whole][-1] == (21, 21)
    broken = teach(tmp_path / "broken", chosen(dots_clip), HELD_OUT, teacher)
    assert next(broken) == (8, 21)
    broken.close()
    with pytest.raises(OutputError, match=r"has not looked at all frames.*--overwrite"):
        TaughtFrames.read(tmp_path / "broken")
    FakeEngine.calls.clear()
    assert [*teach(tmp_path / "broken", chosen(dots_clip), HELD_OUT, teacher)][:2] == [(8, 21), (16, 21)]
    assert sum(call[0] for call in FakeEngine.calls) == 13
    first, second = (TaughtFrames.read(tmp_path / name).videos[0] for name in ("whole", "broken"))
    for what in ("images", "poses", "scores"):
        assert np.array_equal(getattr(first, what), getattr(second, what)), what


def test_other_frames_begin_anew(taught: TaughtFrames, teacher: PoseModel, dots_clip: Path) -> None:
    others = [ChosenFrames(dots_clip, np.arange(4), np.array([45]))]
    assert [*teach(taught.path, others, HELD_OUT, teacher)] == [(5, 5)]
    assert TaughtFrames.read(taught.path).videos[0].places.tolist() == [0, 1, 2, 3, 45]


def test_targets_are_what_the_teacher_says(taught: TaughtFrames) -> None:
    """A view of the whole frame asks for the teacher's map, and for its places as far as it is sure of them."""
    network = pose_network(PoseSpec("compact_8", 3))
    phase = PosePhase(1, batch_size=3, warm_up=0, crop=256, framing="frames")
    config = PoseConfig(
        name="n", data=(PoseSource(taught=taught.path),), phases=(phase,), net_type="compact_8", augment=PLAIN
    )
    data = open_sources(config)
    assert data.bodyparts == ("red", "green", "blue")
    batch = PoseBatchMaker(data, config, phase, network)(np.random.default_rng(0))
    for image, scoremap, locref in zip(batch.inputs, batch.targets["scoremap"], batch.targets["locref"], strict=True):
        number = clips.read_number(image[2:])  # about: views are moved by a px or two
        (row,) = np.flatnonzero(taught.videos[0].places == number)
        scores = taught.videos[0].scores
        assert scores is not None
        assert np.abs(scoremap[..., 0] - scores[row][: len(scoremap), : scoremap.shape[1]]).mean() < 0.01
        assert (scoremap[..., 1] == 1).all()
        near = locref[..., 2] > 0
        assert near.any(axis=(0, 1)).all()
        assert np.array_equal(locref[..., 2][near], scoremap[..., 0][near])
    assert {each.source: len(each.examples) for each in held_out_examples(data, config)} == {"teacher": 2}


@pytest.mark.parametrize("mirrored", [False, True])
def test_maps_turn_with_their_image(mirrored: bool) -> None:
    """The best cell of a turned map lies where the view shows the best cell of the map."""
    scores = np.zeros((15, 20, 1), np.float32)
    scores[4, 13] = 1.0
    middle = np.array([13.5, 4.5]) * 8
    view = Viewport(96, 128, 1.25, 30.0, mirrored, np.array([80.0, 60.0]), np.array([64.0, 48.0]))
    grid = grid_of(pose_network(PoseSpec("compact_8", 1)), 96, 128)
    seen = seen_scores(scores, 8.0, view, grid)[..., 0]
    expected = view.matrix() @ (*middle, 1.0)
    row, column = np.unravel_index(seen.argmax(), seen.shape)
    assert np.abs(np.array([column + 0.5, row + 0.5]) * 8 - expected).max() <= 8
    assert seen.min() == 0

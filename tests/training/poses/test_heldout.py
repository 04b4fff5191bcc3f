"""Errors on held-out examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from support import clips, labels, trainings
from support.fake_engine import FakeEngine

from posecli.engine.outputs import Maps
from posecli.inference.decode import DecodeOptions
from posecli.model.folder import ModelFolder
from posecli.network.architectures import pose_network
from posecli.network.network import PoseSpec
from posecli.options import EngineOptions
from posecli.training.config import PoseConfig, PosePhase, PoseSource
from posecli.training.objective import ErrorRow
from posecli.training.poses.examples import Example, grid_of, make_targets, open_sources
from posecli.training.poses.objective import MOST_IMAGES, SCENE_FRAMES, HeldOut, Predict, held_out_examples

NETWORK = pose_network(PoseSpec("resnet_50", 3))
DECODE = DecodeOptions(8.0, 7.2801)


def config(*data: PoseSource, held_out: float = 0.5) -> PoseConfig:
    return PoseConfig(name="n", data=data, phases=(PosePhase(10, warm_up=1),), held_out=held_out)


def all_knowing(points: npt.NDArray[np.float64], size: tuple[int, int]) -> Predict:
    """A network that says where the points are, `size` being that of the full image."""

    def predict(images: npt.NDArray[np.uint8]) -> Maps:
        height, width = images.shape[1:3]
        scaled, seen = points * (width / size[1], height / size[0]), np.ones(len(points), np.bool_)
        scoremap, locref = make_targets(scaled, seen, ~seen, grid_of(NETWORK, height, width), scale=0.125)
        return Maps(scoremap[None, ..., 0], locref[None, ..., :2])

    return predict


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.25, 2.0, 0.3])
def test_errors_are_in_px_of_the_full_image_at_every_scale(scale: float) -> None:
    points = clips.dot_centres(3, 120, 160)
    example = Example(clips.numbered_frames(4)[3], points, np.ones(3, bool), np.zeros(3, bool))
    shifted = points + (3.0, 4.0)
    row = HeldOut("labels", (example,)).errors(7, scale, all_knowing(shifted, (120, 160)), DECODE)
    assert row is not None
    assert (row.step, row.source, row.scale, row.points) == (7, "labels", scale, 3)
    assert row.mean_px == pytest.approx(5, abs=1e-4)
    assert row.median_px == pytest.approx(5, abs=1e-4)


def test_points_that_are_not_known_do_not_count() -> None:
    points = clips.dot_centres(3, 120, 160)
    unknown = np.where([[False], [True], [False]], np.nan, points)
    example = Example(clips.numbered_frames(4)[3], unknown, np.array([True, True, False]), np.zeros(3, bool))
    row = HeldOut("labels", (example,)).errors(7, 1.0, all_knowing(points, (120, 160)), DECODE)
    assert row is not None
    assert row.points == 2


def test_points_that_are_hidden_do_not_count() -> None:
    points = clips.dot_centres(3, 120, 160)
    example = Example(clips.numbered_frames(4)[3], points, np.ones(3, bool), np.array([False, True, True]))
    row = HeldOut("trail-tracking", (example,)).errors(7, 1.0, all_knowing(points, (120, 160)), DECODE)
    assert row is not None
    assert row.points == 1


def test_a_scale_that_leaves_no_picture_is_passed_over() -> None:
    example = Example(np.zeros((60, 80, 3), np.uint8), np.full((1, 2), 30.0), np.ones(1, bool), np.zeros(1, bool))
    assert HeldOut("labels", (example,)).errors(1, 0.125, lambda images: pytest.fail("asked"), DECODE) is None


def test_a_few_examples_of_every_source(tmp_path: Path) -> None:
    labels.write_project(tmp_path / "a", 40)
    trainings.write_other_project(tmp_path / "b")
    wanted = config(
        PoseSource(labels=tmp_path / "a"), PoseSource(labels=tmp_path / "b"), PoseSource(scene="trail-tracking")
    )
    wanted = PoseConfig(**(vars(wanted) | {"bodyparts": ("red", "nose", "snout")}))
    data = open_sources(wanted)
    kept = held_out_examples(data, wanted)
    assert [item.source for item in kept] == ["labels", "labels", "trail-tracking"]
    assert [len(item.examples) for item in kept] == [MOST_IMAGES, 4, SCENE_FRAMES]
    assert [item.examples[0].known.tolist() for item in kept] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]


def test_colours_reach_the_network_as_they_are(dots_model: ModelFolder) -> None:
    """The fake engine finds dots by colour: red and blue must not have changed places."""
    points = clips.dot_centres(3, 120, 160)
    example = Example(clips.numbered_frames(4)[3], points, np.ones(3, bool), np.zeros(3, bool))
    engine = FakeEngine(dots_model, (120, 160, 3), EngineOptions(precision="fp32"))
    row = HeldOut("labels", (example,)).errors(1, 1.0, engine, DECODE)
    assert row is not None
    assert row.mean_px < 8


def test_overall_is_the_geometric_mean() -> None:
    rows = [ErrorRow(1, "labels", scale, 4, mean, mean) for scale, mean in ((1.0, 1.0), (0.5, 10.0), (0.25, 100.0))]
    assert ErrorRow.overall(rows) == pytest.approx(10)
    assert ErrorRow.overall([]) == float("inf")

"""A loaded model: frames in, poses out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import clips, networks, projects
from support.fake_engine import FakeEngine

from posecli.engine.outputs import Axes, Maps
from posecli.errors import EngineError, ModelError, UsageError
from posecli.inference.predictor import PoseModel, load_model
from posecli.model.description import ModelDescription
from posecli.model.folder import ModelFolder, write_folder
from posecli.network.network import AxesHead
from posecli.options import DECODERS, DecoderName


@pytest.fixture
def model(dots_model: ModelFolder, fake_engine: type[FakeEngine]) -> PoseModel:
    """The fake engine's."""
    return load_model(dots_model.path)


def test_poses_of_frames(model: PoseModel) -> None:
    pose = model.predict(clips.numbered_frames(11), batch_size=4)
    assert pose.shape == (11, 3, 3)
    assert pose.dtype == np.float64
    truth = np.array([clips.dot_centres(number, 120, 160) for number in range(11)])
    assert np.abs(pose[..., :2] - truth).max() < 8
    assert FakeEngine.calls == [(4, 120, 160, 3), (4, 120, 160, 3), (3, 120, 160, 3)]


def test_batch_size_does_not_change_poses(model: PoseModel) -> None:
    frames = clips.numbered_frames(7)
    assert len({model.predict(frames, batch_size=size).tobytes() for size in (1, 3, 7, 100)}) == 1


def test_no_frames(model: PoseModel) -> None:
    assert model.predict(np.zeros((0, 64, 64, 3), np.uint8)).shape == (0, 3, 3)


@pytest.mark.parametrize(
    ("shape", "kind", "words"),
    [
        ((120, 160, 3), np.uint8, "(120, 160, 3)"),
        ((2, 120, 160), np.uint8, "(2, 120, 160)"),
        ((2, 120, 160, 4), np.uint8, "(2, 120, 160, 4)"),
        ((2, 3, 120, 160), np.uint8, "(2, 3, 120, 160)"),
        ((2, 120, 160, 3), np.float32, "float32"),
    ],
)
def test_other_arrays_are_refused(model: PoseModel, shape: tuple[int, ...], kind: Any, words: str) -> None:
    with pytest.raises(UsageError) as error:
        model.predict(np.zeros(shape, kind))
    assert words in str(error.value)
    assert FakeEngine.calls == []


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batch_size_below_one_is_refused(model: PoseModel, batch_size: int) -> None:
    with pytest.raises(UsageError, match=f"batch size {batch_size}"):
        model.predict(np.zeros((2, 64, 64, 3), np.uint8), batch_size=batch_size)


def test_engine_is_kept_for_frames_of_one_size(model: PoseModel) -> None:
    engine = model.engine(64, 80)
    model.predict(np.zeros((3, 64, 80, 3), np.uint8))
    assert model.engine(64, 80) is engine
    other = model.engine(80, 64)
    assert other is not engine
    assert model.engine(80, 64) is other


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", ["scoremap", "locref"])
def test_output_that_is_nan_or_infinite(model: PoseModel, decoder: DecoderName, value: float, place: str) -> None:
    output = Maps(np.full((1, 4, 4, 3), 0.5, np.float32), np.zeros((1, 4, 4, 3, 2), np.float32))
    assert np.isfinite(model.decode(output, decoder)).all()
    getattr(output, place)[:, 0, 0] = value
    with pytest.raises(EngineError, match="NaN or infinite values"):
        model.decode(output, decoder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_place_of_maps_is_finite_even_without_a_likelihood(model: PoseModel, value: float) -> None:
    output = Maps(np.zeros((1, 4, 4, 3), np.float32), np.full((1, 4, 4, 3, 2), value, np.float32))
    with pytest.raises(EngineError, match="NaN or infinite values"):
        model.decode(output)


def axes_model(tmp_path: Path) -> PoseModel:
    """A network that looks along axes, for frames of 64x32 px."""
    layout = {"deepen_factor": 0.1, "widen_factor": 0.125, "heads": {"axes": {"size": [32, 64], "hidden": 8}}}
    description = ModelDescription("cspnext_s", ("a", "b"), "DLC_axes", location_refinement=False, layout=layout)
    shapes = description.network.variable_shapes()
    weights = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    return PoseModel(write_folder(tmp_path / "axes", description, weights))


def test_network_of_one_frame_size_refuses_others(tmp_path: Path, fake_engine: type[FakeEngine]) -> None:
    model = axes_model(tmp_path)
    assert model.description.stride == 0.5
    model.engine(32, 64)
    with pytest.raises(UsageError, match="takes frames of 64x32 px, not 100x80: it was trained on crops"):
        model.predict(np.zeros((2, 80, 100, 3), np.uint8))


def test_part_that_is_not_seen_need_not_have_a_place(tmp_path: Path) -> None:
    model = axes_model(tmp_path)
    scores = np.zeros((1, 2, 64), np.float32)
    scores[:, 1, 7] = 9.0
    head = model.description.network.head
    assert isinstance(head, AxesHead)
    pose = model.decode(Axes(scores, scores, head))[0, :, 0]
    np.testing.assert_array_equal(pose[0], [np.nan, np.nan, 0.0])
    np.testing.assert_array_equal(pose[1, :2], [3.5, 3.5])
    scores[0, 0, 0] = np.nan
    with pytest.raises(EngineError, match="NaN or infinite values"):
        model.decode(Axes(scores, scores, head))


def test_description(model: PoseModel, dots_model: ModelFolder) -> None:
    assert model.description == dots_model.description


def test_place_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere' does not exist"):
        load_model(str(tmp_path / "nowhere"))


@pytest.mark.slow
def test_whole_way_from_a_deeplabcut_project(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    projects.write_project(tmp_path)
    projects.write_model_directory(tmp_path, checkpoint=projects.trained_checkpoint(tmp_path_factory.getbasetemp()))
    frames = np.random.default_rng(4).integers(0, 256, (3, 64, 96, 3), np.uint8)
    pose = load_model(tmp_path).predict(frames, batch_size=2)
    assert pose.shape == (3, 4, 3)
    assert pose.dtype == np.float64
    assert ((pose[..., 2] > 0) & (pose[..., 2] < 1)).all()
    assert len(np.unique(pose[..., 0])) > 3


def test_weights_that_are_nan(tmp_path: Path) -> None:
    with networks.tiny_resnet() as name:
        weights = projects.random_weights(name) | {"pose/part_pred/block4/biases": np.full(4, np.nan, np.float32)}
        description = ModelDescription(name, projects.BODYPARTS, projects.SCORER)
        model = load_model(write_folder(tmp_path / "model", description, weights).path)
        with pytest.raises(EngineError, match="check its weights"):
            model.predict(np.zeros((1, 32, 32, 3), np.uint8))

"""The OpenVINO engine: the same network as TensorFlow's, and no TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from support import networks, projects

from posecli.engine import engine_obstacle, open_engine
from posecli.engine.openvino import FoldedGraph, OpenVINOEngine
from posecli.engine.outputs import Maps
from posecli.errors import EngineError
from posecli.model.folder import ModelFolder
from posecli.options import EngineOptions

FP32 = EngineOptions("openvino", "fp32")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelFolder]:
    with networks.tiny_resnet() as name:
        yield projects.new_model_folder(tmp_path_factory.mktemp("tiny"), name)


@pytest.fixture(scope="module")
def full_model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return projects.model_folder(tmp_path_factory.getbasetemp())


def frames(count: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(height + width).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def relative_difference(found: Maps, expected: Maps) -> float:
    assert found.locref is not None
    assert expected.locref is not None
    assert found.scoremap.shape == expected.scoremap.shape
    assert found.locref.shape == expected.locref.shape
    return float(
        max(
            np.abs(found.scoremap - expected.scoremap).max(),
            np.abs(found.locref - expected.locref).max() / np.abs(expected.locref).max(),
        )
    )


@pytest.mark.parametrize(("height", "width"), [(64, 96), (65, 97), (79, 48), (120, 160)])
def test_fp32_is_the_tensorflow_engine_s(model: ModelFolder, height: int, width: int) -> None:
    assert_engines_agree(model, height, width)


@pytest.mark.slow
def test_fp32_is_the_tensorflow_engine_s_at_full_size(full_model: ModelFolder) -> None:
    assert_engines_agree(full_model, 64, 96)


def assert_engines_agree(model: ModelFolder, height: int, width: int) -> None:
    images = frames(2, height, width)
    expected = open_engine(model, (height, width, 3), EngineOptions("tensorflow"))(images)
    found = open_engine(model, (height, width, 3), FP32)(images)
    assert relative_difference(found, expected) < 2e-5


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_any_number_of_frames_in_order(model: ModelFolder, count: int) -> None:
    engine = open_engine(model, (64, 96, 3), EngineOptions("openvino", "fp32", threads=2))
    images = frames(8, 64, 96)
    whole, part = engine(images), engine(images[:count])
    np.testing.assert_allclose(part.scoremap, whole.scoremap[:count], atol=1e-5)


def test_a_larger_batch_after_a_smaller_one(model: ModelFolder) -> None:
    engine = open_engine(model, (64, 96, 3), EngineOptions("openvino", "fp32", threads=2))
    images = frames(8, 64, 96)
    first, whole, again = engine(images[:1]), engine(images), engine(images[:1])
    np.testing.assert_allclose(first.scoremap, whole.scoremap[:1], atol=1e-5)
    np.testing.assert_allclose(again.scoremap, whole.scoremap[:1], atol=1e-5)


def test_streams_follow_the_batch(model: ModelFolder) -> None:
    engine = OpenVINOEngine(model, (64, 96, 3), EngineOptions("openvino", "fp32", threads=2))
    layouts = []
    for batch_size in (8, 1, 3):
        engine.warm_up(batch_size)
        assert engine._network is not None
        layouts.append(engine._network.streams)
    assert layouts == [2, 1, 2]


def test_results_are_the_caller_s_own(model: ModelFolder) -> None:
    engine = open_engine(model, (64, 96, 3), FP32)
    first = engine(frames(2, 64, 96))
    before = first.scoremap.copy()
    engine(np.zeros((2, 64, 96, 3), np.uint8))
    np.testing.assert_array_equal(first.scoremap, before)


def test_bf16_is_near_and_not_the_same(model: ModelFolder) -> None:
    options = EngineOptions("openvino", "bf16")
    obstacle = engine_obstacle(model, options)
    if obstacle is not None:
        pytest.skip(obstacle)
    images = frames(2, 64, 96)
    difference = relative_difference(
        open_engine(model, (64, 96, 3), options)(images), open_engine(model, (64, 96, 3), FP32)(images)
    )
    assert 1e-5 < difference < 0.2


def test_precision_that_the_processor_would_imitate_is_refused(
    model: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from posecli.engine import openvino as engine_module

    class OldProcessor:
        def get_property(self, device: str, name: str) -> object:
            return {"OPTIMIZATION_CAPABILITIES": ["FP32", "INT8"], "FULL_DEVICE_NAME": "Old CPU"}[name]

    monkeypatch.setattr(engine_module, "openvino_core", OldProcessor)
    with pytest.raises(EngineError, match=r"\(Old CPU\) does not compute in bf16: choose --precision auto or fp32"):
        open_engine(model, (64, 96, 3), EngineOptions("openvino", "bf16"))


def test_multiplications_of_every_convolution(full_model: ModelFolder) -> None:
    counted = FoldedGraph(full_model).network.multiplications((480, 640))
    assert set(counted) == {*full_model.description.network.int8_candidates(), "pose/heads"}
    assert counted["resnet_v1_50/conv1"] == 240 * 320 * 7 * 7 * 3 * 64
    assert counted["resnet_v1_50/block4/unit_1/bottleneck_v1/shortcut"] == 30 * 40 * 1024 * 2048


def test_info(model: ModelFolder) -> None:
    info = open_engine(model, (64, 96, 3), EngineOptions("openvino", "fp32", threads=1)).info
    assert (info.name, info.device, info.precision, info.threads) == ("openvino", "CPU", "fp32", 1)


@pytest.mark.slow
def test_tensorflow_is_not_imported(full_model: ModelFolder) -> None:
    program = (
        "import sys, numpy as np; from posecli import load_model, EngineOptions; "
        "model = load_model(sys.argv[1], EngineOptions(threads=1)); "
        "assert model.predict(np.zeros((3, 64, 96, 3), np.uint8)).shape == (3, 4, 3); "
        "print([name for name in ('tensorflow', 'keras', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(full_model.path)], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")

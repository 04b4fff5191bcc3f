"""The TensorFlow engine: any number of frames through one graph, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support import networks, projects
from support.networks import by_keras

from posecli.engine import open_engine
from posecli.engine.tensorflow import TensorFlowEngine
from posecli.errors import EngineError, ModelError
from posecli.model.folder import WEIGHTS_FILE, ModelFolder
from posecli.network.architectures import pose_network
from posecli.network.network import PoseSpec
from posecli.options import EngineOptions
from posecli.support.tensorflow import import_tensorflow

HEIGHT, WIDTH = 48, 65


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelFolder]:
    with networks.tiny_resnet() as name:
        yield projects.new_model_folder(tmp_path_factory.mktemp("tiny"), name)


@pytest.fixture(scope="module")
def engine(model: ModelFolder) -> TensorFlowEngine:
    engine = open_engine(model, (HEIGHT, WIDTH, 3), EngineOptions("tensorflow"))
    assert isinstance(engine, TensorFlowEngine)
    return engine


def frames(count: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (count, HEIGHT, WIDTH, 3), np.uint8)


def test_output(engine: TensorFlowEngine) -> None:
    output = engine(frames(2))
    assert output.locref is not None
    assert output.scoremap.shape == (2, 6, 10, 4)
    assert output.locref.shape == (2, 6, 10, 4, 2)
    assert output.scoremap.dtype == output.locref.dtype == np.float32
    assert 0 < output.scoremap.min() < output.scoremap.max() < 1


def test_a_frame_s_result_does_not_depend_on_its_batch(engine: TensorFlowEngine) -> None:
    images = frames(8)
    whole = engine(images)
    assert np.ptp(whole.scoremap, axis=0).max() > 0.01, "the frames must differ for this to mean anything"
    assert whole.locref is not None
    for size in (1, 3):
        parts = [engine(images[start : start + size]) for start in range(0, 8, size)]
        np.testing.assert_allclose(np.concatenate([part.scoremap for part in parts]), whole.scoremap, atol=1e-4)
        locref = np.concatenate([part.locref for part in parts if part.locref is not None])
        np.testing.assert_allclose(locref, whole.locref, atol=1e-4 * np.abs(whole.locref).max())


def test_engine_is_the_network(engine: TensorFlowEngine) -> None:
    network = pose_network(PoseSpec(networks.TINY, 4))
    expected = by_keras(network, projects.random_weights(networks.TINY), frames(1))["scoremap"]
    np.testing.assert_allclose(engine(frames(1)).scoremap, expected, atol=1e-4)


def test_network_is_traced_once(model: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    from posecli.engine import keras_own_layers

    calls = []
    convolve = keras_own_layers.DilatedConv2D.call

    def counted(layer: Any, inputs: Any) -> Any:
        calls.append(layer.name)
        return convolve(layer, inputs)

    monkeypatch.setattr(keras_own_layers.DilatedConv2D, "call", counted)
    engine = open_engine(model, (32, 32, 3), EngineOptions("tensorflow"))
    traced = len(calls)
    assert traced > 0
    engine.warm_up(8)
    for count in (1, 3, 8):
        assert engine(np.zeros((count, 32, 32, 3), np.uint8)).scoremap.shape[0] == count
    assert len(calls) == traced


def test_network_without_location_refinement(tmp_path: Path) -> None:
    with networks.tiny_resnet() as name:
        model = projects.new_model_folder(tmp_path, name, location_refinement=False)
    output = open_engine(model, (32, 32, 3), EngineOptions("tensorflow"))(np.zeros((1, 32, 32, 3), np.uint8))
    assert output.scoremap.shape == (1, 4, 4, 4)
    assert output.locref is None


def test_info(engine: TensorFlowEngine) -> None:
    info = engine.info
    assert (info.name, info.version, info.precision) == ("tensorflow", import_tensorflow().__version__, "fp32")
    assert info.device in ("CPU", "GPU")
    assert info.threads >= 1


def test_threads_cannot_change_once_tensorflow_runs(model: ModelFolder, engine: TensorFlowEngine) -> None:
    with pytest.raises(EngineError, match="cannot change to 3 threads"):
        open_engine(model, (HEIGHT, WIDTH, 3), EngineOptions("tensorflow", threads=3))


def test_keras_backend_of_another_kind(model: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(EngineError, match=r"'jax'.*unset KERAS_BACKEND"):
        open_engine(model, (HEIGHT, WIDTH, 3), EngineOptions("tensorflow"))


def test_keras_that_already_runs_on_another_backend(model: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keras.backend.backend", lambda: "torch")
    with pytest.raises(EngineError, match="'torch'"):
        open_engine(model, (HEIGHT, WIDTH, 3), EngineOptions("tensorflow"))


def test_not_enough_memory(engine: TensorFlowEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_: object) -> None:
        raise import_tensorflow().errors.ResourceExhaustedError(None, None, "OOM when allocating")

    monkeypatch.setattr(engine, "_function", exhausted)
    with pytest.raises(EngineError, match=r"5 frames of 65x48 px: choose a smaller --batchsize"):
        engine(frames(5))


def test_damaged_weights_are_refused_before_anything_is_built(
    tmp_path: Path, model: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posecli.engine.tensorflow.import_tensorflow", None)
    (tmp_path / WEIGHTS_FILE).write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be read"):
        open_engine(ModelFolder(tmp_path, model.description), (HEIGHT, WIDTH, 3), EngineOptions("tensorflow"))


@pytest.mark.slow
def test_threads_and_backend_are_set_before_tensorflow_runs(tmp_path: Path) -> None:
    """In a process of its own, of a user whose Keras settings name a backend that is not installed."""
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "jax"}))
    code = (
        "import sys, numpy as np; from posecli import EngineOptions, load_model; "
        "model = load_model(sys.argv[1], EngineOptions('tensorflow', threads=1)); "
        "assert model.predict(np.zeros((1, 32, 32, 3), np.uint8)).shape == (1, 4, 3); "
        "print(model.engine(32, 32).info.threads)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(projects.model_folder(tmp_path).path)],
        env=environment | {"KERAS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    assert done.stderr == "", "TensorFlow's notices must not reach the terminal"

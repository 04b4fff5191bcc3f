"""Networks for behaviours on real engines: OpenVINO says what Keras says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from posecli.engine import open_engine
from posecli.engine.openvino import FoldedGraph
from posecli.engine.outputs import Logits
from posecli.inference.predictor import ClipModel, load_clip_model
from posecli.model.description import BEHAVIOURS, ClipDescription
from posecli.model.folder import ClipModelFolder, write_folder, write_int8
from posecli.network.int8 import Int8Plan
from posecli.options import EngineOptions

SHAPE = (9, 40, 48, 3)


def random_weights(description: ClipDescription, seed: int = 3) -> dict[str, npt.NDArray[np.float32]]:
    """Weights that keep activations near one through all layers."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in description.network.variable_shapes().items():
        if name.endswith("/w"):
            tensor = rng.standard_normal(shape, np.float32) * np.sqrt(2 / np.prod(shape[:4]))
        elif name.endswith("moving_variance"):
            tensor = rng.uniform(0.5, 1.5, shape)
        else:
            tensor = 0.1 * rng.standard_normal(shape)
        weights[name] = tensor.astype(np.float32)
    return weights


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ClipModelFolder:
    description = ClipDescription(BEHAVIOURS, "I3D_random_0", width=0.25, length=9, stride=9)
    return write_folder(tmp_path_factory.mktemp("i3d") / "model", description, random_weights(description))


@pytest.fixture(scope="module")
def chunks() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (3, *SHAPE), np.uint8)


@pytest.mark.slow
def test_openvino_is_keras(model: ClipModelFolder, chunks: npt.NDArray[np.uint8]) -> None:
    expected = open_engine(model, SHAPE, EngineOptions("tensorflow", "fp32"))(chunks)
    found = open_engine(model, SHAPE, EngineOptions("openvino", "fp32"))(chunks)
    assert isinstance(found, Logits)
    assert found.logits.shape == (3, len(BEHAVIOURS))
    assert np.ptp(expected.logits) > 0.1, "or agreement would say nothing"
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-4)


def test_a_chunk_s_result_does_not_depend_on_its_batch(model: ClipModelFolder, chunks: npt.NDArray[np.uint8]) -> None:
    engine = open_engine(model, SHAPE, EngineOptions("openvino", "fp32"))
    together = engine(chunks).logits
    alone = np.concatenate([engine(chunk[None]).logits for chunk in chunks])
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_eight_bits(model: ClipModelFolder, chunks: npt.NDArray[np.uint8]) -> None:
    ranges = {
        scope: (min(low, 0.0), max(high, 1e-3))
        for scope, (low, high) in FoldedGraph(model).entering_ranges(chunks).items()
    }
    write_int8(model, Int8Plan(ranges), {})
    exact = load_clip_model(model.path, EngineOptions(precision="fp32")).predict(chunks)
    rounded = ClipModel(model, EngineOptions(precision="int8")).predict(chunks)
    assert 0 < np.abs(rounded - exact).max() < 0.1
    np.testing.assert_allclose(rounded.sum(axis=1), 1)

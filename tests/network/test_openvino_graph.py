"""The OpenVINO graph: eight bits where the plan says so, and what calibration sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import projects

from posecli.network.folding import fold_batch_norm
from posecli.network.int8 import Int8Plan
from posecli.network.openvino_graph import build_calibration_graph, build_openvino_graph, subpixel_kernel
from posecli.network.openvino_runtime import openvino_core
from posecli.network.spec import PoseNetworkSpec
from posecli.network.variables import convolutions

SPEC = PoseNetworkSpec("resnet_50", 4, (123.68, 116.779, 103.939))
SCOPES = [conv.scope for conv in convolutions("resnet_50")]


@pytest.fixture(scope="module")
def weights() -> projects.Tensors:
    return fold_batch_norm(projects.weights(), "resnet_50", 4)


@pytest.fixture(scope="module")
def ranges(weights: projects.Tensors) -> dict[str, tuple[float, float]]:
    model, scopes = build_calibration_graph(SPEC, weights, 64, 96)
    outputs = openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(frames())
    return {
        scope: (float(min(outputs[place].min(), 0)), float(outputs[place].max())) for place, scope in enumerate(scopes)
    }


def frames() -> Any:
    return np.random.default_rng(5).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)


def convolution_types(weights: projects.Tensors, plan: Int8Plan | None) -> list[str]:
    """The arithmetic of every convolution as OpenVINO runs it, heads excepted."""
    model = build_openvino_graph(SPEC, weights, 64, 96, plan)
    compiled = openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    nodes = compiled.get_runtime_model().get_ordered_ops()
    infos = [node.get_rt_info() for node in nodes if node.get_friendly_name() != "pose/heads"]
    return [info["runtimePrecision"].astype(str) for info in infos if info["layerType"].astype(str) == "Convolution"]


def test_a_subpixel_convolution_is_the_transposed_one() -> None:
    rng = np.random.default_rng(3)
    kernel = rng.normal(size=(3, 3, 2, 5)).astype(np.float32)
    cells = rng.normal(size=(5, 4, 3))
    expected = np.zeros((2, 2 * 4 + 1, 2 * 3 + 1))
    for row, column, y, x in np.ndindex(4, 3, 3, 3):
        expected[:, 2 * row + y, 2 * column + x] += kernel[y, x] @ cells[:, row, column]
    before = np.pad(cells, ((0, 0), (1, 0), (1, 0)))  # cells before the first are nothing
    subpixel = subpixel_kernel(kernel).reshape(2, 2, 2, 5, 2, 2)
    found = np.zeros((2, 8, 6))
    for row, column in np.ndindex(4, 3):
        window = before[:, row : row + 2, column : column + 2]
        for y, x in np.ndindex(2, 2):
            found[:, 2 * row + y, 2 * column + x] = np.einsum("cdyx,dyx->c", subpixel[y, x], window)
    np.testing.assert_allclose(found, expected[:, :-1, :-1], rtol=1e-5)


def test_heads_hand_on_float32_whatever_they_compute_in(weights: projects.Tensors) -> None:
    """Rounded to bf16, cells of a scoremap would tie."""
    model = build_openvino_graph(SPEC, weights, 64, 96)
    compiled = openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})
    (heads,) = [
        node for node in compiled.get_runtime_model().get_ordered_ops() if node.get_friendly_name() == "pose/heads"
    ]
    assert heads.get_rt_info()["outputPrecisions"].astype(str) == "f32"


def test_calibration_sees_what_enters_every_convolution(ranges: dict[str, tuple[float, float]]) -> None:
    assert sorted(ranges) == sorted(SCOPES)
    assert ranges[SCOPES[0]][0] < -100  # the picture, its mean taken off
    for scope in SCOPES[1:]:
        assert ranges[scope][0] == 0  # all others come behind a rectifier
        assert ranges[scope][1] > 0


def test_convolutions_of_the_plan_compute_in_eight_bits(
    weights: projects.Tensors, ranges: dict[str, tuple[float, float]]
) -> None:
    assert set(convolution_types(weights, None)) == {"f32"}
    whole = convolution_types(weights, Int8Plan(ranges))
    assert len(whole) == len(SCOPES)
    assert sum(kind in ("u8", "i8") for kind in whole) >= len(SCOPES) - 1
    some = convolution_types(weights, Int8Plan(ranges).without(frozenset(SCOPES[10:])))
    assert sum(kind in ("u8", "i8") for kind in some) <= 10


def test_eight_bits_are_near(weights: projects.Tensors, ranges: dict[str, tuple[float, float]]) -> None:
    outputs = [
        openvino_core().compile_model(
            build_openvino_graph(SPEC, weights, 64, 96, plan), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )(frames())
        for plan in (None, Int8Plan(ranges))
    ]
    exact, rounded = (output[1] for output in outputs)
    difference = np.sqrt(np.mean((rounded - exact) ** 2)) / exact.std()
    assert 1e-4 < difference < 0.2

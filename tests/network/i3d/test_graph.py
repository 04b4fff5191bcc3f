"""The OpenVINO graph: the same logits as Keras, eight bits where the plan says so, and what calibration sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from network.i3d import reference

from posecli.network.i3d import graph
from posecli.network.i3d.folding import fold_batch_norm
from posecli.network.i3d.graph import build_i3d_calibration_graph, build_i3d_graph
from posecli.network.i3d.variables import LOGITS, I3DSpec, units
from posecli.network.int8 import Int8Plan
from posecli.network.openvino_runtime import openvino_core

NARROW = I3DSpec(9, width=0.25)
SCOPES = [unit.scope for unit in units(NARROW)]
SIZE = (16, 64, 64)

Folded = dict[str, npt.NDArray[np.float32]]


def chunks(*shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), dtype=np.uint8)


def compiled(model: Any) -> Any:
    return openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


@pytest.fixture(scope="module")
def folded() -> Folded:
    return fold_batch_norm(NARROW, reference.random_weights(NARROW))


@pytest.fixture(scope="module")
def network(folded: Folded) -> Any:
    """The Keras network, for chunks of any size."""
    from posecli.network.i3d.layers import assign_weights, build_i3d

    network = build_i3d(NARROW)
    assign_weights(network, folded)
    return network


@pytest.fixture(scope="module")
def ranges(folded: Folded) -> dict[str, tuple[float, float]]:
    model, scopes = build_i3d_calibration_graph(NARROW, folded, *SIZE)
    outputs = compiled(model)(chunks(2, *SIZE))
    return {
        scope: (float(min(outputs[place].min(), 0)), float(outputs[place].max())) for place, scope in enumerate(scopes)
    }


def layers(network: Any, kind: str, about: str) -> list[str]:
    """What OpenVINO says about every layer of one kind, as it runs it."""
    infos = [node.get_rt_info() for node in network.get_runtime_model().get_ordered_ops()]
    return [info[about].astype(str) for info in infos if info["layerType"].astype(str) == kind]


def arithmetic(network: Any, kind: str) -> list[str]:
    return layers(network, kind, "runtimePrecision")


@pytest.mark.parametrize("size", [(16, 64, 64), (9, 48, 80), (17, 65, 50), (12, 33, 97), (1, 32, 32), (33, 40, 70)])
@pytest.mark.parametrize("batch", [1, 3])
def test_same_logits_as_keras(network: Any, folded: Folded, size: tuple[int, int, int], batch: int) -> None:
    frames = chunks(batch, *size)
    expected = np.asarray(network(frames))
    found = compiled(build_i3d_graph(NARROW, folded, *size))(frames)[0]
    assert found.shape == (batch, 9)
    assert found.dtype == np.float32
    assert expected.std(axis=1).min() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.slow
def test_same_logits_as_keras_at_the_published_width() -> None:
    from posecli.network.i3d.layers import assign_weights, build_i3d

    spec = I3DSpec(9)
    folded = fold_batch_norm(spec, reference.random_weights(spec))
    network = build_i3d(spec, 16, 112, 112)
    assign_weights(network, folded)
    frames = chunks(1, 16, 112, 112)
    found = compiled(build_i3d_graph(spec, folded, 16, 112, 112))(frames)[0]
    assert found.std() > 0.1
    np.testing.assert_allclose(found, np.asarray(network(frames)), atol=1e-4)


def test_calibration_sees_what_enters_every_convolution(ranges: dict[str, tuple[float, float]]) -> None:
    assert list(ranges) == SCOPES
    assert ranges[SCOPES[0]] == pytest.approx((-1, 1))
    for scope in SCOPES[1:]:
        assert ranges[scope][0] == 0  # all others come behind a rectifier
        assert ranges[scope][1] > 0


def test_convolutions_of_the_plan_compute_in_eight_bits(folded: Folded, ranges: dict[str, tuple[float, float]]) -> None:
    assert set(arithmetic(compiled(build_i3d_graph(NARROW, folded, *SIZE)), "Convolution")) == {"f32"}
    whole = compiled(build_i3d_graph(NARROW, folded, *SIZE, Int8Plan(ranges)))
    kinds = arithmetic(whole, "Convolution")
    assert len(kinds) == len(SCOPES) + 1
    assert len(SCOPES) - 1 <= sum(kind in ("u8", "i8") for kind in kinds) <= len(SCOPES)
    some = Int8Plan(ranges).without(frozenset(SCOPES[10:]))
    kinds = arithmetic(compiled(build_i3d_graph(NARROW, folded, *SIZE, some)), "Convolution")
    assert 1 <= sum(kind in ("u8", "i8") for kind in kinds) <= 10


def test_maps_between_them_are_joined_and_pooled_in_eight_bits(
    folded: Folded, ranges: dict[str, tuple[float, float]]
) -> None:
    whole = compiled(build_i3d_graph(NARROW, folded, *SIZE, Int8Plan(ranges)))
    assert arithmetic(whole, "FakeQuantize") == []
    assert arithmetic(whole, "Concatenation").count("u8") == 8  # the last leads to the logits
    assert arithmetic(whole, "Pooling").count("u8") == 13  # without the average


def test_large_maps_are_pooled_in_parts(
    folded: Folded, ranges: dict[str, tuple[float, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compiled(build_i3d_graph(NARROW, folded, *SIZE, Int8Plan(ranges)))
    monkeypatch.setattr(graph, "_LARGEST_POOLED", 20_000)
    parted = compiled(build_i3d_graph(NARROW, folded, *SIZE, Int8Plan(ranges)))
    assert len(layers(parted, "Pooling", "primitiveType")) > len(layers(whole, "Pooling", "primitiveType"))
    frames = chunks(2, *SIZE)
    np.testing.assert_array_equal(parted(frames)[0], whole(frames)[0])


def test_no_pooling_of_the_papers_chunks_takes_openvinos_plain_loop() -> None:
    published = I3DSpec(9)
    plan = Int8Plan({unit.scope: (-1.0, 4.0) for unit in units(published)})
    whole = fold_batch_norm(published, reference.random_weights(published))
    network = compiled(build_i3d_graph(published, whole, 64, 480, 640, plan))
    assert not [kind for kind in layers(network, "Pooling", "primitiveType") if kind.startswith("ref")]


def test_the_logits_are_never_in_eight_bits(folded: Folded, ranges: dict[str, tuple[float, float]]) -> None:
    alone = compiled(build_i3d_graph(NARROW, folded, *SIZE, Int8Plan({LOGITS: (0.0, 4.0)})))
    assert set(arithmetic(alone, "Convolution")) == {"f32"}


@pytest.mark.parametrize("kept", [(), SCOPES[1:4], SCOPES[5::3]], ids=["none", "early", "here and there"])
def test_eight_bits_are_near(folded: Folded, ranges: dict[str, tuple[float, float]], kept: tuple[str, ...]) -> None:
    plan = Int8Plan(ranges).without(frozenset(kept))
    frames = chunks(2, *SIZE)
    exact, rounded = (compiled(build_i3d_graph(NARROW, folded, *SIZE, version))(frames)[0] for version in (None, plan))
    difference = np.sqrt(np.mean((rounded - exact) ** 2)) / exact.std()
    assert 1e-4 < difference < 0.2

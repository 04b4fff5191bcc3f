"""Batch normalisation folded into what is before it, and heads that become one convolution."""

from __future__ import annotations

import numpy as np
import pytest
from support import i3d_reference, networks, projects
from support.networks import any_weights, by_keras, by_openvino, pictures

from posecli.network.architectures import pose_network
from posecli.network.folding import fold_batch_norm, merge_heads
from posecli.network.i3d import I3DSpec, i3d
from posecli.network.network import FRAMES, ClassHead, Network, PoseSpec, Scaling
from posecli.network.operations import (
    Activation,
    Add,
    BatchNormalization,
    Concatenate,
    Convolution,
    Dense,
    DepthwiseConvolution,
    GlobalAverage,
    Operation,
    TransposedConvolution,
    Weighted,
)

X = (FRAMES,)
SCALING = Scaling(1 / 64)
KINDS: list[Weighted] = [
    Convolution("y", X, (3, 3), "k", 4),
    Convolution("y", X, (3, 3), "k", 4, bias="b"),
    DepthwiseConvolution("y", X, (3, 3), "k"),
    TransposedConvolution("y", X, (3, 3), "k", 4, (2, 2), bias="b"),
    Dense("y", ("mean",), (), "k", 4),
]


def normalised(operation: Weighted, *others: Operation, gamma: str | None = "gamma") -> Network:
    norm = BatchNormalization("norm", ("y",), gamma, "beta", "mean_", "variance", 1e-3)
    before = (GlobalAverage("mean", X),) if isinstance(operation, Dense) else ()
    return Network("normalised", (*before, operation, norm, *others), ClassHead("norm"), SCALING)


@pytest.mark.parametrize("gamma", ["gamma", None])
@pytest.mark.parametrize("operation", KINDS, ids=lambda operation: type(operation).__name__)
def test_a_folded_network_computes_the_same(operation: Weighted, gamma: str | None) -> None:
    network = normalised(operation, gamma=gamma)
    weights, images = any_weights(network), pictures(2, 5, 6)
    folded, tensors = fold_batch_norm(network, weights)
    assert not any(isinstance(each, BatchNormalization) for each in folded.operations)
    assert tensors.keys() == {"k", "y/folded"}
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float32)}
    expected = by_openvino(network, weights, images)["norm"]
    np.testing.assert_allclose(by_openvino(folded, tensors, images)["y"], expected, rtol=1e-4, atol=1e-4)


def test_epsilon_counts_where_the_variance_is_small() -> None:
    network = normalised(KINDS[0])
    weights = any_weights(network)
    weights["variance"][:] = 0
    _, tensors = fold_batch_norm(network, weights)
    np.testing.assert_allclose(tensors["k"], weights["k"] * weights["gamma"] / np.sqrt(1e-3), rtol=1e-6)


def test_a_map_that_others_take_before_it_is_normalised_is_left() -> None:
    network = normalised(KINDS[0], Add("sum", ("y", "norm")))
    folded, tensors = fold_batch_norm(network, any_weights(network))
    assert folded == network
    assert tensors.keys() == network.variable_shapes().keys()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["resnet", pytest.param("i3d", marks=pytest.mark.slow)])
def test_whole_networks(kind: str) -> None:
    with networks.tiny_resnet() as name:
        network = pose_network(PoseSpec(name, 4)) if kind == "resnet" else i3d(I3DSpec(5, 0.1))
        weights = projects.random_weights(name) if kind == "resnet" else i3d_reference.random_weights(I3DSpec(5, 0.1))
    images = pictures(2, *(65, 97) if kind == "resnet" else (9, 33, 40))
    folded, tensors = fold_batch_norm(network, weights)
    expected, found = by_keras(network, weights, images), by_keras(folded, tensors, images)
    for name in network.outputs:
        assert expected[name].std() > 0.05, "a saturated network would show nothing"
        np.testing.assert_allclose(found[name], expected[name], atol=3e-5 * np.abs(expected[name]).max())


def heads(*channels: int, features: str = FRAMES) -> Network:
    operations: list[Operation] = [
        TransposedConvolution(f"head{n}", (features,), (3, 3), f"k{n}", count, (2, 2), bias=f"b{n}")
        for n, count in enumerate(channels)
    ]
    joined = [Activation(f"out{n}", (f"head{n}",), "sigmoid") for n in range(len(channels))]
    outputs = tuple(each.name for each in joined)
    return Network("heads", (*operations, *joined), ClassHead(outputs[0]), SCALING, outputs=outputs)


@pytest.mark.parametrize("channels", [(4,), (3, 6), (1, 2, 3)])
def test_merged_heads_compute_the_same(channels: tuple[int, ...]) -> None:
    network = heads(*channels)
    weights, images = any_weights(network), pictures(2, 5, 6)
    merged, tensors = merge_heads(network, weights)
    assert [type(each).__name__ for each in merged.operations].count("Convolution") == 1
    assert not any(isinstance(each, TransposedConvolution) for each in merged.operations)
    expected, found = by_openvino(network, weights, images), by_openvino(merged, tensors, images)
    for name in network.outputs:
        assert found[name].shape[1:3] == (10, 12)
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)


def test_networks_without_such_heads_are_left() -> None:
    network = normalised(KINDS[0])
    assert merge_heads(network, any_weights(network))[0] == network


def test_merged_heads_hand_on_float32_whatever_they_compute_in() -> None:
    """Rounded to bf16, cells of a scoremap would tie."""
    network = heads(3, 6)
    model = networks.compiled(*merge_heads(network, any_weights(network)), (8, 8), "bf16")
    (node,) = [each for each in model.get_runtime_model().get_ordered_ops() if each.get_friendly_name() == "pose/heads"]
    assert node.get_rt_info()["outputPrecisions"].astype(str) == "f32"


@pytest.mark.parametrize("channels", [(3,), (3, 5, 2)])
def test_features_that_are_doubled_exactly_are_made_by_one_convolution(channels: tuple[int, ...]) -> None:
    cut = ((1, 0), (1, 0))
    doubled = [
        TransposedConvolution(f"d{i}", (FRAMES,), (3, 3), f"k{i}", count, (2, 2), cut, bias=f"b{i}")
        for i, count in enumerate(channels)
    ]
    joined = Concatenate("joined", tuple(each.name for each in doubled))
    network = Network("doubled", (*doubled, joined), ClassHead("joined"), Scaling(1 / 64))
    weights, images = any_weights(network), pictures(2, 5, 7)
    merged, tensors = merge_heads(network, weights)
    assert not any(isinstance(each, TransposedConvolution) for each in merged.operations)
    assert merged.shapes((5, 7))["joined"] == (10, 14, sum(channels))
    assert list(merged.int8_candidates()) == ["pose/doubled"]
    expected = networks.by_keras(network, weights, images)["joined"]
    found = networks.by_openvino(merged, tensors, images)["joined"]
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())

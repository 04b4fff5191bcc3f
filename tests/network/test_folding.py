"""Batch normalisation folded into convolutions: the formula, and the whole network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import projects

from posecli.network.folding import fold_batch_norm
from posecli.network.pose import assign_weights, build_pose_network
from posecli.network.spec import PoseNetworkSpec
from posecli.network.variables import convolutions

SPEC = PoseNetworkSpec("resnet_50", 4, (123.68, 116.779, 103.939))


@pytest.fixture(scope="module")
def folded() -> projects.Tensors:
    return fold_batch_norm(projects.weights(), "resnet_50", 4)


@pytest.fixture(scope="module")
def networks(folded: projects.Tensors) -> tuple[Any, Any]:
    """The same network with and without batch-normalisation layers, for frames of any size."""
    pair = build_pose_network(SPEC, batch_norm=True), build_pose_network(SPEC)
    for network, weights in zip(pair, (projects.weights(), folded), strict=True):
        assign_weights(network, weights)
    return pair


def test_formula_of_one_convolution(folded: projects.Tensors) -> None:
    scope = "resnet_v1_50/block2/unit_1/bottleneck_v1/conv2"
    weights = projects.weights()
    gamma, beta, mean, variance = (
        weights[f"{scope}/BatchNorm/{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    patch = np.random.default_rng(0).standard_normal((3, 3, 128))
    convolved = np.einsum("ijc,ijck->k", patch, weights[f"{scope}/weights"])
    expected = gamma * (convolved - mean) / np.sqrt(variance + 1e-5) + beta
    found = np.einsum("ijc,ijck->k", patch, folded[f"{scope}/weights"]) + folded[f"{scope}/biases"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_epsilon_counts_where_the_variance_is_small() -> None:
    weights = {name: np.array(tensor) for name, tensor in projects.weights().items() if "/block" not in name}
    weights["resnet_v1_50/conv1/BatchNorm/moving_variance"][:] = 0
    everything = projects.weights() | weights
    found = fold_batch_norm(everything, "resnet_50", 4)["resnet_v1_50/conv1/weights"]
    gamma = weights["resnet_v1_50/conv1/BatchNorm/gamma"]
    np.testing.assert_allclose(found, weights["resnet_v1_50/conv1/weights"] * gamma / np.sqrt(1e-5), rtol=1e-6)


def test_two_float32_arrays_per_convolution_and_heads_unchanged(folded: projects.Tensors) -> None:
    assert len(folded) == 2 * (len(list(convolutions("resnet_50"))) + 2)
    assert {tensor.dtype for tensor in folded.values()} == {np.dtype(np.float32)}
    for head in ("pose/part_pred/block4", "pose/locref_pred/block4"):
        for name in ("weights", "biases"):
            assert np.array_equal(folded[f"{head}/{name}"], projects.weights()[f"{head}/{name}"])


def test_without_location_refinement() -> None:
    folded = fold_batch_norm(projects.weights(), "resnet_50", 4, locref=False)
    assert "pose/part_pred/block4/weights" in folded
    assert not any("locref" in name for name in folded)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (65, 97), (79, 48)])
def test_folded_network_equals_the_one_with_batch_normalisation(
    networks: tuple[Any, Any], height: int, width: int
) -> None:
    frames = np.random.default_rng(height).integers(0, 256, (2, height, width, 3)).astype(np.float32)
    expected, found = (
        {name: np.asarray(array) for name, array in network(frames, training=False).items()} for network in networks
    )
    rows, columns = 2 * -(-height // 16), 2 * -(-width // 16)
    assert found["scoremap"].shape == (2, rows, columns, 4)
    assert found["locref"].shape == (2, rows, columns, 4, 2)
    assert 0.05 < expected["scoremap"].std() < 0.45, "a saturated network would show nothing"
    np.testing.assert_allclose(found["scoremap"], expected["scoremap"], atol=1e-4)
    scale = np.abs(expected["locref"]).max()
    np.testing.assert_allclose(found["locref"] / scale, expected["locref"] / scale, atol=3e-5)

"""The Keras network against a plain NumPy one, and what is particular to its sizes and to training."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from network.i3d import reference

from posecli.network.tensorflow_runtime import import_tensorflow

import_tensorflow()

import keras  # noqa: E402

from posecli.network.i3d.folding import fold_batch_norm  # noqa: E402
from posecli.network.i3d.layers import assign_weights, build_i3d, read_weights  # noqa: E402
from posecli.network.i3d.variables import I3DSpec, multiply_adds, variable_shapes  # noqa: E402

NARROW = I3DSpec(9, width=0.125)


def chunks(*shape: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(sum(shape)).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def weights() -> dict[str, npt.NDArray[np.float32]]:
    return reference.random_weights(NARROW)


@pytest.fixture(scope="module")
def network(weights: dict[str, npt.NDArray[np.float32]]) -> Any:
    """The network with batch normalisation, for chunks of any size."""
    network = build_i3d(NARROW, batch_norm=True, dropout=0.5)
    assign_weights(network, weights)
    return network


@pytest.mark.parametrize("size", [(16, 32, 64), (17, 45, 39), (9, 50, 33), (5, 32, 32)])
def test_numpy_says_the_same(
    network: Any, weights: dict[str, npt.NDArray[np.float32]], size: tuple[int, int, int]
) -> None:
    chunk = chunks(*size)
    outputs = {name: network.get_layer(name).output for name in ("Mixed_3c", "Mixed_5c")} | {"logits": network.output}
    values = keras.Model(network.input, outputs)(chunk[None], training=False)
    for name, expected in reference.network(chunk, weights).items():
        found = np.asarray(values[name])[0]
        assert found.shape == expected.shape
        assert expected.std() > 0.05
        np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max(), err_msg=name)


def test_folded_network_says_the_same(network: Any, weights: dict[str, npt.NDArray[np.float32]]) -> None:
    folded = build_i3d(NARROW, 16, 48, 40)
    assign_weights(folded, fold_batch_norm(NARROW, weights))
    batch = chunks(2, 16, 48, 40)
    expected = np.asarray(network(batch, training=False))
    np.testing.assert_allclose(np.asarray(folded(batch)), expected, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("n_classes", [9, 400])
def test_variables_of_the_published_network(n_classes: int) -> None:
    spec = I3DSpec(n_classes)
    network = build_i3d(spec, batch_norm=True)
    assert {name: array.shape for name, array in read_weights(network).items()} == variable_shapes(spec)
    trainable = sum(int(np.prod(variable.shape)) for variable in network.trainable_weights)
    assert trainable == {9: 12_289_209, 400: 12_689_984}[n_classes]


def test_weights_come_out_as_they_went_in(network: Any, weights: dict[str, npt.NDArray[np.float32]]) -> None:
    found = read_weights(network)
    assert found.keys() == weights.keys()
    assert all(np.array_equal(found[name], weights[name]) for name in weights)


def test_a_missing_array_is_named(network: Any, weights: dict[str, npt.NDArray[np.float32]]) -> None:
    name = "Mixed_4c/Branch_1/Conv3d_0a_1x1/batch_norm/beta"
    with pytest.raises(KeyError, match=name):
        assign_weights(network, {other: array for other, array in weights.items() if other != name})


@pytest.mark.parametrize("size", [(64, 224, 224), (17, 65, 50), (1, 32, 32)])
def test_multiplications_are_those_of_the_layers(size: tuple[int, int, int]) -> None:
    """One for each weight and each place of the map it makes."""
    convolutions = [layer for layer in build_i3d(NARROW, *size).layers if isinstance(layer, keras.layers.Conv3D)]
    counted = sum(int(np.prod(layer.output.shape[1:4])) * int(np.prod(layer.kernel.shape)) for layer in convolutions)
    assert len(convolutions) == 58
    assert multiply_adds(NARROW, *size) == counted


def test_frames_of_integers_and_of_floats(network: Any) -> None:
    batch = chunks(1, 9, 32, 32)
    assert np.array_equal(network(batch), network(batch.astype(np.float32)))


def test_dropout_is_for_training_only(network: Any) -> None:
    batch = chunks(2, 9, 32, 32)
    assert np.array_equal(network(batch, training=False), network(batch, training=False))
    probe = keras.Model(network.get_layer("Logits__Dropout_0b").input, network.output)
    embedding = np.ones((1, 1, 1, 1, probe.input.shape[-1]), np.float32)
    first, second = (np.asarray(probe(embedding, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)


def test_narrow_arithmetic_leaves_the_policy_and_the_logits_alone() -> None:
    before = keras.config.dtype_policy().name
    network = build_i3d(NARROW, 9, 32, 32, batch_norm=True, policy="mixed_bfloat16")
    assert keras.config.dtype_policy().name == before
    assert network.get_layer("Conv3d_2b_1x1__conv_3d").compute_dtype == "bfloat16"
    assert network.get_layer("scaling").compute_dtype == "float32"
    assert network.output.dtype == "float32"
    assert {array.dtype for array in read_weights(network).values()} == {np.dtype(np.float32)}

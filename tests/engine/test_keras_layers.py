"""Networks in Keras: weights by name, arithmetic, dropout, and operations that must stay one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support import i3d_reference, networks, projects

from posecli.network.architectures import pose_network
from posecli.network.i3d import I3DSpec, i3d
from posecli.network.network import Network, PoseSpec
from posecli.support.tensorflow import import_tensorflow

import_tensorflow()

import keras  # noqa: E402

from posecli.engine.keras_layers import assign_weights, build_keras, build_with_weights, read_weights  # noqa: E402

I3D = I3DSpec(9, width=0.125)


@pytest.fixture(scope="module", params=["resnet", "i3d"])
def trained(request: pytest.FixtureRequest) -> Iterator[tuple[Network, dict[str, npt.NDArray[np.float32]], Any]]:
    """A network with batch normalisation, its weights, and its layers for inputs of any size."""
    with networks.tiny_resnet() as name:
        if request.param == "resnet":
            network, weights = pose_network(PoseSpec(name, 4)), projects.random_weights(name)
        else:
            network, weights = i3d(I3D).with_dropout(0.5), i3d_reference.random_weights(I3D)
        yield network, weights, build_with_weights(network, weights)


def test_weights_come_out_as_they_went_in(trained: Any) -> None:
    network, weights, model = trained
    found = read_weights(network, model)
    assert found.keys() == weights.keys()
    assert all(np.array_equal(found[name], weights[name]) for name in weights)


def test_a_missing_array_is_named(trained: Any) -> None:
    network, weights, model = trained
    name = list(weights)[-1]
    with pytest.raises(KeyError, match=name):
        assign_weights(network, model, {other: array for other, array in weights.items() if other != name})


def test_integers_and_floats_give_the_same(trained: Any) -> None:
    network, _, model = trained
    images = networks.pictures(1, *(9, 32, 48)[3 - network.rank :])
    as_bytes, as_floats = (model(array, training=False) for array in (images, images.astype(np.float32)))
    assert all(np.array_equal(as_bytes[name], as_floats[name]) for name in network.outputs)


def test_the_mean_is_taken_from_red_green_blue_in_this_order() -> None:
    with networks.tiny_resnet() as name:
        model = build_keras(pose_network(PoseSpec(name, 1)), (16, 16))
    frame = np.broadcast_to(np.array([255, 128, 0], np.uint8), (1, 16, 16, 3))
    found = np.asarray(model.get_layer("scaling")(frame))[0, 0, 0]
    np.testing.assert_allclose(found, [131.32, 11.221, -103.939], rtol=1e-6)


@pytest.mark.slow
def test_trainable_numbers_of_the_published_i3d() -> None:
    network = build_keras(i3d(I3DSpec(9)))
    assert sum(int(np.prod(variable.shape)) for variable in network.trainable_weights) == 12_289_209


def operations(layers: Any) -> set[str]:
    """Kinds of operation in the graph of a network of unknown frame size."""
    tf = import_tensorflow()
    function = tf.function(layers).get_concrete_function(tf.TensorSpec((None, None, None, 3), tf.float32))
    return {operation.type for operation in function.graph.get_operations()}


@pytest.mark.slow
def test_dilated_convolutions_stay_one_operation() -> None:
    trap = keras.layers.Conv2D(1, 3, dilation_rate=2, padding="same")
    assert "SpaceToBatchND" in operations(trap), "Keras' own layer does not show the trap any more"
    with networks.tiny_resnet() as name:
        model = build_keras(pose_network(PoseSpec(name, 4)))
    assert not operations(model) & {"SpaceToBatchND", "BatchToSpaceND"}


@pytest.mark.slow
def test_dropout_is_for_training_only() -> None:
    model = build_keras(i3d(I3D).with_dropout(0.5), (9, 32, 32))
    clips = networks.pictures(2, 9, 32, 32)
    first, second = (model(clips, training=False)["logits"] for _ in range(2))
    assert np.array_equal(first, second)
    probe = keras.Model(model.get_layer("Logits__Dropout_0b").input, model.output["logits"])
    embedding = np.ones((1, 1, 1, 1, probe.input.shape[-1]), np.float32)
    first, second = (np.asarray(probe(embedding, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)


def test_narrow_arithmetic_leaves_the_policy_and_what_is_sensitive_alone() -> None:
    before = keras.config.dtype_policy().name
    network = i3d(I3D)
    model = build_keras(network, (9, 32, 32), policy="mixed_bfloat16")
    assert keras.config.dtype_policy().name == before
    assert model.get_layer("Conv3d_2b_1x1").compute_dtype == "bfloat16"
    assert model.get_layer("scaling").compute_dtype == "float32"
    assert model.output["logits"].dtype == "float32"
    assert {array.dtype for array in read_weights(network, model).values()} == {np.dtype(np.float32)}

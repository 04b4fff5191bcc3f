"""The Keras network against a plain NumPy one, written from the description of slim's ResNet v1 at output stride 16."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support import projects

from posecli.network.tensorflow_runtime import import_tensorflow

import_tensorflow()

import keras  # noqa: E402

from posecli.network.folding import fold_batch_norm  # noqa: E402
from posecli.network.pose import assign_weights, build_pose_network  # noqa: E402
from posecli.network.spec import PoseNetworkSpec  # noqa: E402
from posecli.network.variables import variable_shapes  # noqa: E402

Array = npt.NDArray[Any]

MEAN_RGB = (123.68, 116.779, 103.939)
SPEC = PoseNetworkSpec("resnet_50", 4, MEAN_RGB)

#: Layers whose output the reference starts from or is compared with.
TAPS = {
    "pool1": "pool1",
    "block1/unit_2": "resnet_v1_50__block1__unit_2__bottleneck_v1__relu",
    "block1/unit_3": "resnet_v1_50__block1__unit_3__bottleneck_v1__relu",
    "block3/unit_6": "resnet_v1_50__block3__unit_6__bottleneck_v1__relu",
    "block4/unit_1": "resnet_v1_50__block4__unit_1__bottleneck_v1__relu",
    "block4/unit_2": "resnet_v1_50__block4__unit_2__bottleneck_v1__relu",
    "block4/unit_3": "resnet_v1_50__block4__unit_3__bottleneck_v1__relu",
}


def convolve(x: Array, kernel: Array, *, stride: int = 1, dilation: int = 1, pad: int = 0) -> Array:
    """``(H, W, C)`` with a kernel ``(kh, kw, in, out)``, zeros all around, no kernel flip."""
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    rows, columns = ((size - (kernel.shape[0] - 1) * dilation - 1) // stride + 1 for size in x.shape[:2])
    out: Array = np.zeros((rows, columns, kernel.shape[3]))
    for i, j in np.ndindex(kernel.shape[:2]):
        top, left = i * dilation, j * dilation
        out += (
            x[top : top + stride * rows : stride, left : left + stride * columns : stride][:rows, :columns]
            @ kernel[i, j]
        )
    return out


def normalised_convolution(x: Array, scope: str, **geometry: int) -> Array:
    kernel = projects.weights()[f"resnet_v1_50/{scope}/weights"]
    gamma, beta, mean, variance = (
        projects.weights()[f"resnet_v1_50/{scope}/BatchNorm/{name}"]
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    normalised: Array = (convolve(x, kernel, **geometry) - mean) / np.sqrt(variance + 1e-5)
    return gamma * normalised + beta


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def max_pool_same(x: Array) -> Array:
    """3x3, stride 2; where one row of padding is needed it comes at the end."""
    for axis in (0, 1):
        size = -(-x.shape[axis] // 2)
        total = max((size - 1) * 2 + 3 - x.shape[axis], 0)
        pads = [(0, 0)] * 3
        pads[axis] = (total // 2, total - total // 2)
        padded = np.pad(x, pads, constant_values=-np.inf)
        x = np.max([padded.take(range(k, k + 2 * size - 1, 2), axis) for k in range(3)], axis=0)
    return x


def reference_stem(frame: Array) -> Array:
    return max_pool_same(relu(normalised_convolution(frame - np.array(MEAN_RGB), "conv1", stride=2, pad=3)))


def reference_unit(x: Array, unit: str, *, stride: int = 1, dilation: int = 1) -> Array:
    """A bottleneck unit with an identity shortcut."""
    scope = f"{unit}/bottleneck_v1"
    y = relu(normalised_convolution(x, f"{scope}/conv1"))
    y = relu(normalised_convolution(y, f"{scope}/conv2", stride=stride, dilation=dilation, pad=dilation))
    return relu(normalised_convolution(y, f"{scope}/conv3") + x[::stride, ::stride])


def reference_head(x: Array, scope: str) -> Array:
    """A full transposed convolution, stride 2, less its last row and column."""
    kernel, bias = (projects.weights()[f"{scope}/{name}"] for name in ("weights", "biases"))
    full = np.zeros((2 * x.shape[0] + 1, 2 * x.shape[1] + 1, kernel.shape[2]))
    for i, j in np.ndindex(3, 3):
        full[i : i + 2 * x.shape[0] : 2, j : j + 2 * x.shape[1] : 2] += x @ kernel[i, j].T
    return full[:-1, :-1] + bias


@pytest.fixture(scope="module")
def network() -> Any:
    """The folded network, for frames of any size."""
    network = build_pose_network(SPEC)
    assign_weights(network, fold_batch_norm(projects.weights(), "resnet_50", 4))
    return network


@pytest.fixture(scope="module", params=[(64, 96), (79, 49)], ids=["even", "odd"])
def tapped(request: pytest.FixtureRequest, network: Any) -> tuple[Array, dict[str, Array]]:
    """A frame, and what some layers make of it."""
    frame = np.random.default_rng(1).integers(0, 256, (*request.param, 3)).astype(np.float32)
    outputs = {tap: network.get_layer(layer).output for tap, layer in TAPS.items()} | network.output
    values = keras.Model(network.input, outputs)(frame[None], training=False)
    return frame, {tap: np.asarray(value)[0] for tap, value in values.items()}


def assert_close(found: Array, expected: Array) -> None:
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_stem(tapped: tuple[Array, dict[str, Array]]) -> None:
    frame, layers = tapped
    assert_close(layers["pool1"], reference_stem(frame))


def test_strided_unit(tapped: tuple[Array, dict[str, Array]]) -> None:
    _, layers = tapped
    assert_close(layers["block1/unit_3"], reference_unit(layers["block1/unit_2"], "block1/unit_3", stride=2))


@pytest.mark.parametrize(("before", "unit"), [("block4/unit_1", "block4/unit_2"), ("block4/unit_2", "block4/unit_3")])
def test_dilated_unit(tapped: tuple[Array, dict[str, Array]], before: str, unit: str) -> None:
    _, layers = tapped
    assert_close(layers[unit], reference_unit(layers[before], unit, dilation=2))


def test_unit_with_a_shortcut_of_its_own(tapped: tuple[Array, dict[str, Array]]) -> None:
    _, layers = tapped
    x, scope = layers["block3/unit_6"], "block4/unit_1/bottleneck_v1"
    y = relu(normalised_convolution(x, f"{scope}/conv1"))
    y = relu(normalised_convolution(y, f"{scope}/conv2", dilation=2, pad=2))
    y = normalised_convolution(y, f"{scope}/conv3") + normalised_convolution(x, f"{scope}/shortcut")
    assert_close(layers["block4/unit_1"], relu(y))


def test_heads(tapped: tuple[Array, dict[str, Array]]) -> None:
    _, layers = tapped
    features = layers["block4/unit_3"]
    logits = reference_head(features, "pose/part_pred/block4")
    assert_close(layers["scoremap"], 1 / (1 + np.exp(-logits)))
    offsets = reference_head(features, "pose/locref_pred/block4")
    assert_close(layers["locref"][:, :, 1, 0], offsets[:, :, 2])  # channel 2j is x
    assert_close(layers["locref"][:, :, 1, 1], offsets[:, :, 3])


@pytest.mark.parametrize(("height", "width"), [(64, 96), (65, 97), (79, 48), (16, 17)])
def test_output_is_twice_a_sixteenth_rounded_up(network: Any, height: int, width: int) -> None:
    outputs = network(np.zeros((1, height, width, 3), np.float32), training=False)
    rows, columns = 2 * -(-height // 16), 2 * -(-width // 16)
    assert outputs["scoremap"].shape == (1, rows, columns, 4)
    assert outputs["locref"].shape == (1, rows, columns, 4, 2)


def test_static_shapes_are_known_when_the_size_is() -> None:
    outputs = build_pose_network(SPEC, 65, 97).output
    assert {name: tensor.shape for name, tensor in outputs.items()} == {
        "scoremap": (None, 10, 14, 4),
        "locref": (None, 10, 14, 4, 2),
    }


def test_without_location_refinement_there_is_no_such_output() -> None:
    network = build_pose_network(PoseNetworkSpec("resnet_50", 2, MEAN_RGB, locref=False), 32, 32)
    assert {name: tensor.shape for name, tensor in network.output.items()} == {"scoremap": (None, 4, 4, 2)}


def test_uint8_frames_equal_float_frames(network: Any) -> None:
    frames = np.random.default_rng(2).integers(0, 256, (1, 48, 64, 3), np.uint8)
    as_bytes, as_floats = (network(array, training=False) for array in (frames, frames.astype(np.float32)))
    for name in ("scoremap", "locref"):
        assert np.array_equal(as_bytes[name], as_floats[name])


def test_mean_is_taken_from_red_green_blue_in_this_order() -> None:
    network = build_pose_network(SPEC, 16, 16)
    mean_subtraction = network.get_layer("mean_subtraction")
    frame = np.broadcast_to(np.array([255, 128, 0], np.uint8), (1, 16, 16, 3))
    np.testing.assert_allclose(np.asarray(mean_subtraction(frame))[0, 0, 0], [131.32, 11.221, -103.939], rtol=1e-6)


def operations(layers: Any) -> set[str]:
    """Kinds of operation in the graph of a network of unknown frame size."""
    tf = import_tensorflow()
    function = tf.function(layers).get_concrete_function(tf.TensorSpec((None, None, None, 3), tf.float32))
    return {operation.type for operation in function.graph.get_operations()}


def test_dilated_convolutions_stay_one_operation(network: Any) -> None:
    trap = keras.layers.Conv2D(1, 3, dilation_rate=2, padding="same")
    assert "SpaceToBatchND" in operations(trap), "Keras' own layer does not show the trap any more"
    assert not operations(network) & {"SpaceToBatchND", "BatchToSpaceND"}


def test_missing_array_is_named() -> None:
    weights = fold_batch_norm(projects.weights(), "resnet_50", 4)
    del weights["pose/part_pred/block4/biases"]
    with pytest.raises(KeyError, match="pose/part_pred/block4/biases"):
        assign_weights(build_pose_network(SPEC, 16, 16), weights)


def keras_variables(network: Any) -> dict[str, tuple[int, ...]]:
    slim = {"kernel": "weights", "bias": "biases"}
    return {
        f"{layer.name.replace('__', '/')}/{slim.get(variable.name, variable.name)}": tuple(variable.shape)
        for layer in network.layers
        for variable in layer.variables
    }


@pytest.mark.parametrize(
    "net_type",
    ["resnet_50", *(pytest.param(name, marks=pytest.mark.slow) for name in ("resnet_101", "resnet_152"))],
)
def test_layers_hold_exactly_the_checkpoint_s_variables(net_type: str) -> None:
    network = build_pose_network(PoseNetworkSpec(net_type, 3, MEAN_RGB), batch_norm=True)
    assert keras_variables(network) == variable_shapes(net_type, 3)
    outputs = network(np.zeros((1, 65, 97, 3), np.float32), training=False)
    assert outputs["scoremap"].shape == (1, 10, 14, 3)
    assert outputs["locref"].shape == (1, 10, 14, 3, 2)

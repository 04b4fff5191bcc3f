"""DeepLabCut's ResNets: names and shapes of variables, and the small one against plain NumPy.

The NumPy network is written from the description of slim's ResNet v1 at output stride 16.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support import networks, projects

from posecli.network.architectures import pose_network
from posecli.network.folding import fold_batch_norm
from posecli.network.network import IMAGENET_MEAN, PoseHead, PoseSpec
from posecli.network.operations import Convolution, Pooling
from posecli.network.resnet import SIZES, backbone_scope, resnet

Array = npt.NDArray[Any]
Tapped = tuple[Array, dict[str, Array]]

SCOPE = "resnet_v1_tiny"
#: Layers whose output the reference starts from or is compared with.
TAPS = ["pool1", *(f"block{unit}/bottleneck_v1/relu" for unit in ("1/unit_1", "1/unit_2", "3/unit_2", "4/unit_1"))]
TAPS += [f"block4/unit_{unit}/bottleneck_v1/relu" for unit in (2, 3)]


@pytest.mark.parametrize(
    ("net_type", "with_intermediate_supervision"), [("resnet_50", 271), ("resnet_101", 526), ("resnet_152", 781)]
)
def test_number_of_variables(net_type: str, with_intermediate_supervision: int) -> None:
    # Supervision adds the weights and biases of one head, which inference does without.
    assert len(resnet(PoseSpec(net_type, 4)).variable_shapes()) == with_intermediate_supervision - 2


def test_names_and_shapes_of_variables() -> None:
    shapes = resnet(PoseSpec("resnet_50", 5)).variable_shapes()
    expected = {
        "resnet_v1_50/conv1/weights": (7, 7, 3, 64),
        "resnet_v1_50/conv1/BatchNorm/moving_variance": (64,),
        "resnet_v1_50/block1/unit_1/bottleneck_v1/shortcut/weights": (1, 1, 64, 256),
        "resnet_v1_50/block2/unit_1/bottleneck_v1/conv1/weights": (1, 1, 256, 128),
        "resnet_v1_50/block3/unit_6/bottleneck_v1/conv2/weights": (3, 3, 256, 256),
        "resnet_v1_50/block4/unit_3/bottleneck_v1/conv3/BatchNorm/gamma": (2048,),
        "pose/part_pred/block4/weights": (3, 3, 5, 2048),
        "pose/part_pred/block4/biases": (5,),
        "pose/locref_pred/block4/weights": (3, 3, 10, 2048),
        "pose/locref_pred/block4/biases": (10,),
    }
    assert expected.items() <= shapes.items()


def test_without_location_refinement_only_its_head_is_gone() -> None:
    whole, without = (resnet(PoseSpec("resnet_50", 4, locref=locref)) for locref in (True, False))
    gone = set(whole.variable_shapes()) - set(without.variable_shapes())
    assert gone == {f"pose/locref_pred/block4/{name}" for name in ("weights", "biases")}
    assert (whole.outputs, without.outputs) == (("scoremap", "locref"), ("scoremap",))


@pytest.mark.parametrize("net_type", SIZES)
def test_strides_dilation_and_shortcuts(net_type: str) -> None:
    network, n_units = resnet(PoseSpec(net_type, 4)), SIZES[net_type].units
    convolutions = [each for each in network.operations if isinstance(each, Convolution)]
    ends = [f"block{block}/unit_{n_units[block - 1]}/bottleneck_v1" for block in (1, 2)]
    strided = [each.name.split("/", 1)[1] for each in convolutions if each.strides == (2, 2)]
    assert strided == ["conv1", *(f"{end}/conv2" for end in ends)]
    pools = [each.name for each in network.operations if isinstance(each, Pooling)]
    assert pools == ["pool1", *(f"{backbone_scope(net_type)}/{end}/subsample" for end in ends)]
    dilated = [each.name.split("/", 1)[1] for each in convolutions if each.dilation == 2]
    assert dilated == [f"block4/unit_{unit}/bottleneck_v1/conv2" for unit in range(1, n_units[3] + 1)]
    shortcuts = [each.name.split("/")[2] for each in convolutions if each.name.endswith("shortcut")]
    assert shortcuts == ["unit_1"] * 4


def test_its_head_says_what_the_outputs_mean() -> None:
    network = resnet(PoseSpec("resnet_50", 4, locref_stdev=5.0))
    assert network.head == PoseHead("scoremap", "locref", 5.0)
    assert network.stride == 8
    assert network.scaling.offset == IMAGENET_MEAN


@pytest.mark.parametrize(("height", "width"), [(64, 96), (65, 97), (79, 48), (16, 17)])
def test_maps_are_twice_a_sixteenth_rounded_up(height: int, width: int) -> None:
    shapes = resnet(PoseSpec("resnet_50", 4)).shapes((height, width))
    rows, columns = 2 * -(-height // 16), 2 * -(-width // 16)
    assert shapes["scoremap"] == (rows, columns, 4)
    assert shapes["locref"] == (rows, columns, 8)


@pytest.fixture(scope="module")
def tiny() -> Iterator[PoseSpec]:
    with networks.tiny_resnet() as name:
        yield PoseSpec(name, 4)


@pytest.fixture(scope="module")
def weights(tiny: PoseSpec) -> projects.Tensors:
    return projects.random_weights(tiny.net_type)


@pytest.fixture(scope="module", params=[(64, 96), (79, 49)], ids=["even", "odd"])
def tapped(request: pytest.FixtureRequest, tiny: PoseSpec, weights: projects.Tensors) -> Tapped:
    """A frame, and what some layers of the folded network make of it in Keras."""
    import keras

    from posecli.engine.keras_layers import build_with_weights

    model = build_with_weights(*fold_batch_norm(pose_network(tiny), weights))
    names = {tap: tap if tap == "pool1" else f"{SCOPE}/{tap}" for tap in TAPS}
    outputs = {tap: model.get_layer(name.replace("/", "__")).output for tap, name in names.items()} | model.output
    frame = networks.pictures(*request.param)
    values = keras.Model(model.input, outputs)(frame[None], training=False)
    found = {tap.removesuffix("/bottleneck_v1/relu"): np.asarray(value)[0] for tap, value in values.items()}
    return frame.astype(np.float32), found


class Reference:
    """Slim's ResNet v1, one frame at a time."""

    def __init__(self, weights: projects.Tensors) -> None:
        self.weights = weights

    def convolution(self, x: Array, scope: str, *, stride: int = 1, dilation: int = 1, pad: int = 0) -> Array:
        """Zeros all around, no kernel flip, then batch normalisation."""
        kernel = self.weights[f"{SCOPE}/{scope}/weights"]
        x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
        rows, columns = ((size - (kernel.shape[0] - 1) * dilation - 1) // stride + 1 for size in x.shape[:2])
        out: Array = np.zeros((rows, columns, kernel.shape[3]))
        for i, j in np.ndindex(kernel.shape[:2]):
            part = x[i * dilation :: stride, j * dilation :: stride][:rows, :columns]
            out += part @ kernel[i, j]
        gamma, beta, mean, variance = (
            self.weights[f"{SCOPE}/{scope}/BatchNorm/{name}"]
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        normalised: Array = (out - mean) / np.sqrt(variance + 1e-5)
        return gamma * normalised + beta

    def stem(self, frame: Array) -> Array:
        return max_pool_same(relu(self.convolution(frame - np.array(IMAGENET_MEAN), "conv1", stride=2, pad=3)))

    def unit(self, x: Array, unit: str, *, stride: int = 1, dilation: int = 1, shortcut: bool = False) -> Array:
        scope = f"{unit}/bottleneck_v1"
        y = relu(self.convolution(x, f"{scope}/conv1"))
        y = relu(self.convolution(y, f"{scope}/conv2", stride=stride, dilation=dilation, pad=dilation))
        beside = self.convolution(x, f"{scope}/shortcut") if shortcut else x[::stride, ::stride]
        return relu(self.convolution(y, f"{scope}/conv3") + beside)

    def head(self, x: Array, scope: str) -> Array:
        """A full transposed convolution, stride 2, less its last row and column."""
        kernel, bias = (self.weights[f"{scope}/{name}"] for name in ("weights", "biases"))
        full = np.zeros((2 * x.shape[0] + 1, 2 * x.shape[1] + 1, kernel.shape[2]))
        for i, j in np.ndindex(3, 3):
            full[i : i + 2 * x.shape[0] : 2, j : j + 2 * x.shape[1] : 2] += x @ kernel[i, j].T
        return full[:-1, :-1] + bias


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


def assert_close(found: Array, expected: Array) -> None:
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_stem(tapped: Tapped, weights: projects.Tensors) -> None:
    frame, layers = tapped
    assert_close(layers["pool1"], Reference(weights).stem(frame))


@pytest.mark.parametrize(
    ("before", "unit", "settings"),
    [
        ("block1/unit_1", "block1/unit_2", {"stride": 2}),
        ("block3/unit_2", "block4/unit_1", {"dilation": 2, "shortcut": True}),
        ("block4/unit_1", "block4/unit_2", {"dilation": 2}),
        ("block4/unit_2", "block4/unit_3", {"dilation": 2}),
    ],
    ids=["strided", "with a shortcut of its own", "dilated", "dilated again"],
)
def test_unit(tapped: Tapped, weights: projects.Tensors, before: str, unit: str, settings: dict[str, Any]) -> None:
    _, layers = tapped
    assert_close(layers[unit], Reference(weights).unit(layers[before], unit, **settings))


def test_heads(tapped: Tapped, weights: projects.Tensors) -> None:
    _, layers = tapped
    features, reference = layers["block4/unit_3"], Reference(weights)
    assert_close(layers["scoremap"], 1 / (1 + np.exp(-reference.head(features, "pose/part_pred/block4"))))
    assert_close(layers["locref"], reference.head(features, "pose/locref_pred/block4"))


def test_engines_agree(tiny: PoseSpec, weights: projects.Tensors) -> None:
    network, images = pose_network(tiny), networks.pictures(2, 65, 97)
    found, expected = (run(network, weights, images) for run in (networks.by_openvino, networks.by_keras))
    for name in network.outputs:
        np.testing.assert_allclose(found[name], expected[name], atol=2e-5 * np.abs(expected[name]).max())

"""Every operation, in two and in three dimensions: OpenVINO computes what Keras computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from support.networks import any_weights, by_keras, by_openvino, pictures

from posecli.engine.openvino_graph import build_openvino
from posecli.errors import EngineError
from posecli.network.network import FRAMES, ClassHead, Network, Scaling
from posecli.network.operations import (
    Activation,
    ActivationKind,
    Add,
    BatchNormalization,
    Concatenate,
    Convolution,
    Dense,
    DepthwiseConvolution,
    Dropout,
    GlobalAverage,
    GroupNormalization,
    MatrixProduct,
    Multiply,
    Operation,
    Padding,
    PadToMultiple,
    Pooling,
    Resize,
    ResizeTo,
    Scale,
    ScaleNormalization,
    Split,
    Tokens,
    TransposedConvolution,
    Trim,
    TrimPadding,
    squeeze_excite,
)

X = (FRAMES,)
EXTENTS = {2: (7, 10), 3: (4, 7, 10)}


def convolution(rank: int, padding: Padding, stride: int, dilation: int = 1, side: int = 3) -> Operation:
    return Convolution("y", X, (side,) * rank, "k", 4, (stride,) * rank, dilation, padding, bias="b")


def depthwise(rank: int, padding: Padding, stride: int) -> Operation:
    return DepthwiseConvolution("y", X, (3,) * rank, "k", (stride,) * rank, padding, bias="b")


def transposed(rank: int, side: int, stride: int, padding: Padding = "same") -> Operation:
    return TransposedConvolution("y", X, (side,) * rank, "k", 4, (stride,) * rank, padding, bias="b")


def activation(kind: ActivationKind) -> Operation:
    return Activation("y", X, kind)


def pooling(rank: int, kind: str, side: int | None, stride: int, padding: str) -> Operation:
    return Pooling("y", X, kind, (side,) * rank, (stride,) * rank, padding)  # type: ignore[arg-type]


CASES: dict[str, Callable[[int], Operation]] = {
    "convolution, same, strided": lambda rank: convolution(rank, "same", 2),
    "convolution, centered, strided": lambda rank: convolution(rank, "centered", 2),
    "convolution, valid": lambda rank: convolution(rank, "valid", 1),
    "convolution, zeros before": lambda rank: convolution(rank, ((1, 0),) * rank, 1, side=2),
    "convolution, dilated": lambda rank: convolution(rank, "centered", 1, dilation=2),
    "depthwise": lambda rank: depthwise(rank, "same", 1),
    "depthwise, strided": lambda rank: depthwise(rank, "centered", 2),
    "transposed, 3 by 2": lambda rank: transposed(rank, 3, 2),
    "transposed, 4 by 2": lambda rank: transposed(rank, 4, 2),
    "transposed, 2 by 3": lambda rank: transposed(rank, 2, 3),
    "transposed, all cells": lambda rank: transposed(rank, 3, 2, "valid"),
    "transposed, cut at its start": lambda rank: transposed(rank, 3, 2, ((1, 0),) * rank),
    "group normalisation": lambda _: GroupNormalization("y", X, "gamma", "beta", 1, 1e-3),
    "each channel normalised": lambda _: GroupNormalization("y", X, "gamma", "beta", None, 1e-5),
    "crop": lambda rank: Trim("y", X, ((0, 1), (2, 3), (1, 0))[:rank]),
    "pad to a multiple": lambda _: PadToMultiple("y", X, 8),
    "batch normalisation": lambda _: BatchNormalization("y", X, "gamma", "beta", "mean", "variance", 1e-3),
    "batch normalisation without a factor": lambda _: BatchNormalization("y", X, None, "beta", "mean", "variance", 0.1),
    "relu": lambda _: activation("relu"),
    "relu6": lambda _: activation("relu6"),
    "sigmoid": lambda _: activation("sigmoid"),
    "swish": lambda _: activation("swish"),
    "hard sigmoid": lambda _: activation("hard_sigmoid"),
    "hard swish": lambda _: activation("hard_swish"),
    "maximum, same": lambda rank: pooling(rank, "max", 3, 2, "same"),
    "maximum, valid": lambda rank: pooling(rank, "max", 2, 2, "valid"),
    "maximum, same, window larger than the map": lambda rank: pooling(rank, "max", 9, 1, "same"),
    "maximum, window larger than the map": lambda rank: pooling(rank, "max", 11, 1, "valid"),
    "maximum, centered": lambda rank: pooling(rank, "max", 3, 2, "centered"),
    "average, same": lambda rank: pooling(rank, "average", 3, 2, "same"),
    "average, valid": lambda rank: pooling(rank, "average", 2, 1, "valid"),
    "average of all": lambda rank: pooling(rank, "average", None, 1, "valid"),
    "average of all but one axis": lambda rank: Pooling("y", X, "average", (2, *(None,) * (rank - 1)), (), "valid"),
    "global average": lambda _: GlobalAverage("y", X),
    "add": lambda _: Add("y", X * 3),
    "multiply": lambda _: Multiply("y", X * 2),
    "concatenate": lambda _: Concatenate("y", X * 2),
    "resize, nearest": lambda rank: Resize("y", X, (2, 3, 2)[:rank]),
    "resize, linear": lambda rank: Resize("y", X, (2, 3, 2)[:rank], "linear"),
    "dropout": lambda _: Dropout("y", X, 0.5),
}


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("case", CASES)
def test_engines_agree_on_values_and_shape(case: str, rank: int) -> None:
    network = Network("one", (CASES[case](rank),), ClassHead("y"), Scaling(1 / 64, (1.0, 2.0, 3.0)), rank)
    weights, images = any_weights(network), pictures(2, *EXTENTS[rank])
    found, expected = (run(network, weights, images)["y"] for run in (by_openvino, by_keras))
    assert expected.shape == (2, *network.shapes(EXTENTS[rank])["y"])
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("rank", [2, 3])
def test_engines_agree_on_squeeze_and_excite(rank: int) -> None:
    operations = squeeze_excite("y", FRAMES, (3, 2), rank=rank, activation="swish", gate="hard_sigmoid")
    network = Network("excited", operations, ClassHead("y"), Scaling(1 / 64), rank)
    weights, images = any_weights(network), pictures(2, *EXTENTS[rank])
    assert list(weights) == ["y/reduce/weights", "y/reduce/biases", "y/expand/weights", "y/expand/biases"]
    found, expected = (run(network, weights, images)["y"] for run in (by_openvino, by_keras))
    assert expected.shape == images.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(5, 4), (16, 31)])
def test_resizing_to_a_size_takes_the_four_nearest_cells(size: tuple[int, int]) -> None:
    network = Network("resized", (ResizeTo("y", X, size),), ClassHead("y"), Scaling(1.0))
    images = pictures(2, *EXTENTS[2])
    expected = images.astype(np.float64)
    for axis, side in enumerate(size, 1):
        extent = expected.shape[axis]
        place = ((np.arange(side) + 0.5) * extent / side - 0.5).clip(0, extent - 1)
        before = np.floor(place).astype(int)
        share = (place - before).reshape(-1, *(1,) * (3 - axis))
        near, far = (np.take(expected, np.minimum(before + step, extent - 1), axis) for step in (0, 1))
        expected = near * (1 - share) + far * share
    for run in (by_openvino, by_keras):
        np.testing.assert_allclose(run(network, {}, images)["y"], expected, atol=2e-3)


def test_padding_mirrors_a_map_and_is_cropped_again_at_a_stride() -> None:
    operations = (
        PadToMultiple("padded", X, 8),
        Pooling("pooled", ("padded",), "max", (2, 2), (2, 2)),
        TrimPadding("y", ("pooled", FRAMES), 8, 2),
    )
    network = Network("padded", operations, ClassHead("y"), Scaling(1.0), outputs=("padded", "y"))
    images = pictures(2, 7, 12)
    for found in (run(network, {}, images) for run in (by_openvino, by_keras)):
        mirrored = np.pad(images, ((0, 0), (0, 1), (0, 4), (0, 0)), mode="reflect")
        np.testing.assert_array_equal(found["padded"], mirrored)
        pooled = mirrored.reshape(2, 4, 2, 8, 2, 3).max((2, 4))
        np.testing.assert_array_equal(found["y"], pooled[:, :4, :6])
    assert network.shapes((7, 12))["y"] == (4, 6, 3)


def test_engines_agree_on_a_dense_layer() -> None:
    operations = GlobalAverage("mean", X), Dense("y", ("mean",), (), "k", 5, bias="b")
    network = Network("dense", operations, ClassHead("y"), Scaling(1 / 64))
    weights, images = any_weights(network), pictures(3, 4, 4)
    found, expected = (run(network, weights, images)["y"] for run in (by_openvino, by_keras))
    assert found.shape == (3, 5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


TOKENS = Tokens("tokens", X, (5, 4))  # three of twenty numbers each
TOKEN_CASES: dict[str, Operation] = {
    "tokens": Tokens("y", X, (5, 4)),
    "dense": Dense("y", ("tokens",), (), "k", 6, bias="b"),
    "scale normalisation": ScaleNormalization("y", ("tokens",), "gamma", 1e-5),
    "scale normalisation of small values": ScaleNormalization("y", ("tokens",), "gamma", 1e5),
    "scale": Scale("y", ("tokens",), "factor"),
    "scale, twice and with an offset": Scale("y", ("tokens",), "factor", "offset", 2),
    "split": Split("y", ("tokens",), 0, 20),
    "split whose other parts nobody takes": Split("y", ("tokens",), 5, 10),
    "product": MatrixProduct("y", ("square", "tokens"), 0.5),
    "product of one transposed": MatrixProduct("y", ("tokens", "tokens"), transposed=True),
}


@pytest.mark.parametrize("case", TOKEN_CASES)
def test_engines_agree_on_tokens(case: str) -> None:
    operations = TOKENS, MatrixProduct("square", ("tokens", "tokens"), transposed=True), TOKEN_CASES[case]
    network = Network("one", operations, ClassHead("y"), Scaling(1 / 64, (1.0, 2.0, 3.0)))
    network = network.with_operations(operations)
    weights, images = any_weights(network), pictures(2, 5, 4)
    found, expected = (run(network, weights, images)["y"] for run in (by_openvino, by_keras))
    assert expected.shape == (2, *network.shapes((5, 4))["y"])
    assert expected.std() > 1e-5
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_a_token_is_a_channels_cells_in_rows() -> None:
    network = Network("tokens", (Tokens("y", X, (2, 3)),), ClassHead("y"), Scaling(1.0))
    images = pictures(2, 2, 3)
    for run in (by_openvino, by_keras):
        np.testing.assert_array_equal(run(network, {}, images)["y"], images.reshape(2, 6, 3).transpose(0, 2, 1))


def test_an_operation_that_an_engine_does_not_know_is_named() -> None:
    from posecli.engine.keras_layers import build_keras

    network = Network("odd", (Operation("y", X),), ClassHead("y"))
    with pytest.raises(EngineError, match="OpenVINO's translator does not know the operation Operation"):
        build_openvino(network, {}, (4, 4))
    with pytest.raises(EngineError, match="Keras' translator does not know the operation Operation"):
        build_keras(network)

"""Networks in Keras' layers, for inference and for training.

Importing this module imports Keras, and with it the backend that ``KERAS_BACKEND`` names (TensorFlow by default).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import singledispatch
from typing import Any

import keras
import numpy as np

from posecli.engine.keras_own_layers import (
    AverageWindow,
    CutToMultiple,
    DilatedConv2D,
    GroupsRowByRow,
    LinearResize,
    MirrorToMultiple,
    ScaledChannels,
    ScaledToLength,
    SomeChannels,
    StretchedLike,
    SurroundedByLowest,
    TokenProduct,
)
from posecli.engine.keras_regions import ProposedRegions, RegionMaps
from posecli.errors import EngineError
from posecli.network import operations
from posecli.network.folding import Tensors
from posecli.network.network import FRAMES, Network, Scaling, Weights
from posecli.network.operations import Operation, Weighted, explicit_padding
from posecli.network.regions import AlignedRegions, Proposals

layers, ops = keras.layers, keras.ops
#: What Keras calls the activations that it has no layer for.
ACTIVATIONS = {"swish": "silu", "hard_swish": "hard_silu"}


def build_keras(
    network: Network, extents: Sequence[int | None] | None = None, *, policy: str = "float32"
) -> keras.Model:
    """Build a network for inputs of one size, ``(H, W)`` or ``(T, H, W)``; ``None`` leaves an extent free.

    It takes ``(B, *extents, 3)`` RGB in 0..255, uint8 or float, and gives a dict of the network's outputs by name. The
    policy is Keras' name for the arithmetic, such as ``mixed_bfloat16`` (for training).
    """
    with _dtype_policy(policy):
        frames = keras.Input((*(extents or (None,) * network.rank), 3), name=FRAMES, dtype="float32")
        tensors = {FRAMES: _scaled(frames, network.scaling)}
        for operation in network.operations:
            tensors[operation.name] = _layer(operation, *(tensors[name] for name in operation.inputs))
        return keras.Model(frames, {name: tensors[name] for name in network.outputs}, name=network.name)


def assign_weights(network: Network, model: keras.Model, weights: Weights) -> None:
    """Give the layers of a network that `build_keras` has built their arrays, by checkpoint name; all must be there."""
    for operation, shapes in network.variables():
        layer = model.get_layer(layer_name(operation))
        # Keras keeps the kernel of a depthwise convolution in three dimensions otherwise.
        layer.set_weights(
            [weights[name].reshape(variable.shape) for name, variable in zip(shapes, layer.weights, strict=True)]
        )


def read_weights(network: Network, model: keras.Model) -> Tensors:
    """The layers' arrays by checkpoint name, the inverse of `assign_weights`."""
    return {
        name: np.asarray(ops.convert_to_numpy(variable), np.float32).reshape(shape)
        for operation, shapes in network.variables()
        for (name, shape), variable in zip(shapes.items(), model.get_layer(layer_name(operation)).weights, strict=True)
    }


def layer_name(operation: Operation) -> str:
    """Keras forbids slashes in layer names."""
    return operation.name.replace("/", "__")


def build_with_weights(network: Network, weights: Weights, extents: Sequence[int | None] | None = None) -> keras.Model:
    """A network for inference that has its weights."""
    model = build_keras(network, extents)
    assign_weights(network, model, weights)
    return model


@contextmanager
def _dtype_policy(policy: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _scaled(frames: Any, scaling: Scaling) -> Any:
    offset = np.negative(scaling.offset).tolist()
    dtype = "float32" if scaling.sensitive else None
    return layers.Rescaling(scaling.factor, offset=offset, dtype=dtype, name="scaling")(frames)


def _common(operation: Operation) -> dict[str, Any]:
    """What every layer is told, and every one with a kernel."""
    common = {"name": layer_name(operation), "dtype": "float32" if operation.sensitive else None}
    return {**common, "use_bias": operation.bias is not None} if isinstance(operation, Weighted) else common


def _kind(name: str, rank: int) -> Any:
    """Keras' layer of a kind for maps of two or three extents."""
    return getattr(layers, f"{name}{rank}D")


@singledispatch
def _layer(operation: Operation, *_inputs: Any) -> Any:
    raise EngineError(f"Keras' translator does not know the operation {type(operation).__name__}")


@_layer.register
def _(operation: operations.Convolution, x: Any) -> Any:
    rank = len(operation.kernel)
    x, strides, padding = _padded(operation, x, operation.dilation)
    kind = DilatedConv2D if operation.dilation > 1 and rank == 2 else _kind("Conv", rank)
    return kind(
        operation.channels,
        operation.kernel,
        strides=strides,
        padding=padding,
        dilation_rate=operation.dilation,
        **_common(operation),
    )(x)


@_layer.register
def _(operation: operations.DepthwiseConvolution, x: Any) -> Any:
    x, strides, padding = _padded(operation, x)
    common = {"strides": strides, "padding": padding, **_common(operation)}
    if len(operation.kernel) == 2:
        return layers.DepthwiseConv2D(operation.kernel, **common)(x)
    return layers.Conv3D(x.shape[-1], operation.kernel, groups=x.shape[-1], **common)(x)


@_layer.register
def _(operation: operations.TransposedConvolution, x: Any) -> Any:
    kind = getattr(layers, f"Conv{len(operation.kernel)}DTranspose")
    cut = explicit_padding(operation.padding, operation.kernel)
    common = {"strides": operation.strides, "padding": "same" if cut is None else "valid", **_common(operation)}
    y = kind(operation.channels, operation.kernel, **common)(x)
    return y if cut is None else _cropped(operation, y, cut)


@_layer.register
def _(operation: operations.Dense, x: Any) -> Any:
    return layers.Dense(operation.channels, **_common(operation))(x)


@_layer.register
def _(operation: operations.Tokens, x: Any) -> Any:
    return layers.Permute((2, 1), name=f"{layer_name(operation)}__cells_last")(
        layers.Reshape((math.prod(operation.cells), x.shape[-1]), **_common(operation))(x)
    )


@_layer.register
def _(operation: operations.Flatten, x: Any) -> Any:
    channels_first = layers.Permute((3, 1, 2), name=f"{layer_name(operation)}__channels_first")(x)
    return layers.Flatten(**_common(operation))(channels_first)


@_layer.register
def _(operation: operations.ScaleNormalization, x: Any) -> Any:
    return ScaledToLength(operation.epsilon, **_common(operation))(x)


@_layer.register
def _(operation: operations.Scale, x: Any) -> Any:
    return ScaledChannels(operation.copies, has_offset=operation.offset is not None, **_common(operation))(x)


@_layer.register
def _(operation: operations.MatrixProduct, x: Any, y: Any) -> Any:
    return TokenProduct(operation.factor, transposed=operation.transposed, **_common(operation))([x, y])


@_layer.register
def _(operation: operations.Split, x: Any) -> Any:
    return SomeChannels(operation.first, operation.channels, **_common(operation))(x)


@_layer.register
def _(operation: operations.BatchNormalization, x: Any) -> Any:
    has_factor = operation.gamma is not None
    common = {"momentum": operation.momentum, "epsilon": operation.epsilon, **_common(operation)}
    return layers.BatchNormalization(scale=has_factor, **common)(x)


@_layer.register
def _(operation: operations.GroupNormalization, x: Any) -> Any:
    if operation.groups is None:  # DeepLabCut's TensorFlow engine takes long sums of each channel too
        return layers.GroupNormalization(-1, epsilon=operation.epsilon, **_common(operation))(x)
    return GroupsRowByRow(operation.groups, epsilon=operation.epsilon, **_common(operation))(x)


@_layer.register
def _(operation: operations.Activation, x: Any) -> Any:
    return layers.Activation(ACTIVATIONS.get(operation.kind, operation.kind), **_common(operation))(x)


@_layer.register
def _(operation: operations.Float32, x: Any) -> Any:
    return layers.Activation("linear", name=layer_name(operation), dtype="float32")(x)


@_layer.register
def _(operation: operations.Pooling, x: Any) -> Any:
    if operation.kind == "average" and None in operation.window:
        return AverageWindow(operation.window, **_common(operation))(x)
    window = operation.window_in(x.shape[1:-1])
    strides = operation.strides or (1,) * len(window)
    padding = operation.padding
    if padding == "centered":
        x, padding = (
            SurroundedByLowest([(side or 1) // 2 for side in window], name=f"{layer_name(operation)}__pad")(x),
            "valid",
        )
    kind = _kind("MaxPooling" if operation.kind == "max" else "AveragePooling", len(window))
    return kind(window, strides=strides, padding=padding, **_common(operation))(x)


@_layer.register
def _(operation: operations.GlobalAverage, x: Any) -> Any:
    return _kind("GlobalAveragePooling", len(x.shape) - 2)(**_common(operation))(x)


@_layer.register
def _(operation: operations.Add | operations.Multiply | operations.Concatenate, *inputs: Any) -> Any:
    # Keras calls these three what we call them.
    return getattr(layers, type(operation).__name__)(**_common(operation))(list(inputs))


@_layer.register
def _(operation: operations.Resize, x: Any) -> Any:
    if operation.kind == "linear":
        return LinearResize(operation.factors, **_common(operation))(x)
    return _kind("UpSampling", len(operation.factors))(operation.factors, **_common(operation))(x)


@_layer.register
def _(operation: operations.ResizeTo, x: Any) -> Any:
    if len(operation.size) != 2:
        raise EngineError("Keras' translator resizes maps of two extents only")
    return _resized(operation, operation.size, x)


@_layer.register
def _(operation: operations.ResizeWithin, x: Any) -> Any:
    return _resized(operation, operation.size_of(_fixed(operation, x)), x)


@_layer.register
def _(operation: Proposals, *inputs: Any) -> Any:
    for x in inputs:
        _fixed(operation, x)
    return ProposedRegions(operation, **_common(operation))(list(inputs))


@_layer.register
def _(operation: AlignedRegions, *inputs: Any) -> Any:
    return RegionMaps(operation, **_common(operation))(list(inputs))


@_layer.register
def _(operation: operations.ResizeLike, x: Any, like: Any) -> Any:
    return StretchedLike(**_common(operation))([x, like])


@_layer.register
def _(operation: operations.Trim, x: Any) -> Any:
    return _cropped(operation, x, operation.cut)


@_layer.register
def _(operation: operations.PadToMultiple, x: Any) -> Any:
    if operation.zeros:
        added = [(0, operation.added(extent)) for extent in _fixed(operation, x)]
        return layers.ZeroPadding2D(added, **_common(operation))(x)
    return MirrorToMultiple(operation.multiple, **_common(operation))(x)


@_layer.register
def _(operation: operations.TrimPadding, x: Any, unpadded: Any) -> Any:
    return CutToMultiple(operation.multiple, operation.stride, **_common(operation))([x, unpadded])


@_layer.register
def _(operation: operations.Dropout, x: Any) -> Any:
    return layers.Dropout(operation.rate, **_common(operation))(x) if operation.rate else x


def _resized(operation: Operation, size: Sequence[int], x: Any) -> Any:
    # Keras' layer of this name computes as the function of its backend does.
    return layers.Resizing(*size, interpolation="bilinear", **_common(operation))(x)


def _fixed(operation: Operation, x: Any) -> list[int]:
    """Extents of a map, which must be known."""
    if None in x.shape[1:-1]:
        raise EngineError(f"'{operation.name}' of Keras' translator is for frames of one size")
    return list(x.shape[1:-1])


def _cropped(operation: Operation, x: Any, cut: Sequence[tuple[int, int]]) -> Any:
    if not any(map(any, cut)):
        return x
    return _kind("Cropping", len(cut))(cut, name=f"{layer_name(operation)}__crop")(x)


def _padded(operation: operations.AnyConvolution, x: Any, dilation: int = 1) -> tuple[Any, Any, str]:
    """Its input with zeros around it where Keras' own padding is another, its strides, and what padding is left."""
    strides = operation.strides or (1,) * len(operation.kernel)
    pads = explicit_padding(operation.padding, operation.kernel, dilation)
    is_same = operation.padding == "centered" and set(strides) == {1} and all(side % 2 for side in operation.kernel)
    if pads is None or is_same:
        return x, strides, "same"
    if any(map(any, pads)):
        # TensorFlow's own SAME pads an even size only at its end; slim and PyTorch pad both sides alike.
        x = _kind("ZeroPadding", len(pads))(pads, name=f"{layer_name(operation)}__pad")(x)
    return x, strides, "valid"

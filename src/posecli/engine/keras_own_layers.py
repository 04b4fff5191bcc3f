"""Layers that Keras lacks, or computes in a way that does not serve here.

Everything is written in Keras' terms, except that on TensorFlow a dilated convolution calls ``tf.nn.conv2d`` itself
(see `DilatedConv2D`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

layers, ops = keras.layers, keras.ops


@keras.saving.register_keras_serializable("posecli")
class DilatedConv2D(keras.layers.Conv2D):  # type: ignore[misc]  # Keras has no type stubs
    """A convolution that stays one operation when dilated.

    Keras calls ``tf.nn.convolution``, which in a graph of unknown height and width surrounds a dilated
    convolution with SpaceToBatch and BatchToSpace; exported to ONNX or OpenVINO that is some eighty nodes.
    ``tf.nn.conv2d`` takes the dilation itself. Other backends have no such trap and use Keras' own path.
    """

    def call(self, inputs: Any) -> Any:
        if keras.backend.backend() != "tensorflow":
            return super().call(inputs)
        import tensorflow as tf

        outputs = tf.nn.conv2d(inputs, self.kernel, self.strides, self.padding.upper(), dilations=self.dilation_rate)
        return tf.nn.bias_add(outputs, self.bias) if self.use_bias else outputs


@keras.saving.register_keras_serializable("posecli")
class GroupsRowByRow(keras.layers.GroupNormalization):  # type: ignore[misc]
    """Group normalisation whose averages are taken along each row, and then over rows.

    Keras takes one long sum, which in float32 loses what a small number adds to it.
    """

    def call(self, inputs: Any) -> Any:
        x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        mean = self._averages(x)
        factor = self.gamma * ops.rsqrt(self._averages(ops.square(x - mean)) + self.epsilon)
        return ops.cast(x * factor + (self.beta - mean * factor), self.compute_dtype)

    def _averages(self, x: Any) -> Any:
        """``(B, 1, ..., C)``: for each channel the average of its group."""
        for axis in range(len(x.shape) - 2, 0, -1):
            x = ops.mean(x, axis=axis, keepdims=True)
        *ones, channels = x.shape[1:]
        each = channels // self.groups
        return ops.repeat(ops.mean(ops.reshape(x, (-1, *ones, self.groups, each)), axis=-1), each, axis=-1)


@keras.saving.register_keras_serializable("posecli")
class AverageWindow(keras.layers.Layer):  # type: ignore[misc]
    """Averages over windows, one step apart, that span the whole of some axes (``None``).

    Unlike Keras' average pooling, this serves maps of any size in one network.
    """

    def __init__(self, window: Sequence[int | None], **settings: Any) -> None:
        super().__init__(**settings)
        self.window = tuple(window)

    def call(self, inputs: Any) -> Any:
        x = ops.mean(inputs, axis=[axis for axis, side in enumerate(self.window, 1) if side is None], keepdims=True)
        for axis, side in enumerate(self.window, 1):
            if side is not None:
                extent = x.shape[axis]
                cut = side if extent is None else min(side, extent)
                x = ops.moveaxis(x, axis, 1)
                count = ops.shape(x)[1] - cut + 1
                x = ops.moveaxis(sum(x[:, first : first + count] for first in range(cut)) / cut, 1, axis)
        return x


@keras.saving.register_keras_serializable("posecli")
class LinearResize(keras.layers.Layer):  # type: ignore[misc]
    """Maps of two or three extents larger by whole factors, linear between the centers of cells."""

    def __init__(self, factors: Sequence[int], **settings: Any) -> None:
        super().__init__(**settings)
        self.factors = tuple(factors)

    def call(self, inputs: Any) -> Any:
        shape = list(ops.shape(inputs))
        x = inputs
        for axis, factor in enumerate(self.factors, 1):
            behind = math.prod(shape[axis + 1 :])
            x = ops.reshape(x, (-1, shape[axis], behind, 1))
            shape[axis] *= factor
            x = ops.reshape(ops.image.resize(x, (shape[axis], behind), "bilinear"), (-1, *shape[1:]))
        return x


@keras.saving.register_keras_serializable("posecli")
class SurroundedByLowest(keras.layers.Layer):  # type: ignore[misc]
    """Maps with so many cells around them, per axis, that no maximum ever takes."""

    def __init__(self, cells: Sequence[int], **settings: Any) -> None:
        super().__init__(**settings)
        self.cells = tuple(cells)

    def call(self, inputs: Any) -> Any:
        widths = [(0, 0), *((cells, cells) for cells in self.cells), (0, 0)]
        return ops.pad(inputs, widths, constant_values=-math.inf)


@keras.saving.register_keras_serializable("posecli")
class MirrorToMultiple(keras.layers.Layer):  # type: ignore[misc]
    """Maps enlarged at their end until a number divides each side, mirrored about the middle of the last cell."""

    def __init__(self, multiple: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.multiple = multiple

    def call(self, inputs: Any) -> Any:
        x = inputs
        for axis, extent in enumerate(ops.shape(inputs)[1:-1], 1):
            places = ops.arange(extent + -extent % self.multiple)
            x = ops.take(x, ops.where(places < extent, places, ops.abs(2 * (extent - 1) - places)), axis)
        return x


@keras.saving.register_keras_serializable("posecli")
class CutToMultiple(keras.layers.Layer):  # type: ignore[misc]
    """Maps without what `MirrorToMultiple` has added to the maps behind them, of which each cell is `stride` cells."""

    def __init__(self, multiple: int, stride: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.multiple, self.stride = multiple, stride

    def call(self, inputs: Any) -> Any:
        x, unpadded = inputs
        sides = zip(ops.shape(x)[1:-1], ops.shape(unpadded)[1:-1], strict=True)
        kept = [slice(side + -(-extent % self.multiple // self.stride)) for side, extent in sides]
        return x[(slice(None), *kept)]


@keras.saving.register_keras_serializable("posecli")
class ScaledToLength(keras.layers.Layer):  # type: ignore[misc]
    """Tokens over their root mean square, or over `epsilon` where that is larger, times a number that is learned."""

    def __init__(self, epsilon: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.epsilon = epsilon

    def build(self, _shape: Any) -> None:
        self.gamma = self.add_weight(shape=(1,), initializer="ones", name="gamma")

    def call(self, inputs: Any) -> Any:
        length = ops.sqrt(ops.mean(ops.square(inputs), axis=-1, keepdims=True))
        return inputs / ops.maximum(length, self.epsilon) * self.gamma


@keras.saving.register_keras_serializable("posecli")
class ScaledChannels(keras.layers.Layer):  # type: ignore[misc]
    """Channels times factors, plus offsets; several versions of them one behind the other if asked for."""

    def __init__(self, copies: int | None, *, has_offset: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self.copies, self.has_offset = copies, has_offset

    def build(self, shape: Any) -> None:
        wanted = (shape[-1],) if self.copies is None else (self.copies, shape[-1])
        self.factor = self.add_weight(shape=wanted, initializer="ones", name="factor")
        if self.has_offset:
            self.offset = self.add_weight(shape=wanted, initializer="zeros", name="offset")

    def call(self, inputs: Any) -> Any:
        x = ops.concatenate([inputs] * (self.copies or 1), axis=-1) * ops.reshape(self.factor, (-1,))
        return x + ops.reshape(self.offset, (-1,)) if self.has_offset else x


@keras.saving.register_keras_serializable("posecli")
class TokenProduct(keras.layers.Layer):  # type: ignore[misc]
    """The product of two batches of matrices, times a factor."""

    def __init__(self, factor: float, *, transposed: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self.factor, self.transposed = factor, transposed

    def call(self, inputs: Any) -> Any:
        x, y = inputs
        return ops.matmul(x, ops.swapaxes(y, -1, -2) if self.transposed else y) * self.factor


@keras.saving.register_keras_serializable("posecli")
class SomeChannels(keras.layers.Layer):  # type: ignore[misc]
    """So many channels from the first one on."""

    def __init__(self, first: int, channels: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.first, self.channels = first, channels

    def call(self, inputs: Any) -> Any:
        return inputs[..., self.first : self.first + self.channels]


@keras.saving.register_keras_serializable("posecli")
class StretchedLike(keras.layers.Layer):  # type: ignore[misc]
    """Maps brought to the size of others, as `posecli.network.operations.ResizeLike` has it."""

    def call(self, inputs: Any) -> Any:
        x, like = inputs
        for axis, (extent, wanted) in enumerate(zip(ops.shape(x)[1:-1], ops.shape(like)[1:-1], strict=True), 1):
            extents, steps = (ops.cast(each, "float32") for each in (ops.arange(extent), ops.arange(wanted)))
            step = ops.cast(extent, "float32") / ops.cast(wanted, "float32")
            distances = extents[:, None] + 0.5 - (steps + 0.5) * step
            weights = ops.maximum(1.0 - ops.abs(distances) / ops.maximum(step, 1.0), 0.0)
            weights = ops.cast(weights / ops.sum(weights, axis=0), x.dtype)
            x = ops.moveaxis(ops.tensordot(x, weights, axes=[[axis], [0]]), -1, axis)
        return x

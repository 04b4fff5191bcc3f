"""Networks in OpenVINO's operations, channels first as its CPU kernels want them.

Nothing is converted: a graph is built straight from a network's operations and weights, in a few tenths of a second
and without TensorFlow. That leaves no converted files to keep, to lock or to go stale.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import reduce, singledispatchmethod
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posecli.engine.openvino_groups import channel_normalization, group_normalization
from posecli.engine.openvino_regions import aligned, proposed
from posecli.errors import EngineError
from posecli.network import operations
from posecli.network.network import FRAMES, Network, Weights
from posecli.network.operations import Operation, explicit_padding
from posecli.network.regions import AlignedRegions, Proposals

if TYPE_CHECKING:
    import openvino as ov

#: Steps of an int8 activation, and of a weight (symmetric about zero).
ACTIVATION_LEVELS, WEIGHT_LEVELS = 256, 255
#: Values in a pooled map of one item from which on OpenVINO 2026.4 may take its plain loop for int8, hundreds of
#: times slower: their number times 64 does not fit 32 bits.
LARGEST_POOLED = 2**25


def build_openvino(network: Network, weights: Weights, extents: Sequence[int]) -> ov.Model:
    """Build a network for inputs of one size, ``(H, W)`` or ``(T, H, W)``, and batches of any.

    The graph takes ``(B, *extents, 3)`` uint8 RGB; its outputs are those of the network, float32, channels last.
    """
    import openvino as ov

    graph = _Graph(network, weights)
    frames = graph.op.parameter([-1, *extents, 3], np.uint8, name=FRAMES)
    return ov.Model(graph.results(frames), [frames], network.name)


class _Graph:
    """The nodes of one network, by the tensors that they make."""

    def __init__(self, network: Network, weights: Weights) -> None:
        from openvino import opset13

        self.op: Any = opset13
        self._network = network
        self._weights = weights
        self._nodes: dict[str, Any] = {}
        self._uses = Counter(name for each in network.operations for name in each.inputs)
        self._uses.update(network.outputs)
        self._int8 = {
            each.name for each in network.operations if isinstance(each, operations.AnyConvolution) and each.int8
        }
        #: Tensors whose values lie on the steps of int8.
        self._rounded: set[str] = set()

    def results(self, frames: Any) -> list[Any]:
        """Translate all operations; the network's outputs, channels last."""
        rank = self._network.rank
        self._nodes[FRAMES] = self._transpose(self._scaled(frames), (0, rank + 1, *range(1, rank + 1))).output(0)
        for operation in self._network.operations:
            node = self._node(operation, *(self._nodes[name] for name in operation.inputs))
            self._nodes[operation.name] = node.output(0) if hasattr(node, "outputs") else node
        outputs = [self._nodes[name] for name in self._network.outputs]
        last = (0, *range(2, rank + 2), 1)
        return [self.op.result(self._transpose(x, last) if self._is_map(x) else x) for x in outputs]

    def _is_map(self, x: Any) -> bool:
        """Whether its channels come before its extents; those of vectors and tokens come last."""
        return len(x.partial_shape) == self._network.rank + 2

    def _scaled(self, frames: Any) -> Any:
        scaling = self._network.scaling
        x = self.op.convert(frames, "f32")
        if scaling.factor != 1.0:
            x = self.op.multiply(x, self._constant(scaling.factor))
        return self.op.subtract(x, self._constant(scaling.offset))

    @singledispatchmethod
    def _node(self, operation: Operation, *_inputs: Any) -> Any:
        raise EngineError(f"OpenVINO's translator does not know the operation {type(operation).__name__}")

    @_node.register
    def _(self, operation: operations.Convolution, x: Any) -> Any:
        kernel = self._outputs_first(operation)
        if operation.int8:
            kernel = self._rounded_kernel(kernel)
        return self._convolved(self.op.convolution, operation, x, kernel, operation.dilation)

    @_node.register
    def _(self, operation: operations.DepthwiseConvolution, x: Any) -> Any:
        rank = len(operation.kernel)
        # (*kernel, C, 1) to groups of one channel each: (C, 1, 1, *kernel).
        kernel = self._constant(self._weights[operation.weights].transpose(rank, rank + 1, *range(rank))[:, None])
        if operation.int8:
            kernel = self._rounded_kernel(kernel)
        return self._convolved(self.op.group_convolution, operation, x, kernel)

    def _convolved(
        self, function: Any, operation: operations.AnyConvolution, x: Any, kernel: Any, dilation: int = 1
    ) -> Any:
        rank = len(operation.kernel)
        pads = explicit_padding(operation.padding, operation.kernel, dilation)
        auto_pad = "same_upper" if pads is None else "explicit"
        before, after = ([each[end] for each in pads or ((0, 0),) * rank] for end in (0, 1))
        strides = list(operation.strides or (1,) * rank)
        y = function(x, kernel, strides, before, after, [dilation] * rank, auto_pad, name=operation.name)
        return self._biased(y, operation.bias, rank)

    def _outputs_first(self, operation: operations.Convolution | operations.TransposedConvolution) -> Any:
        """The kernel as OpenVINO lays it out: its last two axes first, in the other order."""
        rank = len(operation.kernel)
        return self._constant(self._weights[operation.weights].transpose(rank + 1, rank, *range(rank)))

    @_node.register
    def _(self, operation: operations.TransposedConvolution, x: Any) -> Any:
        spare = [side - stride for side, stride in zip(operation.kernel, operation.strides, strict=True)]
        same = tuple((max(cells, 0) // 2, max(cells, 0) - max(cells, 0) // 2) for cells in spare)
        before, after = zip(*(explicit_padding(operation.padding, operation.kernel) or same), strict=True)
        y = self.op.convolution_backprop_data(
            x,
            self._outputs_first(operation),
            list(operation.strides),
            pads_begin=list(before),
            pads_end=list(after),
            output_padding=[max(-cells, 0) for cells in spare] if operation.padding == "same" else None,
            name=operation.name,
        )
        return self._biased(y, operation.bias, len(operation.kernel))

    @_node.register
    def _(self, operation: operations.Dense, x: Any) -> Any:
        y = self.op.matmul(x, self._constant(self._weights[operation.weights]), False, False, name=operation.name)
        return self._biased(y, operation.bias, rank=0)

    @_node.register
    def _(self, operation: operations.Tokens, x: Any) -> Any:
        return self.op.reshape(x, self.op.constant([0, 0, math.prod(operation.cells)]), special_zero=True)

    @_node.register
    def _(self, _operation: operations.Flatten, x: Any) -> Any:
        return self.op.reshape(x, self.op.constant([0, -1]), special_zero=True)

    @_node.register
    def _(self, operation: operations.ScaleNormalization, x: Any) -> Any:
        op, axis = self.op, self.op.constant([-1])
        mean_square = op.reduce_mean(op.multiply(x, x), axis, keep_dims=True)
        length = op.maximum(op.sqrt(mean_square), self._constant(operation.epsilon))
        return op.multiply(op.divide(x, length), self._constant(self._weights[operation.gamma]))

    @_node.register
    def _(self, operation: operations.Scale, x: Any) -> Any:
        y = x if operation.copies is None else self.op.concat([x] * operation.copies, -1)
        y = self.op.multiply(y, self._constant(self._weights[operation.factor].ravel()))
        if operation.offset is None:
            return y
        return self.op.add(y, self._constant(self._weights[operation.offset].ravel()))

    @_node.register
    def _(self, operation: operations.MatrixProduct, x: Any, y: Any) -> Any:
        product = self.op.matmul(x, y, False, operation.transposed, name=operation.name)
        return product if operation.factor == 1.0 else self.op.multiply(product, self._constant(operation.factor))

    @_node.register
    def _(self, operation: operations.BatchNormalization, x: Any) -> Any:
        beta, mean, variance = (self._weights[name] for name in (operation.beta, operation.mean, operation.variance))
        gamma = np.ones_like(beta) if operation.gamma is None else self._weights[operation.gamma]
        return self.op.batch_norm_inference(
            x, *map(self._constant, (gamma, beta, mean, variance)), epsilon=operation.epsilon
        )

    @_node.register
    def _(self, operation: operations.GroupNormalization, x: Any) -> Any:
        gamma, beta = (self._weights[name] for name in (operation.gamma, operation.beta))
        if operation.inputs[0] in self._int8:
            # OpenVINO 2026.4 moves the scales of int8 products behind the normalisation, and gets them wrong or makes
            # nothing of epsilon, unless something stands between that it does not look through.
            x = self.op.maximum(x, self._constant(np.finfo(np.float32).min)).output(0)
        if operation.groups is None:
            return channel_normalization(x, gamma, beta, operation.epsilon)
        return group_normalization(x, gamma, beta, operation.groups, operation.epsilon)

    @_node.register
    def _(self, operation: operations.Activation, x: Any) -> Any:
        op = self.op
        if operation.kind == "linear":
            return x
        if operation.kind == "relu6":
            return op.clamp(x, 0.0, 6.0)
        return getattr(op, operation.kind.replace("hard_", "h"))(x)

    @_node.register
    def _(self, operation: operations.Pooling, x: Any) -> Any:
        if operation.kind == "average":
            strides, window, pads, auto_pad = self._moves(operation, x)
            has_pads = operation.padding != "valid"
            return self.op.avg_pool(x, strides, pads, pads, window, exclude_pad=has_pads, auto_pad=auto_pad)
        if operation.inputs[0] in self._rounded:
            self._rounded.add(operation.name)
            return self._max_in_parts(operation, x)
        return self._max(operation, x)

    @_node.register
    def _(self, _operation: operations.GlobalAverage, x: Any) -> Any:
        axes = np.arange(2, self._network.rank + 2)
        return self.op.reduce_mean(x, self.op.constant(axes), keep_dims=False)

    @_node.register
    def _(self, operation: operations.Add | operations.Multiply, *inputs: Any) -> Any:
        return reduce(self.op.add if isinstance(operation, operations.Add) else self.op.multiply, inputs)

    @_node.register
    def _(self, operation: operations.Concatenate, *inputs: Any) -> Any:
        if self._rounded.issuperset(operation.inputs):
            self._rounded.add(operation.name)
        return self.op.concat(list(inputs), 1)

    @_node.register
    def _(self, operation: operations.Resize, x: Any) -> Any:
        return self._resized(x, operation.kind, "scales", self._constant(operation.factors), len(operation.factors))

    @_node.register
    def _(self, operation: operations.ResizeTo, x: Any) -> Any:
        return self._resized(x, "linear", "sizes", self.op.constant(np.array(operation.size)), len(operation.size))

    @_node.register
    def _(self, operation: operations.ResizeWithin, x: Any) -> Any:
        size = operation.size_of(self._extents(x))
        return self._resized(x, "linear", "sizes", self.op.constant(np.array(size)), len(size))

    @_node.register
    def _(self, operation: Proposals, *inputs: Any) -> Any:
        return proposed(operation, *inputs)

    @_node.register
    def _(self, operation: AlignedRegions, *inputs: Any) -> Any:
        return aligned(operation, *inputs)

    def _resized(self, x: Any, kind: str, told_by: str, wanted: Any, rank: int) -> Any:
        return self.op.interpolate(
            x,
            wanted,
            mode="nearest" if kind == "nearest" else "linear" if rank == 3 else "linear_onnx",
            shape_calculation_mode=told_by,
            pads_begin=[0] * (rank + 2),
            pads_end=[0] * (rank + 2),
            coordinate_transformation_mode="asymmetric" if kind == "nearest" else "half_pixel",
            nearest_mode="floor",
            axes=self.op.constant(np.arange(2, rank + 2)),
        )

    @_node.register
    def _(self, _operation: operations.ResizeLike, x: Any, like: Any) -> Any:
        rank = self._network.rank
        for axis, (extent, wanted) in enumerate(zip(self._extents(x), self._extents(like), strict=True), 2):
            if extent != wanted:
                x = self._along(x, axis, rank + 1)
                x = self.op.matmul(x, self._constant(_stretching(extent, wanted)), False, False)
                x = self._along(x, axis, rank + 1)
        return x

    def _along(self, x: Any, axis: int, last: int) -> Any:
        """The same with two axes exchanged."""
        order = list(range(last + 1))
        order[axis], order[last] = last, axis
        return x if axis == last else self._transpose(x, tuple(order))

    @_node.register
    def _(self, operation: operations.Trim, x: Any) -> Any:
        return self._cropped(x, operation.cut)

    @_node.register
    def _(self, operation: operations.PadToMultiple, x: Any) -> Any:
        if operation.zeros:
            after = np.array([0, 0, *map(operation.added, self._extents(x))])
            return self.op.pad(x, np.zeros_like(after), after, "constant")
        for axis, extent in enumerate(self._extents(x), 2):
            if added := operation.added(extent):
                places = np.pad(np.arange(extent), (0, added), mode="reflect")
                x = self.op.gather(x, self.op.constant(places), self.op.constant(axis))
        return x

    @_node.register
    def _(self, operation: operations.TrimPadding, x: Any, unpadded: Any) -> Any:
        return self._cropped(x, operation.cut((*self._extents(unpadded), None)))

    def _cropped(self, x: Any, cut: Sequence[tuple[int, int]]) -> Any:
        if not any(map(any, cut)):
            return x
        starts = [before for before, _ in cut]
        ends = [extent - after for extent, (_, after) in zip(self._extents(x), cut, strict=True)]
        axes = np.arange(2, len(cut) + 2)
        return self.op.slice(x, *map(self.op.constant, (starts, ends, [1] * len(cut), axes)))

    def _extents(self, x: Any) -> list[int]:
        return [extent.get_length() for extent in list(x.partial_shape)[2:]]

    @_node.register
    def _(self, _operation: operations.Dropout, x: Any) -> Any:
        return x

    @_node.register
    def _(self, _operation: operations.Float32, x: Any) -> Any:
        # A rectifier of slope 1 changes nothing. OpenVINO merges it into the convolution before it, which then hands
        # on float32 and not bf16.
        return self.op.prelu(x, self._constant(1.0))

    @_node.register
    def _(self, operation: operations.DepthToSpace, x: Any) -> Any:
        return self.op.depth_to_space(x, "blocks_first", operation.factor)

    @_node.register
    def _(self, operation: operations.Split, x: Any) -> Any:
        axis = 1 if self._is_map(x) else -1
        splits = (each for each in self._network.operations if isinstance(each, operations.Split))
        parts = [each for each in splits if each.inputs == operation.inputs]
        # Of a network that is cut off before its end, some parts are missing.
        ends = (end for each in parts for end in (each.first, each.first + each.channels))
        bounds = sorted({0, *ends, list(x.partial_shape)[axis].get_length()})
        lengths = [after - before for before, after in pairwise(bounds)]
        split = self._nodes.setdefault(f"{operation.inputs[0]}/split", self.op.variadic_split(x, axis, lengths))
        return split.output(bounds.index(operation.first))

    @_node.register
    def _(self, operation: operations.Round, x: Any) -> Any:
        """Round within limits; OpenVINO turns the convolution behind it into integer arithmetic."""
        self._rounded.add(operation.name)
        ones = (1,) * (self._network.rank + 2)
        low, high = (self._constant(np.full(ones, limit)) for limit in (operation.low, operation.high))
        if self._uses[operation.inputs[0]] > 1:
            # Rounding cuts off at the lowest value anyway. Said before it, as an operation of its own, it is what
            # OpenVINO merges the rounding into: one pass over a map that the next sum needs too, where it would take
            # three. Where nothing else needs the map, rounding is merged into what makes it, which takes none.
            x = self.op.maximum(x, low)
        return self.op.fake_quantize(x, low, high, low, high, ACTIVATION_LEVELS)

    def _rounded_kernel(self, kernel: Any) -> Any:
        """Each output channel's weights rounded to int8 of its own range."""
        widest = np.abs(kernel.data).max(axis=tuple(range(1, kernel.data.ndim)), keepdims=True)
        high = np.maximum(widest, np.finfo(np.float32).tiny)
        limits = self._constant(-high), self._constant(high)
        return self.op.fake_quantize(kernel, *limits, *limits, WEIGHT_LEVELS)

    def _biased(self, x: Any, bias: str | None, rank: int) -> Any:
        return x if bias is None else self.op.add(x, self._constant(self._weights[bias].reshape(1, -1, *(1,) * rank)))

    def _max(self, operation: operations.Pooling, x: Any) -> Any:
        strides, window, pads, auto_pad = self._moves(operation, x)
        return self.op.max_pool(x, strides, [1] * len(window), pads, pads, window, auto_pad=auto_pad).output(0)

    def _max_in_parts(self, operation: operations.Pooling, x: Any) -> Any:
        """The maximum, of so few channels at a time that no part of the pooled map is too large."""
        channels = list(x.partial_shape)[1].get_length()
        most = max(1, (LARGEST_POOLED - 1) // math.prod(self._extents(self._max(operation, x))))
        if channels <= most:
            return self._max(operation, x)
        lengths = [len(part) for part in np.array_split(np.arange(channels), -(-channels // most))]
        split = self.op.variadic_split(x, 1, lengths)
        return self.op.concat([self._max(operation, part) for part in split.outputs()], 1)

    def _moves(self, operation: operations.Pooling, x: Any) -> tuple[list[int], list[int], list[int], str]:
        """Strides, the window cut down to the map, padding at both ends, and OpenVINO's word for the padding."""
        window = [side or 1 for side in operation.window_in(self._extents(x))]
        auto_pad = "same_upper" if operation.padding == "same" else "explicit"
        pads = [side // 2 if operation.padding == "centered" else 0 for side in window]
        return list(operation.strides or (1,) * len(window)), window, pads, auto_pad

    def _constant(self, array: npt.ArrayLike) -> Any:
        """A float32 constant, laid out in memory as it is."""
        return self.op.constant(np.ascontiguousarray(array, np.float32))

    def _transpose(self, x: Any, order: tuple[int, ...]) -> Any:
        """The same with its axes in another order."""
        return self.op.transpose(x, self.op.constant(np.asarray(order)))


def _stretching(extent: int, wanted: int) -> npt.NDArray[np.float32]:
    """The matrix that brings so many cells to another number of them, as `operations.ResizeLike` has it.

    >>> _stretching(2, 3).tolist()
    [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]
    >>> (7 * _stretching(4, 2)).round(3).tolist()
    [[3.0, 0.0], [3.0, 1.0], [1.0, 3.0], [0.0, 3.0]]
    """
    step = extent / wanted
    distances = np.arange(extent)[:, None] + 0.5 - (np.arange(wanted) + 0.5) * step
    weights = np.maximum(1 - np.abs(distances) / max(step, 1.0), 0)
    return np.asarray(weights / weights.sum(0), np.float32)

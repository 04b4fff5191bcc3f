"""The I3D network as an OpenVINO graph, built straight from its weights, as `posecli.network.openvino_graph` does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from posecli.network.i3d.variables import LOGITS, LOGITS_STEPS, Mixed, Pool, Step, Unit, trunk
from posecli.network.openvino_ops import GraphBuilder, Weights

if TYPE_CHECKING:
    import openvino as ov

    from posecli.network.i3d.variables import I3DSpec
    from posecli.network.int8 import Int8Plan

_TO_NCDHW = (0, 4, 1, 2, 3)
#: A kernel's axes as OpenVINO has them, outputs first.
_KERNEL_AXES = (4, 3, 0, 1, 2)
#: Values in a pooled map of one chunk from which on OpenVINO 2026.4 may take its plain loop for eight bits, hundreds of
#: times slower: their number times 64 does not fit 32 bits.
_LARGEST_POOLED = 2**25


def build_i3d_graph(
    spec: I3DSpec, folded: Weights, frames: int, height: int, width: int, int8: Int8Plan | None = None
) -> ov.Model:
    """Build the network for chunks of one size and batches of any.

    Parameters
    ----------
    spec
        What to build.
    folded
        Folded arrays, from `posecli.network.i3d.folding.fold_batch_norm`.
    frames, height, width
        Size of a chunk: frames, and px.
    int8
        Convolutions to compute in eight bits, and the ranges of what enters them; the logits' never is.

    Returns
    -------
    openvino.Model
        Takes ``(B, T, H, W, 3)`` uint8 RGB, gives ``(B, n_classes)`` float32 logits.
    """
    import openvino as ov

    return ov.Model(*_Graph(spec, folded, int8).build(frames, height, width), "i3d")


def build_i3d_calibration_graph(
    spec: I3DSpec, folded: Weights, frames: int, height: int, width: int
) -> tuple[ov.Model, list[str]]:
    """The network with everything that enters a convolution as its outputs, and those convolutions' scopes in order.

    The logits' convolution, which is always computed in the wider precision, is left out.
    """
    import openvino as ov

    graph = _Graph(spec, folded, None)
    _, chunks = graph.build(frames, height, width)
    results = [graph.op.result(entering) for entering in graph.entering.values()]
    return ov.Model(results, chunks, "i3d-calibration"), list(graph.entering)


class _Graph(GraphBuilder):
    """Spells one network in OpenVINO operations, channels first as its CPU kernels want them."""

    def __init__(self, spec: I3DSpec, weights: Weights, int8: Int8Plan | None) -> None:
        super().__init__(int8)
        self.spec = spec
        self.weights = weights
        #: By the name of what came out: the maps that were joined, or the one that was pooled, and how.
        self._joined: dict[str, list[Any]] = {}
        self._pooled: dict[str, tuple[Any, Pool]] = {}
        self._rounded: dict[tuple[str, tuple[float, float]], Any] = {}

    def build(self, frames: int, height: int, width: int) -> tuple[list[Any], list[Any]]:
        """Results and parameters."""
        chunk = self.op.parameter([-1, frames, height, width, 3], np.uint8, name="frames")
        scale, one = (self.constant(np.asarray(value, np.float32)) for value in (1 / 127.5, 1))
        x = self.op.subtract(self.op.multiply(self.op.convert(chunk, "f32"), scale), one)
        x = self.transpose(x, _TO_NCDHW).output(0)
        for part in trunk(self.spec):
            x = self._mixed(x, part) if isinstance(part, Mixed) else self._step(x, part)
        return [self.op.result(self._logits(x))], [chunk]

    def _mixed(self, x: Any, block: Mixed) -> Any:
        joined = []
        for branch in block.branches:
            y = x
            for step in branch:
                y = self._step(y, step)
            joined.append(y)
        return self._join(joined)

    def _join(self, maps: list[Any]) -> Any:
        y = self.op.concat(maps, 1).output(0)
        self._joined[_name(y)] = maps
        return y

    def _step(self, x: Any, step: Step) -> Any:
        return self._pool(x, step) if isinstance(step, Pool) else self._unit(x, step)

    def _unit(self, x: Any, unit: Unit) -> Any:
        x, kernel = self.operands(x, self.weights[f"{unit.scope}/conv_3d/w"].transpose(_KERNEL_AXES), unit.scope)
        none = [0, 0, 0]
        y = self.op.convolution(
            x, kernel, [unit.stride] * 3, none, none, [1, 1, 1], auto_pad="same_upper", name=unit.scope
        )
        return self.op.relu(self.op.add(y, self._bias(unit.scope))).output(0)

    def _pool(self, x: Any, pool: Pool) -> Any:
        strides, none = list(pool.strides), [0, 0, 0]
        y = self.op.max_pool(x, strides, [1, 1, 1], none, none, list(pool.window), auto_pad="same_upper").output(0)
        self._pooled[_name(y)] = x, pool
        return y

    def _pool_in_parts(self, x: Any, pool: Pool, extents: list[Any]) -> Any:
        """The maximum, of so few channels at a time that no part of the pooled map of these extents is too large."""
        channels, *places = (extent.get_length() for extent in extents)
        most = max(1, (_LARGEST_POOLED - 1) // math.prod(places))
        if channels <= most:
            return self._pool(x, pool)
        lengths = [len(part) for part in np.array_split(np.arange(channels), -(-channels // most))]
        axis, sizes = (self.op.constant(np.asarray(value, np.int64)) for value in (1, lengths))
        split = self.op.variadic_split(x, axis, sizes)
        return self.op.concat([self._pool(part, pool) for part in split.outputs()], 1).output(0)

    def eight_bits(self, x: Any, limits: tuple[float, float], rank: int) -> Any:
        """Round as early as gives the same values, and once for all that want them.

        Joining maps and taking their maximum leave rounded values as they are. Done before, the rounding becomes
        part of the convolutions that make the maps, and all that lies between moves a quarter of the bytes.
        """
        key = _name(x), limits
        if key not in self._rounded:
            self._rounded[key] = self._round(x, limits, rank)
        return self._rounded[key]

    def _round(self, x: Any, limits: tuple[float, float], rank: int) -> Any:
        name = _name(x)
        if name in self._joined:
            return self._join([self.eight_bits(part, limits, rank) for part in self._joined[name]])
        if name in self._pooled:
            before, pool = self._pooled[name]
            return self._pool_in_parts(self.eight_bits(before, limits, rank), pool, list(x.partial_shape)[1:])
        return super().eight_bits(x, limits, rank)

    def _logits(self, x: Any) -> Any:
        """Averages over the whole map and two steps in time, then classes, then their mean over time."""
        steps, height, width = (extent.get_length() for extent in list(x.partial_shape)[2:])
        window, none = [min(LOGITS_STEPS, steps), height, width], [0, 0, 0]
        embedding = self.op.avg_pool(x, [1, 1, 1], none, none, window, exclude_pad=False)
        kernel = self.constant(self.weights[f"{LOGITS}/conv_3d/w"].transpose(_KERNEL_AXES))
        y = self.op.convolution(embedding, kernel, [1, 1, 1], none, none, [1, 1, 1], name=LOGITS)
        y = self.op.add(y, self._bias(LOGITS))
        return self.op.reduce_mean(y, self.op.constant(np.asarray([2, 3, 4])), keep_dims=False)

    def _bias(self, scope: str) -> Any:
        return self.constant(self.weights[f"{scope}/conv_3d/b"].reshape(1, -1, 1, 1, 1))


def _name(x: Any) -> str:
    return str(x.get_node().get_name())

"""The pose network as an OpenVINO graph, built straight from its weights.

Nothing is converted: the same description of the network (`posecli.network.variables`) that the Keras layers are made
from is spelt in OpenVINO's operations, in a few tenths of a second and without TensorFlow. That leaves no converted
files to keep, to lock or to go stale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from posecli.network.openvino_ops import GraphBuilder, Weights
from posecli.network.variables import LOCREF_HEAD, SCOREMAP_HEAD, Convolution, Unit, head_channels, stem, units

if TYPE_CHECKING:
    import openvino as ov

    from posecli.network.int8 import Int8Plan
    from posecli.network.spec import PoseNetworkSpec

_TO_NCHW = (0, 3, 1, 2)
_TO_NHWC = (0, 2, 3, 1)


def build_openvino_graph(
    spec: PoseNetworkSpec, weights: Weights, height: int, width: int, int8: Int8Plan | None = None
) -> ov.Model:
    """Build the network for frames of one size and batches of any.

    Parameters
    ----------
    spec
        What to build.
    weights
        Folded arrays, from `posecli.network.folding.fold_batch_norm`.
    height, width
        Frame size, px.
    int8
        Convolutions to compute in eight bits, and the ranges of what enters them.

    Returns
    -------
    openvino.Model
        Takes ``(B, H, W, 3)`` uint8 RGB. First output ``(B, h, w, K)`` float32 probabilities; second, where the
        network refines locations, ``(B, h, w, 2 K)`` float32 offsets, x and y of each body part in turn.
    """
    import openvino as ov

    return ov.Model(*_Graph(spec, weights, int8).build(height, width), spec.net_type)


def build_calibration_graph(
    spec: PoseNetworkSpec, weights: Weights, height: int, width: int
) -> tuple[ov.Model, list[str]]:
    """The network with everything that enters a convolution as its outputs, and those convolutions' scopes in order."""
    import openvino as ov

    graph = _Graph(spec, weights, None)
    _, frames = graph.build(height, width)
    results = [graph.op.result(entering) for entering in graph.entering.values()]
    return ov.Model(results, frames, f"{spec.net_type}-calibration"), list(graph.entering)


class _Graph(GraphBuilder):
    """Spells one network in OpenVINO operations, channels first as its CPU kernels want them."""

    def __init__(self, spec: PoseNetworkSpec, weights: Weights, int8: Int8Plan | None) -> None:
        super().__init__(int8)
        self.spec = spec
        self.weights = weights

    def build(self, height: int, width: int) -> tuple[list[Any], list[Any]]:
        """Results and parameters."""
        frames = self.op.parameter([-1, height, width, 3], np.uint8, name="frames")
        mean = np.asarray(self.spec.mean_pixel, np.float32)
        x = self.op.subtract(self.op.convert(frames, "f32"), self.op.constant(mean))
        x = self.transpose(x, _TO_NCHW)
        x = self._conv(x, stem(self.spec.net_type))
        x = self._max_pool(x, kernel=3)
        for unit in units(self.spec.net_type):
            x = self._bottleneck(x, unit)
        scoremap = self.op.sigmoid(self._head(x, SCOREMAP_HEAD))
        outputs = [scoremap, self._head(x, LOCREF_HEAD)] if self.spec.locref else [scoremap]
        return [self.op.result(self.transpose(output, _TO_NHWC)) for output in outputs], [frames]

    def _conv(self, x: Any, conv: Convolution) -> Any:
        x, kernel = self.operands(x, self.weights[f"{conv.scope}/weights"].transpose(3, 2, 0, 1), conv.scope)
        padding = [conv.kernel // 2 * conv.dilation] * 2
        y = self.op.convolution(x, kernel, [conv.stride] * 2, padding, padding, [conv.dilation] * 2, name=conv.scope)
        y = self.op.add(y, self._bias(conv.scope))
        return self.op.relu(y) if conv.relu else y

    def _bottleneck(self, x: Any, unit: Unit) -> Any:
        shortcut = x
        if unit.shortcut is not None:
            shortcut = self._conv(x, unit.shortcut)
        elif unit.stride > 1:
            shortcut = self._max_pool(x, kernel=1)
        for conv in unit.convolutions:
            x = self._conv(x, conv)
        return self.op.relu(self.op.add(shortcut, x))

    def _max_pool(self, x: Any, kernel: int) -> Any:
        """Stride 2, padded as TensorFlow's SAME: an odd padding's extra pixel at the end."""
        return self.op.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [kernel] * 2, auto_pad="same_upper").output(0)

    def _head(self, features: Any, head: str) -> Any:
        """Transposed convolution to exactly twice the size: the last row and column are left out."""
        kernel = self.weights[f"{head}/weights"].transpose(3, 2, 0, 1)
        y = self.op.convolution_backprop_data(
            features, self.constant(kernel), [2, 2], pads_begin=[0, 0], pads_end=[1, 1], auto_pad="explicit", name=head
        )
        assert len(kernel[0]) == head_channels(self.spec.n_bodyparts, locref=True)[head]
        return self.op.add(y, self._bias(head))

    def _bias(self, scope: str) -> Any:
        return self.constant(self.weights[f"{scope}/biases"].reshape(1, -1, 1, 1))

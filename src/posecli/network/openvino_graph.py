"""The pose network as an OpenVINO graph, built straight from its weights.

Nothing is converted: the same description of the network (`posecli.network.variables`) that the Keras layers are made
from is spelt in OpenVINO's operations, in a few tenths of a second and without TensorFlow. That leaves no converted
files to keep, to lock or to go stale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posecli.network.openvino_ops import GraphBuilder, Weights
from posecli.network.variables import Convolution, Unit, head_channels, stem, units

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


def subpixel_kernel(kernel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A 3x3 transposed convolution of stride 2 as an ordinary one with four times the channels.

    A pixel of the doubled map sees at most two cells of the small one along each side: even ones tap 0 of the cell
    above them and tap 2 of the one before, odd ones tap 1 (Shi et al. 2016, "Is the deconvolution layer the same as a
    convolutional layer?"). OpenVINO computes this in the network's own precision; its transposed convolutions compute
    in float32 and, with few channels, mostly on padding.

    Parameters
    ----------
    kernel
        ``(3, 3, C, D)`` float32, from D channels to C, as TensorFlow keeps it.

    Returns
    -------
    ``(4 C, D, 2, 2)`` float32; C channels for each of the upper left, upper right, lower left and lower right pixel.

    Examples
    --------
    >>> subpixel_kernel(np.arange(9.0, dtype=np.float32).reshape(3, 3, 1, 1))[:, 0].tolist()
    [[[8.0, 6.0], [2.0, 0.0]], [[0.0, 7.0], [0.0, 1.0]], [[0.0, 0.0], [5.0, 3.0]], [[0.0, 0.0], [0.0, 4.0]]]
    """
    _, _, out, entering = kernel.shape
    subpixel = np.zeros((2, 2, out, entering, 2, 2), np.float32)
    taps = {0: ((0, 2), (1, 0)), 1: ((1, 1),)}  # of even and odd pixels: which cell, which tap
    for row, column in np.ndindex(2, 2):
        for y, tap_y in taps[row]:
            for x, tap_x in taps[column]:
                subpixel[row, column, :, :, y, x] = kernel[tap_y, tap_x]
    return subpixel.reshape(4 * out, entering, 2, 2)


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
        scoremap, *locref = self._heads(x)
        outputs = [self.op.sigmoid(scoremap), *locref]
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

    def _heads(self, features: Any) -> list[Any]:
        """All heads, transposed convolutions to exactly twice the size, as one convolution; see `subpixel_kernel`."""
        channels = head_channels(self.spec.n_bodyparts, locref=self.spec.locref)
        kernel = np.concatenate([self.weights[f"{head}/weights"] for head in channels], axis=2)
        bias = np.concatenate([self.weights[f"{head}/biases"] for head in channels])
        y = self.op.convolution(
            features, self.constant(subpixel_kernel(kernel)), [1, 1], [1, 1], [0, 0], [1, 1], name="pose/heads"
        )
        y = self.op.add(y, self.constant(np.tile(bias, 4).reshape(1, -1, 1, 1)))
        # A rectifier of slope 1 changes nothing. OpenVINO merges it into the convolution, which then hands on float32
        # and not bf16: in eight bits of mantissa neighbouring cells of a scoremap would tie, and the first of them win.
        y = self.op.prelu(y, self.constant(np.ones(1, np.float32)))
        y = self.op.depth_to_space(y, "blocks_first", 2)
        if len(channels) == 1:
            return [y]
        return list(self.op.variadic_split(y, 1, list(channels.values())).outputs())

    def _bias(self, scope: str) -> Any:
        return self.constant(self.weights[f"{scope}/biases"].reshape(1, -1, 1, 1))

"""What networks spelt in OpenVINO's operations have in common, whatever the rank of their maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from posecli.network.int8 import Int8Plan

Weights = Mapping[str, npt.NDArray[np.float32]]

#: Steps of an eight-bit activation, and of a weight (symmetric about zero).
ACTIVATION_LEVELS, WEIGHT_LEVELS = 256, 255


class GraphBuilder:
    """Makes nodes of a graph, and rounds to eight bits what a plan names.

    Parameters
    ----------
    int8
        Convolutions to compute in eight bits, and the ranges of what enters them.
    """

    def __init__(self, int8: Int8Plan | None) -> None:
        from openvino import opset13

        self.op: Any = opset13
        self.int8 = int8
        #: What enters each convolution, before it is made eight bits wide.
        self.entering: dict[str, Any] = {}

    def operands(self, x: Any, kernel: npt.NDArray[np.float32], scope: str) -> tuple[Any, Any]:
        """What a convolution multiplies, in eight bits where the plan says so; kernels have their outputs first."""
        self.entering[scope] = x
        weights = self.constant(kernel)
        if self.int8 is None or scope not in self.int8.ranges:
            return x, weights
        return self.eight_bits(x, self.int8.ranges[scope], kernel.ndim), self.eight_bit_weights(weights)

    def eight_bits(self, x: Any, limits: tuple[float, float], rank: int) -> Any:
        """Round to eight bits within limits; OpenVINO turns the convolution behind it into integer arithmetic."""
        low, high = (self.constant(np.full((1,) * rank, limit, np.float32)) for limit in limits)
        # Rounding cuts off at the lowest value anyway. Said before it, as an operation of its own, it is what OpenVINO
        # merges the rounding into: one pass over a map that the next sum needs too, where it would take three.
        x = self.op.maximum(x, low)
        return self.op.fake_quantize(x, low, high, low, high, ACTIVATION_LEVELS)

    def eight_bit_weights(self, kernel: Any) -> Any:
        """Round each output channel's weights to eight bits of its own range."""
        widest = np.abs(kernel.data).max(axis=tuple(range(1, kernel.data.ndim)), keepdims=True)
        high = self.constant(np.maximum(widest, np.finfo(np.float32).tiny))
        low = self.constant(-np.maximum(widest, np.finfo(np.float32).tiny))
        return self.op.fake_quantize(kernel, low, high, low, high, WEIGHT_LEVELS)

    def constant(self, array: npt.NDArray[np.float32]) -> Any:
        """A constant, laid out in memory as it is."""
        return self.op.constant(np.ascontiguousarray(array))

    def transpose(self, x: Any, order: tuple[int, ...]) -> Any:
        """The same with its axes in another order."""
        return self.op.transpose(x, self.op.constant(np.asarray(order)))

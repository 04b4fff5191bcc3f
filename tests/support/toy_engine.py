"""An engine that computes in NumPy: the worked example of CONTRIBUTING.md."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.engine import EngineInfo, Shape
from posecli.engine.outputs import Output, typed_output
from posecli.errors import EngineError
from posecli.model.folder import AnyFolder
from posecli.network.folding import fold_batch_norm
from posecli.network.network import FRAMES
from posecli.network.operations import Activation, Convolution, Operation, TransposedConvolution, explicit_padding
from posecli.options import EngineOptions, FixedPrecision

Array = npt.NDArray[Any]
FUNCTIONS: dict[str, Any] = {"relu": lambda x: np.maximum(x, 0), "sigmoid": lambda x: (1 + np.tanh(x / 2)) / 2}


class NumPyEngine:
    """Whatever a runtime does: the network's operations in turn, on a batch of frames."""

    def __init__(self, folder: AnyFolder, _shape: Shape, options: EngineOptions) -> None:
        self.network, self.weights = fold_batch_norm(folder.description.network, folder.weights())
        self.info = EngineInfo("numpy", np.__version__, "CPU", options.fixed_precision, threads=1)

    @staticmethod
    def obstacle(_folder: AnyFolder, precision: FixedPrecision) -> str | None:
        """Why it cannot run a model in a precision."""
        return None if precision == "fp32" else f"the numpy engine does not compute in {precision}: choose fp32"

    def warm_up(self, batch_size: int) -> None:
        """Nothing is compiled."""

    def __call__(self, images: npt.NDArray[np.uint8]) -> Output:
        """Run the network on ``(B, H, W, 3)`` uint8 RGB."""
        scaling = self.network.scaling
        tensors = {FRAMES: (np.multiply(images, scaling.factor) - scaling.offset).astype(np.float32)}
        for operation in self.network.operations:
            tensors[operation.name] = computed(operation, self.weights, *(tensors[name] for name in operation.inputs))
        return typed_output(self.network.head, [tensors[name] for name in self.network.outputs])


@singledispatch
def computed(operation: Operation, _weights: Any, *_inputs: Array) -> Array:
    """What an operation makes of its inputs."""
    raise EngineError(f"the numpy engine does not know the operation {type(operation).__name__}")


@computed.register
def _(operation: Activation, _weights: Any, x: Array) -> Array:
    y: Array = FUNCTIONS[operation.kind](x)
    return y


@computed.register
def _(operation: Convolution, weights: Any, x: Array) -> Array:
    pads = explicit_padding(operation.padding, operation.kernel)
    assert pads is not None
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), *pads, (0, 0))), operation.kernel, (1, 2))
    rows, columns = operation.strides
    y: Array = np.einsum("bhwcij,ijcd->bhwd", windows[:, ::rows, ::columns], weights[operation.weights], optimize=True)
    y += weights[operation.bias]
    return y


@computed.register
def _(operation: TransposedConvolution, weights: Any, x: Array) -> Array:
    (rows, columns), (height, width) = operation.strides, x.shape[1:3]
    sides = operation.kernel
    y: Array = np.zeros((len(x), rows * height + sides[0], columns * width + sides[1], operation.channels), np.float32)
    for i, j in np.ndindex(sides):
        taps = x @ weights[operation.weights][i, j].T
        y[:, i : i + rows * height : rows, j : j + columns * width : columns] += taps
    y += weights[operation.bias]
    return y[:, : rows * height, : columns * width]

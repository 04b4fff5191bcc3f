"""What PyTorch's networks are built from, under the names of their state dicts.

PyTorch pads both ends of a map alike, and keeps ``weight``, ``bias``, ``running_mean`` and ``running_var``.
"""

from __future__ import annotations

from dataclasses import dataclass

from posecli.network.operations import (
    Activation,
    ActivationKind,
    Add,
    BatchNormalization,
    Convolution,
    DepthwiseConvolution,
    GroupNormalization,
    Operation,
)

EPSILON = 1e-5  # PyTorch's default, of both normalisations
GROUPS = 32  # of group normalisation in timm


@dataclass(frozen=True)
class Block:
    """A convolution without a bias, a normalisation, and an activation."""

    convolution: str  # prefix of its variables in the state dict
    norm: str  # prefix of the normalisation's
    side: int
    channels: int
    stride: int = 1
    dilation: int = 1
    activation: ActivationKind | None = "relu"
    in_groups: bool = False  # whether normalisation is that of groups of channels, not of the batch
    depthwise: bool = False  # every channel by itself; there are as many as before
    epsilon: float = EPSILON


class Layers:
    """The operations of a network in the making; what adds to them gives the name of the tensor that is made."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def add(self, operation: Operation) -> str:
        """One operation."""
        self.operations.append(operation)
        return operation.name

    def activation(self, tensor: str, kind: ActivationKind) -> str:
        """A function of a tensor."""
        return self.add(Activation(f"{tensor}.{kind}", (tensor,), kind))

    def blocks(self, tensor: str, *blocks: Block) -> str:
        """Blocks, one behind the other."""
        for block in blocks:
            tensor = self._block(tensor, block)
        return tensor

    def _block(self, tensor: str, block: Block) -> str:
        sides, strides, weights = (block.side,) * 2, (block.stride,) * 2, f"{block.convolution}.weight"
        name, inputs = block.convolution, (tensor,)
        if block.depthwise:
            self.add(DepthwiseConvolution(name, inputs, sides, weights, strides, "centered"))
        else:
            self.add(Convolution(name, inputs, sides, weights, block.channels, strides, block.dilation, "centered"))
        self.add(normalization(block.norm, name, in_groups=block.in_groups, epsilon=block.epsilon))
        return block.norm if block.activation is None else self.activation(block.norm, block.activation)

    def residual(self, name: str, tensor: str, blocks: list[Block], shortcut: Block | None = None) -> str:
        """A ResNet's unit: blocks beside a shortcut, which may be a block itself, their sum rectified."""
        ends = (self.blocks(tensor, *blocks), tensor if shortcut is None else self.blocks(tensor, shortcut))
        self.add(Add(f"{name}.sum", ends))
        return self.activation(f"{name}.sum", "relu")


def bottleneck(name: str, inner: int, stride: int = 1, dilation: int = 1, *, in_groups: bool = False) -> list[Block]:
    """The three blocks of a ResNet's unit, which make four times as many channels as its inner ones have."""
    shapes = ((1, inner, 1, 1), (3, inner, stride, dilation), (1, 4 * inner, 1, 1))
    return [
        Block(f"{name}.conv{number}", f"{name}.bn{number}", *shape, None if number == 3 else "relu", in_groups)
        for number, shape in enumerate(shapes, 1)
    ]


def projection(name: str, channels: int, stride: int = 1, *, in_groups: bool = False) -> Block:
    """The shortcut of a unit that has another shape than what enters it."""
    return Block(f"{name}.downsample.0", f"{name}.downsample.1", 1, channels, stride, 1, None, in_groups)


def normalization(name: str, tensor: str, *, in_groups: bool = False, epsilon: float = EPSILON) -> Operation:
    """Batch normalisation, or group normalisation, with the variables that PyTorch keeps under its name."""
    if in_groups:
        return GroupNormalization(name, (tensor,), f"{name}.weight", f"{name}.bias", GROUPS, epsilon)
    gamma, beta, mean, variance = (f"{name}.{each}" for each in ("weight", "bias", "running_mean", "running_var"))
    return BatchNormalization(name, (tensor,), gamma, beta, mean, variance, epsilon)

"""MobileNetV3 (Howard et al. 2019) as torchvision has it, of which two of DeepLabCut's detectors are made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from posecli.network.operations import ActivationKind, Add, Convolution, Operation, squeeze_excite
from posecli.network.torch_blocks import Block, Layers


class Inverted(NamedTuple):
    """An inverted residual block: more channels, each convolved by itself and perhaps weighted, then few again."""

    side: int  # of the kernel
    inner: int  # channels
    channels: int
    weighted: bool
    activation: ActivationKind
    stride: int


STEM = 16  # channels
#: Those up to the one that halves maps for the last time.
BLOCKS = (
    Inverted(3, 16, 16, False, "relu", 1),
    Inverted(3, 64, 24, False, "relu", 2),
    Inverted(3, 72, 24, False, "relu", 1),
    Inverted(5, 72, 40, True, "relu", 2),
    Inverted(5, 120, 40, True, "relu", 1),
    Inverted(5, 120, 40, True, "relu", 1),
    Inverted(3, 240, 80, False, "hard_swish", 2),
    Inverted(3, 200, 80, False, "hard_swish", 1),
    Inverted(3, 184, 80, False, "hard_swish", 1),
    Inverted(3, 184, 80, False, "hard_swish", 1),
    Inverted(3, 480, 112, True, "hard_swish", 1),
    Inverted(3, 672, 112, True, "hard_swish", 1),
)
#: Inner channels of the block behind these.
LAST = 672


def last_blocks(channels: int) -> tuple[Inverted, ...]:
    """The three blocks behind the others, which make so many channels."""
    inner = 6 * channels
    return tuple(
        Inverted(5, each, channels, True, "hard_swish", stride) for each, stride in ((LAST, 2), (inner, 1), (inner, 1))
    )


@dataclass(frozen=True)
class Inverteds:
    """Adds blocks to a network in the making; each gives the name of the tensor that it makes."""

    layers: Layers
    epsilon: float  # of batch normalisation

    def block(
        self,
        tensor: str,
        name: str,
        side: int,
        channels: int,
        stride: int = 1,
        *,
        activation: ActivationKind | None,
        depthwise: bool = False,
    ) -> str:
        """A convolution, a normalisation, and an activation."""
        shape = (side, channels, stride)
        settings = {"activation": activation, "depthwise": depthwise, "epsilon": self.epsilon}
        return self.layers.blocks(tensor, Block(f"{name}.0", f"{name}.1", *shape, **settings))  # type: ignore[arg-type]

    def begun(self, tensor: str, features: str) -> tuple[str, int]:
        """From frames to all of `BLOCKS`, and how many channels there are."""
        tensor, channels = self.block(tensor, f"{features}.0", 3, STEM, 2, activation="hard_swish"), STEM
        for number, shape in enumerate(BLOCKS, 1):
            tensor, channels = self.inverted(f"{features}.{number}.block", tensor, channels, shape), shape.channels
        return tensor, channels

    def inverted(self, name: str, tensor: str, entering: int, shape: Inverted) -> str:
        """A whole block; what enters it is added where that has the same shape."""
        expands, found = shape.inner != entering, tensor
        if expands:
            found = self.block(tensor, f"{name}.0", 1, shape.inner, activation=shape.activation)
        found = self.narrowed(name, int(expands), found, shape)
        has_sum = (shape.stride, shape.channels) == (1, entering)
        return self.layers.add(Add(f"{name}.sum", (found, tensor))) if has_sum else found

    def narrowed(self, name: str, place: int, tensor: str, shape: Inverted) -> str:
        """A block from its `place` on: all that is behind the expansion."""
        side, inner, channels, weighted, activation, stride = shape
        tensor = self.block(tensor, f"{name}.{place}", side, inner, stride, activation=activation, depthwise=True)
        if weighted:
            place += 1
            squeezed = (inner, _eighths(inner // 4))
            for operation in squeeze_excite(f"{name}.{place}", tensor, squeezed, gate="hard_sigmoid"):
                tensor = self.layers.add(_as_in_torch(operation))
        return self.block(tensor, f"{name}.{place + 1}", 1, channels, activation=None)


def _eighths(channels: int) -> int:
    """The multiple of 8 that is nearest to a number of channels, or the next one where that is a tenth too few."""
    nearest = (channels + 4) // 8 * 8
    return nearest + 8 if nearest < 0.9 * channels else nearest


def _as_in_torch(operation: Operation) -> Operation:
    """The same with torchvision's names of variables."""
    if not isinstance(operation, Convolution):
        return operation
    scope, _, layer = operation.name.rpartition("/")
    name = f"{scope}.{'fc1' if layer == 'reduce' else 'fc2'}"
    return replace(operation, weights=f"{name}.weight", bias=f"{name}.bias")

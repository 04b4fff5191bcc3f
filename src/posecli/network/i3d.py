"""The RGB I3D network, which tells from a chunk of consecutive frames what an animal does.

It is Inception v1 inflated to three dimensions, as published with the Kinetics checkpoints. A variable is called what
it is called there, without the leading ``RGB/inception_i3d/``. A step of the last map is 8 frames and 32 px, rounded
up. Of maps other than 7x7 the whole is averaged, where the published network would leave a map of averages over 7x7.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from posecli.errors import UsageError
from posecli.network.network import FRAMES, ClassHead, Network, Scaling
from posecli.network.operations import (
    Activation,
    BatchNormalization,
    Concatenate,
    Convolution,
    Dropout,
    GlobalAverage,
    Operation,
    Pooling,
)

EPSILON = 1e-3
MOMENTUM = 0.999

LOGITS = "Logits/Conv3d_0c_1x1"
#: Steps in time of the last map that are averaged into one before the classes are told apart.
LOGITS_STEPS = 2

#: Output channels of each mixed block: of branch 0; of both convolutions of branches 1 and 2; of branch 3.
MIXED_CHANNELS: dict[str, tuple[int, tuple[int, int], tuple[int, int], int]] = {
    "Mixed_3b": (64, (96, 128), (16, 32), 32),
    "Mixed_3c": (128, (128, 192), (32, 96), 64),
    "Mixed_4b": (192, (96, 208), (16, 48), 64),
    "Mixed_4c": (160, (112, 224), (24, 64), 64),
    "Mixed_4d": (128, (128, 256), (24, 64), 64),
    "Mixed_4e": (112, (144, 288), (32, 64), 64),
    "Mixed_4f": (256, (160, 320), (32, 128), 128),
    "Mixed_5b": (256, (160, 320), (32, 128), 128),
    "Mixed_5c": (384, (192, 384), (48, 128), 128),
}
#: Pooling before these blocks: its name and window; its strides are 2.
POOLED_BEFORE = {"Mixed_4b": ("MaxPool3d_4a_3x3", (3, 3, 3)), "Mixed_5b": ("MaxPool3d_5a_2x2", (2, 2, 2))}

#: Channel counts of a narrower or wider network are multiples of this.
CHANNEL_STEP = 4


@dataclass(frozen=True)
class I3DSpec:
    """What determines an I3D network, its weights apart."""

    n_classes: int
    width: float = 1.0  # factor on every channel count, each rounded to a multiple of 4; 1.0 as published

    def __post_init__(self) -> None:
        if self.n_classes < 1:
            raise UsageError(f"number of classes {self.n_classes} is too small: give 1 or more")
        if not 0 < self.width <= 4:
            raise UsageError(f"width {self.width} is out of range: give a factor above 0 and at most 4")

    def channels(self, published: int) -> int:
        """A published channel count times the width.

        >>> I3DSpec(9, width=0.25).channels(96), I3DSpec(9, width=0.25).channels(16), I3DSpec(9).channels(16)
        (24, 4, 16)
        """
        return CHANNEL_STEP * max(1, math.floor(published * self.width / CHANNEL_STEP + 0.5))


def i3d(spec: I3DSpec) -> Network:
    """The network that a specification describes.

    >>> network = i3d(I3DSpec(400))
    >>> shapes = network.variable_shapes()
    >>> len(shapes), shapes["Conv3d_1a_7x7/conv_3d/w"], shapes["Mixed_5b/Branch_2/Conv3d_0a_3x3/batch_norm/beta"]
    (230, (7, 7, 7, 3, 64), (128,))
    >>> round(sum(i3d(I3DSpec(9)).multiplications((64, 224, 224)).values()) / 1e9, 2)
    111.15
    """
    trunk = [*_trunk(spec)]
    average, dropout, window = "Logits/AvgPool3d_0a_7x7", "Logits/Dropout_0b", (LOGITS_STEPS, None, None)
    kernel, bias = f"{LOGITS}/conv_3d/w", f"{LOGITS}/conv_3d/b"
    operations = (
        *trunk,
        Pooling(average, (trunk[-1].name,), "average", window, padding="valid", sensitive=True),
        Dropout(dropout, (average,), sensitive=True),
        Convolution(LOGITS, (dropout,), (1, 1, 1), kernel, spec.n_classes, padding="valid", bias=bias, sensitive=True),
        GlobalAverage("logits", (LOGITS,), sensitive=True),
    )
    scaling = Scaling(1 / 127.5, 1.0, sensitive=True)
    return Network("i3d", operations, ClassHead("logits"), scaling, rank=3, rounds_early=True)


def _trunk(spec: I3DSpec) -> Iterator[Operation]:
    """Everything before the logits."""
    first, second, third = (spec.channels(count) for count in (64, 64, 192))
    yield from _unit("Conv3d_1a_7x7", FRAMES, 7, first, stride=2)
    yield Pooling("MaxPool3d_2a_3x3", ("Conv3d_1a_7x7/relu",), "max", (1, 3, 3), (1, 2, 2))
    yield from _unit("Conv3d_2b_1x1", "MaxPool3d_2a_3x3", 1, second)
    yield from _unit("Conv3d_2c_3x3", "Conv3d_2b_1x1/relu", 3, third)
    yield Pooling("MaxPool3d_3a_3x3", ("Conv3d_2c_3x3/relu",), "max", (1, 3, 3), (1, 2, 2))
    tensor = "MaxPool3d_3a_3x3"
    for scope in MIXED_CHANNELS:
        if scope in POOLED_BEFORE:
            name, window = POOLED_BEFORE[scope]
            yield Pooling(name, (tensor,), "max", window, (2, 2, 2))
            tensor = name
        yield from _mixed(spec, scope, tensor)
        tensor = scope


def _mixed(spec: I3DSpec, scope: str, tensor: str) -> Iterator[Operation]:
    """Four branches side by side."""
    single, (narrow, wide), (slim, broad), pooled = MIXED_CHANNELS[scope]
    zero, one, two, three = (f"{scope}/Branch_{number}" for number in range(4))
    # The published checkpoints spell this one name otherwise than all its fellows.
    second = "Conv3d_0a_3x3" if scope == "Mixed_5b" else "Conv3d_0b_3x3"
    yield from _unit(f"{zero}/Conv3d_0a_1x1", tensor, 1, spec.channels(single))
    yield from _unit(f"{one}/Conv3d_0a_1x1", tensor, 1, spec.channels(narrow))
    yield from _unit(f"{one}/Conv3d_0b_3x3", f"{one}/Conv3d_0a_1x1/relu", 3, spec.channels(wide))
    yield from _unit(f"{two}/Conv3d_0a_1x1", tensor, 1, spec.channels(slim))
    yield from _unit(f"{two}/{second}", f"{two}/Conv3d_0a_1x1/relu", 3, spec.channels(broad))
    yield Pooling(f"{three}/MaxPool3d_0a_3x3", (tensor,), "max", (3, 3, 3), (1, 1, 1))
    yield from _unit(f"{three}/Conv3d_0b_1x1", f"{three}/MaxPool3d_0a_3x3", 1, spec.channels(pooled))
    ends = f"{zero}/Conv3d_0a_1x1", f"{one}/Conv3d_0b_3x3", f"{two}/{second}", f"{three}/Conv3d_0b_1x1"
    yield Concatenate(scope, tuple(f"{end}/relu" for end in ends))


def _unit(scope: str, tensor: str, side: int, channels: int, *, stride: int = 1) -> Iterator[Operation]:
    """A convolution without a bias, batch normalisation without a factor, and a rectifier."""
    yield Convolution(scope, (tensor,), (side,) * 3, f"{scope}/conv_3d/w", channels, (stride,) * 3)
    norm = f"{scope}/batch_norm"
    beta, mean, variance = (f"{norm}/{name}" for name in ("beta", "moving_mean", "moving_variance"))
    yield BatchNormalization(norm, (scope,), None, beta, mean, variance, EPSILON, MOMENTUM)
    yield Activation(f"{scope}/relu", (norm,), "relu")

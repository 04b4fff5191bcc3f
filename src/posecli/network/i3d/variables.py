"""The units and variables of the RGB I3D network: names, shapes and cost, without a framework.

The network is Inception v1 inflated to three dimensions, as published with the Kinetics checkpoints. A variable
is called what it is called there, without the leading ``RGB/inception_i3d/``. Kernels are ``(kt, kh, kw, in, out)``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from posecli.errors import UsageError

BATCH_NORM_EPSILON = 1e-3
BATCH_NORM_MOMENTUM = 0.999
#: There is no factor: normalised values are only shifted.
BATCH_NORM_VARIABLES = ("beta", "moving_mean", "moving_variance")

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

#: Channel counts of a narrower or wider network are multiples of this.
CHANNEL_STEP = 4


@dataclass(frozen=True)
class I3DSpec:
    """What determines an I3D network, its weights apart.

    Attributes
    ----------
    n_classes
        Behaviours that are told apart.
    width
        Factor on every channel count, each rounded to a multiple of 4; 1.0 is the published network.
    """

    n_classes: int
    width: float = 1.0

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


@dataclass(frozen=True)
class Unit:
    """A convolution without a bias, batch normalisation, and a rectifier; padded as TensorFlow's ``SAME``.

    Attributes
    ----------
    scope
        Where its variables are, such as ``Mixed_3b/Branch_1/Conv3d_0b_3x3``.
    kernel, stride
        Sides of a cube of frames and pixels.
    in_channels, out_channels
        Channels of the maps before and after.
    """

    scope: str
    kernel: int
    in_channels: int
    out_channels: int
    stride: int = 1


@dataclass(frozen=True)
class Pool:
    """A maximum over a window of frames, rows and columns; padded as TensorFlow's ``SAME``."""

    scope: str
    window: tuple[int, int, int]
    strides: tuple[int, int, int]


Step = Unit | Pool


@dataclass(frozen=True)
class Mixed:
    """Four branches side by side, their channels joined in order."""

    scope: str
    branches: tuple[tuple[Step, ...], ...]


def trunk(spec: I3DSpec) -> Iterator[Step | Mixed]:
    """Everything before the logits, in order."""
    first, second, third = (spec.channels(count) for count in (64, 64, 192))
    yield Unit("Conv3d_1a_7x7", 7, 3, first, stride=2)
    yield Pool("MaxPool3d_2a_3x3", (1, 3, 3), (1, 2, 2))
    yield Unit("Conv3d_2b_1x1", 1, first, second)
    yield Unit("Conv3d_2c_3x3", 3, second, third)
    yield Pool("MaxPool3d_3a_3x3", (1, 3, 3), (1, 2, 2))
    channels = third
    for scope in MIXED_CHANNELS:
        if scope == "Mixed_4b":
            yield Pool("MaxPool3d_4a_3x3", (3, 3, 3), (2, 2, 2))
        if scope == "Mixed_5b":
            yield Pool("MaxPool3d_5a_2x2", (2, 2, 2), (2, 2, 2))
        yield _mixed(spec, scope, channels)
        channels = mixed_channels(spec, scope)


def _mixed(spec: I3DSpec, scope: str, channels: int) -> Mixed:
    single, (narrow, wide), (slim, broad), pooled = MIXED_CHANNELS[scope]
    one, two, three = (f"{scope}/Branch_{number}" for number in (1, 2, 3))
    # The published checkpoints spell this one name otherwise than all its fellows.
    second = "Conv3d_0a_3x3" if scope == "Mixed_5b" else "Conv3d_0b_3x3"
    return Mixed(
        scope,
        (
            (Unit(f"{scope}/Branch_0/Conv3d_0a_1x1", 1, channels, spec.channels(single)),),
            (
                Unit(f"{one}/Conv3d_0a_1x1", 1, channels, spec.channels(narrow)),
                Unit(f"{one}/Conv3d_0b_3x3", 3, spec.channels(narrow), spec.channels(wide)),
            ),
            (
                Unit(f"{two}/Conv3d_0a_1x1", 1, channels, spec.channels(slim)),
                Unit(f"{two}/{second}", 3, spec.channels(slim), spec.channels(broad)),
            ),
            (
                Pool(f"{three}/MaxPool3d_0a_3x3", (3, 3, 3), (1, 1, 1)),
                Unit(f"{three}/Conv3d_0b_1x1", 1, channels, spec.channels(pooled)),
            ),
        ),
    )


def mixed_channels(spec: I3DSpec, scope: str) -> int:
    """Channels of a mixed block's map.

    >>> mixed_channels(I3DSpec(9), "Mixed_5c")
    1024
    """
    single, (_, wide), (_, broad), pooled = MIXED_CHANNELS[scope]
    return sum(spec.channels(count) for count in (single, wide, broad, pooled))


def embedding_channels(spec: I3DSpec) -> int:
    """Channels of the last map, from which the logits are made."""
    return mixed_channels(spec, "Mixed_5c")


def units(spec: I3DSpec) -> Iterator[Unit]:
    """Every convolution that batch normalisation follows; that is all but the logits'."""
    for part in trunk(spec):
        steps = [step for branch in part.branches for step in branch] if isinstance(part, Mixed) else [part]
        yield from (step for step in steps if isinstance(step, Unit))


def variable_shapes(spec: I3DSpec) -> dict[str, tuple[int, ...]]:
    """Names and shapes of every variable that inference needs.

    Examples
    --------
    >>> shapes = variable_shapes(I3DSpec(400))
    >>> len(shapes)
    230
    >>> shapes["Conv3d_1a_7x7/conv_3d/w"], shapes["Mixed_5b/Branch_2/Conv3d_0a_3x3/batch_norm/beta"]
    ((7, 7, 7, 3, 64), (128,))
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for unit in units(spec):
        shapes[f"{unit.scope}/conv_3d/w"] = (*[unit.kernel] * 3, unit.in_channels, unit.out_channels)
        for name in BATCH_NORM_VARIABLES:
            shapes[f"{unit.scope}/batch_norm/{name}"] = (unit.out_channels,)
    shapes[f"{LOGITS}/conv_3d/w"] = (1, 1, 1, embedding_channels(spec), spec.n_classes)
    shapes[f"{LOGITS}/conv_3d/b"] = (spec.n_classes,)
    return shapes


def multiply_adds(spec: I3DSpec, frames: int, height: int, width: int) -> int:
    """Multiplications, each with an addition, that one chunk costs.

    Parameters
    ----------
    spec
        Which network.
    frames, height, width
        Size of a chunk: frames, and px.

    Examples
    --------
    >>> round(multiply_adds(I3DSpec(9), 64, 224, 224) / 1e9, 2)
    111.15
    """
    size = (frames, height, width)
    total = 0
    for part in trunk(spec):
        if isinstance(part, Mixed):
            total += math.prod(size) * sum(_weights(step) for branch in part.branches for step in branch)
        else:
            strides = part.strides if isinstance(part, Pool) else (part.stride,) * 3
            size = _strided(size, strides)
            total += math.prod(size) * _weights(part)
    steps = max(size[0] - LOGITS_STEPS + 1, 1)
    return total + steps * embedding_channels(spec) * spec.n_classes


def _weights(step: Step) -> int:
    return step.kernel**3 * step.in_channels * step.out_channels if isinstance(step, Unit) else 0


def _strided(size: tuple[int, int, int], strides: tuple[int, int, int]) -> tuple[int, int, int]:
    """Size of a map after a step padded as ``SAME``."""
    frames, height, width = (-(-extent // stride) for extent, stride in zip(size, strides, strict=True))
    return frames, height, width

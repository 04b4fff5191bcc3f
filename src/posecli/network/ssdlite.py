"""SSDLite (Sandler et al. 2018) on MobileNetV3 (Howard et al. 2019), a light detector of DeepLabCut's PyTorch engine.

It is torchvision's: pictures are brought to 320x320 px, whatever their shape, features of six scales are taken from the
network, and two small convolutions say of each cell of these which of six boxes hold an animal, and where it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from posecli.network.network import FRAMES, BoxHead, DetectorSpec, Network, Scaling
from posecli.network.operations import ActivationKind, Add, Convolution, Operation, ResizeTo, squeeze_excite
from posecli.network.torch_blocks import Block, Layers

SIZE = (320, 320)
#: DeepLabCut's setting for the least score does not reach this network: torchvision's own default holds.
LEAST_SCORE = 0.001
#: Sides of the boxes of the six scales, as shares of the picture, and of one beyond; and their shapes.
SHARES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)
RATIOS = (2, 3)


class Inverted(NamedTuple):
    """An inverted residual block: more channels, each convolved by itself and perhaps weighted, then few again."""

    side: int  # of the kernel
    inner: int  # channels
    channels: int
    weighted: bool
    activation: ActivationKind
    stride: int


#: Those up to the one of which the first features are taken.
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
#: Inner channels of the block behind these, which are the first features.
FIRST = 672
#: Channels of the features behind the backbone.
EXTRA = (512, 256, 256, 128)
#: Channels of the backbone's last blocks: half as many where it did not begin with weights of ImageNet.
TAILS = (80, 160)
BACKBONE, HEAD = "model.backbone", "model.head"
EPSILON = 1e-3


def ssdlite(spec: DetectorSpec) -> Network:
    """The detector that a specification describes; `ValueError` where its layout says nonsense.

    >>> network = ssdlite(DetectorSpec("ssdlite", layout={"tail": 80}))
    >>> [network.shapes((480, 640))[name] for name in network.head.outputs[:2]]
    [(20, 20, 12), (10, 10, 12)]
    """
    tail = spec.layout["tail"]
    if tail not in TAILS:
        raise ValueError(f"tail {tail} is not one of {TAILS}")
    layers = Layers()
    layers.add(ResizeTo("resized", (FRAMES,), SIZE))
    boxes = tuple(_boxes(share, beyond) for share, beyond in pairwise(SHARES))
    logits, offsets = [], []
    for number, (tensor, channels) in enumerate(_features(layers, tail)):
        places = f"module_list.{number}", tensor, channels, len(boxes[number])
        logits.append(_predicted(layers, f"{HEAD}.classification_head", 2, *places))
        offsets.append(_predicted(layers, f"{HEAD}.regression_head", 4, *places))
    head = BoxHead(tuple(logits), tuple(offsets), boxes, SIZE, LEAST_SCORE)
    return Network(spec.net_type, tuple(layers.operations), head, _centered(spec.scaling))


def _predicted(layers: Layers, head: str, numbers: int, place: str, tensor: str, channels: int, boxes: int) -> str:
    """So many numbers for each box of each cell of some features."""
    name = f"{head}.{place}"
    inner = layers.blocks(tensor, _block(f"{name}.0", 3, channels, activation="relu6", depthwise=True))
    weights, bias, made = f"{name}.1.weight", f"{name}.1.bias", numbers * boxes
    return layers.add(Convolution(f"{name}.1", (inner,), (1, 1), weights, made, bias=bias, sensitive=True))


def _centered(scaling: Scaling) -> Scaling:
    """What torchvision's own scaling, ``(x - 1/2) / (1/2)``, makes of values that were scaled before."""
    factors, offsets = (each if isinstance(each, tuple) else (each,) * 3 for each in (scaling.factor, scaling.offset))
    return Scaling(tuple(2 * factor for factor in factors), tuple(2 * offset + 1 for offset in offsets))


def _boxes(share: float, beyond: float) -> tuple[tuple[float, float], ...]:
    """``(width, height)`` of the boxes of a scale: two squares, then each shape; none larger than the picture."""
    between = math.sqrt(share * beyond)
    found = [(share, share), (between, between)]
    for ratio in RATIOS:
        long, short = share * math.sqrt(ratio), share / math.sqrt(ratio)
        found += [(long, short), (short, long)]
    return tuple((min(width, 1.0), min(height, 1.0)) for width, height in found)


def _features(layers: Layers, tail: int) -> Iterator[tuple[str, int]]:
    """Tensors of the six scales, and how many channels they have."""
    near, far = f"{BACKBONE}.features.0", f"{BACKBONE}.features.1"
    tensor, entering = layers.blocks("resized", _block(f"{near}.0", 3, 16, 2, activation="hard_swish")), 16
    for number, shape in enumerate(BLOCKS, 1):
        tensor, entering = _inverted(layers, f"{near}.{number}.block", tensor, entering, shape), shape.channels
    tensor = layers.blocks(tensor, _block(f"{near}.13", 1, FIRST, activation="hard_swish"))
    yield tensor, FIRST
    tensor = _narrowed(layers, f"{far}.0", 1, tensor, Inverted(5, FIRST, tail, True, "hard_swish", 2))
    for number in (1, 2):
        shape = Inverted(5, 6 * tail, tail, True, "hard_swish", 1)
        tensor = _inverted(layers, f"{far}.{number}.block", tensor, tail, shape)
    tensor = layers.blocks(tensor, _block(f"{far}.3", 1, 6 * tail, activation="hard_swish"))
    yield tensor, 6 * tail
    for number, channels in enumerate(EXTRA):
        name, inner = f"{BACKBONE}.extra.{number}", channels // 2
        tensor = layers.blocks(
            tensor,
            _block(f"{name}.0", 1, inner, activation="relu6"),
            _block(f"{name}.1", 3, inner, 2, activation="relu6", depthwise=True),
            _block(f"{name}.2", 1, channels, activation="relu6"),
        )
        yield tensor, channels


def _inverted(layers: Layers, name: str, tensor: str, entering: int, shape: Inverted) -> str:
    """A whole block; what enters it is added where that has the same shape."""
    expands = shape.inner != entering
    block = _block(f"{name}.0", 1, shape.inner, activation=shape.activation)
    found = layers.blocks(tensor, block) if expands else tensor
    found = _narrowed(layers, name, int(expands), found, shape)
    has_sum = (shape.stride, shape.channels) == (1, entering)
    return layers.add(Add(f"{name}.sum", (found, tensor))) if has_sum else found


def _narrowed(layers: Layers, name: str, place: int, tensor: str, shape: Inverted) -> str:
    """A block from its `place` on: all that is behind the expansion."""
    side, inner, channels, weighted, activation, stride = shape
    block = _block(f"{name}.{place}", side, inner, stride, activation=activation, depthwise=True)
    tensor = layers.blocks(tensor, block)
    if weighted:
        place += 1
        squeezed = (inner, _eighths(inner // 4))
        for operation in squeeze_excite(f"{name}.{place}", tensor, squeezed, gate="hard_sigmoid"):
            tensor = layers.add(_as_in_torch(operation))
    return layers.blocks(tensor, _block(f"{name}.{place + 1}", 1, channels, activation=None))


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


def _block(
    name: str, side: int, channels: int, stride: int = 1, *, activation: ActivationKind | None, depthwise: bool = False
) -> Block:
    return Block(
        f"{name}.0", f"{name}.1", side, channels, stride, activation=activation, depthwise=depthwise, epsilon=EPSILON
    )

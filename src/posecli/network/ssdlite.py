"""SSDLite (Sandler et al. 2018) on MobileNetV3 (Howard et al. 2019), a light detector of DeepLabCut's PyTorch engine.

It is torchvision's: pictures are brought to 320x320 px, whatever their shape, features of six scales are taken from the
network, and two small convolutions say of each cell of these which of six boxes hold an animal, and where it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from posecli.network.mobilenet_v3 import LAST, Inverteds, last_blocks
from posecli.network.network import FRAMES, BoxHead, DetectorSpec, Network
from posecli.network.operations import Convolution, ResizeTo
from posecli.network.torch_blocks import Layers

SIZE = (320, 320)
#: What torchvision subtracts, and divides by what is left, whatever was done to values before.
NORMAL = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
#: DeepLabCut's setting for the least score does not reach this network: torchvision's own default holds.
LEAST_SCORE = 0.001
#: Sides of the boxes of the six scales, as shares of the picture, and of one beyond; and their shapes.
SHARES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)
RATIOS = (2, 3)
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
    return Network(spec.net_type, tuple(layers.operations), head, spec.scaling.standardized(*NORMAL))


def _predicted(layers: Layers, head: str, numbers: int, place: str, tensor: str, channels: int, boxes: int) -> str:
    """So many numbers for each box of each cell of some features."""
    name = f"{head}.{place}"
    inner = Inverteds(layers, EPSILON).block(tensor, f"{name}.0", 3, channels, activation="relu6", depthwise=True)
    weights, bias, made = f"{name}.1.weight", f"{name}.1.bias", numbers * boxes
    return layers.add(Convolution(f"{name}.1", (inner,), (1, 1), weights, made, bias=bias, sensitive=True))


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
    make = Inverteds(layers, EPSILON)
    near, far = f"{BACKBONE}.features.0", f"{BACKBONE}.features.1"
    tensor, _ = make.begun("resized", near)
    tensor = make.block(tensor, f"{near}.13", 1, LAST, activation="hard_swish")
    yield tensor, LAST
    first, *others = last_blocks(tail)
    tensor = make.narrowed(f"{far}.0", 1, tensor, first)
    for number, shape in enumerate(others, 1):
        tensor = make.inverted(f"{far}.{number}.block", tensor, tail, shape)
    tensor = make.block(tensor, f"{far}.3", 1, 6 * tail, activation="hard_swish")
    yield tensor, 6 * tail
    for number, channels in enumerate(EXTRA):
        name, inner = f"{BACKBONE}.extra.{number}", channels // 2
        tensor = make.block(tensor, f"{name}.0", 1, inner, activation="relu6")
        tensor = make.block(tensor, f"{name}.1", 3, inner, 2, activation="relu6", depthwise=True)
        tensor = make.block(tensor, f"{name}.2", 1, channels, activation="relu6")
        yield tensor, channels

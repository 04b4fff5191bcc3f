"""Faster R-CNN (Ren et al. 2015), the larger detectors of DeepLabCut's PyTorch engine.

They are torchvision's: a backbone's maps of several strides are joined from the coarsest to the finest (a feature
pyramid: Lin et al. 2017), a small network says which regions of the picture may hold something (region proposals), and
another looks at what the maps have in each of these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import NamedTuple

from posecli.network.mobilenet_v3 import BLOCKS, Inverteds, last_blocks
from posecli.network.network import FRAMES, DetectorSpec, Network, RegionHead
from posecli.network.operations import Add, Convolution, Dense, Flatten, PadToMultiple, Pooling, Resize, ResizeWithin
from posecli.network.regions import AlignedRegions, Proposals
from posecli.network.timm_resnet import add_resnet
from posecli.network.torch_blocks import EPSILON, Block, Layers

#: Pictures have this short side, px, unless the long one would be more; then a number that divides both.
RESIZED, MULTIPLE = ResizeWithin("resized", (FRAMES,), 800, 1333), 32
#: What torchvision subtracts, and divides by what is left, whatever was done to values before.
NORMAL = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
#: Sides of squares, px, and the heights per width of boxes of the same area.
SIDES, RATIOS = (32, 64, 128, 256, 512), (0.5, 1.0, 2.0)
REGIONS, CHANNELS, VECTOR = 1000, 256, 1024
BACKBONE, RPN, HEADS = "model.backbone", "model.rpn.head", "model.roi_heads"


class Variant(NamedTuple):
    """What differs between these networks."""

    backbone: Callable[[Layers, str], list[str]]  # from frames to maps, the finest first
    factor: int  # by which each of these is finer than the next one
    sides: tuple[tuple[int, ...], ...]  # of boxes, of each level
    normalized: bool  # whether joined maps are
    convolutions: int  # before boxes are found
    region_blocks: int  # blocks that look at a region, before it becomes a vector
    region_layers: tuple[str, ...]  # those behind


def _mobilenet(layers: Layers, frames: str) -> list[str]:
    root, make = f"{BACKBONE}.body", Inverteds(layers, EPSILON)
    tensor, channels = make.begun(frames, root)
    made = []
    for number, shape in enumerate(last_blocks(160), len(BLOCKS) + 1):
        tensor, channels = make.inverted(f"{root}.{number}.block", tensor, channels, shape), shape.channels
        made.append(tensor)
    tensor = make.block(tensor, f"{root}.16", 1, 6 * channels, activation="hard_swish")
    return [made[0], tensor]


def _resnet(layers: Layers, frames: str) -> list[str]:
    return [units[-1] for units in add_resnet(layers, "resnet50", frames, 32, f"{BACKBONE}.body")]


VARIANTS = {
    "fasterrcnn_mobilenet_v3_large_fpn": Variant(_mobilenet, 1, (SIDES,) * 3, False, 1, 0, ("fc6", "fc7")),
    "fasterrcnn_resnet50_fpn_v2": Variant(_resnet, 2, tuple((side,) for side in SIDES), True, 2, 4, ("5",)),
}


def faster_rcnn(spec: DetectorSpec) -> Network:
    """The detector that a specification describes; `ValueError` where its layout says nonsense.

    >>> network = faster_rcnn(DetectorSpec("fasterrcnn_resnet50_fpn_v2", layout={"least_score": 0.01}))
    >>> [network.shapes((480, 640))[name] for name in ("padded", *network.head.outputs)]
    [(800, 1088, 3), (1000, 4), (2,), (8,)]
    """
    least_score = spec.layout["least_score"]
    if not isinstance(least_score, int | float) or not 0 <= least_score <= 1:
        raise ValueError(f"least_score {least_score} is not a number from 0 to 1")
    variant, layers = VARIANTS[spec.net_type], Layers()
    layers.add(RESIZED)
    layers.add(PadToMultiple("padded", (RESIZED.name,), MULTIPLE, zeros=True))
    maps = _joined(layers, variant, variant.backbone(layers, "padded"))
    regions = _regions(layers, variant, maps)
    # All maps of one stride say the same of it, and the first one is taken.
    seen = maps[:-1] if variant.factor > 1 else maps[:1]
    tensor = layers.add(AlignedRegions("regions", (RESIZED.name, regions, *seen), REGIONS))
    vector = _vector(layers, variant, tensor)
    logits, offsets = (
        layers.add(_dense(f"{HEADS}.box_predictor.{name}", vector, numbers))
        for name, numbers in (("cls_score", 2), ("bbox_pred", 8))
    )
    head = RegionHead(regions, logits, offsets, RESIZED, float(least_score))
    return Network(spec.net_type, tuple(layers.operations), head, spec.scaling.standardized(*NORMAL))


def _joined(layers: Layers, variant: Variant, maps: list[str]) -> list[str]:
    """Maps of all levels, each of which knows what the coarser ones do, and one that is coarser still."""
    above, made = "", []
    for place, tensor in reversed(list(enumerate(maps))):
        name = f"{BACKBONE}.fpn.inner_blocks.{place}"
        inner = _convolved(layers, name, tensor, 1, variant)
        if above:
            if variant.factor > 1:
                above = layers.add(Resize(f"{name}.above", (above,), (variant.factor,) * 2))
            inner = layers.add(Add(f"{name}.sum", (inner, above)))
        above = inner
        made.append(_convolved(layers, f"{BACKBONE}.fpn.layer_blocks.{place}", inner, 3, variant))
    coarsest = layers.add(Pooling(f"{BACKBONE}.fpn.pool", (made[0],), "max", (1, 1), (2, 2), "valid"))
    return [*made[::-1], coarsest]


def _convolved(layers: Layers, name: str, tensor: str, side: int, variant: Variant) -> str:
    if variant.normalized:
        return layers.blocks(tensor, Block(f"{name}.0", f"{name}.1", side, CHANNELS, activation=None))
    return layers.add(_convolution(f"{name}.0", name, tensor, side, CHANNELS))


def _regions(layers: Layers, variant: Variant, maps: list[str]) -> str:
    """Where something may be."""
    boxes = tuple(map(_boxes, variant.sides))
    seen = maps
    for number in range(variant.convolutions):
        seen = [layers.activation(each, "relu") for each in _everywhere(layers, f"{RPN}.conv.{number}.0", seen, 3)]
    counts = list(map(len, boxes))
    logits = _everywhere(layers, f"{RPN}.cls_logits", seen, 1, counts)
    offsets = _everywhere(layers, f"{RPN}.bbox_pred", seen, 1, [4 * count for count in counts])
    return layers.add(Proposals("proposals", (RESIZED.name, "padded", *logits, *offsets), boxes, REGIONS))


def _everywhere(
    layers: Layers, weights: str, maps: list[str], side: int, channels: Iterable[int] = repeat(CHANNELS)
) -> list[str]:
    """The same convolution of the maps of all levels."""
    return [
        layers.add(_convolution(weights, f"{weights}/{level}", tensor, side, count))
        for level, (tensor, count) in enumerate(zip(maps, channels, strict=False))
    ]


def _boxes(sides: tuple[int, ...]) -> tuple[tuple[float, float], ...]:
    """``(width, height)`` of the boxes about a place: of each shape in turn, all sizes. Halves are whole pixels."""
    shapes = [(side / math.sqrt(ratio), side * math.sqrt(ratio)) for ratio in RATIOS for side in sides]
    return tuple((2.0 * round(width / 2), 2.0 * round(height / 2)) for width, height in shapes)


def _vector(layers: Layers, variant: Variant, tensor: str) -> str:
    """What is known of a region."""
    name = f"{HEADS}.box_head"
    for number in range(variant.region_blocks):
        tensor = layers.blocks(tensor, Block(f"{name}.{number}.0", f"{name}.{number}.1", 3, CHANNELS))
    tensor = layers.add(Flatten(f"{name}.flat", (tensor,)))
    for layer in variant.region_layers:
        tensor = layers.activation(layers.add(_dense(f"{name}.{layer}", tensor, VECTOR)), "relu")
    return tensor


def _dense(name: str, tensor: str, channels: int) -> Dense:
    return Dense(name, (tensor,), (), f"{name}.weight", channels, bias=f"{name}.bias")


def _convolution(weights: str, name: str, tensor: str, side: int, channels: int) -> Convolution:
    kernel, bias = f"{weights}.weight", f"{weights}.bias"
    return Convolution(name, (tensor,), (side, side), kernel, channels, padding="centered", bias=bias)

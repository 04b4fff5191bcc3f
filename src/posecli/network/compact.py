"""A small pose network of posecli's own, for students: whole 3x3 convolutions down to a stride of 32, and back up to 8.

Networks for phones save multiplications by convolutions of each channel by itself. A processor with instructions for
matrices waits for memory in those, while it computes whole convolutions of 16 to 128 channels several times as fast,
the more so in eight or sixteen bits. What is below a stride of 8 has few cells and costs little, but sees some 400 px
around: what is where on an animal. Places are then refined with the map of stride 8 before it went down.
"""

from __future__ import annotations

from dataclasses import replace

from posecli.network.network import FRAMES, Network, PoseHead, PoseSpec
from posecli.network.operations import (
    Activation,
    ActivationKind,
    Add,
    Convolution,
    Float32,
    PadToMultiple,
    Resize,
    TrimPadding,
)
from posecli.network.torch_blocks import Block, Layers

#: Channels of the first convolution, by name; the maps of strides 4, 8, 16 and 32 have 2, 4, 6 and 8 times as many.
CHANNELS = {f"compact_{channels}": channels for channels in (8, 16, 24, 32)}
DEEPEST = 32
PADDED = "padded"
HEADS = {"scoremap": 1, "locref": 2}  # maps of each body part


def compact(spec: PoseSpec) -> Network:
    """The network that a specification describes.

    >>> network = compact(PoseSpec("compact_16", 4))
    >>> network.stride, network.coarsest, network.shapes((480, 640))["scoremap"]
    (8, 32, (60, 80, 4))
    """
    layers, width = Layers(), CHANNELS[spec.net_type]
    tensor = layers.add(PadToMultiple(PADDED, (FRAMES,), DEEPEST))
    tensor = _shrunk(layers, "stem", tensor, width)
    tensor = _shrunk(layers, "stride4", tensor, 2 * width)
    passed = []
    for stride, factor in ((8, 4), (16, 6), (32, 8)):
        tensor = _shrunk(layers, f"stride{stride}", tensor, factor * width)
        tensor = layers.residual(f"stride{stride}.unit", tensor, _pair(f"stride{stride}.unit", factor * width))
        passed.append((stride, factor, tensor))
    for stride, factor, finer in passed[-2::-1]:
        name = f"up{stride}"
        narrow = layers.blocks(tensor, Block(f"{name}.narrow", f"{name}.narrow_norm", 1, factor * width))
        enlarged = layers.add(Resize(f"{name}.enlarged", (narrow,), (2, 2)))
        joined = layers.add(Add(f"{name}.sum", (enlarged, finer)))
        tensor = layers.blocks(joined, Block(f"{name}.mixed", f"{name}.mixed_norm", 3, factor * width))
    for output in HEADS if spec.locref else ("scoremap",):
        _add_head(layers, output, tensor, HEADS[output] * spec.n_bodyparts)
    head = PoseHead("scoremap", "locref" if spec.locref else None, spec.locref_stdev)
    return Network(spec.net_type, tuple(layers.operations), head, spec.scaling)


def _shrunk(layers: Layers, name: str, tensor: str, channels: int) -> str:
    """A map of half the sides."""
    return layers.blocks(tensor, Block(f"{name}.conv", f"{name}.norm", 3, channels, stride=2))


def _pair(name: str, channels: int) -> list[Block]:
    first, second = (Block(f"{name}.conv{number}", f"{name}.norm{number}", 3, channels) for number in (1, 2))
    return [first, replace(second, activation=None)]


def _add_head(layers: Layers, output: str, features: str, maps: int) -> None:
    name, stride = f"head.{output}", 8
    layers.add(Convolution(name, (features,), (1, 1), f"{name}.weight", maps, bias=f"{name}.bias", sensitive=True))
    layers.add(Float32(f"{name}.float32", (name,), sensitive=True))
    layers.add(TrimPadding(f"{name}.unpadded", (f"{name}.float32", FRAMES), DEEPEST, stride))
    kind: ActivationKind = "sigmoid" if output == "scoremap" else "linear"
    layers.add(Activation(output, (f"{name}.unpadded",), kind, sensitive=True))

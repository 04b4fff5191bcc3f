"""CSPNeXt (Lyu et al. 2022), the backbone of RTMPose, as DeepLabCut's PyTorch engine has it.

A stem and four stages, each of which halves the map: one half of the channels goes through units with large depthwise
kernels, the other half past them, and the joined channels are weighted by what their averages say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from posecli.network.heads import heads_of
from posecli.network.network import Network, PoseSpec
from posecli.network.operations import Activation, ActivationKind, Add, Concatenate, Convolution, Multiply, Pooling
from posecli.network.torch_blocks import Block, Layers

#: Those that DeepLabCut has; what differs between them is in their layout.
NAMES = ("cspnext_s", "cspnext_m", "cspnext_x")
STEM = 64  # channels behind the stem, before they are widened
#: Of each stage: channels and units at a factor of 1, and whether units add what enters them to what they make.
STAGES = ((128, 3, True), (256, 6, True), (512, 6, True), (1024, 3, False))
POOLED = (5, 9, 13)  # windows of the maxima in the last stage
ACTIVATIONS: dict[str, ActivationKind] = {"SiLU": "swish", "ReLU": "relu"}
LARGEST_FACTOR = 8.0
ROOT = "backbone"
STRIDE = 32  # px per cell of the features


@dataclass(frozen=True)
class CSPNeXtLayout:
    """What a layout says of the backbone, under the names that DeepLabCut's file has."""

    deepen_factor: float
    widen_factor: float
    expand_ratio: float = 0.5  # channels of the units per channel of the stage
    channel_attention: bool = True
    activation_fn: str = "SiLU"

    def __post_init__(self) -> None:
        for name in ("deepen_factor", "widen_factor", "expand_ratio"):
            factor = getattr(self, name)
            if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0.05 <= factor <= LARGEST_FACTOR:
                raise ValueError(f"{name} {factor} is not a number from 0.05 to {LARGEST_FACTOR:g}")
        if not isinstance(self.channel_attention, bool):
            raise ValueError(f"channel_attention {self.channel_attention} is not true or false")
        if self.activation_fn not in ACTIVATIONS:
            raise ValueError(f"activation_fn {self.activation_fn} is not one of {', '.join(ACTIVATIONS)}")

    @classmethod
    def of(cls, layout: Mapping[str, Any]) -> Self:
        """From a specification's layout, in which the heads stand too."""
        return cls(**{name: value for name, value in layout.items() if name != "heads"})

    def widened(self, channels: int) -> int:
        """Channels of this network, of those at a factor of 1."""
        return int(channels * self.widen_factor)


def cspnext(spec: PoseSpec) -> Network:
    """The network that a specification describes.

    >>> heads = {"scoremap": {"maps": 2, "channels": [2], "kernels": [3], "strides": [2]}}
    >>> layout = {"deepen_factor": 0.33, "widen_factor": 0.5, "heads": heads}
    >>> network = cspnext(PoseSpec("cspnext_s", 2, locref=False, layout=layout))
    >>> network.stride, network.shapes((96, 130))["scoremap"]
    (16, (7, 11, 2))
    """
    heads, backbone = heads_of(spec), _Backbone(CSPNeXtLayout.of(spec.layout))
    features = backbone.features(heads.entry)
    return heads.network(spec, backbone.layers.operations, features, STRIDE)


class _Backbone:
    def __init__(self, layout: CSPNeXtLayout) -> None:
        self.layers = Layers()
        self._layout = layout

    def features(self, frames: str) -> str:
        """The tensor that the last stage makes."""
        half, whole = int(STEM * self._layout.widen_factor // 2), self._layout.widened(STEM)
        shapes = ((3, half, 2), (3, half, 1), (3, whole, 1))
        stem = (self._block(f"{ROOT}.stem.{place}", *shape) for place, shape in enumerate(shapes))
        tensor = self.layers.blocks(frames, *stem)
        for number, (channels, units, adds) in enumerate(STAGES, 1):
            name, widened = f"{ROOT}.stage{number}", self._layout.widened(channels)
            tensor = self.layers.blocks(tensor, self._block(f"{name}.0", 3, widened, 2))
            is_last = number == len(STAGES)
            if is_last:
                tensor = self._pyramid(f"{name}.1", tensor, widened)
            deepened = max(round(units * self._layout.deepen_factor), 1)
            tensor = self._cross_stage(f"{name}.{1 + is_last}", tensor, widened, deepened, adds=adds)
        return tensor

    def _pyramid(self, name: str, tensor: str, channels: int) -> str:
        """The map beside its maxima over windows of three sizes."""
        tensor = self.layers.blocks(tensor, self._block(f"{name}.conv1", 1, channels // 2))
        maxima = [
            self.layers.add(Pooling(f"{name}.poolings.{place}", (tensor,), "max", (side, side), padding="centered"))
            for place, side in enumerate(POOLED)
        ]
        joined = self.layers.add(Concatenate(f"{name}.joined", (tensor, *maxima)))
        return self.layers.blocks(joined, self._block(f"{name}.conv2", 1, channels))

    def _cross_stage(self, name: str, tensor: str, channels: int, units: int, *, adds: bool) -> str:
        """Units on one part of the channels, the other part as it is, and both weighted and mixed."""
        inner = int(channels * self._layout.expand_ratio)
        past = self.layers.blocks(tensor, self._block(f"{name}.short_conv", 1, inner))
        through = self.layers.blocks(tensor, self._block(f"{name}.main_conv", 1, inner))
        for unit in range(units):
            through = self._unit(f"{name}.blocks.{unit}", through, inner, adds=adds)
        joined = self.layers.add(Concatenate(f"{name}.joined", (through, past)))
        if self._layout.channel_attention:
            joined = self._weighted(f"{name}.attention", joined, 2 * inner)
        return self.layers.blocks(joined, self._block(f"{name}.final_conv", 1, channels))

    def _unit(self, name: str, tensor: str, channels: int, *, adds: bool) -> str:
        blocks = (
            self._block(f"{name}.conv1", 3, channels),
            self._block(f"{name}.conv2.depthwise_conv", 5, channels, depthwise=True),
            self._block(f"{name}.conv2.pointwise_conv", 1, channels),
        )
        made = self.layers.blocks(tensor, *blocks)
        return self.layers.add(Add(f"{name}.sum", (made, tensor))) if adds else made

    def _weighted(self, name: str, tensor: str, channels: int) -> str:
        """Each channel times what one layer makes of the averages of all."""
        add, layer = self.layers.add, f"{name}.fc"
        mean = add(Pooling(f"{name}.average", (tensor,), "average", (None, None), padding="valid"))
        weights, bias = f"{layer}.weight", f"{layer}.bias"
        add(Convolution(layer, (mean,), (1, 1), weights, channels, bias=bias, sensitive=True))
        gate = add(Activation(f"{name}.gate", (layer,), "hard_sigmoid", sensitive=True))
        return add(Multiply(name, (tensor, gate)))

    def _block(self, name: str, side: int, channels: int, stride: int = 1, *, depthwise: bool = False) -> Block:
        activation = ACTIVATIONS[self._layout.activation_fn]
        return Block(f"{name}.conv", f"{name}.norm", side, channels, stride, activation=activation, depthwise=depthwise)

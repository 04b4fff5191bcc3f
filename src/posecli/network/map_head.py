"""Heads of DeepLabCut's PyTorch networks that make maps: transposed convolutions, or none, and a last convolution.

`MapHeads` is what a model's layout says of them, and of stages that refine the features before them, if there are any.
A transposed convolution keeps all its cells: three by three with a stride of 2 makes 2 n + 1 cells of n, and the last
of them lies half outside the frame, as it does for DeepLabCut.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from posecli.network.network import FRAMES, Blur, Network, PoseHead, PoseSpec, with_tuples
from posecli.network.operations import (
    Activation,
    Convolution,
    Float32,
    Operation,
    PadToMultiple,
    TransposedConvolution,
    TrimPadding,
)
from posecli.network.refinement import Refinement
from posecli.network.torch_blocks import Layers

SCOREMAP, LOCREF = "scoremap", "locref"
#: Prefixes of the variables.
SCOREMAP_HEAD, LOCREF_HEAD = "heads.bodypart.heatmap_head", "heads.bodypart.locref_head"
PADDED = "padded"
LARGEST = 4096  #: Of channels, strides and sides of kernels.


@dataclass(frozen=True)
class MapLayers:
    """Layers of one head, from the backbone's features to its maps."""

    maps: int  # made by the last layer
    channels: tuple[int, ...] = ()  # made by each transposed convolution; between two is a rectifier
    kernels: tuple[int, ...] = ()  # their sides
    strides: tuple[int, ...] = ()
    final_kernel: int | None = None  # side of the convolution at the end, if there is one

    def __post_init__(self) -> None:
        final = () if self.final_kernel is None else (self.final_kernel,)
        numbers = (self.maps, *self.channels, *self.kernels, *self.strides, *final)
        if not all(type(number) is int and 0 < number <= LARGEST for number in numbers):
            raise ValueError(f"a head's layers are impossible: {self}")
        if not len(self.channels) == len(self.kernels) == len(self.strides) or not (self.channels or final):
            raise ValueError(f"a head's layers do not fit one another: {self}")
        if any(side < stride for side, stride in zip(self.kernels, self.strides, strict=True)):
            raise ValueError(f"a head's kernels are smaller than its strides: {self}")
        if not final and self.channels[-1] != self.maps:
            raise ValueError(f"a head's last layer does not make its maps: {self}")

    @classmethod
    def from_plain(cls, content: Mapping[str, Any]) -> Self:
        """From what ``model.yaml`` says."""
        return cls(**with_tuples(content))

    def operations(self, prefix: str, features: str) -> Iterator[Operation]:
        """They take the features; the last one is called as `last` says."""
        tensor = features
        for number, (channels, side, stride) in enumerate(zip(self.channels, self.kernels, self.strides, strict=True)):
            if number:
                yield Activation(f"{tensor}.relu", (tensor,), "relu")
                tensor = f"{tensor}.relu"
            name, sides, strides = _transposed(prefix, number), (side, side), (stride, stride)
            weights, bias = f"{name}.weight", f"{name}.bias"
            yield TransposedConvolution(name, (tensor,), sides, weights, channels, strides, "valid", bias=bias)
            tensor = name
        if self.final_kernel is not None:
            name, sides = _final(prefix), (self.final_kernel,) * 2
            weights, bias = f"{name}.weight", f"{name}.bias"
            yield Convolution(name, (tensor,), sides, weights, self.maps, padding="valid", bias=bias, sensitive=True)
            # In eight bits of mantissa neighbouring cells would tie. Transposed ones give float32 by themselves.
            yield Float32(_made(prefix), (name,), sensitive=True)

    def last(self, prefix: str) -> str:
        """The tensor of the maps."""
        return _transposed(prefix, len(self.channels) - 1) if self.final_kernel is None else _made(prefix)


def _transposed(prefix: str, number: int) -> str:
    return f"{prefix}.deconv_layers.{2 * number}"  # a rectifier stands between two


def _final(prefix: str) -> str:
    return f"{prefix}.final_conv"


def _made(prefix: str) -> str:
    return f"{_final(prefix)}.float32"


@dataclass(frozen=True)
class MapHeads:
    """What a network's layout says of its heads and of what is done to frames before it."""

    scoremap: MapLayers
    locref: MapLayers | None
    sigmoid: bool = False  # whether scores go through a sigmoid
    clip_scores: bool = False  # whether the score of the best cell is cut off at 0 and 1
    pad_to: int = 1  # frames are enlarged until this divides their sides
    refinement: Refinement | None = None  # what stands between the features and the heads
    blur: Blur | None = None  # of the scores, before they are decoded

    def __post_init__(self) -> None:
        if not all(isinstance(value, bool) for value in (self.sigmoid, self.clip_scores)):
            raise ValueError(f"sigmoid {self.sigmoid} or clip_scores {self.clip_scores} is not true or false")
        if type(self.pad_to) is not int or not 0 < self.pad_to <= LARGEST:
            raise ValueError(f"pad_to {self.pad_to} is not a number of px")

    @classmethod
    def of(cls, spec: PoseSpec) -> Self:
        """From the part ``heads`` of a specification's layout; `ValueError` or `TypeError` where it says nonsense."""
        content = dict(spec.layout["heads"])
        if (LOCREF in content) is not spec.locref:
            has = "one" if LOCREF in content else "none"
            raise ValueError(f"location_refinement is {spec.locref}, but of heads for it the layout has {has}")
        scoremap = MapLayers.from_plain(content.pop(SCOREMAP))
        locref = MapLayers.from_plain(content.pop(LOCREF)) if spec.locref else None
        if scoremap.maps != spec.n_bodyparts or (locref is not None and locref.maps != 2 * spec.n_bodyparts):
            raise ValueError(f"its heads make {scoremap.maps} maps for {spec.n_bodyparts} body parts")
        for name, kind in (("refinement", Refinement), ("blur", Blur)):
            if name in content:
                content[name] = kind(**content[name])
        return cls(scoremap, locref, **content)

    @property
    def entry(self) -> str:
        """The tensor that a backbone takes."""
        return PADDED if self.pad_to > 1 else FRAMES

    def network(self, spec: PoseSpec, backbone: Sequence[Operation], features: str, stride: int) -> Network:
        """The whole network: a backbone from `entry` to its `features`, which have a stride in px, and the heads."""
        before = [PadToMultiple(PADDED, (FRAMES,), self.pad_to)] if self.pad_to > 1 else []
        entering = features, features
        stages = Layers()
        if self.refinement is not None:
            entering, stride = self.refinement.add(stages, features, spec.n_bodyparts), stride // 2
        if self.blur is not None and stride // math.prod(self.scoremap.strides) % 2:
            raise ValueError("the centers of cells of an odd number of px, which DeepLabCut rounds down here")
        of_scores, of_locations = entering
        operations = [*before, *backbone, *stages.operations]
        operations += self._maps(SCOREMAP, SCOREMAP_HEAD, self.scoremap, of_scores, stride)
        if self.locref is not None:
            operations += self._maps(LOCREF, LOCREF_HEAD, self.locref, of_locations, stride)
        head = PoseHead(SCOREMAP, LOCREF if spec.locref else None, spec.locref_stdev, self.clip_scores, self.blur)
        network = Network(spec.net_type, tuple(operations), head, spec.scaling)
        return network.with_operations(operations)

    def _maps(
        self, output: str, prefix: str, layers: MapLayers, features: str, features_stride: int
    ) -> Iterator[Operation]:
        yield from layers.operations(prefix, features)
        tensor = layers.last(prefix)
        if self.pad_to > 1:
            stride = features_stride // math.prod(layers.strides)
            yield TrimPadding(f"{prefix}.unpadded", (tensor, FRAMES), self.pad_to, stride)
            tensor = f"{prefix}.unpadded"
        has_sigmoid = output == SCOREMAP and self.sigmoid
        yield Activation(output, (tensor,), "sigmoid" if has_sigmoid else "linear", sensitive=True)

"""Stages that refine maps before the heads, which DLCRNet's have (Lauer et al. 2022).

Features are doubled in size; maps of body parts and of the limbs between them are made of all three again and again,
and the heads take what comes out. Maps of limbs are for telling animals apart, and only serve those of body parts here.
"""

from __future__ import annotations

from dataclasses import dataclass

from posecli.network.operations import Add, Concatenate, Convolution, TransposedConvolution
from posecli.network.torch_blocks import Layers

#: Prefix of the variables.
ROOT = "heads.bodypart"
LARGEST = 4096


@dataclass(frozen=True)
class Refinement:
    """What a layout says of the stages."""

    fields: int  # maps of limbs, two for each
    stages: int = 5
    features: int = 128  # channels that are handed on to every stage

    def __post_init__(self) -> None:
        if not all(type(each) is int and 0 < each <= LARGEST for each in (self.fields, self.stages, self.features)):
            raise ValueError(f"stages that refine maps are impossible: {self}")

    def add(self, layers: Layers, features: str, parts: int) -> tuple[str, str]:
        """Their operations; what the heads of scores and of locations take, both of half the stride."""
        scores, fields, kept = (
            self._doubled(layers, f"{ROOT}.convt{number}", features, channels)
            for number, channels in ((1, parts), (3, self.fields), (4, self.features))
        )
        entering = layers.add(Concatenate(f"{ROOT}.stage0", (scores, fields, kept)))
        for stage in range(self.stages):
            before = scores
            scores = self._refined(layers, f"{ROOT}.hm_ref_layers.{stage}", entering, parts)
            fields = self._refined(layers, f"{ROOT}.paf_ref_layers.{stage}", entering, self.fields)
            if stage:
                scores = layers.add(Add(f"{scores}.sum", (scores, before)))
            entering = layers.add(Concatenate(f"{ROOT}.stage{stage + 1}", (scores, fields, kept)))
        return entering, self._doubled(layers, f"{ROOT}.convt2", features, 2 * parts)

    def _doubled(self, layers: Layers, name: str, tensor: str, channels: int) -> str:
        weights, bias, cut = f"{name}.weight", f"{name}.bias", ((1, 0), (1, 0))
        return layers.add(TransposedConvolution(name, (tensor,), (3, 3), weights, channels, (2, 2), cut, bias=bias))

    def _refined(self, layers: Layers, name: str, tensor: str, channels: int) -> str:
        weights, bias = f"{name}.weight", f"{name}.bias"
        return layers.add(Convolution(name, (tensor,), (3, 3), weights, channels, padding="centered", bias=bias))

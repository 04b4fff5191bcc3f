"""The head of RTMPose (Jiang et al. 2023), which looks for body parts along the width and the height of a frame.

A map for each body part becomes a token; tokens look at one another in a gated attention unit (Hua et al. 2022), and
two matrices make scores along the axes of them. `AxesLayers` is what a model's layout says of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from posecli.network.network import FRAMES, AxesHead, Network, PoseSpec, with_tuples
from posecli.network.operations import (
    Activation,
    ActivationKind,
    Add,
    Convolution,
    Dense,
    Float32,
    MatrixProduct,
    Multiply,
    Operation,
    Scale,
    ScaleNormalization,
    Split,
    Tokens,
)
from posecli.network.torch_blocks import Layers

X, Y = "x", "y"
#: Prefix of the variables.
ROOT = "heads.bodypart"
EPSILON = 1e-5
LARGEST = 4096  # of sides, channels and cells


@dataclass(frozen=True)
class AxesLayers:
    """What a network's layout says of its head."""

    size: tuple[int, int]  # height and width in px of the only frames that it takes
    cells_per_px: float = 2.0
    factors: tuple[float, float] = (1.0, 1.0)  # as in the head, with the next two
    softmax: bool = True
    normalized: bool = False
    final_kernel: int = 7  # side of the convolution that makes a map for each body part; odd
    hidden: int = 256  # channels of a token
    attention: int = 128  # channels of queries and keys
    expansion: int = 2  # channels of values, per channel of a token
    activation: ActivationKind = "swish"
    entry: ClassVar[str] = FRAMES  #: The tensor that a backbone takes.

    def __post_init__(self) -> None:
        sizes = (*self.size, self.final_kernel, self.hidden, self.attention, self.expansion)
        if len(self.size) != 2 or not all(type(size) is int and 0 < size <= LARGEST for size in sizes):
            raise ValueError(f"a head along the axes is impossible: {self}")
        if self.final_kernel % 2 == 0 or self.activation not in {"swish", "relu"}:
            raise ValueError(f"a head with a kernel of {self.final_kernel} and {self.activation} is not known")
        numbers = (self.cells_per_px, *self.factors)
        if len(self.factors) != 2 or not all(isinstance(each, float | int) and 0 < each < math.inf for each in numbers):
            raise ValueError(f"cells_per_px {self.cells_per_px} or factors {self.factors} are not positive numbers")
        if not all(1 <= count <= LARGEST for count in self.cells):
            raise ValueError(f"{self.cells_per_px} cells per px of {self.size} px are impossible")
        if not all(isinstance(value, bool) for value in (self.softmax, self.normalized)):
            raise ValueError(f"softmax {self.softmax} or normalized {self.normalized} is not true or false")

    @classmethod
    def from_plain(cls, content: Mapping[str, Any]) -> Self:
        """From what ``model.yaml`` says."""
        return cls(**with_tuples(content))

    @property
    def cells(self) -> tuple[int, int]:
        """Of scores along the height and the width."""
        height, width = (int(side * self.cells_per_px) for side in self.size)
        return height, width

    def network(self, spec: PoseSpec, backbone: Sequence[Operation], features: str, stride: int) -> Network:
        """The whole network: a backbone from frames to its `features`, which have a stride in px, and the head."""
        layers = Layers()
        weights, bias = f"{ROOT}.final_layer.weight", f"{ROOT}.final_layer.bias"
        maps = layers.add(
            Convolution(
                f"{ROOT}.final_layer",
                (features,),
                (self.final_kernel,) * 2,
                weights,
                spec.n_bodyparts,
                padding="centered",
                bias=bias,
                sensitive=True,
            )
        )
        rows, columns = (math.ceil(side / stride) for side in self.size)
        tokens = layers.add(Tokens(f"{ROOT}.tokens", (maps,), (rows, columns)))
        tokens = self._dense(layers, "mlp.1", self._normalized(layers, "mlp.0", tokens), self.hidden)
        tokens = self._attention(layers, tokens)
        for name, layer, cells in zip((Y, X), ("cls_y", "cls_x"), self.cells, strict=True):
            scores = self._dense(layers, layer, tokens, cells)
            layers.add(Float32(name, (scores,), sensitive=True))
        head = AxesHead(X, Y, self.size, self.cells_per_px, self.factors, self.softmax, self.normalized)
        return Network(spec.net_type, (*backbone, *layers.operations), head, spec.scaling)

    def _attention(self, layers: Layers, tokens: str) -> str:
        """Tokens plus gated values of all tokens, weighted by the squares of how queries and keys agree."""
        name, values, add = f"{ROOT}.gau", self.hidden * self.expansion, layers.add
        made = self._dense(layers, "gau.uv", self._normalized(layers, "gau.ln", tokens), 2 * values + self.attention)
        made = add(Activation(f"{name}.activation", (made,), self.activation, sensitive=True))
        gate = add(Split(f"{name}.gate", (made,), 0, values))
        value = add(Split(f"{name}.value", (made,), values, values))
        base = add(Split(f"{name}.base", (made,), 2 * values, self.attention))
        both = add(Scale(f"{name}.scaled", (base,), f"{name}.gamma", f"{name}.beta", 2, sensitive=True))
        query = add(Split(f"{name}.query", (both,), 0, self.attention))
        key = add(Split(f"{name}.key", (both,), self.attention, self.attention))
        factor = 1 / math.sqrt(self.attention)
        agreement = add(MatrixProduct(f"{name}.agreement", (query, key), factor, transposed=True, sensitive=True))
        positive = add(Activation(f"{name}.positive", (agreement,), "relu", sensitive=True))
        squared = add(Multiply(f"{name}.squared", (positive, positive), sensitive=True))
        attended = add(MatrixProduct(f"{name}.attended", (squared, value), sensitive=True))
        gated = add(Multiply(f"{name}.gated", (gate, attended), sensitive=True))
        change = self._dense(layers, "gau.o", gated, self.hidden)
        kept = add(Scale(f"{name}.res_scale", (tokens,), f"{name}.res_scale.scale", sensitive=True))
        return add(Add(f"{name}.sum", (kept, change), sensitive=True))

    def _dense(self, layers: Layers, name: str, tokens: str, channels: int) -> str:
        layer = f"{ROOT}.{name}"
        return layers.add(Dense(layer, (tokens,), (), f"{layer}.weight", channels, sensitive=True))

    def _normalized(self, layers: Layers, name: str, tokens: str) -> str:
        layer = f"{ROOT}.{name}"
        return layers.add(ScaleNormalization(layer, (tokens,), f"{layer}.g", EPSILON, sensitive=True))

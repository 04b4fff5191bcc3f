"""Which convolutions compute in eight bits, and the ranges of what enters them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Int8Plan:
    """A network's eight-bit version.

    Attributes
    ----------
    ranges
        For each convolution in eight bits, by scope: the lowest and highest value that enters it. All others
        stay in the wider precision.
    """

    ranges: Mapping[str, tuple[float, float]]

    def without(self, scopes: frozenset[str]) -> Int8Plan:
        """The same plan with some convolutions left in the wider precision."""
        return Int8Plan({scope: limits for scope, limits in self.ranges.items() if scope not in scopes})

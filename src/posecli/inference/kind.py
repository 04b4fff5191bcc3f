"""The two kinds of networks: what differs between poses and behaviours on the way from items to values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

#: What a network's output becomes, one for each item: poses ``(B, K, N, 3)``, or probabilities ``(B, C)``.
Values: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """A kind of network.

    Attributes
    ----------
    item
        What goes through the network as one, for people.
    shape
        Of a batch of items, for people.
    missing
        Stands for the values of an item that could not be decoded.
    located
        Whether values begin with x and y in pixels of the network's input.
    """

    item: str
    shape: str
    missing: tuple[float, ...]
    located: bool

    @property
    def axes(self) -> int:
        """Of a batch of items."""
        return self.shape.count(",") + 1


POSES = Kind("frame", "(N, H, W, 3)", (np.nan, np.nan, 0.0), located=True)
BEHAVIOURS = Kind("chunk", "(N, T, H, W, 3)", (np.nan,), located=False)

"""What is measured of a pose network against labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from posecli.errors import UsageError


@dataclass(frozen=True)
class EvaluateOptions:
    """What is measured.

    Attributes
    ----------
    scales
        Factors by which frames are resized for the network.
    pcutoff
        Likelihood from which on a point counts as found; ``None`` takes the model's own.
    pck
        Radii in px of the full frame: the share of points that lie within each is reported.
    batch_size
        Frames per call of the network.
    every
        Of a video, use every so many-th frame.
    """

    scales: tuple[float, ...] = (1.0, 0.5, 0.25, 0.125)
    pcutoff: float | None = None
    pck: tuple[float, ...] = (5.0, 10.0)
    batch_size: int = 8
    every: int = 1

    def __post_init__(self) -> None:
        for scale in self.scales:
            if not 0 < scale <= 4:
                raise UsageError(f"scale {scale:g} is out of range: give factors above 0 and at most 4")
        if not self.scales or len(set(self.scales)) < len(self.scales):
            raise UsageError(f"scales {self.scales} are none or repeat: give each scale once")
        if self.pcutoff is not None and not 0 <= self.pcutoff <= 1:
            raise UsageError(f"pcutoff {self.pcutoff:g} is out of range: give a likelihood from 0 to 1")
        if not all(0 < radius < math.inf for radius in self.pck):
            raise UsageError(f"pck radii {self.pck} are not all above 0: give distances in px")
        for name, value in (("batch size", self.batch_size), ("every", self.every)):
            if value < 1:
                raise UsageError(f"{name} {value} is too small: give a whole number of 1 or more")

"""What ``model.yaml`` says of a detector, which finds the animal for a network that looks at nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from posecli.model.description import Description
from posecli.network.architectures import DETECTORS, detector_network
from posecli.network.network import DetectorSpec, Network
from posecli.support.yamlfile import brief


@dataclass(frozen=True)
class DetectorDescription(Description):
    """What ``model.yaml`` says of a detector, which lies in a part of its pose network's folder."""

    net_type: str  # a key of `posecli.network.architectures.DETECTORS`
    scorer: str  # begins with DLC_
    mean_pixel: tuple[float, float, float] = (0.0, 0.0, 0.0)  # RGB, 0..255; subtracted before the network
    std_pixel: tuple[float, float, float] = (1.0, 1.0, 1.0)  # RGB; what is left is divided by it
    layout: Mapping[str, Any] = field(default_factory=dict)  # what else the architecture must know, as plain values
    source: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""

    def _problems(self) -> list[str]:
        problems = []
        if self.net_type not in DETECTORS:
            problems.append(f"detector {brief(self.net_type)} is not supported yet, only {', '.join(DETECTORS)}")
        if not all(math.isfinite(mean) for mean in self.mean_pixel) or not all(
            0 < std < math.inf for std in self.std_pixel
        ):
            problems.append(f"mean_pixel {self.mean_pixel} or std_pixel {self.std_pixel} is not three possible numbers")
        return problems + self._problems_of_scorer("DLC_")

    @property
    def spec(self) -> DetectorSpec:
        """What is asked of the network."""
        return DetectorSpec(self.net_type, self.mean_pixel, self.std_pixel, self.layout)

    @property
    def network(self) -> Network:
        return detector_network(self.spec)

    def identity_fields(self) -> dict[str, Any]:
        """Everything but names for people."""
        return asdict(self) | {"source": None, "scorer": None}

    @classmethod
    def from_plain(cls, content: dict[str, Any]) -> DetectorDescription:
        for name in ("mean_pixel", "std_pixel"):
            red, green, blue = map(float, content[name])
            content[name] = red, green, blue
        return cls(**content)

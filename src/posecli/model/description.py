"""What ``model.yaml`` says of a pose network."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.errors import ModelError
from posecli.network.folding import Arrays, fold_batch_norm
from posecli.network.spec import PoseNetworkSpec
from posecli.network.variables import UNITS_PER_BLOCK, convolutions, variable_shapes
from posecli.support.yamlfile import brief

#: Two halvings more in the backbone than the heads take back: the only stride these networks have.
STRIDE = 8.0
#: More would make file names longer than file systems take.
LONGEST_SCORER = 150


@dataclass(frozen=True)
class ModelDescription:
    """What ``model.yaml`` says.

    Attributes
    ----------
    net_type
        ``resnet_50``, ``resnet_101`` or ``resnet_152``.
    bodyparts
        Names, in the order of the scoremaps.
    scorer
        Begins with ``DLC_``; names result files and the first column level.
    stride
        Input px per scoremap cell.
    locref_stdev
        Px per unit of location refinement.
    location_refinement
        Whether the network refines locations.
    mean_pixel
        RGB mean subtracted before the network, 0..255.
    pcutoff
        Likelihood below which the project's owner holds a point for not seen; ``None`` if not known.
    source
        Where the network came from: plain strings and numbers, for people and manifests.
    weights_sha256
        Hash of the weights file.
    """

    net_type: str
    bodyparts: tuple[str, ...]
    scorer: str
    stride: float = STRIDE
    locref_stdev: float = 7.2801
    location_refinement: bool = True
    mean_pixel: tuple[float, float, float] = (123.68, 116.779, 103.939)
    pcutoff: float | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ModelError(f"a model cannot be used: {problem}")

    def _problems(self) -> list[str]:
        problems = []
        if self.net_type not in UNITS_PER_BLOCK:
            problems.append(f"net type {brief(self.net_type)} is not supported yet, only {', '.join(UNITS_PER_BLOCK)}")
        names = self.bodyparts
        if not names or len(set(names)) < len(names) or not all(isinstance(name, str) and name for name in names):
            problems.append(f"its body parts {brief(list(names))} are not distinct names")
        if not str(self.scorer).startswith("DLC_") or re.search(r"[/\\\x00-\x1f\x7f]", str(self.scorer)):
            problems.append(
                f"scorer {brief(str(self.scorer))} must begin with 'DLC_' and hold no slash, because the field's tools "
                "split file names there"
            )
        if self.stride != STRIDE:
            problems.append(f"stride {self.stride} is not supported yet, only {STRIDE:g}")
        if not (math.isfinite(self.locref_stdev) and self.locref_stdev > 0):
            problems.append(f"locref_stdev {self.locref_stdev} is not a positive number")
        if len(self.mean_pixel) != 3 or not all(math.isfinite(value) for value in self.mean_pixel):
            problems.append(f"mean_pixel {brief(self.mean_pixel)} is not three numbers")
        return problems + self._problems_of_type()

    def _problems_of_type(self) -> list[str]:
        problems = []
        if len(str(self.scorer)) > LONGEST_SCORER:
            problems.append(f"scorer {brief(str(self.scorer))} is too long for a part of file names")
        if self.pcutoff is not None and not math.isfinite(self.pcutoff):
            problems.append(f"pcutoff {self.pcutoff} is not a number")
        wanted = {"location_refinement": bool, "source": Mapping, "weights_sha256": str, "scorer": str}
        return problems + [
            f"{name} {brief(getattr(self, name))} is not of the type {kind.__name__}"
            for name, kind in wanted.items()
            if not isinstance(getattr(self, name), kind)
        ]

    @property
    def network(self) -> PoseNetworkSpec:
        """The network to build."""
        return PoseNetworkSpec(self.net_type, len(self.bodyparts), self.mean_pixel, self.location_refinement)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the tensors that the network needs."""
        return variable_shapes(self.net_type, len(self.bodyparts), locref=self.location_refinement)

    def folded(self, weights: Arrays) -> dict[str, npt.NDArray[np.float32]]:
        """Weights for inference: batch normalisation folded into the convolutions."""
        return fold_batch_norm(weights, self.net_type, len(self.bodyparts), locref=self.location_refinement)

    def convolutions(self) -> tuple[str, ...]:
        """Scopes of the convolutions that can compute in eight bits."""
        return tuple(conv.scope for conv in convolutions(self.net_type))

    def what_counts(self) -> dict[str, Any]:
        """All that determines poses, as plain values."""
        return asdict(self) | {"source": None, "pcutoff": None, "scorer": None}

    @classmethod
    def from_plain(cls, content: dict[str, Any]) -> ModelDescription:
        """From what a file says; raises what Python raises where it says something else."""
        content["bodyparts"] = tuple(content["bodyparts"])
        content["mean_pixel"] = tuple(float(value) for value in content["mean_pixel"])
        return cls(**content)

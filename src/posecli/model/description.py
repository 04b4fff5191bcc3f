"""What ``model.yaml`` says of a network: for poses, or for behaviours."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

from posecli.errors import ModelError
from posecli.network.architectures import POSE_NETWORKS, pose_network
from posecli.network.i3d import I3DSpec, i3d
from posecli.network.network import IMAGENET_MEAN, LOCREF_STDEV, Network, PoseSpec
from posecli.options import LARGEST_INPUT, SHORTEST_CHUNK, SMALLEST_INPUT
from posecli.support.yamlfile import brief

#: More would make file names longer than file systems take.
LONGEST_SCORER = 150
#: The behaviours of Govindarajan et al. (2022), in the order of their networks' outputs.
BEHAVIOURS = ("drink", "eat", "groom", "hang", "sniff", "rear", "rest", "walk", "eathand")
#: Columns of a behaviour table besides its classes.
TABLE_COLUMNS = frozenset({"index", "seconds", "label", "first_frame", "end_frame"})
#: More classes than any ethogram: a file beyond that is damaged.
MOST_CLASSES = 10_000


class Description(ABC):
    """What ``model.yaml`` says, of whatever kind of network."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    scorer: str
    source: Mapping[str, Any]  # where the network came from: plain strings and numbers, for people and manifests
    weights_sha256: str  # hash of the weights file

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ModelError(f"a model cannot be used: {problem}")

    @abstractmethod
    def _problems(self) -> list[str]: ...

    @property
    @abstractmethod
    def network(self) -> Network:
        """Operations and what they mean, without weights."""

    @abstractmethod
    def identity_fields(self) -> dict[str, Any]:
        """All that determines results besides the options of a run, as plain values."""

    @classmethod
    @abstractmethod
    def from_plain(cls, content: dict[str, Any]) -> Self:
        """From what a file says; raises what Python raises where it says something else."""

    def _problems_of_scorer(self, prefix: str, why: str = "") -> list[str]:
        scorer = str(self.scorer)
        problems = []
        if not scorer.startswith(prefix) or re.search(r"[/\\\x00-\x1f\x7f]", scorer):
            problems.append(f"scorer {brief(scorer)} must begin with '{prefix}' and hold no slash{why}")
        if len(scorer) > LONGEST_SCORER:
            problems.append(f"scorer {brief(scorer)} is too long for a part of file names")
        wanted = {"source": Mapping, "weights_sha256": str, "scorer": str}
        return problems + [
            f"{name} {brief(getattr(self, name))} is not of the type {kind.__name__}"
            for name, kind in wanted.items()
            if not isinstance(getattr(self, name), kind)
        ]


@dataclass(frozen=True)
class TopDown:
    """What is done to the box of an animal before a network that looks at nothing else: it becomes a crop of one size.

    The box is enlarged by a margin on all sides, and then grows about its centre to the shape of the crop. Zeros stand
    for what lies beyond the frame.
    """

    width: int = 256  # px of the crop
    height: int = 256
    margin: int = 0  # px of the frame

    def __post_init__(self) -> None:
        if not all(type(side) is int and SMALLEST_INPUT <= side <= LARGEST_INPUT for side in (self.width, self.height)):
            raise ValueError(f"a crop of {self.width}x{self.height} px is impossible")
        if type(self.margin) is not int or not 0 <= self.margin <= LARGEST_INPUT:
            raise ValueError(f"a margin of {self.margin} px is impossible")


@dataclass(frozen=True)
class ModelDescription(Description):
    """What ``model.yaml`` says of a pose network."""

    net_type: str  # a key of `posecli.network.architectures.POSE_NETWORKS`
    bodyparts: tuple[str, ...]  # names, in the order of the scoremaps
    scorer: str  # begins with DLC_; names result files and the first column level
    stride: float = 0.0  # input px per scoremap cell; where none is given, the network's own
    locref_stdev: float = LOCREF_STDEV  # px per unit of location refinement
    location_refinement: bool = True  # whether the network refines locations
    mean_pixel: tuple[float, float, float] = IMAGENET_MEAN  # RGB, 0..255; subtracted before the network
    std_pixel: tuple[float, float, float] = (1.0, 1.0, 1.0)  # RGB; what is left is divided by it
    layout: Mapping[str, Any] = field(default_factory=dict)  # what else the architecture must know, as plain values
    pcutoff: float | None = None  # likelihood below which the project's owner holds a point for not seen, if known
    top_down: TopDown | None = None  # where the network looks at one animal, cut out of the frame
    source: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""

    def __post_init__(self) -> None:
        if not self.stride and self.net_type in POSE_NETWORKS and not self._problems_of_values():
            object.__setattr__(self, "stride", float(self.network.stride))
        super().__post_init__()

    def _problems(self) -> list[str]:
        problems = self._problems_of_values()
        if self.net_type not in POSE_NETWORKS:
            problems.append(f"net type {brief(self.net_type)} is not supported yet, only {', '.join(POSE_NETWORKS)}")
        elif not problems:
            problems += self._problems_with(self.network)
        names = self.bodyparts
        if not names or len(set(names)) < len(names) or not all(isinstance(name, str) and name for name in names):
            problems.append(f"its body parts {brief(list(names))} are not distinct names")
        if self.pcutoff is not None and not math.isfinite(self.pcutoff):
            problems.append(f"pcutoff {self.pcutoff} is not a number")
        if not isinstance(self.location_refinement, bool):
            problems.append(f"location_refinement {brief(self.location_refinement)} is not of the type bool")
        why = ", because the field's tools split file names there"
        return problems + self._problems_of_scorer("DLC_", why)

    def _problems_with(self, network: Network) -> list[str]:
        """What is said that does not fit the network."""
        if self.stride != network.stride:
            return [f"stride {self.stride} is not that of a {self.net_type}, {network.stride}"]
        refines = getattr(network.head, "locref", None) is not None
        if self.location_refinement is refines:
            return []
        return [
            f"location_refinement is {self.location_refinement}, but the head of this {self.net_type} refines "
            f"{'locations' if refines else 'none'}: set it to {str(refines).lower()}"
        ]

    def _problems_of_values(self) -> list[str]:
        problems = []
        if not (math.isfinite(self.locref_stdev) and self.locref_stdev > 0):
            problems.append(f"locref_stdev {self.locref_stdev} is not a positive number")
        for name, least in (("mean_pixel", -math.inf), ("std_pixel", 0.0)):
            values = getattr(self, name)
            if len(values) != 3 or not all(least < value < math.inf for value in values):
                problems.append(f"{name} {brief(values)} is not three{' positive' if least == 0 else ''} numbers")
        if not isinstance(self.location_refinement, bool):
            problems.append(f"location_refinement {brief(self.location_refinement)} is not of the type bool")
        return problems

    @property
    def spec(self) -> PoseSpec:
        """What is asked of the network."""
        return PoseSpec(
            self.net_type,
            len(self.bodyparts),
            self.mean_pixel,
            self.location_refinement,
            self.locref_stdev,
            self.std_pixel,
            self.layout,
        )

    @property
    def network(self) -> Network:
        return pose_network(self.spec)

    def identity_fields(self) -> dict[str, Any]:
        """Everything but names for people and the cut-off; also not what few networks have."""
        fields = asdict(self) | {"source": None, "pcutoff": None, "scorer": None}
        absent: dict[str, Any] = {"std_pixel": (1.0, 1.0, 1.0), "layout": {}, "top_down": None}
        return {name: value for name, value in fields.items() if name not in absent or value != absent[name]}

    @classmethod
    def from_plain(cls, content: dict[str, Any]) -> ModelDescription:
        content["bodyparts"] = tuple(content["bodyparts"])
        content.setdefault("std_pixel", (1.0, 1.0, 1.0))
        for name in ("mean_pixel", "std_pixel"):
            content[name] = tuple(float(value) for value in content[name])
        if content.get("top_down") is not None:
            content["top_down"] = TopDown(**content["top_down"])
        return cls(**content)


@dataclass(frozen=True)
class ClipDescription(Description):
    """What ``model.yaml`` says of a network that classifies behaviour; a run may have other sizes and strides."""

    classes: tuple[str, ...]  # names of the behaviours, in the order of the network's outputs
    scorer: str  # begins with I3D_; names result files
    width: float = 1.0  # factor on the number of channels; 1 for the published network
    length: int = 64  # frames of a chunk that the network sees
    stride: int = 64  # frames of the video from the start of one chunk to the start of the next
    input_height: int = 224  # px to which frames are brought, as the width
    input_width: int = 224
    frame_step: int = 1  # the network sees every so many-th frame: a chunk spans length * frame_step of the video
    source: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""
    net_type: str = "i3d"

    def _problems(self) -> list[str]:
        problems = []
        names = self.classes
        if not 0 < len(names) <= MOST_CLASSES or len(set(names)) < len(names):
            problems.append(f"its classes {brief(list(names))} are not distinct names")
        if not all(isinstance(name, str) and name and name.isprintable() and "/" not in name for name in names):
            problems.append(f"its classes {brief(list(names))} are not names without slashes")
        if taken := sorted(set(names) & TABLE_COLUMNS):
            problems.append(f"its classes {taken} are names of the table's own columns")
        if not 0 < self.width <= 4:
            problems.append(f"width {self.width} is out of range")
        if self.length < SHORTEST_CHUNK or self.stride < 1 or self.frame_step < 1:
            problems.append(
                f"chunks of {self.length} frames, {self.frame_step} apart, every {self.stride} frames are impossible"
            )
        if min(self.input_height, self.input_width) < SMALLEST_INPUT:
            problems.append(f"frames of {self.input_width}x{self.input_height} px are too small")
        return problems + self._problems_of_scorer("I3D_")

    @property
    def spec(self) -> I3DSpec:
        """What is asked of the network."""
        return I3DSpec(len(self.classes), self.width)

    @property
    def network(self) -> Network:
        return i3d(self.spec)

    def identity_fields(self) -> dict[str, Any]:
        names = ("net_type", "classes", "width", "frame_step", "weights_sha256")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_plain(cls, content: dict[str, Any]) -> ClipDescription:
        content["classes"] = tuple(content["classes"])
        return cls(**content)

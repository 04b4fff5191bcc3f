"""What ``model.yaml`` says of a network that classifies behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from posecli.model.description import Description
from posecli.network.i3d import I3DSpec, i3d
from posecli.network.network import Network
from posecli.options import SHORTEST_CHUNK, SMALLEST_INPUT
from posecli.support.yamlfile import brief

#: The behaviours of Govindarajan et al. (2022), in the order of their networks' outputs.
BEHAVIOURS = ("drink", "eat", "groom", "hang", "sniff", "rear", "rest", "walk", "eathand")
#: Columns of a behaviour table besides its classes.
TABLE_COLUMNS = frozenset({"index", "seconds", "label", "first_frame", "end_frame"})
#: More classes than any ethogram: a file beyond that is damaged.
MOST_CLASSES = 10_000


@dataclass(frozen=True)
class ClipDescription(Description):
    """What ``model.yaml`` says.

    Attributes
    ----------
    classes
        Names of the behaviours, in the order of the network's outputs.
    scorer
        Begins with ``I3D_``; names result files.
    width
        Factor on the number of channels; 1 for the published network.
    length, stride
        Frames of a chunk that the network sees, and frames of the video from the start of one chunk to the start of the
        next, unless the user says otherwise.
    frame_step
        Every how many-th frame of the video the network sees: a chunk spans ``length * frame_step`` frames of it.
    input_height, input_width
        Size to which frames are brought, px, unless the user says otherwise.
    source
        Where the network came from: plain strings and numbers, for people and manifests.
    weights_sha256
        Hash of the weights file.
    net_type
        ``i3d``.
    """

    classes: tuple[str, ...]
    scorer: str
    width: float = 1.0
    length: int = 64
    stride: int = 64
    input_height: int = 224
    input_width: int = 224
    frame_step: int = 1
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
        """Its operations and what they mean, without weights."""
        return i3d(self.spec)

    def identity_fields(self) -> dict[str, Any]:
        """All that determines results besides the options of a run, as plain values."""
        return {
            "net_type": self.net_type,
            "classes": self.classes,
            "width": self.width,
            "frame_step": self.frame_step,
            "weights_sha256": self.weights_sha256,
        }

    @classmethod
    def from_plain(cls, content: dict[str, Any]) -> ClipDescription:
        """From what a file says; raises what Python raises where it says something else."""
        content["classes"] = tuple(content["classes"])
        return cls(**content)

"""What a network asks of a machine, and what the machine can do for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from posecli.engine import engine_obstacle
from posecli.errors import UsageError
from posecli.model.description import ClipDescription, Description, ModelDescription
from posecli.model.folder import AnyFolder
from posecli.options import FIXED_PRECISIONS, EngineName, EngineOptions, FixedPrecision, InputSize


@dataclass(frozen=True)
class NetworkFacts:
    """Sizes of a network, and the precisions that an engine can run it in here."""

    parameters: int  # numbers that training finds
    size: InputSize  # of frames
    frames: int  # that the network takes at once: one, or those of a chunk
    multiply_adds: int  # for these
    obstacles: Mapping[FixedPrecision, str | None]  # why a precision cannot run; None if it can
    detector_parameters: int = 0  # of what finds the animal, for a network that looks at nothing else
    detector_multiply_adds: int = 0  # for one frame

    @property
    def precisions(self) -> list[FixedPrecision]:
        """Those that run."""
        return [precision for precision, obstacle in self.obstacles.items() if obstacle is None]

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self) | {"size": [self.size.width, self.size.height], "precisions": self.precisions}


def network_facts(folder: AnyFolder, size: InputSize | None = None, engine: EngineName = "openvino") -> NetworkFacts:
    """Facts of a model folder's network for frames of a size: its own, where it has one, else 640x480 by default.

    `UsageError` for another size than that of the crops of a network that looks at nothing else.
    """
    network, (own, chunk) = folder.description.network, _own_size(folder.description)
    if isinstance(folder.description, ModelDescription) and own is not None and size not in (None, own):
        raise UsageError(f"the network sees crops of {own} px, whatever the frames, not {size} px: leave the size out")
    size = size or own or InputSize(640, 480)
    work = network.multiplications((*chunk, size.height, size.width))
    obstacles = {each: engine_obstacle(folder, EngineOptions(engine, each)) for each in FIXED_PRECISIONS}
    facts = NetworkFacts(network.parameters, size, sum(chunk) or 1, sum(work.values()), obstacles)
    if folder.detector is None:
        return facts
    detector = folder.detector.description.network  # which brings frames to a size of its own
    work = detector.multiplications((480, 640))
    return replace(facts, detector_parameters=detector.parameters, detector_multiply_adds=sum(work.values()))


def _own_size(description: Description) -> tuple[InputSize | None, list[int]]:
    """The size of what a network sees, if it is of one size, and the frames of a chunk."""
    if isinstance(description, ClipDescription):
        return InputSize(description.input_width, description.input_height), [description.length]
    if isinstance(description, ModelDescription) and (crop := description.top_down) is not None:
        return InputSize(crop.width, crop.height), []
    return None, []

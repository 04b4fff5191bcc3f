"""What a network asks of a machine, and what the machine can do for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from posecli.engine import engine_obstacle
from posecli.model.description import ClipDescription
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

    @property
    def precisions(self) -> list[FixedPrecision]:
        """Those that run."""
        return [precision for precision, obstacle in self.obstacles.items() if obstacle is None]

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self) | {"size": [self.size.width, self.size.height], "precisions": self.precisions}


def network_facts(folder: AnyFolder, size: InputSize | None = None, engine: EngineName = "openvino") -> NetworkFacts:
    """Facts of a model folder's network, at its own size or that of most cameras unless another is given."""
    description = folder.description
    network, chunk = description.network, []
    if isinstance(description, ClipDescription):
        chunk = [description.length]
        size = size or InputSize(description.input_width, description.input_height)
    size = size or InputSize(640, 480)
    work = network.multiplications((*chunk, size.height, size.width))
    obstacles = {each: engine_obstacle(folder, EngineOptions(engine, each)) for each in FIXED_PRECISIONS}
    return NetworkFacts(network.parameters, size, sum(chunk) or 1, sum(work.values()), obstacles)

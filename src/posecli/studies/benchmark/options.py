"""What can be asked of a benchmark; imports nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from posecli.errors import UsageError
from posecli.options import (
    CLIP_PIPELINES,
    DECODERS,
    ENGINES,
    FIXED_PRECISIONS,
    PIPELINES,
    SHORTEST_CHUNK,
    DecoderName,
    EngineName,
    FixedPrecision,
    InputSize,
    PipelineName,
    at_least,
    one_of,
)

DesignName = Literal["figures", "full"]
DESIGNS: tuple[DesignName, ...] = get_args(DesignName)
#: Kinds of networks: frames to poses, and chunks of frames to behaviours.
NetworkName = Literal["pose", "i3d"]
NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)

#: Narrowest frame, px: an animal in a smaller one has no visible body parts.
SMALLEST_WIDTH = 32


def engine_of_pipeline(name: PipelineName) -> EngineName | None:
    """The only engine that a pipeline runs with; ``None`` where any will do."""
    return "tensorflow" if name.startswith("tf-") else None


@dataclass(frozen=True, kw_only=True)
class SharedOptions:
    """What is measured, of any kind of network."""

    network: ClassVar[NetworkName]
    known_pipelines: ClassVar[tuple[PipelineName, ...]] = PIPELINES
    longest_seconds: ClassVar[float] = 10.0

    batch_sizes: tuple[int, ...] = (1,)
    pipelines: tuple[PipelineName, ...] = ("sync", "parallel", "async")
    engines: tuple[EngineName, ...] = ("openvino",)
    precisions: tuple[FixedPrecision, ...] | None = None  # None takes those that engine, processor and model support
    cores: tuple[int, ...] | None = None  # that a run may use; None takes 1 and all
    repeats: int = 3
    frames: int | None = None  # of a run; None takes what the network does in `seconds`
    seconds: float = 1.5
    #: A condition whose run would take longer is left out, with a row that says so; 0 leaves none out. ``None`` is
    #: `longest_seconds`, and no limit where `frames` are given.
    longest: float | None = None
    per_process: int | None = None  # repeats that share a process; None takes 1, or all where it would take long
    videos: tuple[Path, ...] = ()  # none stands for synthetic scenes
    model: Path | None = None  # None takes posecli's own, or an untrained network
    design: DesignName = "figures"
    seed: int = 2018  # for the order of conditions, and for an untrained network's weights

    def __post_init__(self) -> None:
        known: dict[str, tuple[str, ...]] = {"pipelines": self.known_pipelines, "engines": ENGINES}
        known |= {"precisions": FIXED_PRECISIONS, "decoders": DECODERS}
        for name, values in self.levels.items():
            if not values or len(set(values)) < len(values):
                raise UsageError(
                    f"{name.replace('_', '')} {','.join(map(str, values)) or '(nothing)'} is empty or lists a value "
                    "twice: give each value once"
                )
            for value in values if name in known else ():
                one_of(name, value, known[name])
        one_of("design", self.design, DESIGNS)
        for pipeline in self.pipelines:
            engine = engine_of_pipeline(pipeline)
            if engine is not None and engine not in self.engines:
                raise UsageError(f"pipeline '{pipeline}' is for the {engine} engine: add {engine} to --engines")
        self._check_numbers()

    def _check_numbers(self) -> None:
        for size in self.batch_sizes:
            at_least(1, batch_size=size)
        for cores in self.cores or ():
            at_least(1, cores=cores)
        at_least(1, repeats=self.repeats, frames=self.frames, **{"per-process": self.per_process})
        for name, amount, least in (("seconds", self.seconds, 0.05), ("longest", self.longest or 0.0, 0.0)):
            if not (math.isfinite(amount) and amount >= least):
                raise UsageError(f"{name} {amount:g} is out of range: give a number of {least:g} or more")

    @property
    def levels(self) -> dict[str, tuple[Any, ...]]:
        """The factors, as far as they are given."""
        return {name: value for name, value in vars(self).items() if isinstance(value, tuple) and name != "videos"}

    @property
    def limit(self) -> float:
        """Seconds that a run may take to be measured at all."""
        if self.longest is None:
            return self.longest_seconds if self.frames is None else math.inf
        return self.longest or math.inf

    def as_dict(self) -> dict[str, Any]:
        return {"network": self.network} | {name: plain(value) for name, value in vars(self).items()}


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions(SharedOptions):
    """What is measured of pose networks, besides what both kinds share."""

    network: ClassVar[NetworkName] = "pose"

    #: Frame widths, px; the height follows from each video's aspect.
    sizes: tuple[int, ...] = (80, 160, 320, 640)
    batch_sizes: tuple[int, ...] = (1, 8, 64)
    #: Levels of this factor.
    decoders: tuple[DecoderName, ...] = ("standard", "double-loop", "numpy")

    def _check_numbers(self) -> None:
        for size in self.sizes:
            if size < SMALLEST_WIDTH or size % 2:
                raise UsageError(
                    f"size {size} is not a valid frame width: give even numbers of {SMALLEST_WIDTH} or more"
                )
        super()._check_numbers()


@dataclass(frozen=True, kw_only=True)
class ClipBenchmarkOptions(SharedOptions):
    """What is measured of networks for behaviours, besides what both kinds share."""

    network: ClassVar[NetworkName] = "i3d"
    known_pipelines: ClassVar[tuple[PipelineName, ...]] = CLIP_PIPELINES
    longest_seconds: ClassVar[float] = 60.0

    #: Sizes to which frames are scaled.
    sizes: tuple[InputSize, ...] = (InputSize(224, 224),)
    #: Frames of a chunk.
    lengths: tuple[int, ...] = (64,)
    #: Frames from the start of one chunk to the start of the next.
    strides: tuple[int, ...] = (64,)
    seconds: float = 6.0
    #: Table of labelled intervals, for balanced accuracy; its videos are taken where none are given.
    labels: Path | None = None

    def _check_numbers(self) -> None:
        for length in self.lengths:
            if length < SHORTEST_CHUNK:
                raise UsageError(f"chunk length {length} is too small: give {SHORTEST_CHUNK} frames or more")
        for stride in self.strides:
            at_least(1, stride=stride)
        super()._check_numbers()


def plain(value: Any) -> Any:
    """An option's value for JSON: lists of numbers and strings."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, (Path, InputSize)) else value


class BenchmarkObserver:
    """Is told how a benchmark goes. This one does nothing; a command's own prints."""

    def say(self, line: str) -> None:
        """A sentence on what happens."""

    def planned(self, design: dict[str, Any]) -> None:
        """The design is laid out, or found; it is about to be followed."""

    def visited(self, number: str, seconds_left: float, condition: str, rows: Sequence[dict[str, Any]]) -> None:
        """A condition, in words, was measured or failed; `seconds_left` were guessed before it."""

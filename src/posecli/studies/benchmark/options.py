"""What can be asked of a benchmark; imports nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
)

DesignName = Literal["figures", "full"]
DESIGNS: tuple[DesignName, ...] = get_args(DesignName)
#: Kinds of networks: frames to poses, and chunks of frames to behaviours.
NetworkName = Literal["pose", "i3d"]
NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)

#: Narrowest frame, px: below it an animal has no body parts to speak of.
SMALLEST_WIDTH = 32


def engine_of_pipeline(name: PipelineName) -> EngineName | None:
    """The only engine that a pipeline runs with; ``None`` where any will do."""
    return "tensorflow" if name.startswith("tf-") else None


@dataclass(frozen=True, kw_only=True)
class SharedOptions:
    """What is measured of whatever kind of network.

    Attributes
    ----------
    batch_sizes, pipelines, engines
        As in `posecli.options`.
    precisions
        ``None`` takes those that engine, processor and model have.
    cores
        Cores that a run may use; ``None`` takes 1 and all.
    repeats
        Runs of each condition.
    frames
        Frames of a run; ``None`` takes what the network does in `seconds`.
    seconds
        Length of a run that is aimed at.
    longest
        A condition whose run would take longer is left out, with a row that says so; 0 leaves none out. ``None`` is
        `longest_seconds`, and no limit where `frames` are given.
    per_process
        Repeats of a condition that share a process; ``None`` takes 1, or all where the design would take long.
    videos
        Files; none stands for synthetic scenes.
    model
        Model folder; ``None`` takes posecli's own, or an untrained network.
    design
        ``figures`` or ``full``.
    seed
        Of the order of conditions, and of an untrained network's weights.
    """

    network: ClassVar[NetworkName]
    known_pipelines: ClassVar[tuple[PipelineName, ...]] = PIPELINES
    #: Of the longest run that is worth waiting for, where nothing else is said.
    longest_seconds: ClassVar[float] = 10.0

    batch_sizes: tuple[int, ...] = (1,)
    pipelines: tuple[PipelineName, ...] = ("sync", "parallel", "async")
    engines: tuple[EngineName, ...] = ("openvino",)
    precisions: tuple[FixedPrecision, ...] | None = None
    cores: tuple[int, ...] | None = None
    repeats: int = 3
    frames: int | None = None
    seconds: float = 1.5
    longest: float | None = None
    per_process: int | None = None
    videos: tuple[Path, ...] = ()
    model: Path | None = None
    design: DesignName = "figures"
    seed: int = 2018

    def __post_init__(self) -> None:
        for name, values in self._lists().items():
            if not values or len(set(values)) < len(values):
                raise UsageError(f"{name} {_listed(values)} is empty or names something twice: give each value once")
        for name, names, known in self._names():
            _known(name, names, known)
        for pipeline in self.pipelines:
            engine = engine_of_pipeline(pipeline)
            if engine is not None and engine not in self.engines:
                raise UsageError(f"pipeline '{pipeline}' is for the {engine} engine: add {engine} to --engines")
        self._check_numbers()

    def _lists(self) -> dict[str, tuple[Any, ...]]:
        lists: dict[str, tuple[Any, ...] | None] = {
            "batchsizes": self.batch_sizes,
            "pipelines": self.pipelines,
            "engines": self.engines,
            "precisions": self.precisions,
            "cores": self.cores,
        }
        return {name: values for name, values in lists.items() if values is not None}

    def _names(self) -> list[tuple[str, Sequence[str], Sequence[str]]]:
        return [
            ("pipelines", self.pipelines, self.known_pipelines),
            ("engines", self.engines, ENGINES),
            ("precisions", self.precisions or (), FIXED_PRECISIONS),
            ("design", (self.design,), DESIGNS),
        ]

    def _numbers(self) -> dict[str, tuple[int | None, ...]]:
        """All that must be 1 or more."""
        return {
            "batch size": self.batch_sizes,
            "cores": self.cores or (),
            "repeats": (self.repeats,),
            "frames": (self.frames,),
            "per-process": (self.per_process,),
        }

    def _check_numbers(self) -> None:
        for name, values in self._numbers().items():
            for value in values:
                if value is not None and value < 1:
                    raise UsageError(f"{name} {value} is too small: give a whole number of 1 or more")
        for name, amount, least in (("seconds", self.seconds, 0.05), ("longest", self.longest or 0.0, 0.0)):
            if not (math.isfinite(amount) and amount >= least):
                raise UsageError(f"{name} {amount:g} is out of range: give a number of {least:g} or more")

    @property
    def limit(self) -> float:
        """Seconds that a run may take to be measured at all."""
        if self.longest is None:
            return self.longest_seconds if self.frames is None else math.inf
        return self.longest or math.inf

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return {
            "network": self.network,
            **plain,
            "videos": [str(video) for video in self.videos],
            "model": None if self.model is None else str(self.model),
        }


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions(SharedOptions):
    """What is measured of pose networks: `SharedOptions`, and

    Attributes
    ----------
    sizes
        Frame widths, px; the height follows from each video's aspect.
    decoders
        As in `posecli.options`.
    """

    network: ClassVar[NetworkName] = "pose"

    sizes: tuple[int, ...] = (80, 160, 320, 640)
    batch_sizes: tuple[int, ...] = (1, 8, 64)
    decoders: tuple[DecoderName, ...] = ("standard", "double-loop", "numpy")

    def _lists(self) -> dict[str, tuple[Any, ...]]:
        return {"sizes": self.sizes, "decoders": self.decoders} | super()._lists()

    def _names(self) -> list[tuple[str, Sequence[str], Sequence[str]]]:
        return [("decoders", self.decoders, DECODERS), *super()._names()]

    def _check_numbers(self) -> None:
        for size in self.sizes:
            if size < SMALLEST_WIDTH or size % 2:
                raise UsageError(
                    f"size {size} is no frame width for video: give even numbers of {SMALLEST_WIDTH} or more"
                )
        super()._check_numbers()


@dataclass(frozen=True, kw_only=True)
class ClipBenchmarkOptions(SharedOptions):
    """What is measured of networks for behaviours: `SharedOptions`, and

    Attributes
    ----------
    sizes
        Sizes to which frames are brought.
    lengths, strides
        Frames of a chunk, and from the start of one chunk to the start of the next.
    labels
        Table of labelled intervals, by which balanced accuracy is told; its videos are taken where none are given.
    """

    network: ClassVar[NetworkName] = "i3d"
    known_pipelines: ClassVar[tuple[PipelineName, ...]] = CLIP_PIPELINES
    longest_seconds: ClassVar[float] = 60.0

    sizes: tuple[InputSize, ...] = (InputSize(224, 224),)
    lengths: tuple[int, ...] = (64,)
    strides: tuple[int, ...] = (64,)
    seconds: float = 6.0
    labels: Path | None = None

    def _lists(self) -> dict[str, tuple[Any, ...]]:
        return {"sizes": self.sizes, "lengths": self.lengths, "strides": self.strides} | super()._lists()

    def _numbers(self) -> dict[str, tuple[int | None, ...]]:
        return super()._numbers() | {"stride": self.strides}

    def _check_numbers(self) -> None:
        for length in self.lengths:
            if length < SHORTEST_CHUNK:
                raise UsageError(f"chunk length {length} is too small: give {SHORTEST_CHUNK} frames or more")
        super()._check_numbers()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return super().as_dict() | {
            "sizes": [str(size) for size in self.sizes],
            "labels": None if self.labels is None else str(self.labels),
        }


def _known(name: str, values: Sequence[str], known: Sequence[str]) -> None:
    for value in values:
        if value not in known:
            raise UsageError(f"{name} '{value}' is not known: choose among {', '.join(known)}")


def _listed(values: Sequence[object]) -> str:
    return ",".join(str(value) for value in values) or "(nothing)"

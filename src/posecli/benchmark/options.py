"""What can be asked of a benchmark; imports nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from posecli.errors import UsageError
from posecli.options import (
    DECODERS,
    ENGINES,
    FIXED_PRECISIONS,
    PIPELINES,
    DecoderName,
    EngineName,
    FixedPrecision,
    PipelineName,
)

DesignName = Literal["figures", "full"]
DESIGNS: tuple[DesignName, ...] = get_args(DesignName)

#: Narrowest frame, px: below it an animal has no body parts to speak of.
SMALLEST_WIDTH = 32
#: Seconds of the longest run that is worth waiting for, where nothing else is said.
LONGEST_SECONDS = 10.0


def engine_of_pipeline(name: PipelineName) -> EngineName | None:
    """The only engine that a pipeline runs with; ``None`` where any will do."""
    return "tensorflow" if name.startswith("tf-") else None


@dataclass(frozen=True)
class BenchmarkOptions:
    """What is measured.

    Attributes
    ----------
    sizes
        Frame widths, px; the height follows from each video's aspect.
    batch_sizes, decoders, pipelines, engines
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
        `LONGEST_SECONDS`, and no limit where `frames` are given.
    per_process
        Repeats of a condition that share a process; ``None`` takes 1, or all where the design would take long.
    videos
        Files; none stands for the two synthetic scenes.
    model
        Model folder or DeepLabCut network; ``None`` takes posecli's own, or an untrained network.
    design
        ``figures`` or ``full``.
    seed
        Of the order of conditions, and of an untrained network's weights.
    """

    sizes: tuple[int, ...] = (80, 160, 320, 640)
    batch_sizes: tuple[int, ...] = (1, 8, 64)
    decoders: tuple[DecoderName, ...] = ("standard", "double-loop", "numpy")
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
        for name, names, known in (
            ("decoders", self.decoders, DECODERS),
            ("pipelines", self.pipelines, PIPELINES),
            ("engines", self.engines, ENGINES),
            ("precisions", self.precisions or (), FIXED_PRECISIONS),
            ("design", (self.design,), DESIGNS),
        ):
            _known(name, names, known)
        for name in self.pipelines:
            engine = engine_of_pipeline(name)
            if engine is not None and engine not in self.engines:
                raise UsageError(f"pipeline '{name}' is for the {engine} engine: add {engine} to --engines")
        self._check_numbers()

    def _lists(self) -> dict[str, tuple[Any, ...]]:
        lists: dict[str, tuple[Any, ...] | None] = {
            "sizes": self.sizes,
            "batchsizes": self.batch_sizes,
            "decoders": self.decoders,
            "pipelines": self.pipelines,
            "engines": self.engines,
            "precisions": self.precisions,
            "cores": self.cores,
        }
        return {name: values for name, values in lists.items() if values is not None}

    def _check_numbers(self) -> None:
        for size in self.sizes:
            if size < SMALLEST_WIDTH or size % 2:
                raise UsageError(
                    f"size {size} is no frame width for video: give even numbers of {SMALLEST_WIDTH} or more"
                )
        numbers: dict[str, tuple[int | None, ...]] = {
            "batch size": self.batch_sizes,
            "cores": self.cores or (),
            "repeats": (self.repeats,),
            "frames": (self.frames,),
            "per-process": (self.per_process,),
        }
        for name, values in numbers.items():
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
            return LONGEST_SECONDS if self.frames is None else math.inf
        return self.longest or math.inf

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return plain | {
            "videos": [str(video) for video in self.videos],
            "model": None if self.model is None else str(self.model),
        }


def _known(name: str, values: Sequence[str], known: Sequence[str]) -> None:
    for value in values:
        if value not in known:
            raise UsageError(f"{name} '{value}' is not known: choose among {', '.join(known)}")


def _listed(values: Sequence[object]) -> str:
    return ",".join(str(value) for value in values) or "(nothing)"

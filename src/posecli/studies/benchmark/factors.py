"""The levels of every factor, and which combinations of them a design holds.

The factors are those of Mathis & Warren (2018) and Govindarajan et al. (2022). With ``design="figures"`` only those
combinations are measured that a figure or table shows; ``full`` takes all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

from posecli.options import InputSize, PipelineName
from posecli.studies.benchmark.conditions import Condition, DataSet
from posecli.studies.benchmark.options import (
    BenchmarkOptions,
    ClipBenchmarkOptions,
    SharedOptions,
    engine_of_pipeline,
    plain,
)

#: Pixels of a batch that keeps a processor busy; longer ones are no faster and cost memory.
BATCH_PIXELS = 2_500_000
#: Frame width and batch size of the pose trial, and how many batches or chunks a trial has.
TRIAL_WIDTH, TRIAL_BATCH, TRIAL_LENGTH = 160, 8, 4


@dataclass(frozen=True)
class Factors(ABC):
    """Every factor's levels: those of options whose cores and precisions are settled."""

    #: What is varied in a full design beside data and size: fields of a condition, and of the options.
    varied: ClassVar[dict[str, str]]

    data: tuple[DataSet, ...]
    options: SharedOptions

    @abstractmethod
    def condition(self, data: DataSet, size: Any, **changes: Any) -> Condition:
        """The baseline of a data set and size, with some factors changed."""

    @abstractmethod
    def for_figures(self) -> Iterator[Condition]:
        """What the figures show; some of it more than once."""

    @abstractmethod
    def trial(self) -> tuple[Condition, int]:
        """A condition to know this machine's speed by, and how many items that takes."""

    def conditions(self) -> list[Condition]:
        """Every condition of the design, once."""
        return list(dict.fromkeys(self.full() if self.options.design == "full" else self.for_figures()))

    def full(self) -> Iterator[Condition]:
        """Every combination; some of them more than once."""
        levels = self.options.levels
        for data, size in product(self.data, levels["sizes"]):
            for values in product(*(levels[name] for name in self.varied.values())):
                yield self.condition(data, size, **dict(zip(self.varied, values, strict=True)))

    @property
    def baseline(self) -> dict[str, Any]:
        """Levels of the factors that are not varied."""
        levels = self.options.levels
        precisions, pipelines = levels["precisions"], levels["pipelines"]
        return {
            "cores": max(levels["cores"]),
            "engine": levels["engines"][0],
            "precision": "fp32" if "fp32" in precisions else precisions[0],
            "pipeline": "sync" if "sync" in pipelines else pipelines[0],
        }

    @property
    def overlapped(self) -> PipelineName:
        """The pipeline in which precisions are compared."""
        return "async" if "async" in self.options.pipelines else self.options.pipelines[-1]

    def as_plain(self) -> dict[str, list[Any]]:
        """Plain values, for JSON; the data sets aside."""
        return {name: plain(values) for name, values in self.options.levels.items()}


@dataclass(frozen=True)
class PoseFactors(Factors):
    """The factors of pose networks."""

    varied: ClassVar[dict[str, str]] = {
        "cores": "cores",
        "engine": "engines",
        "precision": "precisions",
        "batch_size": "batch_sizes",
        "decoder": "decoders",
        "pipeline": "pipelines",
    }

    options: BenchmarkOptions

    def condition(self, data: DataSet, size: int, **changes: Any) -> Condition:
        """The standard decoder has batch size 1, and a pipeline that is for one engine has that one."""
        height = data.height_at(size)
        own = {"batch_size": self.good_batch(size, height), "decoder": self._decoder("numpy")}
        levels = self.baseline | own | changes
        if levels["decoder"] == "standard":
            levels["batch_size"] = 1
        levels["engine"] = engine_of_pipeline(levels["pipeline"]) or levels["engine"]
        return Condition(data.name, size, height, **levels)

    def good_batch(self, width: int, height: int) -> int:
        """The batch size where batch sizes are not compared: the largest that still gains speed."""
        short = [batch for batch in self.options.batch_sizes if batch * width * height <= BATCH_PIXELS]
        return max(short, default=min(self.options.batch_sizes))

    def _decoder(self, wanted: str) -> str:
        """The wanted decoder; else numpy, or the last of those asked for."""
        decoders = self.options.decoders
        return next((name for name in (wanted, "numpy") if name in decoders), decoders[-1])

    def trial(self) -> tuple[Condition, int]:
        """Small frames in a batch that is worth sharing between cores."""
        width = min(self.options.sizes, key=lambda size: abs(size - TRIAL_WIDTH))
        levels = {"batch_size": TRIAL_BATCH, "decoder": "numpy", "pipeline": "sync"}
        return self.condition(self.data[0], width, **levels), TRIAL_BATCH * TRIAL_LENGTH

    def for_figures(self) -> Iterator[Condition]:
        """Those of both papers."""
        asked, first = self.options, self.data[0]
        all_cores, precisions = asked.levels["cores"], asked.levels["precisions"]
        for data, width in product(self.data, asked.sizes):
            for cores, engine in product(all_cores, asked.engines):  # 2018, figure 1B
                levels = {"decoder": self._decoder("standard"), "batch_size": min(asked.batch_sizes)}
                yield self.condition(data, width, cores=cores, engine=engine, **levels)
            for batch in asked.batch_sizes:  # 2018, figures 4 and 5
                yield self.condition(data, width, batch_size=batch)
        for batch, decoder in product(asked.batch_sizes, asked.decoders):  # 2018, figure 2
            yield self.condition(first, min(asked.sizes), batch_size=batch, decoder=decoder)
        middle = sorted(asked.sizes)[len(asked.sizes) // 2]
        for cores, pipeline in product(all_cores, asked.pipelines):  # 2022, figures 1 and 2
            yield self.condition(first, middle, cores=cores, pipeline=pipeline)
        for width, engine, precision in product(asked.sizes, asked.engines, precisions):  # 2022, figure 3
            yield self.condition(first, width, engine=engine, pipeline=self.overlapped, precision=precision)


@dataclass(frozen=True)
class ClipFactors(Factors):
    """The factors of networks for behaviours; what is not varied is at the first of the sizes, lengths and strides."""

    varied: ClassVar[dict[str, str]] = {
        "length": "lengths",
        "stride": "strides",
        "cores": "cores",
        "engine": "engines",
        "precision": "precisions",
        "batch_size": "batch_sizes",
        "pipeline": "pipelines",
    }

    options: ClipBenchmarkOptions

    def condition(self, data: DataSet, size: InputSize, **changes: Any) -> Condition:
        """The smallest batch, unless it is changed."""
        asked = self.options
        own = {"length": asked.lengths[0], "stride": asked.strides[0], "batch_size": min(asked.batch_sizes)}
        levels = self.baseline | own | changes
        return Condition(data.name, size.width, size.height, decoder=None, frame_step=data.frame_step, **levels)

    def trial(self) -> tuple[Condition, int]:
        """A few of the smallest chunks."""
        size = min(self.options.sizes, key=lambda each: each.width * each.height)
        length = min(self.options.lengths)
        levels = {"length": length, "stride": length, "batch_size": 1, "pipeline": "sync"}
        return self.condition(self.data[0], size, **levels), TRIAL_LENGTH

    def for_figures(self) -> Iterator[Condition]:
        """Those of the 2022 paper."""
        asked, first, size = self.options, self.data[0], self.options.sizes[0]
        all_cores, precisions = asked.levels["cores"], asked.levels["precisions"]
        for cores, pipeline in product(all_cores, asked.pipelines):  # figures 1 and 2
            yield self.condition(first, size, cores=cores, pipeline=pipeline)
        for data, each in product(self.data, asked.sizes):  # figure 3 and table I
            yield self.condition(data, each)
            for engine, precision in product(asked.engines, precisions):
                yield self.condition(data, each, engine=engine, precision=precision, pipeline=self.overlapped)
        for batch in asked.batch_sizes:
            yield self.condition(first, size, batch_size=batch, pipeline=self.overlapped)
        for length, stride in product(asked.lengths, asked.strides):
            yield self.condition(first, size, length=length, stride=stride, pipeline=self.overlapped)

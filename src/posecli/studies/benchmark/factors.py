"""The levels of every factor, and which combinations of them a design holds.

The factors are those of Mathis & Warren (2018) and Govindarajan et al. (2022). With ``design="figures"`` only those
combinations are measured that a figure or table shows; ``full`` takes all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import product
from typing import Any

from posecli.options import DecoderName, EngineName, FixedPrecision, InputSize, PipelineName
from posecli.studies.benchmark.conditions import Condition, DataSet
from posecli.studies.benchmark.options import DesignName, engine_of_pipeline

#: Pixels of a batch that keeps a processor busy; longer ones are no faster and cost memory.
BATCH_PIXELS = 2_500_000


@dataclass(frozen=True, kw_only=True)
class Factors(ABC):
    """Every factor's levels, with nothing left open."""

    data: tuple[DataSet, ...]
    cores: tuple[int, ...]
    engines: tuple[EngineName, ...]
    precisions: tuple[FixedPrecision, ...]
    batch_sizes: tuple[int, ...]
    pipelines: tuple[PipelineName, ...]

    @abstractmethod
    def for_figures(self) -> Iterator[Condition]:
        """What the figures show; some of it more than once."""

    @abstractmethod
    def full(self) -> Iterator[Condition]:
        """Every combination; some of them more than once."""

    @property
    def baseline_precision(self) -> FixedPrecision:
        """The precision of everything that is not about precisions."""
        return "fp32" if "fp32" in self.precisions else self.precisions[0]

    @property
    def baseline(self) -> dict[str, Any]:
        """Levels of whatever is not being varied."""
        return {
            "cores": max(self.cores),
            "engine": self.engines[0],
            "precision": self.baseline_precision,
            "pipeline": "sync" if "sync" in self.pipelines else self.pipelines[0],
        }

    @property
    def overlapped(self) -> PipelineName:
        """The pipeline of everything about precisions."""
        return "async" if "async" in self.pipelines else self.pipelines[-1]

    def good_batch(self, width: int, height: int) -> int:
        """The batch size of everything that is not about batch sizes: the largest that is not needlessly long."""
        short = [batch for batch in self.batch_sizes if batch * width * height <= BATCH_PIXELS]
        return max(short, default=min(self.batch_sizes))

    def as_plain(self) -> dict[str, list[Any]]:
        """Plain values, for JSON; the data sets aside."""
        levels = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "data"}
        return {
            name: [str(value) if isinstance(value, InputSize) else value for value in values]
            for name, values in levels.items()
        }


@dataclass(frozen=True, kw_only=True)
class PoseFactors(Factors):
    """The factors of pose networks."""

    sizes: tuple[int, ...]
    decoders: tuple[DecoderName, ...]

    @property
    def batch_decoder(self) -> DecoderName:
        """The decoder of everything that is not about decoders."""
        return "numpy" if "numpy" in self.decoders else self.decoders[-1]

    @property
    def middle_size(self) -> int:
        """The width of everything that is not about widths."""
        return sorted(self.sizes)[len(self.sizes) // 2]

    def condition(self, data: DataSet, width: int, **changes: Any) -> Condition:
        """The baseline of a data set and width, with some factors changed.

        The standard decoder has batch size 1, and a pipeline that is for one engine has that one.
        """
        height = data.height_at(width)
        own = {"batch_size": self.good_batch(width, height), "decoder": self.batch_decoder}
        levels = self.baseline | own | changes
        if levels["decoder"] == "standard":
            levels["batch_size"] = 1
        levels["engine"] = engine_of_pipeline(levels["pipeline"]) or levels["engine"]
        return Condition(data.name, width, height, **levels)

    def full(self) -> Iterator[Condition]:
        """Every combination."""
        names = ("cores", "engine", "precision", "batch_size", "decoder", "pipeline")
        levels = (self.cores, self.engines, self.precisions, self.batch_sizes, self.decoders, self.pipelines)
        for data, width in product(self.data, self.sizes):
            for values in product(*levels):
                yield self.condition(data, width, **dict(zip(names, values, strict=True)))

    def for_figures(self) -> Iterator[Condition]:
        """Those of both papers."""
        first = self.data[0]
        original = "standard" if "standard" in self.decoders else self.batch_decoder
        for data, width in product(self.data, self.sizes):
            for cores, engine in product(self.cores, self.engines):  # 2018, figure 1B
                yield self.condition(
                    data, width, cores=cores, engine=engine, decoder=original, batch_size=min(self.batch_sizes)
                )
            for batch in self.batch_sizes:  # 2018, figures 4 and 5
                yield self.condition(data, width, batch_size=batch)
        for batch, decoder in product(self.batch_sizes, self.decoders):  # 2018, figure 2
            yield self.condition(first, min(self.sizes), batch_size=batch, decoder=decoder)
        for cores, pipeline in product(self.cores, self.pipelines):  # 2022, figures 1 and 2
            yield self.condition(first, self.middle_size, cores=cores, pipeline=pipeline)
        for width, engine, precision in product(self.sizes, self.engines, self.precisions):  # 2022, figure 3
            yield self.condition(first, width, engine=engine, pipeline=self.overlapped, precision=precision)


@dataclass(frozen=True, kw_only=True)
class ClipFactors(Factors):
    """The factors of networks for behaviours; what is not varied is at the first of the sizes, lengths and strides."""

    sizes: tuple[InputSize, ...]
    lengths: tuple[int, ...]
    strides: tuple[int, ...]

    def condition(self, data: DataSet, size: InputSize, **changes: Any) -> Condition:
        """The baseline of a data set and size, with some factors changed."""
        own = {"length": self.lengths[0], "stride": self.strides[0], "batch_size": min(self.batch_sizes)}
        levels = self.baseline | own | changes
        return Condition(data.name, size.width, size.height, decoder=None, frame_step=data.frame_step, **levels)

    def full(self) -> Iterator[Condition]:
        """Every combination."""
        names = ("length", "stride", "cores", "engine", "precision", "batch_size", "pipeline")
        levels = (self.lengths, self.strides, self.cores, self.engines, self.precisions, self.batch_sizes)
        for data, size in product(self.data, self.sizes):
            for values in product(*levels, self.pipelines):
                yield self.condition(data, size, **dict(zip(names, values, strict=True)))

    def for_figures(self) -> Iterator[Condition]:
        """Those of the 2022 paper."""
        first, size = self.data[0], self.sizes[0]
        for cores, pipeline in product(self.cores, self.pipelines):  # figures 1 and 2
            yield self.condition(first, size, cores=cores, pipeline=pipeline)
        for data, each in product(self.data, self.sizes):  # figure 3 and table I
            yield self.condition(data, each)
            for engine, precision in product(self.engines, self.precisions):
                yield self.condition(data, each, engine=engine, precision=precision, pipeline=self.overlapped)
        for batch in self.batch_sizes:
            yield self.condition(first, size, batch_size=batch, pipeline=self.overlapped)
        for length, stride in product(self.lengths, self.strides):
            yield self.condition(first, size, length=length, stride=stride, pipeline=self.overlapped)


def conditions_of(factors: Factors, design: DesignName) -> list[Condition]:
    """Every condition of a design, once."""
    return list(dict.fromkeys(factors.full() if design == "full" else factors.for_figures()))

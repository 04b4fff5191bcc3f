"""Which conditions are measured, how often, on how many frames, and in what order.

The factors are those of Mathis & Warren (2018) and Govindarajan et al. (2022). With ``design="figures"`` only those
combinations are measured that one of the six figures shows; ``full`` takes all of them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from posecli.benchmark.options import BenchmarkOptions, DesignName, engine_of_pipeline
from posecli.options import DecoderName, EngineName, FixedPrecision, PipelineName

#: A run that is shorter than this many batches has no steady state.
FEWEST_BATCHES = 3
#: Frames of the longest run, where none were asked for: a fast engine on small frames has enough of them.
MOST_FRAMES = 4096
#: Pixels of a batch that keeps a processor busy; longer ones are no faster and cost memory.
BATCH_PIXELS = 2_500_000
#: Of a run's length, what the network-only and read-only measurements add.
SIDE_MEASUREMENTS = 0.4
#: If the design would take longer than this with a process per repeat, a condition's repeats share one process.
COMFORTABLE_SECONDS = 8 * 60.0
#: Speed against fp32 and OpenVINO, and seconds of start-up: guesses good enough to say how long a design takes.
PRECISION_SPEED: Mapping[FixedPrecision, float] = {"fp32": 1.0, "bf16": 2.0, "fp16": 2.0, "int8": 3.3}
ENGINE_SPEED: Mapping[str, float] = {"openvino": 1.0, "tensorflow": 0.85}
ENGINE_START: Mapping[str, float] = {"openvino": 0.0, "tensorflow": 6.0}
#: Seconds that a call of the network and a frame cost besides the network's arithmetic.
CALL_SECONDS, FRAME_SECONDS = 0.002, 0.0004


@dataclass(frozen=True)
class DataSet:
    """A video at its own size, and the network that looks at it.

    Attributes
    ----------
    name
        Of the scene, or the video's stem.
    video
        The file that the clips of all widths are made from.
    width, height
        Its frame, px.
    model
        A model folder.
    trained
        Whether the network was trained on anything: without, only its speed means something.
    """

    name: str
    video: Path
    width: int
    height: int
    model: Path
    trained: bool

    def height_at(self, width: int) -> int:
        """Height of a frame of a width, even, as video wants it.

        >>> DataSet("a", Path("a.mp4"), 640, 480, Path("m"), True).height_at(80)
        60
        """
        return 2 * round(width * self.height / self.width / 2)


@dataclass(frozen=True)
class Condition:
    """One combination of factors.

    Attributes
    ----------
    data
        Name of the data set.
    width, height
        What the network sees, px.
    cores
        Cores that the run may use.
    engine, precision, batch_size, decoder, pipeline
        How it runs.
    """

    data: str
    width: int
    height: int
    cores: int
    engine: EngineName
    precision: FixedPrecision
    batch_size: int
    decoder: DecoderName
    pipeline: PipelineName

    @property
    def key(self) -> str:
        """A name for files and logs."""
        return (
            f"{self.data}-w{self.width}-c{self.cores}-{self.engine}-{self.precision}-b{self.batch_size}-"
            f"{self.decoder}-{self.pipeline}"
        )

    @property
    def clip(self) -> tuple[str, int]:
        """Which clip it reads."""
        return self.data, self.width


@dataclass(frozen=True)
class Factors:
    """Every factor's levels, with nothing left open."""

    data: tuple[DataSet, ...]
    sizes: tuple[int, ...]
    cores: tuple[int, ...]
    engines: tuple[EngineName, ...]
    precisions: tuple[FixedPrecision, ...]
    batch_sizes: tuple[int, ...]
    decoders: tuple[DecoderName, ...]
    pipelines: tuple[PipelineName, ...]

    @property
    def baseline_precision(self) -> FixedPrecision:
        """The precision of everything that is not about precisions."""
        return "fp32" if "fp32" in self.precisions else self.precisions[0]

    @property
    def batch_decoder(self) -> DecoderName:
        """The decoder of everything that is not about decoders."""
        return "numpy" if "numpy" in self.decoders else self.decoders[-1]

    def good_batch(self, width: int, height: int) -> int:
        """The batch size of everything that is not about batch sizes: the largest that is not needlessly long."""
        short = [batch for batch in self.batch_sizes if batch * width * height <= BATCH_PIXELS]
        return max(short, default=min(self.batch_sizes))

    @property
    def middle_size(self) -> int:
        """The width of everything that is not about widths."""
        return sorted(self.sizes)[len(self.sizes) // 2]

    def condition(self, data: DataSet, width: int, **changes: Any) -> Condition:
        """The baseline of a data set and width, with some factors changed.

        The standard decoder has batch size 1, and a pipeline that is for one engine has that one.
        """
        levels: dict[str, Any] = {
            "cores": max(self.cores),
            "engine": self.engines[0],
            "precision": self.baseline_precision,
            "batch_size": self.good_batch(width, data.height_at(width)),
            "decoder": self.batch_decoder,
            "pipeline": "sync" if "sync" in self.pipelines else self.pipelines[0],
        } | changes
        if levels["decoder"] == "standard":
            levels["batch_size"] = 1
        levels["engine"] = engine_of_pipeline(levels["pipeline"]) or levels["engine"]
        return Condition(data.name, width, data.height_at(width), **levels)


def conditions_of(factors: Factors, design: DesignName) -> list[Condition]:
    """Every condition of a design, once."""
    chosen = _full(factors) if design == "full" else _for_figures(factors)
    return list(dict.fromkeys(chosen))


def _full(factors: Factors) -> Iterator[Condition]:
    names = ("cores", "engine", "precision", "batch_size", "decoder", "pipeline")
    levels = (
        factors.cores,
        factors.engines,
        factors.precisions,
        factors.batch_sizes,
        factors.decoders,
        factors.pipelines,
    )
    for data, width in product(factors.data, factors.sizes):
        for values in product(*levels):
            yield factors.condition(data, width, **dict(zip(names, values, strict=True)))


def _for_figures(factors: Factors) -> Iterator[Condition]:
    first = factors.data[0]
    original = "standard" if "standard" in factors.decoders else factors.batch_decoder
    for data, width in product(factors.data, factors.sizes):
        for cores, engine in product(factors.cores, factors.engines):  # 2018, figure 1B
            yield factors.condition(
                data, width, cores=cores, engine=engine, decoder=original, batch_size=min(factors.batch_sizes)
            )
        for batch in factors.batch_sizes:  # 2018, figures 4 and 5
            yield factors.condition(data, width, batch_size=batch)
    for batch, decoder in product(factors.batch_sizes, factors.decoders):  # 2018, figure 2
        yield factors.condition(first, min(factors.sizes), batch_size=batch, decoder=decoder)
    for cores, pipeline in product(factors.cores, factors.pipelines):  # 2022, figures 1 and 2
        yield factors.condition(first, factors.middle_size, cores=cores, pipeline=pipeline)
    overlapped = "async" if "async" in factors.pipelines else factors.pipelines[-1]
    for width, engine, precision in product(factors.sizes, factors.engines, factors.precisions):  # 2022, figure 3
        yield factors.condition(first, width, engine=engine, pipeline=overlapped, precision=precision)


@dataclass(frozen=True)
class Trial:
    """What a short run of the baseline on this machine told, before the design was laid out.

    Attributes
    ----------
    start_seconds
        From the start of a process to the first frame.
    seconds_per_pixel
        Of the network, on all cores.
    cores
        All cores.
    slowdown
        How many times longer everything takes because other programs want the processor too. It does not change the
        design, only how long that takes.

    The first two are processor time, which hardly depends on what else runs.
    """

    start_seconds: float
    seconds_per_pixel: float
    cores: int
    slowdown: float = 1.0

    def frame_seconds(self, condition: Condition) -> float:
        """Guess of what a frame takes in a condition."""
        pixels = _padded(condition.width) * _padded(condition.height)
        speed = PRECISION_SPEED[condition.precision] * ENGINE_SPEED.get(condition.engine, 1.0)
        network = self.seconds_per_pixel * pixels * self.cores / min(condition.cores, self.cores) / speed
        return network + CALL_SECONDS / condition.batch_size + FRAME_SECONDS

    def start(self, condition: Condition) -> float:
        """Guess of a process's start-up, which includes a warm-up batch."""
        warm_up = condition.batch_size * self.frame_seconds(condition)
        return self.start_seconds + ENGINE_START.get(condition.engine, 0.0) + warm_up


def _padded(side: int) -> int:
    return 16 * -(-side // 16)


@dataclass(frozen=True)
class Visit:
    """Some repeats of one condition, measured in one process.

    Attributes
    ----------
    condition
        What is measured.
    repeats
        Numbers of the repeats.
    frames
        Frames of each run.
    seconds
        Guess of how long all of it takes.
    """

    condition: Condition
    repeats: tuple[int, ...]
    frames: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """A design laid out: what happens, in this order.

    Attributes
    ----------
    visits
        One process each.
    left_out
        Conditions whose run would take too long, and why.
    """

    visits: tuple[Visit, ...]
    left_out: tuple[tuple[Condition, str], ...]

    @property
    def seconds(self) -> float:
        """Guess of how long all of it takes."""
        return sum(visit.seconds for visit in self.visits)

    @property
    def conditions(self) -> list[Condition]:
        """Conditions that are measured."""
        return list(dict.fromkeys(visit.condition for visit in self.visits))

    @property
    def repeats_per_process(self) -> int:
        """Repeats that share a process."""
        return max((len(visit.repeats) for visit in self.visits), default=1)

    def frames_of_clips(self) -> dict[tuple[str, int], int]:
        """Frames that the clip of each data set and width must have."""
        frames: dict[tuple[str, int], int] = {}
        for visit in self.visits:
            clip = visit.condition.clip
            frames[clip] = max(visit.frames, frames.get(clip, 0))
        return frames


def make_plan(conditions: Sequence[Condition], options: BenchmarkOptions, trial: Trial) -> Plan:
    """Choose frames for every condition, leave out what would take too long, and shuffle.

    Parameters
    ----------
    conditions
        From `conditions_of`.
    options
        Frames, lengths, repeats and seed.
    trial
        What this machine does.
    """
    runs, left_out = [], []
    for condition in conditions:
        frames = frames_of(condition, options, trial)
        seconds = frames * trial.frame_seconds(condition)
        if seconds > options.limit:
            left_out.append((condition, _too_long(frames, seconds, options.limit)))
        else:
            runs.append((condition, frames, seconds))
    together = _in_order(runs, options, trial, options.per_process or 1)
    if options.per_process is None and _quiet_seconds(together, trial) > COMFORTABLE_SECONDS:
        together = _in_order(runs, options, trial, options.repeats)
    return Plan(tuple(together), tuple(left_out))


def _quiet_seconds(visits: Sequence[Visit], trial: Trial) -> float:
    return sum(visit.seconds for visit in visits) / trial.slowdown


def frames_of(condition: Condition, options: BenchmarkOptions, trial: Trial) -> int:
    """Frames of a run: as many as were asked for, else whole batches enough for a steady state."""
    if options.frames is not None:
        return options.frames
    batch = condition.batch_size
    batches = max(FEWEST_BATCHES, math.ceil(options.seconds / trial.frame_seconds(condition) / batch))
    return max(FEWEST_BATCHES * batch, min(batches * batch, MOST_FRAMES))


def _too_long(frames: int, seconds: float, longest: float) -> str:
    return (
        f"{frames} frames would take about {seconds:.0f} s a run, more than --longest {longest:g}: give --longest 0 to "
        "measure it all the same"
    )


def _in_order(
    runs: Sequence[tuple[Condition, int, float]], options: BenchmarkOptions, trial: Trial, per_process: int
) -> list[Visit]:
    """Rounds, each of which visits every condition once in an order of its own."""
    shuffler = random.Random(options.seed)  # noqa: S311  # an order, no secret
    visits = []
    for first in range(0, options.repeats, per_process):
        repeats = tuple(range(first, min(first + per_process, options.repeats)))
        for condition, frames, seconds in shuffler.sample(list(runs), len(runs)):
            whole = trial.start(condition) + len(repeats) * seconds * (1 + SIDE_MEASUREMENTS)
            visits.append(Visit(condition, repeats, frames, whole * trial.slowdown))
    return visits

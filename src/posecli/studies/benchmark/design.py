"""Which conditions are measured, how often, on how many frames, and in what order.

The factors are those of Mathis & Warren (2018) and Govindarajan et al. (2022). With ``design="figures"`` only those
combinations are measured that a figure or table shows; ``full`` takes all of them.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from posecli.options import FixedPrecision, InputSize, PipelineName
from posecli.precision.gate import FEWEST_CHUNKS
from posecli.studies.benchmark.options import (
    BenchmarkOptions,
    ClipBenchmarkOptions,
    SharedOptions,
    engine_of_pipeline,
    plain,
)
from posecli.studies.benchmark.study import ClipKey, Condition, DataSet, condition_of, plain_condition

#: Pixels of a batch that keeps a processor busy; longer ones are no faster and cost memory.
BATCH_PIXELS = 2_500_000
#: Frame width and batch size of the pose trial, and how many batches or chunks a trial has.
TRIAL_WIDTH, TRIAL_BATCH, TRIAL_LENGTH = 160, 8, 4
#: What a full design varies beside data and size: fields of options that have them.
VARIED = ("lengths", "strides", "cores", "engines", "precisions", "batch_sizes", "decoders", "pipelines")


@dataclass(frozen=True)
class Factors(ABC):
    """Every factor's levels: those of options whose cores and precisions are settled."""

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
        return list(dict.fromkeys(self.full() if self.options.design == "full" else self.for_figures()))

    def full(self) -> Iterator[Condition]:
        """Every combination; some of them more than once."""
        levels = self.options.levels
        varied = [name for name in VARIED if name in levels]
        fields = [name if name == "cores" else name.removesuffix("s") for name in varied]
        for data, size in product(self.data, levels["sizes"]):
            for values in product(*(levels[name] for name in varied)):
                yield self.condition(data, size, **dict(zip(fields, values, strict=True)))

    @property
    def baseline(self) -> dict[str, Any]:
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


@dataclass(frozen=True)
class PoseFactors(Factors):
    """The factors of pose networks."""

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
        # Small frames in a batch that is worth sharing between cores.
        width = min(self.options.sizes, key=lambda size: abs(size - TRIAL_WIDTH))
        levels = {"batch_size": TRIAL_BATCH, "decoder": "numpy", "pipeline": "sync"}
        return self.condition(self.data[0], width, **levels), TRIAL_BATCH * TRIAL_LENGTH

    def for_figures(self) -> Iterator[Condition]:
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

    options: ClipBenchmarkOptions

    def condition(self, data: DataSet, size: InputSize, **changes: Any) -> Condition:
        """The smallest batch, unless it is changed."""
        asked = self.options
        own = {"length": asked.lengths[0], "stride": asked.strides[0], "batch_size": min(asked.batch_sizes)}
        levels = self.baseline | own | changes
        return Condition(data.name, size.width, size.height, decoder=None, frame_step=data.frame_step, **levels)

    def trial(self) -> tuple[Condition, int]:
        size = min(self.options.sizes, key=lambda each: each.width * each.height)
        length = min(self.options.lengths)
        levels = {"length": length, "stride": length, "batch_size": 1, "pipeline": "sync"}
        return self.condition(self.data[0], size, **levels), TRIAL_LENGTH

    def for_figures(self) -> Iterator[Condition]:
        asked, first, size = self.options, self.data[0], self.options.sizes[0]
        all_cores, precisions = asked.levels["cores"], asked.levels["precisions"]
        for cores, pipeline in product(all_cores, asked.pipelines):  # 2022, figures 1 and 2
            yield self.condition(first, size, cores=cores, pipeline=pipeline)
        for data, each in product(self.data, asked.sizes):  # figure 3 and table I
            yield self.condition(data, each)
            for engine, precision in product(asked.engines, precisions):
                yield self.condition(data, each, engine=engine, precision=precision, pipeline=self.overlapped)
        for batch in asked.batch_sizes:
            yield self.condition(first, size, batch_size=batch, pipeline=self.overlapped)
        for length, stride in product(asked.lengths, asked.strides):
            yield self.condition(first, size, length=length, stride=stride, pipeline=self.overlapped)


#: A run that is shorter than this many batches has no steady state.
FEWEST_BATCHES = 3
#: Frames of the longest run, where none were asked for: a fast engine on small frames has enough of them.
MOST_FRAMES = 4096
#: What the network-only and read-only measurements add to a run, relative to its length.
SIDE_MEASUREMENTS = 0.4
#: If the design would take longer than this with a process per repeat, a condition's repeats share one process.
COMFORTABLE_SECONDS = 8 * 60.0
#: Speed against fp32 and OpenVINO, and seconds of start-up: guesses good enough to say how long a design takes.
PRECISION_SPEED: Mapping[FixedPrecision, float] = {"fp32": 1.0, "bf16": 2.0, "fp16": 2.0, "int8": 3.3}
ENGINE_SPEED: Mapping[str, float] = {"openvino": 1.0, "tensorflow": 0.85}
ENGINE_START: Mapping[str, float] = {"openvino": 0.0, "tensorflow": 6.0}
#: Seconds that a call of the network and a frame cost besides the network's arithmetic.
CALL_SECONDS, FRAME_SECONDS = 0.002, 0.0004

#: Why an engine cannot run a model folder in a precision: names of all three, and the reason, ``None`` if it can.
Obstacle = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """What a short run of the baseline on this machine told, before the design was laid out.

    Start and network are in processor time, which hardly depends on what else runs.
    """

    start_seconds: float  # from the start of a process to the first frame
    seconds_per_pixel: float  # of the network, on all cores
    cores: int
    #: How many times longer everything takes because other programs are running; does not change the design.
    slowdown: float = 1.0

    def item_seconds(self, condition: Condition) -> float:
        """Guess of what a frame, or a chunk, takes in a condition."""
        pixels = _padded(condition.width) * _padded(condition.height) * condition.length
        speed = PRECISION_SPEED[condition.precision] * ENGINE_SPEED.get(condition.engine, 1.0)
        network = self.seconds_per_pixel * pixels * self.cores / min(condition.cores, self.cores) / speed
        return network + CALL_SECONDS / condition.batch_size + FRAME_SECONDS * condition.stride

    def start(self, condition: Condition) -> float:
        """Guess of a process's start-up, which includes a warm-up batch."""
        warm_up = condition.batch_size * self.item_seconds(condition)
        return self.start_seconds + ENGINE_START.get(condition.engine, 0.0) + warm_up


def _padded(side: int) -> int:
    return 16 * -(-side // 16)


@dataclass(frozen=True)
class Visit:
    """Some repeats of one condition, measured in one process."""

    condition: Condition
    repeats: tuple[int, ...]  # their numbers
    frames: int  # of each run
    seconds: float  # a guess of how long all of it takes


@dataclass(frozen=True)
class Plan:
    """What happens, in this order, with one process for each visit."""

    visits: tuple[Visit, ...]
    #: Conditions that cannot run or would take too long, and why.
    left_out: tuple[tuple[Condition, str], ...]

    @property
    def seconds(self) -> float:
        return sum(visit.seconds for visit in self.visits)

    @property
    def repeats_per_process(self) -> int:
        return max((len(visit.repeats) for visit in self.visits), default=1)


def make_plan(
    conditions: Sequence[Condition], options: SharedOptions, trial: Trial, blocked: Sequence[tuple[Condition, str]] = ()
) -> Plan:
    """Choose frames for every condition, leave out what would take too long, and shuffle.

    `blocked` are conditions of the design that cannot run here, and why.
    """
    runs, left_out = [], list(blocked)
    for condition in conditions:
        frames = frames_of(condition, options, trial)
        seconds = condition.items_in(frames) * trial.item_seconds(condition)
        if seconds > options.limit:
            reason = (
                f"{frames} frames would take about {seconds:.0f} s a run, more than --longest {options.limit:g}: give "
                "--longest 0 to measure it all the same"
            )
            left_out.append((condition, reason))
        else:
            runs.append((condition, frames, seconds))
    together = _in_order(runs, options, trial, options.per_process or 1)
    quiet_seconds = sum(visit.seconds for visit in together) / trial.slowdown
    if options.per_process is None and quiet_seconds > COMFORTABLE_SECONDS:
        together = _in_order(runs, options, trial, options.repeats)
    return Plan(tuple(together), tuple(left_out))


def frames_of(condition: Condition, options: SharedOptions, trial: Trial) -> int:
    """Frames of a run: as many as were asked for (a chunk at least), else enough whole batches for a steady state."""
    if options.frames is not None:
        return max(options.frames, condition.span)
    batch = condition.batch_size
    batches = math.ceil(options.seconds / trial.item_seconds(condition) / batch)
    chunks = FEWEST_CHUNKS if condition.has_chunks else 1  # enough to judge a precision by
    fewest = max(FEWEST_BATCHES, math.ceil(chunks / batch))
    return condition.frames_of(max(fewest * batch, min(batches * batch, MOST_FRAMES // condition.stride)))


def seconds_left(left: Sequence[Visit], done: Sequence[Visit], taken: float) -> float:
    """Guess of the time that is left, from how long was taken for what is done."""
    # The first visits say little: the guess before them counts as much as a minute of measurement.
    guessed, ahead = (sum(visit.seconds for visit in visits) for visits in (done, left))
    return ahead * (taken + 60) / (guessed + 60)


def _in_order(
    runs: Sequence[tuple[Condition, int, float]], options: SharedOptions, trial: Trial, per_process: int
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


def describe_design(
    options: SharedOptions, factors: Factors, trial: Trial, plan: Plan, obstacles: Sequence[Obstacle]
) -> dict[str, Any]:
    """The design as plain values, for ``design.json``."""
    return {
        "options": options.as_dict(),
        "data": [asdict(item) | {"video": str(item.video), "model": str(item.model)} for item in factors.data],
        "factors": {name: plain(values) for name, values in factors.options.levels.items()},
        "obstacles": [item for item in obstacles if item["reason"] is not None],
        "trial": asdict(trial),
        "estimated_seconds": plan.seconds,
        "repeats_per_process": plan.repeats_per_process,
        "visits": [asdict(visit) | {"condition": plain_condition(visit.condition)} for visit in plan.visits],
        "left_out": [{"condition": plain_condition(item), "reason": reason} for item, reason in plan.left_out],
    }


def visits_of(design: dict[str, Any]) -> tuple[Visit, ...]:
    """The visits of a design, in order."""
    return tuple(
        Visit(condition_of(item["condition"]), tuple(item["repeats"]), item["frames"], item["seconds"])
        for item in design["visits"]
    )


def clip_frames(visits: Iterable[Visit]) -> dict[ClipKey, int]:
    """Frames that the clip of each data set and width must have."""
    return {visit.condition.clip: visit.frames for visit in sorted(visits, key=lambda visit: visit.frames)}

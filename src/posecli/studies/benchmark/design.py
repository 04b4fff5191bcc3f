"""Which conditions are measured, how often, on how many frames, and in what order."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from posecli.options import FixedPrecision
from posecli.precision.gate import FEWEST_CHUNKS
from posecli.studies.benchmark.conditions import ClipKey, Condition
from posecli.studies.benchmark.options import SharedOptions

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


@dataclass(frozen=True)
class Trial:
    """What a short run of the baseline on this machine told, before the design was laid out.

    Start and network are in processor time, which hardly depends on what else runs.
    """

    #: From the start of a process to the first frame.
    start_seconds: float
    #: Of the network, on all cores.
    seconds_per_pixel: float
    #: All cores.
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
    #: Their numbers.
    repeats: tuple[int, ...]
    #: Of each run.
    frames: int
    #: Guess of how long all of it takes.
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What happens, in this order."""

    #: One process each.
    visits: tuple[Visit, ...]
    #: Conditions that cannot run or would take too long, and why.
    left_out: tuple[tuple[Condition, str], ...]

    @property
    def seconds(self) -> float:
        """Guess of how long all of it takes."""
        return sum(visit.seconds for visit in self.visits)

    @property
    def repeats_per_process(self) -> int:
        """Repeats that share a process."""
        return max((len(visit.repeats) for visit in self.visits), default=1)

    def frames_of_clips(self) -> dict[ClipKey, int]:
        """Frames that the clip of each data set and width must have."""
        return {visit.condition.clip: visit.frames for visit in sorted(self.visits, key=lambda visit: visit.frames)}


def make_plan(
    conditions: Sequence[Condition],
    options: SharedOptions,
    trial: Trial,
    blocked: Sequence[tuple[Condition, str]] = (),
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
    most = MOST_FRAMES // condition.stride
    return condition.frames_of(max(fewest * batch, min(batches * batch, most)))


def seconds_left(left: Sequence[Visit], done: Sequence[Visit], taken: float) -> float:
    """Guess of the time that is left, from how long was taken for what is done."""
    # The first visits say little: the guess before them counts as much as a minute of measurement.
    guessed = sum(visit.seconds for visit in done)
    return sum(visit.seconds for visit in left) * (taken + 60) / (guessed + 60)


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

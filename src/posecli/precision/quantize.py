"""The int8 version of a model: ranges by calibration, and the layers that must stay wider found by measurement.

1. *Calibrate.* The network runs in fp32 on frames from all over the user's videos, at several scales; the lowest and
   highest value that enters each convolution are noted.
2. *Rank.* Each convolution computes the same exact inputs in fp32 and in int8, all of them side by side in one graph:
   those lose most whose results move furthest, beside their own spread. Nothing is assumed about names or depths.
3. *Choose.* Starting with all convolutions in int8, the worst ones are given back to the wider precision until the
   results on frames that calibration has not seen stay within the limit, at every scale.
4. *Take back.* Of those given back each is tried in int8 once more, the most expensive first: the worst ones are not
   always the needed ones, and some cost much time.

The heads, or logits, always stay in the wider precision: they are a hundredth of the work.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from posecli import __version__
from posecli.behaviour.chunks import ChunkPlan
from posecli.engine.openvino import FoldedGraph, wider_precision
from posecli.errors import EngineError, UsageError
from posecli.inference.predictor import ClipModel, PoseModel
from posecli.inference.step import Values
from posecli.inference.topdown import check_boxes
from posecli.model.folder import AnyFolder, ClipModelFolder, ModelFolder, write_int8
from posecli.network.int8 import Int8Plan
from posecli.network.network import Network
from posecli.options import AnalyzeOptions, FixedPrecision, at_least
from posecli.precision import gate
from posecli.precision.gate import FEWEST_CHUNKS, FEWEST_POINTS, Figures, Opens
from posecli.tables.boxes import refuse_shared
from posecli.video.find import evenly_chosen
from posecli.video.geometry import Geometry
from posecli.video.probe import probe

Images: TypeAlias = npt.NDArray[np.uint8]
#: Is told of each step, in words.
Tell = Callable[[str], None]

#: Convolutions given back to the wider precision at each attempt.
GIVEN_BACK = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
#: Measured with ResNet-50 at 640x480 px, in passes of fp32: noting ranges in one item, and int8's noise.
RANGES_PASSES, NOISE_PASSES = 2, 4
#: Fewest items by which convolutions are ranked.
FEWEST_RANKED = 8
#: Multiply-adds of fp32 that take as long as building a graph, for each parameter.
GRAPH_WORK = 2000
#: Copies of all maps of an item that are held at once, of which ranking has each convolution's twice.
MAPS_HELD = 3
#: More than there can be.
MOST_ATTEMPTS = 200


@dataclass(frozen=True)
class QuantizeOptions:
    """How the int8 version of a pose network is made."""

    scales: tuple[float, ...] = (1.0, 0.5, 0.25)  # at which the network will be used, as factors of the videos' own
    frames: int = 48  # drawn from the videos for calibration, and as many again for the choice
    max_shift: float = 1.0  # largest 99th percentile of the shift against fp32, px of the input, at any scale
    boxes: Path | None = None  # as `posecli.options.AnalyzeOptions` has them
    most_attempts: int = MOST_ATTEMPTS  # after which the best so far is taken, or none

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale <= 4 for scale in self.scales):
            raise UsageError(f"scales {self.scales} are out of range: give factors above 0 and at most 4")
        at_least(1, frames=self.frames)
        if not self.max_shift > 0:
            raise UsageError(f"max-shift {self.max_shift} is too small: give a number of px above 0")


@dataclass(frozen=True)
class ClipQuantizeOptions:
    """How the int8 version of a network for behaviours is made."""

    chunks: int = 16  # drawn from the videos for calibration, and as many again for the choice
    max_change: float = 0.05  # largest 95th percentile of the change of a chunk's probabilities against fp32
    most_attempts: int = MOST_ATTEMPTS  # as for poses

    def __post_init__(self) -> None:
        at_least(FEWEST_CHUNKS, chunks=self.chunks)
        if not 0 < self.max_change <= 1:
            raise UsageError(f"max-change {self.max_change} is out of range: give a probability above 0, up to 1")


AnyQuantizeOptions: TypeAlias = QuantizeOptions | ClipQuantizeOptions


@dataclass(frozen=True)
class Attempt:
    """Names of the convolutions left in the wider precision, and what was measured: per scale for poses."""

    kept: tuple[str, ...]
    figures: tuple[Any, ...]

    @property
    def passed(self) -> bool:
        return all(figures.passed for figures in self.figures)


def quantize_model(
    folder: AnyFolder,
    videos: Sequence[Path],
    options: AnyQuantizeOptions,
    tell: Tell,
    *,
    opens: Opens = lambda _video: None,
    threads: int | None = None,
) -> Attempt:
    """Make the int8 version of a network, ``int8.yaml`` in its folder, with videos like those that it is for.

    By default every core that the process may use computes. The attempt that was chosen; `EngineError` if the videos
    show too few points or chunks to judge by, or no attempt stays within the limit.
    """
    judge = _PoseJudge(folder, options) if isinstance(options, QuantizeOptions) else _ClipJudge(folder, options)
    samples = judge.samples(videos, opens)
    if not any(len(images) > 1 for images in samples):
        raise UsageError("nothing could be read from the videos to calibrate with: check that they play")
    learning, judging = ([np.ascontiguousarray(images[first::2]) for images in samples] for first in (0, 1))
    tell(f"calibrating on {sum(map(len, learning))} {judge.sampled}")
    workshop = _Workshop(FoldedGraph(folder, threads), judge, judging)
    plan = Int8Plan(workshop.ranges(learning))
    tell(f"measuring what int8 loses in each of {len(plan.ranges)} convolutions")
    ranking = workshop.ranking(plan, learning)
    attempts: list[Attempt] = []

    def attempt(kept: tuple[str, ...]) -> bool:
        attempts.append(workshop.attempt(plan, kept))
        worst = max(attempts[-1].figures, key=judge.size)
        tell(f"{len(kept)} convolutions left wider: {worst}")
        return attempts[-1].passed

    costs = workshop.graph.network.multiplications(judging[0].shape[1:-1])
    kept = fewest_kept(ranking, costs, attempt, options.most_attempts)
    if kept is None:
        excuse = workshop.excuse()
        raise EngineError(
            f"no int8 version of '{folder.path}' stays within the limit ({judge.limit}){excuse}: "
            f"allow more with {judge.limit_option}, or use {'fp32' if excuse else wider_precision()}"
        )
    chosen = next(each for each in attempts if each.kept == kept)
    record = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "made_by": f"posecli {__version__}",
        "videos": [path.name for path in videos],
        **judge.settings,
        "left_wider": list(kept),
        "attempts": [
            {"left_wider": list(each.kept), "figures": [figures.as_dict() for figures in each.figures]}
            for each in attempts
        ],
    }
    write_int8(folder, plan.without(frozenset(kept)), record)
    return chosen


def expected_work(
    network: Network, extents: Sequence[int], options: AnyQuantizeOptions, int8: float, detecting: float = 0.0
) -> float:
    """Multiply-adds of fp32 that take about as long as `quantize_model` does at most, with items of one size.

    In int8 one takes the share `int8` of the time; so many more find the animal in a frame (`detecting`). Reading the
    videos is not counted.
    """
    items = options.frames if isinstance(options, QuantizeOptions) else options.chunks
    each = sum(network.multiplications(extents).values())
    passes = items * (1 + RANGES_PASSES + options.most_attempts * int8)
    passes += min(items, ranked(3 * math.prod(extents))) * NOISE_PASSES
    graphs = 3 + options.most_attempts
    return passes * each + 2 * items * detecting + graphs * GRAPH_WORK * network.parameters


def expected_bytes(network: Network, extents: Sequence[int], options: AnyQuantizeOptions) -> float:
    """Memory that `quantize_model` takes about, with items of one size: for them, and for all maps of one."""
    items = options.frames if isinstance(options, QuantizeOptions) else options.chunks
    maps = sum(math.prod(side or 1 for side in shape) for shape in network.shapes(extents).values())
    return 6.0 * items * 3 * math.prod(extents) + MAPS_HELD * np.dtype(np.float32).itemsize * maps


def ranked(numbers: int) -> int:
    """Of how many items, each of so many numbers, convolutions are ranked: large ones have more places to go by.

    >>> ranked(3 * 640 * 480), ranked(3 * 160 * 120)
    (8, 128)
    """
    return max(FEWEST_RANKED, FEWEST_RANKED * 3 * 640 * 480 // numbers)


def fewest_kept(
    ranking: Sequence[str], costs: Mapping[str, int], attempt: Callable[[tuple[str, ...]], bool], most: int
) -> tuple[str, ...] | None:
    """Convolutions that must stay wider for an attempt to pass; ``None`` if none of the attempts does.

    `ranking` has all of them, those that lose most in int8 first; `costs` are multiplications. Each set is attempted
    once, and so many of them at `most`.

    >>> fewest_kept("abcdef", dict(zip("abcdef", range(6))), lambda kept: {"b", "d"} <= set(kept), 20)
    ('b', 'd')
    """
    tried: list[set[str]] = []

    def passes(kept: tuple[str, ...]) -> bool:
        if len(tried) == most:
            return False
        tried.append(set(kept))
        return attempt(kept)

    counts = (count for count in GIVEN_BACK if count < len(ranking))  # all of them wider would be no int8 version
    chosen = next((kept for count in counts if passes(kept := tuple(ranking[:count]))), None)
    for name in sorted(chosen or (), key=lambda name: -costs[name]):
        assert chosen is not None
        fewer = tuple(other for other in chosen if other != name)
        if set(fewer) not in tried and passes(fewer):
            chosen = fewer
    return chosen


# A judge knows what differs between kinds of networks: what they are shown (`samples`, every other one to calibrate
# with), what their outputs mean (`read`), which samples would fail every version (`refuse_thin`) and what decides
# (`figures`, by their `size`).


class _PoseJudge:
    """By how far points move, in px of the network's input."""

    limit_option = "--max-shift"
    size = attrgetter("p99_px")

    def __init__(self, folder: ModelFolder, options: QuantizeOptions) -> None:
        check_boxes(folder, options.boxes)
        self._model = PoseModel(folder)
        self._options = options
        self._cutoff = gate.model_cutoff(folder)
        self.limit = f"{options.max_shift:g} px"
        self.sampled = f"frames at {len(options.scales)} scales"
        self.settings = {"frames": options.frames, "scales": [*options.scales], "max_shift_px": options.max_shift}

    def samples(self, videos: Sequence[Path], opens: Opens) -> list[Images]:
        refuse_shared(self._options.boxes, len(videos))
        for path in videos:
            probe(path)  # says what is wrong with a video that the sampling would pass over
        wanted = 2 * self._options.frames
        sizes: dict[tuple[int, ...], list[Images]] = {}
        for scale in self._options.scales:
            options = AnalyzeOptions(scale=scale, boxes=self._options.boxes)
            for sample in gate.sample_frames(videos, options, wanted, opens, most_videos=wanted):
                shown = sample if self._model.cropping is None else self._model.cropping(sample)
                sizes.setdefault(shown.images.shape[1:], []).append(shown.images[shown.valid])
        return [np.concatenate(parts) for parts in sizes.values()]

    def read(self, output: Any) -> Values:
        return self._model.decode(output)[:, :, 0]

    def refuse_thin(self, exact: Values, shape: tuple[int, ...]) -> None:
        seen = int((exact[..., 2] >= self._cutoff).sum())
        if seen < FEWEST_POINTS:
            raise EngineError(
                f"only {seen} points of the videos at {shape[1]}x{shape[0]} px are above the likelihood cut-off "
                f"{self._cutoff:g}, {FEWEST_POINTS} are needed: calibrate with videos in which this "
                "network sees the animal, with more --frames, or leave this size out of --scales"
            )

    def figures(self, precision: FixedPrecision, found: Values, exact: Values) -> Figures:
        return gate.compare_poses(precision, found, exact, self._cutoff, self._options.max_shift)


class _ClipJudge:
    """By how far the probability changes that changes most."""

    limit_option = "--max-change"
    size = attrgetter("p95_change")

    def __init__(self, folder: ClipModelFolder, options: ClipQuantizeOptions) -> None:
        self._model = ClipModel(folder)
        self._options = options
        self.limit = f"a change of {options.max_change:g}"
        self.sampled = f"chunks of {self._model.description.length} frames"
        self.read = self._model.probabilities
        self.settings = {"chunks": options.chunks, "max_change": options.max_change}

    def samples(self, videos: Sequence[Path], opens: Opens) -> list[Images]:
        own = self._model.description
        # From every stretch of the videos: a stride of half a chunk gives short ones enough.
        plan = ChunkPlan(own.length, max(1, own.length * own.frame_step // 2), own.frame_step)
        infos = {path: probe(path) for path in videos}  # says what is wrong with a video, also with one not looked at
        chosen = evenly_chosen(videos, 2 * self._options.chunks)
        each = -(-2 * self._options.chunks // len(chosen))
        found = []
        for path in chosen:
            opens(path)
            info = infos[path]
            geometry = Geometry.plan(info.width, info.height).brought_to(own.input_width, own.input_height)
            found.append(gate.sample_chunks(info, geometry, plan, each))
        opens(None)
        return [np.concatenate(found)]

    def refuse_thin(self, exact: Values, shape: tuple[int, ...]) -> None:  # noqa: ARG002
        if len(exact) < FEWEST_CHUNKS:
            raise EngineError(
                f"only {len(exact)} chunks could be read from the videos to judge by, {FEWEST_CHUNKS} are needed: "
                "calibrate with longer videos, or more of them"
            )

    def figures(self, precision: FixedPrecision, found: Values, exact: Values) -> Figures:
        return gate.compare_probabilities(precision, found, exact, self._options.max_change)


class _Workshop:
    """Runs one model in many versions on the same samples."""

    def __init__(self, graph: FoldedGraph, judge: _PoseJudge | _ClipJudge, judging: Sequence[Images]) -> None:
        self._judge = judge
        self.graph = graph
        self._judging = judging
        self._exact = [self._found(images, None, "fp32") for images in judging]
        for images, exact in zip(judging, self._exact, strict=True):
            judge.refuse_thin(exact, images.shape[1:])

    def ranges(self, learning: Sequence[Images]) -> dict[str, tuple[float, float]]:
        """Lowest and highest value that enters each convolution; zero is always within."""
        ranges: dict[str, tuple[float, float]] = {}
        for images in learning:
            for name, (low, high) in self.graph.entering_ranges(images).items():
                before = ranges.get(name, (0.0, 0.0))
                ranges[name] = min(before[0], low), max(before[1], high)
        return ranges

    def excuse(self) -> str:
        """What the wider precision alone does, if it moves results too far: no choice of convolutions mends that."""
        if (wider := wider_precision()) == "fp32":
            return ""
        worst = max(self._figures(None, wider), key=self._judge.size)
        return "" if worst.passed else f", nor does the network without int8, as {worst}"

    def ranking(self, plan: Int8Plan, learning: Sequence[Images]) -> list[str]:
        """Convolutions by what int8 loses in each, the most first; on the smallest items, and few of large ones."""
        smallest = min(learning, key=lambda images: images[0].size)
        lost = self.graph.int8_noise(smallest[:: -(-len(smallest) // ranked(smallest[0].size))], plan)
        return sorted(lost, key=lambda name: -lost[name])

    def attempt(self, plan: Int8Plan, kept: tuple[str, ...]) -> Attempt:
        """Some convolutions left in the wider precision, all others in int8."""
        return Attempt(kept, self._figures(plan.without(frozenset(kept)), "int8"))

    def _figures(self, plan: Int8Plan | None, precision: FixedPrecision) -> tuple[Figures, ...]:
        found = [self._found(images, plan, precision) for images in self._judging]
        return tuple(map(partial(self._judge.figures, precision), found, self._exact))

    def _found(self, images: Images, plan: Int8Plan | None, precision: FixedPrecision) -> Values:
        return self._judge.read(self.graph.run(images, plan, precision))

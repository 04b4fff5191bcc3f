"""The eight-bit version of a model: ranges by calibration, and the layers that must stay wider found by measurement.

1. *Calibrate.* The network runs in fp32 on frames from all over the user's videos, at several scales; the lowest and
   highest value that enters each convolution are noted.
2. *Rank.* Each convolution alone is computed in eight bits, and how far that moves the points, or changes the
   probabilities of behaviours, is measured. Nothing is assumed about names or depths.
3. *Choose.* Starting with all convolutions in eight bits, the worst ones are given back to the wider precision until
   the results on frames that calibration has not seen stay within the limit, at every scale.
4. *Take back.* Of those given back each is tried in eight bits once more, the one with most multiplications first: the
   worst ones are not always the needed ones, and some cost much time.

The heads, or logits, always stay in the wider precision: they are a hundredth of the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from posecli import __version__
from posecli.behaviour.chunks import ChunkPlan
from posecli.engine.openvino import FoldedGraph
from posecli.engine.outputs import Logits, Maps
from posecli.errors import EngineError, UsageError
from posecli.inference.decode import DecodeOptions, decode_numpy
from posecli.inference.predictor import ClipModel
from posecli.model.folder import AnyFolder, ClipModelFolder, ModelFolder
from posecli.model.int8 import write_int8
from posecli.network.int8 import Int8Plan
from posecli.options import AnalyzeOptions, FixedPrecision
from posecli.precision.behaviours import FEWEST_CHUNKS, ClipGateFigures, compare_probabilities, sample_chunks
from posecli.precision.gate import Figures
from posecli.precision.poses import FEWEST_POINTS, GateFigures, compare, model_cutoff, sample_frames
from posecli.video.find import evenly_chosen
from posecli.video.geometry import Geometry
from posecli.video.probe import probe

Images: TypeAlias = npt.NDArray[np.uint8]
Values: TypeAlias = npt.NDArray[np.float64]

#: Convolutions given back to the wider precision at each attempt.
GIVEN_BACK = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)


@dataclass(frozen=True)
class QuantizeOptions:
    """How an eight-bit version is made.

    Attributes
    ----------
    scales
        Sizes at which the network will be used, as factors of the videos' own.
    frames
        Frames drawn from the videos for calibration, and as many again for the choice.
    max_shift
        Largest 99th percentile of the shift against fp32, in px of the network's input, at any scale.
    """

    scales: tuple[float, ...] = (1.0, 0.5, 0.25)
    frames: int = 48
    max_shift: float = 1.0

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale <= 4 for scale in self.scales):
            raise UsageError(f"scales {self.scales} are out of range: give factors above 0 and at most 4")
        if self.frames < 1:
            raise UsageError(f"frames {self.frames} is too small: give a whole number of 1 or more")
        if not self.max_shift > 0:
            raise UsageError(f"max-shift {self.max_shift} is too small: give a number of px above 0")


@dataclass(frozen=True)
class ClipQuantizeOptions:
    """How the eight-bit version of a network for behaviours is made.

    Attributes
    ----------
    chunks
        Chunks drawn from the videos for calibration, and as many again for the choice.
    max_change
        Largest 95th percentile of the change of a chunk's probabilities against fp32.
    """

    chunks: int = 16
    max_change: float = 0.05

    def __post_init__(self) -> None:
        if self.chunks < FEWEST_CHUNKS:
            raise UsageError(f"chunks {self.chunks} is too small: give a whole number of {FEWEST_CHUNKS} or more")
        if not 0 < self.max_change <= 1:
            raise UsageError(f"max-change {self.max_change} is out of range: give a probability above 0, up to 1")


@dataclass(frozen=True)
class Attempt:
    """One set of convolutions left in the wider precision, and what it measured.

    Attributes
    ----------
    kept
        Scopes of the convolutions that are not in eight bits.
    figures
        One per sample: per scale for poses.
    """

    kept: tuple[str, ...]
    figures: tuple[Figures, ...]

    @property
    def passed(self) -> bool:
        """Whether every sample did."""
        return all(figures.passed for figures in self.figures)


#: Is told of each step, in words.
Tell = Callable[[str], None]


def quantize_model(folder: ModelFolder, videos: Sequence[Path], options: QuantizeOptions, tell: Tell) -> Attempt:
    """Make the eight-bit version of a pose network, ``int8.yaml`` in its folder.

    Parameters
    ----------
    folder
        The model.
    videos
        What to calibrate with: videos like those that will be analysed.
    options
        Scales, frames, limit.
    tell
        Is told of each step.

    Returns
    -------
    Attempt
        What was chosen.

    Raises
    ------
    EngineError
        If the videos show too few points to judge by, or no choice stays within the limit.
    """
    learning, judging = _samples(videos, options)
    tell(f"calibrating on {sum(map(len, learning))} frames at {len(options.scales)} scales")
    judge = _PoseJudge(folder, options)
    record = {"frames": options.frames, "scales": list(options.scales), "max_shift_px": options.max_shift}
    return _quantized(_Workshop(folder, judge, judging), learning, tell, _record(videos, record))


def quantize_clip_model(
    folder: ClipModelFolder, videos: Sequence[Path], options: ClipQuantizeOptions, tell: Tell
) -> Attempt:
    """Make the eight-bit version of a network for behaviours, ``int8.yaml`` in its folder; as `quantize_model`."""
    learning, judging = _chunks(folder, videos, options)
    tell(f"calibrating on {len(learning)} chunks of {folder.description.length} frames")
    record = {"chunks": options.chunks, "max_change": options.max_change}
    workshop = _Workshop(folder, _ClipJudge(folder, options), [judging])
    return _quantized(workshop, [learning], tell, _record(videos, record))


def _quantized(workshop: _Workshop, learning: Sequence[Images], tell: Tell, record: dict[str, Any]) -> Attempt:
    plan = Int8Plan(workshop.ranges(learning))
    tell(f"measuring each of {len(plan.ranges)} convolutions alone")
    ranking = workshop.ranking(plan)
    attempts: list[Attempt] = []

    def tried(kept: Sequence[str]) -> Attempt:
        attempts.append(workshop.attempt(plan, tuple(kept)))
        tell(f"{len(kept)} convolutions left wider: {workshop.judge.worst(attempts[-1].figures)}")
        return attempts[-1]

    chosen = next((attempt for count in GIVEN_BACK if (attempt := tried(ranking[:count])).passed), None)
    if chosen is None:
        raise EngineError(
            f"no eight-bit version of '{workshop.folder.path}' stays within the limit ({workshop.judge.limit}): allow "
            f"more with {workshop.judge.limit_option}, or use bf16"
        )
    for scope in workshop.by_cost(chosen.kept):
        fewer = [other for other in chosen.kept if other != scope]
        if set(fewer) not in [set(attempt.kept) for attempt in attempts] and tried(fewer).passed:
            chosen = attempts[-1]
    write_int8(workshop.folder, plan.without(frozenset(chosen.kept)), record | _found(chosen, attempts))
    return chosen


class _Judge(Protocol):
    """Says how far one version's output is from that of fp32."""

    limit_option: str

    @property
    def limit(self) -> str:
        """For people."""

    def read(self, output: Any) -> Values:
        """The network's output as what it means."""

    def refuse_thin(self, exact: Values, shape: tuple[int, ...]) -> None:
        """Refuse a sample that would fail every version, with nothing wrong in them."""

    def distance(self, found: Values, exact: Values) -> float:
        """One number to rank by."""

    def figures(self, found: Values, exact: Values) -> Figures:
        """What decides."""

    def worst(self, figures: Sequence[Any]) -> Figures:
        """The ones that are furthest off."""


class _PoseJudge:
    """By how far points move."""

    limit_option = "--max-shift"

    def __init__(self, folder: ModelFolder, options: QuantizeOptions) -> None:
        self._decode = DecodeOptions(folder.description.stride, folder.description.locref_stdev)
        self._cutoff = model_cutoff(folder)
        self._limit_px = options.max_shift

    @property
    def limit(self) -> str:
        """In px."""
        return f"{self._limit_px:g} px"

    def read(self, output: Maps) -> Values:
        """Poses in network px, ``(N, K, 3)``."""
        return decode_numpy(output.scoremap, output.locref, self._decode)[:, :, 0]

    def refuse_thin(self, exact: Values, shape: tuple[int, ...]) -> None:
        """Too few points at one size."""
        seen = int((exact[..., 2] >= self._cutoff).sum())
        if seen < FEWEST_POINTS:
            raise EngineError(
                f"only {seen} points of the videos at {shape[1]}x{shape[0]} px are above the likelihood cut-off "
                f"{self._cutoff:g}, {FEWEST_POINTS} are needed: calibrate with videos in which this "
                "network sees the animal, with more --frames, or leave this size out of --scales"
            )

    def distance(self, found: Values, exact: Values) -> float:
        """Mean shift of the points that are seen."""
        shift = np.linalg.norm((found - exact)[..., :2], axis=-1)[exact[..., 2] >= self._cutoff]
        # A point that jumps to another peak says little about the layer: it counts as one moved by a cell.
        return float(np.minimum(shift, 8.0).mean())

    def figures(self, found: Values, exact: Values) -> GateFigures:
        """Quantiles of the shift."""
        return compare("int8", found, exact, self._cutoff, self._limit_px)

    def worst(self, figures: Sequence[GateFigures]) -> GateFigures:
        """Of the scales."""
        return max(figures, key=lambda each: each.p99_px)


class _ClipJudge:
    """By how far probabilities change."""

    limit_option = "--max-change"

    def __init__(self, folder: ClipModelFolder, options: ClipQuantizeOptions) -> None:
        self._model = ClipModel(folder)
        self._limit = options.max_change

    @property
    def limit(self) -> str:
        """Of a probability."""
        return f"a change of {self._limit:g}"

    def read(self, output: Logits) -> Values:
        """Probabilities, ``(N, C)``."""
        return self._model.probabilities(output)

    def refuse_thin(self, exact: Values, _shape: tuple[int, ...]) -> None:
        """Too few chunks."""
        if len(exact) < FEWEST_CHUNKS:
            raise EngineError(
                f"only {len(exact)} chunks could be read from the videos to judge by, {FEWEST_CHUNKS} are needed: "
                "calibrate with longer videos, or more of them"
            )

    def distance(self, found: Values, exact: Values) -> float:
        """Mean change of the probability that changes most."""
        return float(np.abs(found - exact).max(axis=1).mean())

    def figures(self, found: Values, exact: Values) -> ClipGateFigures:
        """Quantiles of the change."""
        return compare_probabilities("int8", found, exact, self._limit)

    def worst(self, figures: Sequence[ClipGateFigures]) -> ClipGateFigures:
        """The only ones."""
        return figures[0]


class _Workshop:
    """Runs one model in many versions on the same samples."""

    def __init__(self, folder: AnyFolder, judge: _Judge, judging: Sequence[Images]) -> None:
        self.folder = folder
        self.judge = judge
        self._graph = FoldedGraph(folder)
        self._judging = judging
        self._exact = [self._found(images, None, "fp32") for images in judging]
        for images, exact in zip(judging, self._exact, strict=True):
            judge.refuse_thin(exact, images.shape[1:])

    def ranges(self, learning: Sequence[Images]) -> dict[str, tuple[float, float]]:
        """Lowest and highest value that enters each convolution; zero is always within."""
        ranges: dict[str, tuple[float, float]] = {}
        for images in learning:
            for scope, (low, high) in self._graph.entering_ranges(images).items():
                before = ranges.get(scope, (0.0, 0.0))
                ranges[scope] = min(before[0], low), max(before[1], high)
        return ranges

    def ranking(self, plan: Int8Plan) -> list[str]:
        """Scopes by how far each alone moves the results, the worst first; on the smallest items."""
        smallest = min(range(len(self._judging)), key=lambda place: self._judging[place][0].size)
        moved = {}
        for scope, limits in plan.ranges.items():
            found = self._found(self._judging[smallest], Int8Plan({scope: limits}), "int8")
            moved[scope] = self.judge.distance(found, self._exact[smallest])
        return sorted(moved, key=lambda scope: -moved[scope])

    def attempt(self, plan: Int8Plan, kept: tuple[str, ...]) -> Attempt:
        """Some convolutions left in the wider precision, all others in eight bits."""
        version = plan.without(frozenset(kept))
        figures = tuple(
            self.judge.figures(self._found(images, version, "int8"), exact)
            for images, exact in zip(self._judging, self._exact, strict=True)
        )
        return Attempt(kept, figures)

    def by_cost(self, scopes: Sequence[str]) -> list[str]:
        """Convolutions by their number of multiplications."""
        cost = self._graph.network.multiplications(self._judging[0].shape[1:-1])
        return sorted(scopes, key=lambda scope: -cost[scope])

    def _found(self, images: Images, plan: Int8Plan | None, precision: FixedPrecision) -> Values:
        return self.judge.read(self._graph.run(images, plan, precision))


def _samples(videos: Sequence[Path], options: QuantizeOptions) -> tuple[list[Images], list[Images]]:
    """Frames to calibrate with and frames to judge by, in turn, for each size at which the network sees the videos."""
    for path in videos:
        probe(path)  # says what is wrong with a video that the sampling would pass over
    wanted = 2 * options.frames
    sizes: dict[tuple[int, ...], list[Images]] = {}
    for scale in options.scales:
        for sample in sample_frames(videos, replace(AnalyzeOptions(), scale=scale), wanted, most_videos=wanted):
            sizes.setdefault(sample.images.shape[1:], []).append(sample.images)
    frames = [np.concatenate(parts) for parts in sizes.values()]
    if not any(len(images) > 1 for images in frames):
        raise UsageError("no frame could be read from the videos to calibrate with: check that they play")
    return [_every_other(images, 0) for images in frames], [_every_other(images, 1) for images in frames]


def _chunks(folder: ClipModelFolder, videos: Sequence[Path], options: ClipQuantizeOptions) -> tuple[Images, Images]:
    """Chunks to calibrate with and chunks to judge by, in turn, as the model's own settings cut them."""
    own = folder.description
    # From every stretch of the videos: a stride of half a chunk gives short ones enough.
    plan = ChunkPlan(own.length, max(1, own.length * own.frame_step // 2), own.frame_step)
    infos = {path: probe(path) for path in videos}  # says what is wrong with a video, also with one not looked at
    chosen = evenly_chosen(videos, 2 * options.chunks)
    each = -(-2 * options.chunks // len(chosen))
    found = []
    for path in chosen:
        info = infos[path]
        geometry = Geometry.plan(info.width, info.height).brought_to(own.input_width, own.input_height)
        found.append(sample_chunks(info, geometry, plan, each))
    chunks = np.concatenate(found)
    if len(chunks) < 2:
        raise UsageError("no chunk could be read from the videos to calibrate with: check that they play")
    return _every_other(chunks, 0), _every_other(chunks, 1)


def _every_other(images: Images, first: int) -> Images:
    return np.ascontiguousarray(images[first::2])


def _record(videos: Sequence[Path], options: dict[str, Any]) -> dict[str, Any]:
    """How the version was found, for ``int8.yaml``."""
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "made_by": f"posecli {__version__}",
        "videos": [path.name for path in videos],
        **options,
    }


def _found(chosen: Attempt, attempts: Sequence[Attempt]) -> dict[str, Any]:
    return {
        "left_wider": list(chosen.kept),
        "attempts": [
            {"left_wider": list(attempt.kept), "figures": [figures.as_dict() for figures in attempt.figures]}
            for attempt in attempts
        ],
    }

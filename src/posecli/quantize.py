"""The eight-bit version of a model: ranges by calibration, and the layers that must stay wider found by measurement.

1. *Calibrate.* The network runs in fp32 on frames from all over the user's videos, at several scales; the lowest and
   highest value that enters each convolution are noted.
2. *Rank.* Each convolution alone is computed in eight bits, and how far that moves the points is measured. Nothing is
   assumed about names or depths.
3. *Choose.* Starting with all convolutions in eight bits, the worst ones are given back to the wider precision until
   the points of frames that calibration has not seen stay within the limit, at every scale.

The scoremap and location heads always stay in the wider precision: they are a hundredth of the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli import __version__
from posecli.decode import DecodeOptions, Pose, decode_numpy
from posecli.engine import NetworkOutput
from posecli.engine.openvino import PoseGraph
from posecli.errors import EngineError, UsageError
from posecli.model.folder import ModelFolder
from posecli.model.int8 import write_int8
from posecli.network.int8 import Int8Plan
from posecli.options import AnalyzeOptions
from posecli.precision import FEWEST_POINTS, GateFigures, Sample, compare, model_cutoff, sample_frames

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
class Attempt:
    """One set of convolutions left in the wider precision, and what it measured at the worst scale.

    Attributes
    ----------
    kept
        Scopes of the convolutions that are not in eight bits.
    figures
        One per scale.
    """

    kept: tuple[str, ...]
    figures: tuple[GateFigures, ...]

    @property
    def passed(self) -> bool:
        """Whether every scale did."""
        return all(figures.passed for figures in self.figures)


#: Is told of each step, in words.
Tell = Callable[[str], None]


def quantize_model(folder: ModelFolder, videos: Sequence[Path], options: QuantizeOptions, tell: Tell) -> Attempt:
    """Make a model folder's eight-bit version, ``int8.yaml``.

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
    workshop = _Workshop(folder, judging, options.max_shift)
    tell(f"calibrating on {sum(len(sample.images) for sample in learning)} frames at {len(options.scales)} scales")
    plan = Int8Plan(workshop.ranges(learning))
    tell(f"measuring each of {len(plan.ranges)} convolutions alone")
    ranking = workshop.ranking(plan)
    attempts = []
    for attempt in workshop.attempts(plan, ranking):
        attempts.append(attempt)
        worst = max(attempt.figures, key=lambda figures: figures.p99_px)
        tell(f"{len(attempt.kept)} convolutions left wider: {worst}")
        if attempt.passed:
            write_int8(folder, plan.without(frozenset(attempt.kept)), _record(videos, options, attempts))
            return attempt
    raise EngineError(
        f"no eight-bit version of '{folder.path}' stays within {options.max_shift:g} px: "
        "allow more with --max-shift, or analyse in bf16"
    )


class _Workshop:
    """Runs one model in many versions on the same frames."""

    def __init__(self, folder: ModelFolder, judging: Sequence[Sample], limit_px: float) -> None:
        self._folder = folder
        self._graph = PoseGraph(folder)
        self._judging = judging
        self._limit_px = limit_px
        self._exact = [self._poses(sample, None, "fp32") for sample in judging]
        for sample, exact in zip(judging, self._exact, strict=True):
            self._refuse_thin(sample, int((exact[..., 2] >= model_cutoff(folder)).sum()))

    def _refuse_thin(self, sample: Sample, seen: int) -> None:
        """Too few points at one size would fail every version, with nothing wrong in them."""
        if seen < FEWEST_POINTS:
            height, width = sample.images.shape[1:3]
            raise EngineError(
                f"only {seen} points of the videos at {width}x{height} px are above the likelihood cut-off "
                f"{model_cutoff(self._folder):g}, {FEWEST_POINTS} are needed: calibrate with videos in which this "
                "network sees the animal, with more --frames, or leave this size out of --scales"
            )

    def ranges(self, learning: Sequence[Sample]) -> dict[str, tuple[float, float]]:
        """Lowest and highest value that enters each convolution; zero is always within."""
        ranges: dict[str, tuple[float, float]] = {}
        for sample in learning:
            for scope, (low, high) in self._graph.entering_ranges(sample.images).items():
                before = ranges.get(scope, (0.0, 0.0))
                ranges[scope] = min(before[0], low), max(before[1], high)
        return ranges

    def ranking(self, plan: Int8Plan) -> list[str]:
        """Scopes by how far each alone moves the points, the worst first; on the smallest frames."""
        smallest = min(range(len(self._judging)), key=lambda place: self._judging[place].images[0].size)
        moved = {}
        for scope, limits in plan.ranges.items():
            found = self._poses(self._judging[smallest], Int8Plan({scope: limits}), "int8")
            seen = self._exact[smallest][..., 2] >= model_cutoff(self._folder)
            shift = np.linalg.norm((found - self._exact[smallest])[..., :2], axis=-1)[seen]
            # A point that jumps to another peak says little about the layer: it counts as one moved by a cell.
            moved[scope] = float(np.minimum(shift, 8.0).mean())
        return sorted(moved, key=lambda scope: -moved[scope])

    def attempts(self, plan: Int8Plan, ranking: Sequence[str]) -> Iterator[Attempt]:
        """Fewer and fewer convolutions in eight bits."""
        for count in GIVEN_BACK:
            kept = tuple(ranking[:count])
            version = plan.without(frozenset(kept))
            figures = tuple(
                compare("int8", self._poses(sample, version, "int8"), exact, model_cutoff(self._folder), self._limit_px)
                for sample, exact in zip(self._judging, self._exact, strict=True)
            )
            yield Attempt(kept, figures)

    def _poses(self, sample: Sample, plan: Int8Plan | None, precision: Any) -> Pose:
        """Poses of a sample in network px, ``(N, K, 3)``."""
        output = self._graph.run(sample.images, plan, precision)
        description = self._folder.description
        decode = DecodeOptions(description.stride, description.locref_stdev)
        return _decode(output, decode)


def _decode(output: NetworkOutput, options: DecodeOptions) -> Pose:
    return decode_numpy(output.scoremap, output.locref, options)[:, :, 0]


def _samples(videos: Sequence[Path], options: QuantizeOptions) -> tuple[list[Sample], list[Sample]]:
    """Frames to calibrate with and frames to judge by, in turn, at each scale."""
    learning, judging = [], []
    for scale in options.scales:
        chosen = replace(AnalyzeOptions(), scale=scale)
        for sample in sample_frames(videos, chosen, 2 * options.frames):
            learning.append(replace(sample, images=_every_other(sample.images, 0)))
            judging.append(replace(sample, images=_every_other(sample.images, 1)))
    if not any(len(sample.images) for sample in judging):
        raise UsageError("no frame could be read from the videos to calibrate with: check that they play")
    return learning, judging


def _every_other(images: npt.NDArray[np.uint8], first: int) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(images[first::2])


def _record(videos: Sequence[Path], options: QuantizeOptions, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """How the version was found, for ``int8.yaml``."""
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "made_by": f"posecli {__version__}",
        "videos": [path.name for path in videos],
        "frames": options.frames,
        "scales": list(options.scales),
        "max_shift_px": options.max_shift,
        "left_wider": list(attempts[-1].kept),
        "attempts": [
            {"left_wider": len(attempt.kept), "figures": [figures.as_dict() for figures in attempt.figures]}
            for attempt in attempts
        ],
    }

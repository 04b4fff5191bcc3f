r"""How a version's poses differ from the original's, body part by body part.

Shapes: ``N`` frames of all videos one after the other, ``K`` body parts. All distances are in px of the full frame. A
point counts where the *original's* likelihood reaches the cut-off: where the network does not see a body part even in
the original, its position there is no reference for anything.

Intervals are by the circular block bootstrap (Kuensch 1989; Politis & Romano 1992), since neighbouring frames are
alike: a resample of a video of :math:`n` frames is :math:`\lceil n / L \rceil` blocks of :math:`L` frames that begin
anywhere (the end of the video goes on at its beginning), with :math:`L` one second of video, but at least
:math:`n^{1/3}`, and at most a tenth of it. Of several videos each is resampled by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.evaluation import ALL, point_errors
from posecli.tables.filtering import FilterOptions, Median, filter_pose

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint8]

#: Share of resamples inside an interval.
CONFIDENCE = 0.95
#: Of all counts together, bytes; very long videos are resampled less often.
MOST_BYTES = 200_000_000
FEWEST_RESAMPLES = 200
#: A video is cut into at least so many blocks, where it has as many frames.
FEWEST_BLOCKS = 10
RAW, MEDIAN = "none", "median"
QUANTILES = (0.5, 0.99)
#: Measures that are not in px.
SHARES = ("likelihood_change", "lost")


@dataclass(frozen=True)
class ConfidenceInterval:
    """A statistic, and the range that it would be in for other video of the same length."""

    value: float
    low: float
    high: float

    @property
    def range(self) -> str:
        return f"{self.low:.2f} to {self.high:.2f}"


def block_length(frames: int, frame_rate: float) -> int:
    """Frames of a block of a video.

    >>> block_length(2330, 30.0), block_length(100, 30.0), block_length(2330, 1.0)
    (30, 10, 14)
    """
    wanted = max(math.ceil(frame_rate - 1e-6), math.ceil(math.cbrt(frames)))
    return max(1, min(wanted, frames // FEWEST_BLOCKS))


@dataclass(frozen=True)
class Resampling:
    """How frames are resampled: the same for all versions, so that they are compared on equal samples."""

    lengths: tuple[int, ...]  # frames of each video
    blocks: tuple[int, ...]  # frames of a block of it
    resamples: int = 1000
    seed: int = 0

    @property
    def n_blocks(self) -> int:
        """Blocks of all videos together: at best, so many independent observations."""
        return sum(length // block for length, block in zip(self.lengths, self.blocks, strict=True))

    @cached_property
    def counts(self) -> Counts:
        """``(B, N)``: how often each resample has each frame."""
        rng = np.random.default_rng(self.seed)
        rounds = max(min(self.resamples, FEWEST_RESAMPLES), min(self.resamples, MOST_BYTES // sum(self.lengths)))
        parts = [_drawn(rng, rounds, length, block) for length, block in zip(self.lengths, self.blocks, strict=True)]
        return np.concatenate(parts, axis=1)

    def mean(self, values: Floats) -> ConfidenceInterval:
        """Mean of all values, ``(N,)`` or ``(N, K)``; NaN does not count."""
        known = ~np.isnan(values)
        axes = tuple(range(1, values.ndim))
        sums = np.where(known, values, 0.0).sum(axis=axes)
        counts = known.sum(axis=axes).astype(np.float64)
        return _interval(_ratio(sums.sum(), counts.sum()), _ratio(self.counts @ sums, self.counts @ counts))

    def quantiles(self, values: Floats, shares: Sequence[float]) -> list[ConfidenceInterval]:
        """The smallest value that at least such a share of the values, ``(N, K)`` together, does not exceed.

        NaN does not count; shares are between 0 and 1.
        """
        known = ~np.isnan(values)
        frames, flat = np.nonzero(known)[0], values[known]
        if not flat.size:
            return [ConfidenceInterval(math.nan, math.nan, math.nan) for _ in shares]
        order = np.argsort(flat, kind="stable")
        flat, frames = flat[order], frames[order]
        plain = _weighted_quantiles(flat, np.ones((1, flat.size), np.uint8), shares)[0]
        step = max(1, 4_000_000 // flat.size)
        starts = range(0, len(self.counts), step)
        again = np.concatenate(
            [_weighted_quantiles(flat, self.counts[start : start + step, frames], shares) for start in starts]
        )
        return [_interval(value, column) for value, column in zip(plain, again.T, strict=True)]


def _drawn(rng: np.random.Generator, rounds: int, length: int, block: int) -> Counts:
    """``(rounds, length)``: how often each frame is in each resample."""
    starts = rng.integers(0, length, (rounds, math.ceil(length / block)))
    edges = np.zeros((rounds, length + block + 1), np.int32)
    rows = np.arange(rounds)[:, None]
    np.add.at(edges, (rows, starts), 1)
    np.add.at(edges, (rows, starts + block), -1)
    counts = edges.cumsum(axis=1)
    counts[:, :block] += counts[:, length : length + block]
    return np.asarray(np.minimum(counts[:, :length], 255), np.uint8)


def _weighted_quantiles(ordered: Floats, weights: Counts, shares: Sequence[float]) -> Floats:
    """``(B, S)`` quantiles of values in rising order, for each row of weights; NaN for a row without any."""
    sums = weights.cumsum(axis=1, dtype=np.int64)
    total = sums[:, -1]
    found = np.empty((len(weights), len(shares)))
    for place, share in enumerate(shares):
        wanted = np.maximum(np.ceil(share * total - 1e-9), 1)
        found[:, place] = ordered[np.minimum((sums < wanted[:, None]).sum(axis=1), ordered.size - 1)]
    found[total == 0] = np.nan
    return found


def _ratio(sums: npt.ArrayLike, counts: npt.ArrayLike) -> Floats:
    whole = np.asarray(counts, np.float64)
    return np.asarray(np.divide(sums, whole, out=np.full(np.shape(sums), np.nan), where=whole > 0), np.float64)


def _interval(plain: npt.ArrayLike, again: Floats) -> ConfidenceInterval:
    value, known = float(np.asarray(plain)), again[~np.isnan(again)]
    if not known.size or math.isnan(value):
        return ConfidenceInterval(value, math.nan, math.nan)
    low, high = np.quantile(known, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return ConfidenceInterval(value, float(low), float(high))


@dataclass(frozen=True)
class Trajectories:
    """Poses ``(N, K, 3)`` (x px, y px, likelihood) of several videos, concatenated, and the frames of each.

    >>> two = Trajectories.of([np.zeros((3, 1, 3)), np.ones((2, 1, 3))])
    >>> two.steps()[:, 0]
    array([nan,  0.,  0., nan,  0.])
    """

    poses: Floats
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, poses: Sequence[Floats]) -> Trajectories:
        return cls(np.concatenate(list(poses)), tuple(len(pose) for pose in poses))

    def filtered(self, window: int) -> Trajectories:
        """Each video smoothed by a median filter of so many frames."""
        pieces = np.split(self.poses, np.cumsum(self.lengths)[:-1])
        return Trajectories.of([filter_pose(pose, FilterOptions(Median(window))) for pose in pieces])

    def steps(self) -> Floats:
        """``(N, K)``: how far each point moved since the frame before, px; NaN in a video's first frame."""
        steps = np.full(self.poses.shape[:2], np.nan)
        moved = np.diff(self.poses[..., :2], axis=0)
        steps[1:] = np.hypot(moved[..., 0], moved[..., 1])
        steps[np.cumsum((0, *self.lengths[:-1]))] = np.nan
        return steps


@dataclass(frozen=True)
class PartMeasures:
    """Measures of one version and body part (or ``all``), with both trajectories filtered alike (or ``none``).

    Steps from frame to frame are in px as distances are; changes are the version's value less the original's.
    """

    bodypart: str
    filtering: str
    points: int  # that count
    mean: ConfidenceInterval  # distance from the original's trajectory
    median: ConfidenceInterval
    p99: ConfidenceInterval
    likelihood_change: ConfidenceInterval
    lost: ConfidenceInterval  # share of the points whose likelihood fell below the cut-off
    jitter: ConfidenceInterval  # change of the mean step
    truth_mean: ConfidenceInterval  # distance from the truth
    truth_median: ConfidenceInterval
    truth_p99: ConfidenceInterval
    truth_points: int  # that count and whose truth is known

    def as_dict(self) -> dict[str, Any]:
        """Plain values by column name, ``None`` for what is not known."""
        row: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, ConfidenceInterval):
                column = name if name in SHARES else f"{name}_px"
                limits = {column: value.value, f"{column}_low": value.low, f"{column}_high": value.high}
                row |= {key: limit if math.isfinite(limit) else None for key, limit in limits.items()}
            else:
                row[name] = value
        return row


@dataclass(frozen=True)
class Comparison:
    """How two sets of trajectories are compared: ``K`` names, likelihood cut-off, filter window, and resampling."""

    bodyparts: tuple[str, ...]
    cutoff: float
    window: int
    resampling: Resampling

    def measure(self, version: Trajectories, original: Trajectories, truth: Floats | None) -> list[PartMeasures]:
        """All measures of a version: each body part, then all together, without and with the filter.

        The truth is ``(N, K, 2)`` px, NaN where unknown; ``None`` if there is none.
        """
        seen = original.poses[..., 2] >= self.cutoff
        known = np.full((*seen.shape, 2), np.nan) if truth is None else truth
        filtered = version.filtered(self.window), original.filtered(self.window)
        measures = []
        for filtering, (ours, theirs) in ((RAW, (version, original)), (MEDIAN, filtered)):
            values = {
                "error": point_errors(ours.poses, theirs.poses[..., :2]),
                "likelihood_change": ours.poses[..., 2] - theirs.poses[..., 2],
                "lost": (ours.poses[..., 2] < self.cutoff).astype(np.float64),
                "jitter": ours.steps() - theirs.steps(),
                "truth": point_errors(ours.poses, known),
            }
            values = {name: np.where(seen, value, np.nan) for name, value in values.items()}
            measures += [self._part(name, filtering, values) for name in (*self.bodyparts, ALL)]
        return measures

    def _part(self, name: str, filtering: str, values: dict[str, Floats]) -> PartMeasures:
        if name != ALL:
            place = self.bodyparts.index(name)
            values = {key: value[:, place : place + 1] for key, value in values.items()}
        points = {key: int((~np.isnan(value)).sum()) for key, value in values.items()}
        means = {key: self.resampling.mean(value) for key, value in values.items()}
        median, p99 = self.resampling.quantiles(values["error"], QUANTILES)
        truth_median, truth_p99 = self.resampling.quantiles(values["truth"], QUANTILES)
        error, truth = (means["error"], median, p99), (means["truth"], truth_median, truth_p99)
        changes = means["likelihood_change"], means["lost"], means["jitter"]
        return PartMeasures(name, filtering, points["lost"], *error, *changes, *truth, points["truth"])

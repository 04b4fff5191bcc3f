r"""Intervals by the block bootstrap: neighbouring frames are alike, so whole stretches of video are drawn.

A resample of a video of :math:`n` frames is :math:`\lceil n / L \rceil` blocks of :math:`L` frames that begin
anywhere (the end of the video goes on at its beginning), with :math:`L` one second of video, but at least
:math:`n^{1/3}`, and at most a tenth of it. Of several videos each is resampled by itself. Intervals are percentiles
of the resampled statistic (Kuensch 1989; Politis & Romano 1992 for the circular form).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.uint8]

#: Share of resamples inside an interval.
CONFIDENCE = 0.95
#: Of all counts together, bytes; very long videos are resampled less often.
MOST_BYTES = 200_000_000
FEWEST_RESAMPLES = 200
#: A video is cut into at least so many blocks, where it has as many frames.
FEWEST_BLOCKS = 10


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

"""How a version's poses differ from the original's, body part by body part.

Shapes: ``N`` frames of all videos one after the other, ``K`` body parts. All distances are in px of the full frame. A
point counts where the *original's* likelihood reaches the cut-off: where the network does not see a body part even in
the original, its position there is no reference for anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.evaluation import ALL, point_errors
from posecli.studies.sweep.resampling import ConfidenceInterval, Resampling
from posecli.tables.filtering import FilterOptions, filter_pose

Floats = npt.NDArray[np.float64]
RAW, MEDIAN = "none", "median"
FILTERINGS = (RAW, MEDIAN)
QUANTILES = (0.5, 0.99)


@dataclass(frozen=True)
class Trajectories:
    """Poses of several videos, one after the other.

    Attributes
    ----------
    poses
        ``(N, K, 3)`` float64: x px, y px, likelihood.
    lengths
        Frames of each video.

    Examples
    --------
    >>> two = Trajectories.of([np.zeros((3, 1, 3)), np.ones((2, 1, 3))])
    >>> two.steps()[:, 0]
    array([nan,  0.,  0., nan,  0.])
    """

    poses: Floats
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, poses: Sequence[Floats]) -> Trajectories:
        """Put videos one after the other."""
        return cls(np.concatenate(list(poses)), tuple(len(pose) for pose in poses))

    def filtered(self, window: int) -> Trajectories:
        """Each video through the median filter."""
        ends = np.cumsum(self.lengths)[:-1]
        pieces = np.split(self.poses, ends)
        return Trajectories.of([filter_pose(pose, FilterOptions("median", window)) for pose in pieces])

    def steps(self) -> Floats:
        """``(N, K)``: how far each point moved since the frame before, px; NaN in a video's first frame."""
        steps = np.full(self.poses.shape[:2], np.nan)
        moved = np.diff(self.poses[..., :2], axis=0)
        steps[1:] = np.hypot(moved[..., 0], moved[..., 1])
        steps[np.cumsum((0, *self.lengths[:-1]))] = np.nan
        return steps


@dataclass(frozen=True)
class PartMeasures:
    """One version, one body part (or all), with or without temporal filtering.

    Attributes
    ----------
    bodypart
        Name, or ``all``.
    filtering
        ``none`` or ``median``: what both trajectories went through.
    points
        That count.
    mean, median, p99
        Distance from the original's trajectory, px.
    likelihood_change
        Mean of the version's likelihood less the original's.
    lost
        Share of the points whose likelihood fell below the cut-off.
    jitter
        Mean step from frame to frame less the original's, px.
    truth_points
        Points, of those that count, whose truth is known; 0 where there is none.
    truth_mean, truth_median, truth_p99
        Distance from the truth, px.
    """

    bodypart: str
    filtering: str
    points: int
    mean: ConfidenceInterval
    median: ConfidenceInterval
    p99: ConfidenceInterval
    likelihood_change: ConfidenceInterval
    lost: ConfidenceInterval
    jitter: ConfidenceInterval
    truth_points: int
    truth_mean: ConfidenceInterval
    truth_median: ConfidenceInterval
    truth_p99: ConfidenceInterval

    def as_dict(self) -> dict[str, Any]:
        """Plain values by column name, ``None`` for what is not known."""
        row: dict[str, Any] = {"bodypart": self.bodypart, "filtering": self.filtering, "points": self.points}
        for name, unit in (
            ("mean", "_px"),
            ("median", "_px"),
            ("p99", "_px"),
            ("likelihood_change", ""),
            ("lost", ""),
            ("jitter", "_px"),
            ("truth_mean", "_px"),
            ("truth_median", "_px"),
            ("truth_p99", "_px"),
        ):
            interval: ConfidenceInterval = getattr(self, name)
            row[f"{name}{unit}"] = _plain(interval.value)
            row[f"{name}{unit}_low"] = _plain(interval.low)
            row[f"{name}{unit}_high"] = _plain(interval.high)
        return row | {"truth_points": self.truth_points}


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Comparison:
    """What two sets of trajectories are compared by.

    Attributes
    ----------
    bodyparts
        The ``K`` names.
    cutoff
        Likelihood from which on a point counts as seen.
    window
        Of the median filter, frames.
    resampling
        For the intervals.
    """

    bodyparts: tuple[str, ...]
    cutoff: float
    window: int
    resampling: Resampling

    def measure(self, version: Trajectories, original: Trajectories, truth: Floats | None) -> list[PartMeasures]:
        """All measures of a version: every body part, then all, without and with the filter.

        Parameters
        ----------
        version, original
            Of the same videos.
        truth
            ``(N, K, 2)`` px, NaN where not known; ``None`` without any.
        """
        seen = self.seen(original)
        measures = self._filtered(version, original, truth, seen, RAW)
        smooth, smooth_original = version.filtered(self.window), original.filtered(self.window)
        return measures + self._filtered(smooth, smooth_original, truth, seen, MEDIAN)

    def seen(self, original: Trajectories) -> npt.NDArray[np.bool_]:
        """``(N, K)``: the points that count."""
        return np.asarray(original.poses[..., 2] >= self.cutoff)

    def _filtered(
        self,
        version: Trajectories,
        original: Trajectories,
        truth: Floats | None,
        seen: npt.NDArray[np.bool_],
        filtering: str,
    ) -> list[PartMeasures]:
        known = np.full((*version.poses.shape[:2], 2), np.nan) if truth is None else truth
        values = {
            "error": point_errors(version.poses, original.poses[..., :2]),
            "likelihood_change": version.poses[..., 2] - original.poses[..., 2],
            "lost": (version.poses[..., 2] < self.cutoff).astype(np.float64),
            "jitter": version.steps() - original.steps(),
            "truth": point_errors(version.poses, known),
        }
        values = {name: np.where(seen, value, np.nan) for name, value in values.items()}
        return [self._part(name, filtering, values) for name in (*self.bodyparts, ALL)]

    def _part(self, name: str, filtering: str, values: dict[str, Floats]) -> PartMeasures:
        if name != ALL:
            place = self.bodyparts.index(name)
            values = {key: value[:, place : place + 1] for key, value in values.items()}
        means = {key: self.resampling.mean(value) for key, value in values.items()}
        median, p99 = self.resampling.quantiles(values["error"], QUANTILES)
        truth_median, truth_p99 = self.resampling.quantiles(values["truth"], QUANTILES)
        return PartMeasures(
            name,
            filtering,
            int((~np.isnan(values["lost"])).sum()),
            means["error"],
            median,
            p99,
            means["likelihood_change"],
            means["lost"],
            means["jitter"],
            int((~np.isnan(values["truth"])).sum()),
            means["truth"],
            truth_median,
            truth_p99,
        )

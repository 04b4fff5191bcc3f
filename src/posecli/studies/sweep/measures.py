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
from posecli.tables.filtering import FilterOptions, Median, filter_pose

Floats = npt.NDArray[np.float64]
RAW, MEDIAN = "none", "median"
QUANTILES = (0.5, 0.99)
#: Measures that are not in px.
SHARES = ("likelihood_change", "lost")


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

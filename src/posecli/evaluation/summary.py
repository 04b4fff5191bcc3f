"""Errors in px of poses beside the truth: by body part, scale and group of frames.

Shapes: ``S`` scales, ``N`` frames, ``K`` body parts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: Name of a row over all body parts, and of the only group of frames where there is no split.
ALL = "all"


@dataclass(frozen=True)
class ErrorSummary:
    """Errors of some points.

    >>> summary = ErrorSummary.of(np.array([1.0, 3.0, np.nan]), np.array([0.9, 0.2, 0.9]), None, (2.0,))
    >>> summary.points, summary.mean, summary.pck
    (2, 2.0, (0.5,))
    >>> ErrorSummary.of(np.array([1.0, 3.0, np.nan]), np.array([0.9, 0.2, 0.9]), 0.6, (2.0,)).share
    0.5
    """

    points: int  #: Labelled points.
    counted: int  #: How many of them count: all, or those at or above a likelihood cut-off.
    mean: float  #: Of the counted points' errors, px; NaN if none counts.
    median: float  #: Likewise.
    p90: float  #: The 90th percentile.
    p99: float  #: The 99th percentile.
    pck: tuple[float, ...]  #: Share of the counted points within each radius.

    @classmethod
    def of(cls, errors: Floats, likelihood: Floats, cutoff: float | None, radii: Sequence[float]) -> ErrorSummary:
        """Summarise errors in px, of any shape, NaN where nothing is labelled; `likelihood` is of the same points."""
        labeled = ~np.isnan(errors)
        counted = errors[labeled if cutoff is None else labeled & (likelihood >= cutoff)]
        if not counted.size:
            return cls(int(labeled.sum()), 0, math.nan, math.nan, math.nan, math.nan, (math.nan,) * len(radii))
        median, p90, p99 = (float(value) for value in np.quantile(counted, (0.5, 0.9, 0.99)))
        pck = tuple(float((counted <= radius).mean()) for radius in radii)
        return cls(int(labeled.sum()), counted.size, float(counted.mean()), median, p90, p99, pck)

    @property
    def share(self) -> float:
        """Share of the labelled points that count; NaN if nothing is labelled."""
        return self.counted / self.points if self.points else math.nan


@dataclass(frozen=True)
class Evaluation:
    """Poses of labelled frames at several scales, and the truth."""

    bodyparts: tuple[str, ...]  #: Those that both network and labels have.
    frames: tuple[str, ...]  #: Names of the frames.
    scales: tuple[float, ...]  #: Factors by which the frames were resized for the network.
    truth: Floats  #: ``(N, K, 2)`` float64 px of the full frame; NaN where nothing is labelled.
    poses: Floats  #: ``(S, N, K, 3)`` float64: x px, y px of the full frame, likelihood.
    cutoff: float  #: Likelihood at or above which a point counts as found.
    radii: tuple[float, ...]  #: Distances, px, within which the share of points is reported.
    splits: Mapping[str, Mask]  #: Groups of frames: ``(N,)`` bool each.
    notes: tuple[str, ...] = ()  #: What was left out, a sentence each, for people.

    @cached_property
    def errors(self) -> Floats:
        """``(S, N, K)`` px; NaN where nothing is labelled."""
        return point_errors(self.poses, self.truth)

    def summary(self, split: str, scale: float, bodypart: str = ALL, cutoff: float | None = None) -> ErrorSummary:
        """Errors of one group of frames at one scale, of one body part or of `ALL`."""
        part = slice(None) if bodypart == ALL else self.bodyparts.index(bodypart)
        chosen = (self.scales.index(scale), self.splits[split], part)
        return ErrorSummary.of(self.errors[chosen], self.poses[..., 2][chosen], cutoff, self.radii)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The tidy table: each group of frames, scale and body part, without and with cut-off; ``None`` for NaN."""
        for split, scale, bodypart, cutoff in itertools.product(
            self.splits, self.scales, (*self.bodyparts, ALL), (None, self.cutoff)
        ):
            found = self.summary(split, scale, bodypart, cutoff)
            row = {"split": split, "scale": scale, "bodypart": bodypart, "pcutoff": cutoff}
            row |= {"points": found.points, "counted": found.counted}
            shares = {f"pck_{radius:g}px": share for radius, share in zip(self.radii, found.pck, strict=True)}
            errors = {f"{name}_px": getattr(found, name) for name in ("mean", "median", "p90", "p99")}
            values = {"share_counted": found.share, **errors, **shares}
            yield row | {name: _known(value) for name, value in values.items()}

    def deeplabcut(self) -> dict[str, tuple[float, float]]:
        """What DeepLabCut calls train and test error: of each group of frames, without and with cut-off.

        The mean over all labelled points at full size, px, rounded to two decimals; empty where full size is not
        among the scales. It is called RMSE there, but no square is taken.
        """
        if 1.0 not in self.scales:
            return {}

        def error(split: str, cutoff: float | None) -> float:
            return round(self.summary(split, 1.0, cutoff=cutoff).mean, 2)

        return {split: (error(split, None), error(split, self.cutoff)) for split in self.splits}

    def as_dict(self) -> dict[str, Any]:
        return {
            "bodyparts": list(self.bodyparts),
            "frames": {split: int(mask.sum()) for split, mask in self.splits.items()},
            "pcutoff": self.cutoff,
            "deeplabcut_error_px": {
                split: {"all": _known(plain), "above_pcutoff": _known(cut)}
                for split, (plain, cut) in self.deeplabcut().items()
            },
            "rows": list(self.rows()),
            "notes": list(self.notes),
        }


def point_errors(predicted: Floats, truth: Floats) -> Floats:
    """Euclidean distances ``(..., K)``, px; NaN where nothing is labelled, or nothing could be predicted.

    `predicted` is ``(..., K, 3)`` or ``(..., K, 2)``: x, y in px, and what else there is; `truth` is ``(..., K, 2)``.

    >>> point_errors(np.array([[[3.0, 4.0, 0.9], [1.0, 1.0, 0.9]]]), np.array([[[0.0, 0.0], [np.nan, np.nan]]]))
    array([[ 5., nan]])
    """
    difference = predicted[..., :2] - truth
    return np.asarray(np.hypot(difference[..., 0], difference[..., 1]), np.float64)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value

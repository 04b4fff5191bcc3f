"""Labelled frames as values: an image and its points, and all those of a project."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class LabeledFrame:
    """One labelled image.

    Attributes
    ----------
    image
        The file.
    name
        ``labeled-data/<video>/<file>``, with forward slashes: what identifies the frame in a split.
    points
        ``(K, 2)`` float64: x px, y px; NaN where a body part was not labelled, which says that it cannot be seen.
    """

    image: Path
    name: str
    points: npt.NDArray[np.float64]


@dataclass(frozen=True)
class LabeledData:
    """Labelled images of one project.

    Attributes
    ----------
    bodyparts
        ``K`` names, in the order of the points.
    frames
        Sorted by name.
    scorer
        Who labelled.
    notes
        What was left out while reading, a sentence each, for people.

    Examples
    --------
    >>> frames = (LabeledFrame(Path("img0.png"), "labeled-data/m1/img0.png", np.full((2, 2), np.nan)),)
    >>> LabeledData(("snout", "tail"), frames, "me")
    LabeledData(1 frames, 0 points of 2 body parts, by me)
    """

    bodyparts: tuple[str, ...]
    frames: tuple[LabeledFrame, ...]
    scorer: str
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        seen = int(np.isfinite(self.points[..., 0]).sum())
        return f"LabeledData({len(self)} frames, {seen} points of {len(self.bodyparts)} body parts, by {self.scorer})"

    @cached_property
    def points(self) -> npt.NDArray[np.float64]:
        """``(N, K, 2)`` float64: the points of all frames."""
        return np.array([frame.points for frame in self.frames], np.float64).reshape(-1, len(self.bodyparts), 2)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all frames, in their order."""
        return tuple(frame.name for frame in self.frames)

    def select(self, names: Iterable[str]) -> LabeledData:
        """The frames of these names, in the order of the data."""
        wanted = set(names)
        return replace(self, frames=tuple(frame for frame in self.frames if frame.name in wanted))

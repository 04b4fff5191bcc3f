"""Poses from a part of each frame: where the animal was a moment ago, at a fraction of the work.

Frames are taken in groups whose bounds depend on nothing but their numbers. A source says where a group's windows lie,
most often where the last pose of the group before was; every so many frames, and wherever nothing is known, the whole
first frame says where. What a window shows is checked: where a body part is unsure, or close to an edge behind which
the frame goes on, the window is moved to what it shows, and if that is not enough the frame is looked at as a whole. So
an animal that jumps, leaves or returns costs time, not poses; and the same frame has the same pose whatever the size of
batches, and wherever an interrupted run goes on.

Windows begin at multiples of the network's deepest cells, and are as much smaller than the frame: the cells of its maps
lie where they lie in the whole frame, and only what comes from beyond the window's edges is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.errors import UsageError
from posecli.inference.sources import Source
from posecli.inference.step import Step, Values
from posecli.video.batch import Batch
from posecli.video.geometry import BatchGeometry, Floats

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

#: Frames whose windows are placed at once, and which go through the network together.
GROUP = 8
#: Every so many frames one is looked at as a whole, wherever the animal is thought to be: of two of them, the other may
#: have become the surer one.
ANCHOR = 256
#: A body part closer to a window's edge than this, px of the network's picture, may lie beyond it.
MARGIN = 24
#: A body part below this share of the cut-off is taken for hidden, where the window shows all places that it may be at.
HIDDEN = 0.5


@dataclass(frozen=True)
class Windows:
    """Windows of one size, in px of the network's picture of a frame.

    >>> windows = Windows(96, 64, grid=16, cutoff=0.6)
    >>> windows.corners(np.array([[100.0, 20.0], [np.nan, np.nan]]), (240, 320)).tolist()
    [[48, 0], [-1, -1]]
    """

    width: int
    height: int
    grid: int  #: They begin at multiples of this.
    cutoff: float  #: Likelihood from which on a body part is taken for seen.
    group: int = GROUP
    anchor: int = ANCHOR
    margin: int = MARGIN
    reach: int = 0  #: No two body parts of an animal are further apart; 0: not known, and none is taken for hidden.
    #: The animal is sought in a picture of the frame so many times smaller; 0: it is where it was a moment ago.
    coarse: int = 0
    still: int = 0  #: It is what differs from the video's background, in a picture so many times smaller; 0: as above.

    def __post_init__(self) -> None:
        sizes = self.width, self.height, self.grid, self.group, self.anchor, self.margin
        may_be_0 = self.reach, self.coarse, self.still
        are_whole = all(isinstance(size, int) and size >= 0 for size in (*sizes, *may_be_0))
        if not are_whole or 0 in sizes or not isinstance(self.cutoff, int | float):
            raise TypeError(f"windows are not of whole numbers above 0: {sizes}, {may_be_0}")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Windows | None:
        """Those that a manifest has among its settings; a `UsageError` if it cannot be what posecli wrote."""
        found = settings.get("windows")
        try:
            windows = None if found is None else cls(**found)
            extents = settings.get("network_width"), settings.get("network_height")
            if windows is None or not (windows.width > extents[0] or windows.height > extents[1]):  # type: ignore[operator]
                return windows
            raise TypeError
        except TypeError:
            raise UsageError(f"windows {str(found)[:80]} are none that posecli makes: analyse again") from None

    def __str__(self) -> str:
        return f"windows of {self.width}x{self.height} px{self.placed}"

    @property
    def placed(self) -> str:
        """How, for people, where it is not by tracking."""
        if self.still:
            return " placed by what differs from the background"
        return f" placed by a picture {self.coarse} times smaller" if self.coarse else ""

    def corners(self, centers: Floats, size: tuple[int, ...]) -> Places:
        """Upper left corners ``(B, 2)``, x and y, of windows about centers in a picture of a size (height, width).

        They stay inside; -1 where a center is NaN.
        """
        sides = np.array((self.width, self.height))
        known = np.isfinite(centers)
        near = np.rint((np.where(known, centers, 0) - sides / 2) / self.grid) * self.grid
        inside = np.clip(near, 0, np.array(size[1::-1]) - sides).astype(np.int64)
        return np.where(known, inside, -1)

    def cut(self, batch: Batch, corners: Places) -> Batch:
        """What the network looks at of frames, ``(B, height, width, 3)``, by the corners of their windows."""
        images = np.stack(
            [
                image[y : y + self.height, x : x + self.width]
                for image, (x, y) in zip(batch.images, corners.tolist(), strict=True)
            ]
        )
        geometry = batch.geometry.window(corners.astype(np.float64))
        return Batch(images, geometry, batch.indices, batch.seconds, batch.valid, batch.fresh)

    def doubtful(self, values: Values, geometry: BatchGeometry, corners: Places, size: tuple[int, ...]) -> Flags:
        """``(B,)`` bool, which frames must be looked at as a whole, by the poses that their windows gave.

        `geometry` is that of the windows, and `size` (height, width) that of the pictures they were cut from.
        """
        best = values[:, :, 0]
        sides = np.array((self.width, self.height))
        within = geometry.to_network(best[..., :2])
        seen, absent = best[..., 2] >= self.cutoff, best[..., 2] < HIDDEN * self.cutoff
        inner = corners > 0, corners + sides < np.array(size[1::-1])  # edges that are not the frame's

        def leaves(first: Floats, last: Floats, margin: int) -> Flags:
            """``(B,)`` bool, whether what lies between two points ``(B, 2)`` is too close to an inner edge."""
            beyond = (inner[0] & (first < margin)) | (inner[1] & (last > sides - margin))
            return np.asarray(beyond.any(axis=1))

        first, last = _bounds(within, seen)
        # All that is within reach of every body part that is seen; nothing is known where none is.
        unknown = leaves(last - self.reach, first + self.reach, 0) | ~seen.any(axis=1) | (self.reach == 0)
        found: Flags = leaves(first, last, self.margin) | (~seen & ~absent).any(axis=1) | (~seen.all(axis=1) & unknown)
        return found

    def leaps(self, values: Values, scale: Floats) -> Flags:
        """``(B - 1,)`` bool, whether a body part is seen far from where it was a frame before, a quarter of a window.

        Part of an animal may look like all of one: where a window cuts it off, a head may be seen, and surely. `scale`
        is ``(B - 1, 2)`` network px per px of the poses.
        """
        best = values[:, :, 0]
        seen = best[1:, :, 2] >= self.cutoff
        far = np.hypot(*np.moveaxis(np.diff(best[..., :2], axis=0) * scale[:, None], -1, 0)) > self.leap
        found: Flags = (seen & (best[:-1, :, 2] >= self.cutoff) & far).any(axis=1)
        return found

    def strayed(self, values: Values, centers: Floats, scale: Floats) -> Flags:
        """``(B,)`` bool, whether what a window shows lies far from where the animal was said to be ``(B, 2)``.

        `scale` is ``(B, 2)`` network px per px of the poses.
        """
        found: Flags = np.hypot(*((self.centers(values) - centers) * scale).T) > self.leap
        return found

    @property
    def leap(self) -> float:
        """Px of the network's picture from one frame to the next that make a window's word doubtful."""
        return min(self.width, self.height) / 4

    def centers(self, values: Values) -> Floats:
        """Middles ``(B, 2)``, x and y, of the body parts that are seen in poses ``(B, K, N, 3)``; NaN if none is."""
        best = values[:, :, 0]
        first, last = _bounds(best[..., :2], best[..., 2] >= self.cutoff)
        with np.errstate(invalid="ignore"):  # infinite both ways where none is seen
            return np.asarray(first / 2 + last / 2)


def _bounds(places: Floats, seen: Flags) -> tuple[Floats, Floats]:
    """The least and the largest x and y, ``(B, 2)`` both, of places ``(B, K, 2)`` that are seen ``(B, K)``.

    Infinity, and minus infinity, where none is.
    """
    first, last = (np.where(seen[..., None], places, bound) for bound in (np.inf, -np.inf))
    return first.min(axis=1, initial=np.inf), last.max(axis=1, initial=-np.inf)


def whole_groups(batch_size: int, windows: Windows) -> int:
    """The least size of a batch that holds so many frames and ends where a group does.

    >>> whole_groups(20, Windows(96, 64, grid=16, cutoff=0.6, group=8))
    24
    """
    return -(-batch_size // windows.group) * windows.group


@dataclass
class WindowStep(Step):
    """A network that looks at windows, and the same one that looks at whole frames where these are not enough.

    Batches come in the order of their frames and begin where a group does; `resume` says what lies before the first.
    """

    windows: Windows
    source: Source
    full: Step
    near: Step  # for pictures of the windows' size
    frames: int = 0  # that were looked at
    moved: int = 0  # of these, in a second window, about what the first one showed
    whole: int = 0  # as a whole
    _next: int = -1  # the frame that `_before` lies before
    _before: Values = field(default_factory=lambda: np.empty((0, 0, 1, 3)))
    _last: Values = field(default_factory=lambda: np.empty((0, 0, 1, 3)))  # the frame before, if it is known

    def resume(self, first: int, before: Values, *, gap: bool = False) -> None:
        """Take poses ``(B, K, N, 3)``, px of the displayed frame, for those that lie before frame `first`.

        With a gap they are somewhat older: the animal may be far from there.
        """
        self._next, self._before = first, before[-self.windows.group :]
        self._last = before[:0] if gap else before[-1:]

    def resume_within(self, frame: int, poses: Values) -> None:
        """Be where the whole video's run was when it came to one frame, by the poses ``(N, K, 1, 3)`` of all."""
        group = frame - frame % self.windows.group
        before = poses[max(0, group - self.windows.group) : group]
        if group % self.windows.anchor == 0 or np.isnan(self.windows.centers(before)).all():
            before = poses[group : min(group + 1, frame)]  # the group's first frame, a whole one, said where
        self._next, self._before, self._last = frame, before, poses[max(0, frame - 1) : frame]

    def account(self) -> dict[str, int]:
        """How many frames were looked at, and how many of these as a whole."""
        return {"frames": self.frames, "moved_windows": self.moved, "whole_frames": self.whole}

    def warm_up(self, batch_size: int) -> None:
        group = min(batch_size, self.windows.group)
        self.source.warm_up(group)
        self.near.warm_up(group)
        self.full.warm_up(group)

    def infer(self, batch: Batch) -> Values:
        return np.concatenate([self._of_group(part) for part in self._groups(batch)])

    def finish(self, batch: Batch, output: Values) -> Values:  # noqa: ARG002  # places of a group need its poses
        return output

    def _groups(self, batch: Batch) -> Iterator[Batch]:
        """A batch in groups of frames."""
        bounds = np.flatnonzero(np.diff(batch.indices // self.windows.group)) + 1
        for start, stop in zip([0, *bounds], [*bounds, len(batch)], strict=True):
            yield batch[slice(start, stop)]

    def _of_group(self, batch: Batch) -> Values:
        first = int(batch.indices[0])
        before = self._before if first == self._next and first % self.windows.anchor else self._before[:0]
        centers = self.source.centers(batch, before)
        values = np.empty((0, *self._before.shape[1:]))
        if first % self.windows.anchor == 0 or np.isnan(centers[0, 0]):
            values = self._whole(batch[:1])
            centers = self.source.centers(batch, values)  # the whole first frame may say where to look in the others
        if rest := len(batch) - len(values):
            last = values if len(values) else self._last
            others = self._near(batch[-rest:], centers[-rest:], last)
            values = np.concatenate([values, others]) if len(values) else others
        self.frames += len(batch)
        self.resume(int(batch.indices[-1]) + 1, values)
        return values

    def _near(self, batch: Batch, centers: Floats, last: Values) -> Values:
        """Poses from windows about centers ``(B, 2)``, px of the displayed frame, and from whole frames where need be.

        `last` is the pose of the frame before, if it is known.
        """
        corners = self._corners(batch, centers)
        placed = corners.min(axis=1) >= 0
        if not placed.any():
            return self._whole(batch)
        looked, unsure = self._looked(batch[placed], corners[placed])
        values, doubtful = np.full((len(batch), *looked.shape[1:]), np.nan), ~placed
        values[placed], doubtful[placed] = looked, unsure
        # Most of these animals have moved to an edge: a window about where they are now shows all of them.
        moved = self._corners(batch, self.windows.centers(values))
        again = doubtful & (moved >= 0).all(axis=1) & (moved != corners).any(axis=1)
        if again.any():
            self.moved += int(again.sum())
            values[again], doubtful[again] = self._looked(batch[again], moved[again])
        if self.source.sees_each_frame:
            doubtful |= batch.valid & self.windows.strayed(values, centers, batch.geometry.scale)
        if doubtful.any():
            values[doubtful] = self._whole(batch[doubtful])
        if self.source.sees_each_frame:
            return values
        # One by one, each by the final pose of the frame before: so a frame that comes alone has the same pose.
        while len(leapt := np.flatnonzero(self._leapt(batch, values, last) & batch.valid & ~doubtful)):
            first = leapt[:1]
            values[first], doubtful[first] = self._whole(batch[first]), True
        return values

    def _leapt(self, batch: Batch, values: Values, last: Values) -> Flags:
        """``(B,)`` bool, frames between which and the one before there is a leap."""
        if len(last):
            return self.windows.leaps(np.concatenate([last, values]), batch.geometry.scale)
        return np.insert(self.windows.leaps(values, batch.geometry.scale[1:]), 0, False)

    def _corners(self, batch: Batch, centers: Floats) -> Places:
        return self.windows.corners(batch.geometry.to_network(centers), batch.images.shape[1:3])

    def _looked(self, batch: Batch, corners: Places) -> tuple[Values, Flags]:
        """Poses from windows, and which of them do not suffice."""
        windows = self.windows.cut(batch, corners)
        values = self.near(windows)
        size = batch.images.shape[1:3]
        return values, batch.valid & self.windows.doubtful(values, windows.geometry, corners, size)

    def _whole(self, batch: Batch) -> Values:
        self.whole += len(batch)
        return self.full(batch)

"""The times at which the rows of a video are shown."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.video.pictures import Pictures

#: A gap that differs from the usual one by more than this part of it makes the frame rate variable. (Containers round
#: timestamps: Matroska to whole milliseconds, 3 % of a frame at 30 frames/s.)
GAP_TOLERANCE = 0.1
#: Frames seem to be missing where a gap is longer than so many usual ones, if that is at most this part of all gaps.
JUMP, MOST_JUMPS = 1.5, 0.2


@dataclass(frozen=True)
class Timeline:
    """One time for each row, in the order of the rows."""

    pts: npt.NDArray[np.int64] = field(repr=False)  #: ``(n,)`` int64, in units of the stream's time base.
    from_file: bool = True  #: Whether the file gave them; otherwise they are spaced by the frame rate.

    @classmethod
    def of(cls, pts: Iterable[int], *, from_file: bool = True) -> Timeline:
        """A timeline of times one by one."""
        # A list would take 40 bytes for each number, which matters with a million frames.
        return cls(np.array(pts if isinstance(pts, array) else array("q", pts), np.int64), from_file)

    @classmethod
    def by_decoding(cls, path: Path) -> Timeline:
        """The times of the pictures as the decoder puts them out; takes as long as decoding."""
        pictures = Pictures(path)
        pts = array("q", (picture.pts for picture in pictures))
        return cls.of(pts, from_file=pictures.times_from_file)

    def __len__(self) -> int:
        return len(self.pts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timeline) and self.from_file == other.from_file and np.array_equal(self.pts, other.pts)

    __hash__ = None  # type: ignore[assignment]

    @property
    def is_variable(self) -> bool:
        """Whether gaps between frames differ by more than the container's rounding."""
        gaps, usual = self._gaps()
        return bool(np.any(np.abs(gaps - usual) > max(1.0, GAP_TOLERANCE * usual)))

    @property
    def falls_back_at(self) -> list[int]:
        """Rows whose time is not later than the one before.

        >>> Timeline.of([0, 40, 80, 30, 70]).falls_back_at
        [3]
        """
        return [int(row) for row in np.flatnonzero(np.diff(self.pts) <= 0) + 1]

    @property
    def jumps_at(self) -> list[int]:
        """Rows before which frames seem to be missing: long gaps in a video of otherwise constant rate.

        >>> Timeline.of([0, 40, 80, 200, 240, 280, 320, 360, 400, 440]).jumps_at
        [3]
        """
        gaps, usual = self._gaps()
        if not len(gaps):
            return []
        long = gaps > JUMP * usual
        is_constant_elsewhere = (np.abs(gaps[~long] - usual) <= max(1.0, GAP_TOLERANCE * usual)).all()
        few = long.mean() <= MOST_JUMPS
        return [int(row) for row in np.flatnonzero(long) + 1] if is_constant_elsewhere and few else []

    def _gaps(self) -> tuple[npt.NDArray[np.int64], float]:
        """Time from each row to the next, and the usual one; none where they tell nothing of the frame rate."""
        gaps = np.diff(self.pts)
        return (gaps, float(np.median(gaps))) if self.from_file and len(gaps) > 1 else (gaps[:0], 0.0)

    def seconds(self, unit: float) -> npt.NDArray[np.float64]:
        """``(n,)`` times in seconds, read-only, given the seconds per unit."""
        seconds = self.pts.astype(np.float64)
        seconds *= unit
        seconds.flags.writeable = False
        return seconds

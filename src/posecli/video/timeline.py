"""Which frame of a video a decoded picture is."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from posecli.video.probe import VideoInfo

#: Index in the video, and the picture as coded, ``(height, width, 3)`` uint8 BGR.
Decoded: TypeAlias = tuple[int, npt.NDArray[np.uint8]]


class FrameClock:
    """Places decoded frames by their times among the packets' timestamps.

    A decoder leaves out frames that it cannot decode, and only the time of the next one tells. A frame
    without a time, or with one that no packet has, is taken for the one that is due. Behind damage a decoder may
    also hand out frames late, out of order: these have lost their place.

    Attributes
    ----------
    expected
        Index of the frame that is due; ``None`` straight after a seek.
    """

    def __init__(self, info: VideoInfo) -> None:
        self.expected: int | None = 0
        self._seconds = info.seconds() if info.has_timestamps else None
        self._skipped = False

    def place(self, seconds: float | None) -> int | None:
        """Index of the frame that was decoded with this time; ``None`` if its turn is over."""
        due = 0 if self.expected is None else self.expected
        found = None if seconds is None else self._find(seconds)
        if found is not None and found < due:
            # A decoder whose clock merely lags has passed over nothing: its frames are counted.
            if self._skipped:
                return None
            found = due
        index = due if found is None else found
        self._skipped = self._skipped or (self.expected is not None and index > due)
        self.expected = index + 1
        return index

    def _find(self, seconds: float) -> int | None:
        """Index of the packet with this time, if there is one."""
        times = self._seconds
        if times is None:
            return None
        nearest = int(np.searchsorted(times, seconds))
        candidates = [index for index in (nearest - 1, nearest) if 0 <= index < len(times)]
        best = min(candidates, key=lambda index: abs(float(times[index]) - seconds))
        return best if abs(float(times[best]) - seconds) <= self._tolerance(best) else None

    def _tolerance(self, index: int) -> float:
        """Half the gap to the nearer neighbour."""
        times = self._seconds
        assert times is not None
        gaps = np.diff(times[max(0, index - 1) : index + 2])
        return float(gaps.min()) / 2 if len(gaps) else 0.0

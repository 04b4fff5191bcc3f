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
    without a time, or with one that no packet has, is taken for the one that is due.

    Attributes
    ----------
    expected
        Index of the frame that is due; ``None`` straight after a seek.
    start_seconds
        Time of the first frame.
    """

    def __init__(self, info: VideoInfo) -> None:
        self.expected: int | None = 0
        self._seconds = info.seconds() if info.has_timestamps else None
        self.start_seconds = 0.0 if self._seconds is None else float(min(self._seconds[0], 0.0))

    def place(self, seconds: float | None) -> int:
        """Index of the frame that was decoded with this time."""
        due = 0 if self.expected is None else self.expected
        index = due if seconds is None else self._find(seconds, due)
        self.expected = index + 1
        return index

    def _find(self, seconds: float, due: int) -> int:
        times = self._seconds
        if times is None or due >= len(times):
            return due
        nearest = int(np.searchsorted(times, seconds))
        candidates = [index for index in (nearest - 1, nearest) if due <= index < len(times)]
        if not candidates:
            return due
        best = min(candidates, key=lambda index: abs(float(times[index]) - seconds))
        return best if abs(float(times[best]) - seconds) <= self._tolerance(best) else due

    def _tolerance(self, index: int) -> float:
        """Half the gap to the nearer neighbour."""
        times = self._seconds
        assert times is not None
        gaps = np.diff(times[max(0, index - 1) : index + 2])
        return float(gaps.min()) / 2 if len(gaps) else 0.0

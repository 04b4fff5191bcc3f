"""Mean losses and speed over a stretch of steps."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

Losses = npt.NDArray[np.float64]


class LossMeter:
    """Sums losses until they are taken.

    Parameters
    ----------
    losses, summed
        Sums, and steps in them, that a run which goes on had reached.
    """

    def __init__(self, losses: tuple[float, float] = (0.0, 0.0), summed: int = 0) -> None:
        self.losses: Losses = np.array(losses)
        self.summed = summed
        self._timed = 0
        self._seconds = 0.0
        self._since = time.perf_counter()

    def add(self, losses: Losses) -> None:
        """Count a step."""
        self.losses += losses
        self.summed += 1
        self._timed += 1
        self._seconds += time.perf_counter() - self._since
        self._since = time.perf_counter()

    def skip_time(self) -> None:
        """Let what happened since the last step not count as training."""
        self._since = time.perf_counter()

    def take(self) -> tuple[Losses, float]:
        """Mean losses and steps per second since the last time; then begin again.

        >>> meter = LossMeter((3.0, 6.0), 2)
        >>> meter.add(np.array([3.0, 0.0]))
        >>> meter.take()[0].tolist()
        [2.0, 2.0]
        """
        means, speed = self.losses / self.summed, self._timed / max(self._seconds, 1e-9)
        self.losses, self.summed, self._timed, self._seconds = np.zeros_like(self.losses), 0, 0, 0.0
        return means, speed

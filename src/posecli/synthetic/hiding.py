"""Things that come between the animal and the camera for a while."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from posecli.synthetic.canvas import Canvas, Points, contains, ellipse, ribbon

#: How long something stays, seconds.
STAY = (0.25, 1.2)


class Hiding:
    """Hides parts of the animal in a share of the frames.

    Parameters
    ----------
    rng
        Chooses when, and by what.
    n_frames, fps
        Of the scene.
    share
        Of the frames in which something is in the way.
    """

    def __init__(self, rng: np.random.Generator, n_frames: int, fps: float, share: float) -> None:
        self._event = _events(rng, n_frames, fps, share)
        self._seed = int(rng.integers(0, 2**31))

    def __getitem__(self, index: int) -> bool:
        """Whether something is in the way in a frame."""
        return bool(self._event[index] >= 0)

    def paint(self, canvas: Canvas, index: int, points: Points, length: float) -> npt.NDArray[np.bool_]:
        """Paint what is in the way in one frame, and say which of the ``(K, 2)`` points it hides."""
        if not self[index]:
            return np.zeros(len(points), np.bool_)
        rng = np.random.default_rng([self._seed, int(self._event[index])])
        around = points[rng.integers(0, len(points))] + rng.normal(0, 0.06 * length, 2)
        shape = _disc(rng, around, length) if rng.random() < 0.5 else _bar(rng, around, length)
        level = rng.uniform(40, 225)
        canvas.paint(shape, np.full(3, level, np.float32), 1.0)
        return contains(shape, points)


def _events(rng: np.random.Generator, n_frames: int, fps: float, share: float) -> npt.NDArray[np.int64]:
    """``(n,)``: number of the event, -1 where there is none. Stays and gaps take turns, so that the share is met."""
    event = np.full(n_frames, -1)
    stays = np.maximum(1, np.rint(rng.uniform(*STAY, n_frames) * fps)).astype(int)
    wanted, start, number = round(share * n_frames), 0, 0
    while wanted > 0:
        stay = min(int(stays[number]), wanted)
        free = n_frames - start - wanted
        start += int(rng.uniform(0, min(free, 2 * (1 / share - 1) * stay))) if free > 0 else 0
        event[start : start + stay] = number
        start, wanted, number = start + stay, wanted - stay, number + 1
    return event


def _disc(rng: np.random.Generator, centre: Points, length: float) -> Points:
    radii = length * rng.uniform(0.08, 0.22), length * rng.uniform(0.08, 0.22)
    return ellipse(centre, radii, rng.uniform(0, np.pi))


def _bar(rng: np.random.Generator, centre: Points, length: float) -> Points:
    """A rod or a cable across the animal."""
    angle = rng.uniform(0, np.pi)
    reach = length * rng.uniform(0.5, 2.5) * np.array([np.cos(angle), np.sin(angle)])
    return ribbon(np.stack([centre - reach, centre + reach]), length * rng.uniform(0.03, 0.1))

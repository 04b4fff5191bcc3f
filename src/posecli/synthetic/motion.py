"""Smooth movement over all frames at once, from random knots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def spline(knots: Floats, at: Floats) -> Floats:
    """Uniform cubic B-spline near its ``(m, ...)`` knots, at ``(n,)`` places from 0 to ``m - 3``.

    >>> spline(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), np.array([0.0, 0.5, 1.0])).round(3).tolist()
    [1.0, 1.5, 2.0]
    """
    first = np.clip(np.floor(at).astype(int), 0, len(knots) - 4)
    t = at - first
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 3 * (t + t**2 - t**3) + 1, t**3)
    shape = (-1, *([1] * (knots.ndim - 1)))
    return np.asarray(sum(w.reshape(shape) * knots[first + i] for i, w in enumerate(weights)) / 6)


def wander(rng: np.random.Generator, n: int, period: float) -> Floats:
    """``(n,)`` smooth random numbers about 0, of standard deviation near 0.7, that turn every `period` frames or so."""
    at = np.arange(n) / max(period, 1.0)
    return spline(rng.standard_normal(int(at[-1]) + 4), at)


@dataclass(frozen=True)
class Walk:
    """A walk; every field ``(n,)``, one value per frame."""

    x: Floats  # the animal's middle, px
    y: Floats
    heading: Floats  # of its trunk, rad; 0 to the right, growing clockwise on the screen, without bound
    bend: Floats  # how far its front turns away from its rear, rad
    travelled: Floats  # distance so far, px


#: px along the path between two stored places.
STEP = 2.0
#: The most that a trunk bends, rad.
LARGEST_BEND = 1.3


def walk(rng: np.random.Generator, speed: Floats, waypoints: Floats, length: float) -> Walk:
    """Go along a smooth path past ``(m, 2)`` waypoints, round and round, at ``(n,)`` px per frame.

    The animal is `length` px long, and cannot turn more sharply than its body allows.
    """
    knots = np.repeat(np.concatenate([waypoints, waypoints[:3]]), 2, axis=0)
    dense = spline(knots, np.linspace(0, 2 * len(waypoints), 40 * len(waypoints), endpoint=False))
    loop = np.concatenate([dense, dense[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(loop, axis=0).T))])
    total = along[-1]
    grid = np.linspace(0, total, int(total / STEP) + 3, endpoint=False)
    x, y = (np.interp(grid, along, loop[:, axis]) for axis in (0, 1))
    direction = _Turning.along(x, y).smoothed(round(0.5 * length / STEP))
    reach = max(1, round(0.4 * length / STEP))
    bend = direction.extended(reach)[2 * reach :] - direction.extended(reach)[: -2 * reach]
    travelled = rng.uniform(0, total) + np.cumsum(speed)
    place = travelled % total
    return Walk(
        np.interp(place, grid, x, period=total),
        np.interp(place, grid, y, period=total),
        np.interp(place, np.append(grid, total), direction.extended(1)[1:]),
        LARGEST_BEND * np.tanh(np.interp(place, grid, bend, period=total) / LARGEST_BEND),
        travelled,
    )


@dataclass(frozen=True)
class _Turning:
    """Direction at each point of a closed line, without jumps; once round it has changed by `winding`, rad."""

    angles: Floats
    winding: float

    @classmethod
    def along(cls, x: Floats, y: Floats) -> _Turning:
        steps = [np.roll(part, -1) - np.roll(part, 1) for part in (x, y)]
        angles = np.arctan2(steps[1], steps[0])
        closed = np.unwrap(np.append(angles, angles[0]))
        return cls(closed[:-1], float(closed[-1] - closed[0]))

    def extended(self, n: int) -> Floats:
        """The angles with `n` more on either side, from the rounds before and after."""
        return np.concatenate([self.angles[-n:] - self.winding, self.angles, self.angles[:n] + self.winding])

    def smoothed(self, window: int) -> _Turning:
        """Averaged over about `window` points."""
        half = max(1, window // 2)
        kernel = np.hanning(2 * half + 3)[1:-1]
        return _Turning(np.convolve(self.extended(half), kernel / kernel.sum(), "valid"), self.winding)

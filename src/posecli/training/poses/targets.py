r"""What the network should say of an example.

A cell of the scoremap whose centre lies within a radius of a body part should be 1, others 0. The location target
there is the way from the cell's centre to the body part in units of the location standard deviation (Insafutdinov et
al. 2016, as in DeepLabCut). The radius shrinks with the scale of the example, as the animal does, but never below
`SMALLEST_RADIUS`: half a cell's diagonal is 5.7 px, so that at least one cell remains at every scale. With the radius
left to shrink, as in the original, small animals would have no cell at all.

Around a body part that is known to be hidden, nothing is asked of its scoremap. To teach 0 there, as the original does
where a label is missing, is to teach that a head half behind a bar is no head, and the best cell is then one far away.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from posecli.network.network import Network, PoseHead

#: Px of the network's input at scale 1, as DeepLabCut's ``pos_dist_thresh``.
RADIUS = 17.0
SMALLEST_RADIUS = 6.0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """The cells of a scoremap: how many there are, px of the example per cell, and px per unit of location targets."""

    rows: int
    columns: int
    stride: float
    locref_stdev: float


@lru_cache
def grid_of(network: Network, height: int, width: int) -> Grid:
    """The cells that a network has for examples of a size."""
    assert isinstance(network.head, PoseHead)
    rows, columns, _ = network.shapes((height, width))[network.head.scoremap]
    assert rows is not None
    assert columns is not None
    return Grid(rows, columns, network.stride, network.head.locref_stdev)


@dataclass(frozen=True)
class Targets:
    """Targets of one example, float32."""

    #: ``(h, w, K)``, 0 or 1.
    scoremap: Floats
    #: ``(h, w, K)``: 0 within the radius of a hidden body part, else 1.
    weight: Floats
    #: ``(h, w, K, 2)``: (x, y) in units of the location standard deviation; 0 where unused.
    locref: Floats


def make_targets(
    points: npt.NDArray[np.float64], grid: Grid, scale: float, hidden: npt.NDArray[np.bool_] | None = None
) -> Targets:
    """Targets for one example, whose `scale` is its px per px of the labelled image.

    Of ``(K, 2)`` points those that are not in it are NaN, and `hidden` are those behind something.

    >>> grid, points = Grid(4, 4, 8, 7.2801), np.array([[20.0, 12.0]])
    >>> targets = make_targets(points, grid, scale=0.125)
    >>> np.argwhere(targets.scoremap[..., 0]).tolist()
    [[1, 2]]
    >>> targets = make_targets(points, grid, scale=0.125, hidden=np.array([True]))
    >>> int(targets.scoremap.sum()), np.argwhere(targets.weight[..., 0] == 0).tolist()
    (0, [[1, 2]])
    """
    radius = max(RADIUS * scale, SMALLEST_RADIUS)
    rows = (np.arange(grid.rows) + 0.5) * grid.stride
    columns = (np.arange(grid.columns) + 0.5) * grid.stride
    offset_x = points[:, 0] - columns[None, :, None]
    offset_y = points[:, 1] - rows[:, None, None]
    offsets = np.stack(np.broadcast_arrays(offset_x, offset_y), axis=-1)
    near = np.hypot(offset_x, offset_y) <= radius  # never true of NaN
    behind = np.zeros(len(points), np.bool_) if hidden is None else hidden
    seen = near & ~behind
    locref = np.where(seen[..., None], offsets / grid.locref_stdev, 0.0)
    return Targets(seen.astype(np.float32), (~(near & behind)).astype(np.float32), locref.astype(np.float32))

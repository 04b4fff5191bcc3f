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

import numpy as np
import numpy.typing as npt

#: Px of the network's input at scale 1, as DeepLabCut's ``pos_dist_thresh``.
RADIUS = 17.0
SMALLEST_RADIUS = 6.0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Targets:
    """Targets of one example, float32."""

    #: ``(h, w, K)``, 0 or 1.
    scoremap: Floats
    #: ``(h, w, K)``: 0 within the radius of a hidden body part, else 1.
    weight: Floats
    #: ``(h, w, K, 2)``: (x, y) in units of the location standard deviation; 0 where unused.
    locref: Floats


def map_size(pixels: int, stride: int = 8) -> int:
    """Cells along a side of so many px: the backbone's stride of 16, rounded up, times the heads' two.

    >>> map_size(160), map_size(60)
    (20, 8)
    """
    return 2 * -(-pixels // (2 * stride))


def make_targets(
    points: npt.NDArray[np.float64],
    height: int,
    width: int,
    scale: float,
    *,
    hidden: npt.NDArray[np.bool_] | None = None,
    stride: int = 8,
    locref_stdev: float = 7.2801,
) -> Targets:
    """Targets for one example, whose `scale` is its px per px of the labelled image.

    Of ``(K, 2)`` points those that are not in it are NaN, and `hidden` are those behind something.

    >>> targets = make_targets(np.array([[20.0, 12.0]]), 32, 32, scale=0.125)
    >>> np.argwhere(targets.scoremap[..., 0]).tolist()
    [[1, 2]]
    >>> targets = make_targets(np.array([[20.0, 12.0]]), 32, 32, scale=0.125, hidden=np.array([True]))
    >>> int(targets.scoremap.sum()), np.argwhere(targets.weight[..., 0] == 0).tolist()
    (0, [[1, 2]])
    """
    radius = max(RADIUS * scale, SMALLEST_RADIUS)
    rows = (np.arange(map_size(height, stride)) + 0.5) * stride
    columns = (np.arange(map_size(width, stride)) + 0.5) * stride
    offset_x = points[:, 0] - columns[None, :, None]
    offset_y = points[:, 1] - rows[:, None, None]
    offsets = np.stack(np.broadcast_arrays(offset_x, offset_y), axis=-1)
    near = np.hypot(offset_x, offset_y) <= radius  # never true of NaN
    behind = np.zeros(len(points), np.bool_) if hidden is None else hidden
    seen = near & ~behind
    locref = np.where(seen[..., None], offsets / locref_stdev, 0.0)
    return Targets(seen.astype(np.float32), (~(near & behind)).astype(np.float32), locref.astype(np.float32))

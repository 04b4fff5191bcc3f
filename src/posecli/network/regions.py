"""How a detector looks twice: regions of a picture that may hold something, and what its maps have in each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posecli.network.operations import MapShape, Operation

#: Boxes are stretched by no more than the exponential of this.
MOST_STRETCHED = math.log(1000 / 16)
#: Mean side of the regions that are looked at in maps of this stride, px, and in others in proportion.
USUAL_SIDE, USUAL_STRIDE = 224.0, 16.0


@dataclass(frozen=True)
class Proposals(Operation):
    """The regions of highest logits, ``(count, 4)`` x and y of two corners, px of a picture; zeros if there are fewer.

    Inputs are the picture, the same padded at its end, a map of logits of each level, one for each box (anchor) about
    the upper left corner of a cell, and maps of offsets, four for each: x and y by shares of the box's sides, the sides
    by exponentials. Boxes end at the picture's edges, and none is left that overlaps one of its level with a higher
    logit (non-maximum suppression).
    """

    boxes: tuple[tuple[tuple[float, float], ...], ...]  # of each level, ``(width, height)`` px
    count: int = 1000  # of all regions, and at most so many boxes of a level
    overlap: float = 0.7  # the largest share of their union that two of a level have in common
    least_side: float = 1e-3  # px

    def output_shape(self, *inputs: MapShape) -> MapShape:  # noqa: ARG002
        return (self.count, 4)

    def references(self, padded: Sequence[int], cells: Sequence[Sequence[int]]) -> list[npt.NDArray[np.float32]]:
        """``(A, 4)`` x and y of the centre, width and height of the anchors of each level, in the order of its maps.

        >>> at = Proposals("at", (), ((((8.0, 4.0)),),))
        >>> at.references((64, 64), [(1, 2)])[0].tolist()
        [[0.0, 0.0, 8.0, 4.0], [32.0, 0.0, 8.0, 4.0]]
        """
        found = []
        for sides, (rows, columns) in zip(self.boxes, cells, strict=True):
            corners = np.meshgrid(np.arange(columns) * (padded[1] // columns), np.arange(rows) * (padded[0] // rows))
            places = np.stack(corners, -1).reshape(-1, 1, 2).repeat(len(sides), axis=1)
            boxes = np.concatenate([places, np.broadcast_to(sides, places.shape)], axis=-1)
            found.append(boxes.reshape(-1, 4).astype(np.float32))
        return found


@dataclass(frozen=True)
class AlignedRegions(Operation):
    """Maps of one size of every region, which becomes an item of its own: ``(side, side, C)``. Known as RoIAlign.

    Inputs are the picture, regions of it, and maps of several strides: larger regions are looked at in coarser ones. A
    cell is the average of `samples` places along each axis, between the centers of the map's cells, of which the first
    stands for the corner of the picture; the outermost cells reach one further, and zeros stand beyond.
    """

    count: int  # of a picture's regions
    side: int = 7
    samples: int = 2

    @property
    def items(self) -> int:
        return self.count

    def output_shape(self, *inputs: MapShape) -> MapShape:
        return (self.side, self.side, inputs[2][-1])

    def scales(self, rows: int, cells: Sequence[int]) -> list[float]:
        """Cells of each map per px, as rows of picture and maps say: the nearest power of two.

        >>> AlignedRegions("regions", (), 1000).scales(750, [192, 96])
        [0.25, 0.125]
        """
        return [2.0 ** round(math.log2(each / rows)) for each in cells]

    def limits(self, scales: Sequence[float]) -> list[float]:
        """The square root of a region's area, px, from which on the second map is looked at, the third, and so on.

        >>> [round(limit, 3) for limit in AlignedRegions("regions", (), 1000).limits([0.25, 0.125, 0.0625])]
        [112.0, 224.0]
        """
        return [USUAL_SIDE / scale / USUAL_STRIDE * 2**-1e-6 for scale in scales[1:]]


def levels_apart(levels: Sequence[int]) -> npt.NDArray[np.bool_]:
    """``(L, A)``: which boxes are of each level, of so many.

    >>> levels_apart([1, 2]).astype(int).tolist()
    [[1, 0, 0], [0, 1, 1]]
    """
    return np.equal(np.arange(len(levels))[:, None], np.repeat(np.arange(len(levels)), levels))

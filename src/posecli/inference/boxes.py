"""What a detector says of a batch of frames, as the box of the animal in each.

One animal is looked for, and so the box of the highest score is the one that DeepLabCut takes too: leaving out boxes
that overlap a better one never leaves out the best.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from posecli.engine.outputs import BoxScores
from posecli.network.network import BoxHead, Network, RegionHead
from posecli.network.regions import MOST_STRETCHED

#: ``(B, 4)`` float32, x and y of the upper left corner, width and height, px; NaN where there is none.
Boxes: TypeAlias = npt.NDArray[np.float32]

#: Offsets in units of which boxes are moved (by their sides) and stretched.
MOVES, STRETCHES = 10.0, 5.0


def reference_boxes(network: Network) -> npt.NDArray[np.float32]:
    """``(A, 4)`` x and y of the centre, width and height, px of the network's picture, of all boxes of a detector."""
    head = network.head
    assert isinstance(head, BoxHead)
    shapes, (height, width) = network.shapes(), head.size
    found = []
    for name, sides in zip(head.logits, head.boxes, strict=True):
        rows, columns, _ = shapes[name]
        assert rows is not None and columns is not None  # noqa: PT018
        centers = np.stack(np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows), -1)
        cells = centers.reshape(-1, 1, 2).repeat(len(sides), axis=1)
        found.append(np.concatenate([cells, np.broadcast_to(sides, cells.shape)], axis=-1).reshape(-1, 4))
    return (np.concatenate(found) * (width, height, width, height)).astype(np.float32)


def best_boxes(
    output: BoxScores, references: npt.NDArray[np.float32] | None, head: BoxHead | RegionHead, size: tuple[int, int]
) -> Boxes:
    """The box of the highest score in each frame of a size (height, width), px of these frames.

    The boxes that are moved are ``(A, 4)`` of the detector, or each frame's regions where it has none. Of equal scores
    the first counts. A box ends at the frame's edges. There is none where no score is above the detector's least.
    """
    # As torchvision computes them, in float32: very sure logits end in equal scores.
    powers = np.exp(output.logits - output.logits.max(axis=-1, keepdims=True))
    scores = powers[..., 1] / powers.sum(axis=-1)
    if references is None:
        assert output.regions is not None
        first, last = output.regions[..., :2], output.regions[..., 2:]
        references = np.concatenate([first + (last - first) / 2, last - first], axis=-1)
    center = references[..., :2] + output.offsets[..., :2] / np.float32(MOVES) * references[..., 2:]
    stretched = np.exp(np.minimum(output.offsets[..., 2:] / np.float32(STRETCHES), np.float32(MOST_STRETCHED)))
    half = stretched * references[..., 2:] / 2
    limits = np.array(head.picture(size)[::-1], np.float32)
    first, last = (np.clip(corner, 0, limits) for corner in (center - half, center + half))
    scores = np.where((last - first >= head.least_side).all(axis=-1), scores, 0)
    best = np.arange(len(scores)), scores.argmax(axis=1)
    factor = np.array(size[::-1], np.float32) / limits
    first, last = first[best] * factor, last[best] * factor
    boxes = np.concatenate([first, last - first], axis=1)
    boxes[scores[best] <= head.least_score] = np.nan
    return boxes

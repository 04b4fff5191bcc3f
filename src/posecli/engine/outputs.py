"""What a network says of a batch, whichever engine ran it.

Shapes: ``B`` items, ``h x w`` cells, ``K`` body parts, ``N`` peaks of each, ``A`` boxes, ``C`` classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from posecli.network.network import AxesHead, BoxHead, Head, PoseHead, RegionHead


@dataclass(frozen=True)
class Maps:
    """Scoremaps of a pose network.

    Probabilities ``(B, h, w, K)``, and offsets (x, y) ``(B, h, w, K, 2)`` in units of the location standard deviation;
    ``None`` for a network that does not refine locations.
    """

    scoremap: npt.NDArray[np.float32]
    locref: npt.NDArray[np.float32] | None


@dataclass(frozen=True)
class Axes:
    """Scores of a pose network along the width ``(B, K, cells)`` and along the height of a frame, as it made them."""

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]
    head: AxesHead  # what they mean


@dataclass(frozen=True)
class Peaks:
    """Body parts that an engine found itself, in the network's graph or in its own runtime.

    ``(B, K, N, 3)`` x px, y px, likelihood, in pixels of the network's input, best peak first.
    """

    pose: npt.NDArray[np.floating]


@dataclass(frozen=True)
class Logits:
    """Scores of the classes of a network for behaviours: ``(B, C)`` float32."""

    logits: npt.NDArray[np.float32]


@dataclass(frozen=True)
class BoxScores:
    """What a detector says of each box that it looks at.

    They are in the order of scales, then rows, columns and places in the cell; or regions, the most likely first.
    """

    logits: npt.NDArray[np.float32]  #: ``(B, A, 2)``, background and animal.
    offsets: npt.NDArray[np.float32]  #: ``(B, A, 4)``, what moves and stretches the box, as `BoxHead` has them.
    regions: npt.NDArray[np.float32] | None = None  #: ``(B, A, 4)``, as `RegionHead` has them.


Output: TypeAlias = Maps | Axes | BoxScores | Logits


def typed_output(head: Head, arrays: Sequence[npt.NDArray[np.float32]]) -> Output:
    """A network's outputs, in the order of its head, as what they mean."""
    if isinstance(head, BoxHead):
        flat = [
            array.reshape(len(array), -1, 2 if number < len(head.logits) else 4) for number, array in enumerate(arrays)
        ]
        return BoxScores(
            *(np.concatenate(each, axis=1) for each in (flat[: len(head.logits)], flat[len(head.logits) :]))
        )
    if isinstance(head, RegionHead):
        regions, logits, offsets = arrays
        return BoxScores(logits.reshape(*regions.shape[:2], 2), offsets[:, 4:].reshape(regions.shape), regions)
    if isinstance(head, PoseHead):
        scoremap, *rest = arrays
        return Maps(scoremap, rest[0].reshape(*scoremap.shape, 2) if rest else None)
    if isinstance(head, AxesHead):
        x, y = arrays
        return Axes(x, y, head)
    return Logits(arrays[0])

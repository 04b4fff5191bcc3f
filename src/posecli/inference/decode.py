r"""What pose networks make, scoremaps with location refinement or scores along two axes, to poses.

Shapes: ``B`` frames, ``h x w`` cells, ``K`` body parts, ``N`` peaks per body part.

For the best cell (row ``r``, column ``c``) of a body part,

.. math::

    x = (c + 1/2)\, s + \sigma\, \Delta_x, \qquad y = (r + 1/2)\, s + \sigma\, \Delta_y

with stride :math:`s` and location standard deviation :math:`\sigma`; the likelihood is the scoremap there.
The best cell is the argmax of the flattened map: of several equal maxima (saturated maps have them) the first in
row-major order. Further peaks are the next best cells by the same rule.

The three methods of Mathis & Warren (2018) give equal bits on equal input: *standard* decodes one frame,
*double-loop* loops over frames and body parts, *numpy* decodes a whole batch at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from posecli.engine.outputs import Axes, Maps, Peaks
from posecli.errors import EngineError
from posecli.network.network import AxesHead, Blur
from posecli.options import DecoderName

Scoremap: TypeAlias = npt.NDArray[np.float32]
Locref: TypeAlias = npt.NDArray[np.float32]
Pose: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DecodeOptions:
    """What the formula needs besides the maps."""

    stride: float  #: Input px per scoremap cell.
    locref_stdev: float  #: Px per unit of location refinement.
    num_outputs: int = 1  #: ``N``, peaks per body part.
    clip_scores: bool = False  #: Whether `decode` cuts likelihoods off at 0 and 1, after the best cells are chosen.
    blur: Blur | None = None  #: What `decode` does to scoremaps first.


def decode_numpy(scoremap: Scoremap, locref: Locref | None, options: DecodeOptions) -> Pose:
    """Decode a batch with array operations only.

    Parameters
    ----------
    scoremap
        ``(B, h, w, K)`` probabilities.
    locref
        ``(B, h, w, K, 2)`` offsets (x, y) in units of the location standard deviation; ``None`` for a
        network that does not refine locations.
    options
        Stride, standard deviation and number of peaks.

    Returns
    -------
    ndarray
        ``(B, K, N, 3)`` float64: x px, y px, likelihood, in pixels of the network's input. Peaks beyond the
        number of cells are NaN, NaN, 0.

    Examples
    --------
    >>> scoremap = np.zeros((1, 2, 3, 1), np.float32)
    >>> scoremap[0, 1, 2, 0] = 0.75
    >>> decode_numpy(scoremap, None, DecodeOptions(stride=8, locref_stdev=7.2801))
    array([[[[20.  , 12.  ,  0.75]]]])
    """
    batch, rows, columns, parts = scoremap.shape
    scores = scoremap.reshape(batch, rows * columns, parts)
    cells = _best_cells(scores, min(options.num_outputs, rows * columns))
    pose = _empty(batch, parts, options.num_outputs)
    found = pose[:, :, : cells.shape[1]].transpose(0, 2, 1, 3)  # a (B, N, K, 3) view
    row, column = np.divmod(cells, columns)
    found[..., 0] = (column + 0.5) * options.stride
    found[..., 1] = (row + 0.5) * options.stride
    if locref is not None:
        offsets = locref.reshape(batch, rows * columns, parts, 2)
        found[..., :2] += options.locref_stdev * np.take_along_axis(offsets, cells[..., None], 1).astype(np.float64)
    found[..., 2] = np.take_along_axis(scores, cells, 1)
    return pose


def decode_double_loop(scoremap: Scoremap, locref: Locref | None, options: DecodeOptions) -> Pose:
    """Decode a batch by looping over frames and body parts; arguments and result as `decode_numpy`."""
    batch, _, _, parts = scoremap.shape
    pose = _empty(batch, parts, options.num_outputs)
    for frame in range(batch):
        for part in range(parts):
            offsets = None if locref is None else locref[frame, :, :, part]
            _decode_map(scoremap[frame, :, :, part], offsets, options, out=pose[frame, part])
    return pose


def decode_standard(scoremap: Scoremap, locref: Locref | None, options: DecodeOptions) -> Pose:
    """Decode one frame as DeepLabCut did; as `decode_double_loop`, but a `ValueError` for more than one frame."""
    if len(scoremap) != 1:
        raise ValueError(f"the standard decoder takes one frame at a time, not {len(scoremap)}")
    return decode_double_loop(scoremap, locref, options)


DECODER_FUNCTIONS: dict[DecoderName, Callable[[Scoremap, Locref | None, DecodeOptions], Pose]] = {
    "numpy": decode_numpy,
    "double-loop": decode_double_loop,
    "standard": decode_standard,
}


def blurred(scoremap: Scoremap, blur: Blur) -> Scoremap:
    """Scoremaps ``(B, h, w, K)`` smoothed by a Gaussian, in float32; beyond their borders lie zeros.

    >>> scoremap = np.zeros((1, 1, 3, 1), np.float32)
    >>> scoremap[0, 0, 1] = 1.0
    >>> blurred(scoremap, Blur(sigma=1.0, radius=1)).ravel().round(4)
    array([0.1238, 0.2042, 0.1238], dtype=float32)
    """
    taps = np.exp(-(np.arange(-blur.radius, blur.radius + 1) ** 2) / (2 * blur.sigma**2))
    taps = (taps / taps.sum()).astype(np.float32)
    for axis in (1, 2):
        widths = [(blur.radius,) * 2 if each == axis else (0, 0) for each in range(4)]
        padded, extent = np.pad(scoremap, widths), scoremap.shape[axis]
        within = [slice(first, first + extent) for first in range(len(taps))]
        parts = (padded[:, each] if axis == 1 else padded[:, :, each] for each in within)
        scoremap = sum((tap * part for tap, part in zip(taps, parts, strict=True)), np.zeros_like(scoremap))
    return scoremap


def decode_axes(output: Axes) -> Pose:
    """Decode scores along the two axes of a batch's frames, in float32 as DeepLabCut does.

    A body part lies where the scores along each axis are largest, at the first of equal ones, in whole cells. They are
    made probabilities along the axis, or as the head says; the likelihood is the lesser of the two largest. A body part
    whose likelihood is not above what all cells would have if they were equal (0 without probabilities) is not known.

    Returns
    -------
    ndarray
        ``(B, K, 1, 3)`` float64: x px, y px, likelihood; or NaN, NaN, 0.

    Examples
    --------
    >>> head = AxesHead("x", "y", size=(1, 2), cells_per_px=2.0, softmax=False)
    >>> x, y = np.array([[[0.1, 0.2, 0.9, 0.3]]], np.float32), np.array([[[0.1, 0.5]]], np.float32)
    >>> decode_axes(Axes(x, y, head))
    array([[[[1. , 0.5, 0.5]]]])
    """
    head = output.head
    scores = [
        _along_axis(each, np.float32(factor), head)
        for each, factor in zip((output.x, output.y), head.factors, strict=True)
    ]
    likelihood = np.minimum(*(each.max(-1) for each in scores))
    least = np.float32(1 / output.x.shape[-1] if head.softmax else 0)
    cells = np.stack([each.argmax(-1) for each in scores], axis=-1).astype(np.float32)
    found = np.concatenate([cells / np.float32(head.cells_per_px), likelihood[..., None]], axis=-1, dtype=np.float64)
    found[likelihood <= least] = np.nan, np.nan, 0.0
    return found[:, :, None]


def _along_axis(scores: npt.NDArray[np.float32], factor: np.float32, head: AxesHead) -> npt.NDArray[np.float32]:
    """The scores along an axis as a head wants them read."""
    if head.normalized:
        scores = np.maximum(scores, np.float32(0))
        scores = scores / np.maximum(scores.max(-1, keepdims=True), np.float32(1))
    else:
        scores = scores * factor
    if head.softmax:
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        scores = powers / powers.sum(-1, keepdims=True)
    return scores


def decode(output: Maps | Axes | Peaks, options: DecodeOptions, decoder: DecoderName = "numpy") -> Pose:
    """What an engine gave as poses, ``(B, K, N, 3)`` as `decode_numpy` has them; peaks and axes need no decoder.

    An `EngineError` if an engine that finds peaks itself, or a network of axes, has fewer than were asked for.
    """
    if isinstance(output, Maps):
        scoremap = output.scoremap if options.blur is None else blurred(output.scoremap, options.blur)
        pose = DECODER_FUNCTIONS[decoder](scoremap, output.locref, options)
        if options.blur is not None:
            pose[pose[..., 2] < np.float32(options.blur.least_score)] = np.nan, np.nan, 0.0
        if options.clip_scores:
            pose[..., 2] = pose[..., 2].clip(0, 1)
        return pose
    peaks = decode_axes(output) if isinstance(output, Axes) else output.pose
    found = peaks.shape[2]
    if isinstance(output, Axes) and options.num_outputs > 1:
        raise EngineError("this network finds one place for each body part: leave --num-outputs at 1")
    if found < options.num_outputs:
        raise EngineError(f"the engine finds {found} peaks per body part: choose --num-outputs {found} or fewer")
    return peaks[:, :, : options.num_outputs].astype(np.float64)


def _empty(batch: int, parts: int, num_outputs: int) -> Pose:
    pose = np.full((batch, parts, num_outputs, 3), np.nan)
    pose[..., 2] = 0.0
    return pose


def _best_cells(scores: Scoremap, count: int) -> npt.NDArray[np.intp]:
    """``(B, count, K)`` flat indices of the best cells of ``(B, cells, K)``, best first."""
    first: npt.NDArray[np.intp] = np.argmax(scores, axis=1)
    if count == 1:
        return first[:, None]
    cells = np.empty((len(scores), count, scores.shape[2]), np.intp)
    cells[:, 0] = first
    remaining = scores.copy()
    for rank in range(1, count):
        np.put_along_axis(remaining, cells[:, rank - 1 : rank], -np.inf, axis=1)
        cells[:, rank] = np.argmax(remaining, axis=1)
    return cells


def _decode_map(scores: Scoremap, offsets: Locref | None, options: DecodeOptions, out: Pose) -> None:
    """One map ``(h, w)`` and its offsets ``(h, w, 2)`` into ``(N, 3)``."""
    remaining = scores.copy()
    for rank in range(min(options.num_outputs, scores.size)):
        row, column = np.unravel_index(int(np.argmax(remaining)), remaining.shape)
        x, y = (column + 0.5) * options.stride, (row + 0.5) * options.stride
        if offsets is not None:
            x += options.locref_stdev * float(offsets[row, column, 0])
            y += options.locref_stdev * float(offsets[row, column, 1])
        out[rank] = x, y, scores[row, column]
        remaining[row, column] = -np.inf

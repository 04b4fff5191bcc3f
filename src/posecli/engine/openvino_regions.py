"""Regions of a picture in OpenVINO's operations: which they are, and what maps have in each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from posecli.network.regions import MOST_STRETCHED, AlignedRegions, Proposals, levels_apart


def proposed(operation: Proposals, picture: Any, padded: Any, *maps: Any) -> Any:
    """``(B, count, 4)``, as `Proposals` has it."""
    from openvino import opset13 as op

    half = len(maps) // 2
    logits, offsets = (
        [_flat(each, numbers) for each in part] for part, numbers in ((maps[:half], 1), (maps[half:], 4))
    )
    references = operation.references(_extents(padded), [_extents(each) for each in maps[:half]])
    levels = [min(operation.count, len(each)) for each in references]
    scores, boxes = [], []
    for logit, offset, reference, count in zip(logits, offsets, references, levels, strict=True):
        best = op.topk(logit, op.constant(count), 1, "max", "value", "i64", stable=True)
        scores.append(op.sigmoid(best.output(0)))
        boxes.append(_moved(_taken(offset, best.output(1)), op.gather(reference, best.output(1), op.constant(0))))
    return _kept(operation, op.concat(scores, 1), op.concat(boxes, 1), _extents(picture), levels)


def _kept(operation: Proposals, scores: Any, boxes: Any, picture: Sequence[int], levels: Sequence[int]) -> Any:
    """The best of all levels that are large enough and do not overlap a better one of their own."""
    from openvino import opset13 as op

    limits = np.array([*picture[::-1]] * 2, np.float32)
    boxes = op.minimum(op.maximum(boxes, np.float32(0)), limits)
    sides = op.subtract(*(_numbers(boxes, first) for first in (2, 0)))
    large = op.reduce_logical_and(op.greater_equal(sides, np.float32(operation.least_side)), op.constant([2]))
    scores = op.select(large, scores, np.float32(-1))
    apart = op.select(levels_apart(levels)[None], op.unsqueeze(scores, op.constant([1])), np.float32(-1))
    # OpenVINO leaves out boxes that overlap by just as much, too.
    most = np.nextafter(np.float32(operation.overlap), np.float32(1))
    settings = map(op.constant, (np.int64(operation.count), most, np.float32(-0.5)))
    chosen = op.non_max_suppression(
        boxes, apart, *settings, box_encoding="corner", sort_result_descending=False, output_type="i64"
    )
    places = op.gather(chosen.output(0), op.constant([0, 2]), op.constant(1))
    none = op.broadcast(np.float32(-1), op.shape_of(scores))
    kept = op.scatter_nd_update(none, places, op.gather_nd(scores, places))
    best = op.topk(kept, op.constant(operation.count), 1, "max", "value", "i64", stable=True)
    there = op.unsqueeze(op.greater(best.output(0), np.float32(-0.5)), op.constant([2]))
    return op.select(there, _taken(boxes, best.output(1)), np.float32(0))


def aligned(operation: AlignedRegions, picture: Any, regions: Any, *maps: Any) -> Any:
    """``(B count, C, side, side)``, as `AlignedRegions` has it."""
    from openvino import opset13 as op

    scales = operation.scales(_extents(picture)[0], [_extents(each)[0] for each in maps])
    flat = op.reshape(regions, op.constant([-1, 4]), special_zero=False)
    total = op.gather(op.shape_of(flat, "i32"), op.constant(0), op.constant(0))
    numbers = op.range(np.int32(0), total, np.int32(1), "i32")
    items = op.divide(numbers, op.constant(np.int32(operation.count)))
    side, places = operation.side, operation.samples

    def seen(tensor: Any, which: Any, of: Any, scale: float) -> Any:
        return op.roi_align(tensor, which, of, side, side, places, scale, "avg", aligned_mode="asymmetric")

    if len(maps) == 1:
        return seen(maps[0], flat, items, scales[0])
    extents = op.subtract(*(_numbers(flat, first, axis=1) for first in (2, 0)))
    length = op.sqrt(op.reduce_prod(extents, op.constant([1])))
    beyond = [op.convert(op.greater_equal(length, np.float32(limit)), "i32") for limit in operation.limits(scales)]
    level = reduce(op.add, beyond)
    found, order = [], []
    for number, (tensor, scale) in enumerate(zip(maps, scales, strict=True)):
        there = op.squeeze(op.non_zero(op.equal(level, op.constant(np.int32(number))), "i32"), op.constant([0]))
        which, of = (op.gather(each, there, op.constant(0)) for each in (flat, items))
        found.append(seen(tensor, which, of, scale))
        order.append(there)
    back = op.scatter_update(op.multiply(numbers, np.int32(0)), op.concat(order, 0), numbers, op.constant(0))
    return op.gather(op.concat(found, 0), back, op.constant(0))


def _flat(tensor: Any, numbers: int) -> Any:
    """``(B, A)`` or ``(B, A, numbers)`` of a map, by row, column and box."""
    from openvino import opset13 as op

    last = op.transpose(tensor, op.constant([0, 2, 3, 1]))
    return op.reshape(last, op.constant([0, -1] if numbers == 1 else [0, -1, numbers]), special_zero=True)


def _moved(offsets: Any, references: Any) -> Any:
    """Boxes by their corners."""
    from openvino import opset13 as op

    center = op.add(op.multiply(_numbers(offsets, 0), _numbers(references, 2)), _numbers(references, 0))
    stretched = op.exp(op.minimum(_numbers(offsets, 2), np.float32(MOST_STRETCHED)))
    half = op.multiply(op.multiply(stretched, _numbers(references, 2)), np.float32(0.5))
    return op.concat([op.subtract(center, half), op.add(center, half)], 2)


def _numbers(boxes: Any, first: int, axis: int = 2) -> Any:
    """Two numbers of each box."""
    from openvino import opset13 as op

    return op.gather(boxes, op.constant([first, first + 1]), op.constant(axis))


def _taken(values: Any, places: Any) -> Any:
    """Values ``(B, A, ...)`` at the places ``(B, n)``."""
    from openvino import opset13 as op

    return op.gather(values, places, op.constant(1), 1)


def _extents(tensor: Any) -> list[int]:
    return [extent.get_length() for extent in list(tensor.partial_shape)[2:]]

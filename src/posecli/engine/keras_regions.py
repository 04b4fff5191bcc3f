"""Regions of a picture in Keras' layers: which they are, and what maps have in each. They are for inference only."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from posecli.network.regions import MOST_STRETCHED, AlignedRegions, Proposals

ops = keras.ops


@keras.saving.register_keras_serializable("posecli")
class ProposedRegions(keras.layers.Layer):  # type: ignore[misc]  # Keras has no type stubs
    """As `posecli.network.regions.Proposals` has it, for maps of one size."""

    def __init__(self, operation: Proposals, **settings: Any) -> None:
        super().__init__(**settings)
        self.operation = operation

    def call(self, inputs: Any) -> Any:
        picture, padded, *maps = inputs
        half, operation = len(maps) // 2, self.operation
        references = operation.references(padded.shape[1:3], [each.shape[1:3] for each in maps[:half]])
        limits = np.array([*picture.shape[2:0:-1]] * 2, np.float32)
        scores, boxes = [], []
        for logits, offsets, reference in zip(maps[:half], maps[half:], references, strict=True):
            count = min(operation.count, len(reference))
            logit, place = ops.top_k(ops.reshape(logits, (-1, len(reference))), count)
            moves = ops.take_along_axis(ops.reshape(offsets, (-1, len(reference), 4)), place[..., None], 1)
            box = ops.minimum(ops.maximum(_moved(moves, ops.take(reference, place, 0)), 0), limits)
            large = ops.all(box[..., 2:] - box[..., :2] >= operation.least_side, axis=-1)
            kept = _without_overlap(box, large, operation.overlap)
            scores.append(ops.where(kept, ops.sigmoid(logit), -1.0))
            boxes.append(box)
        score, place = ops.top_k(ops.concatenate(scores, 1), operation.count)
        found = ops.take_along_axis(ops.concatenate(boxes, 1), place[..., None], 1)
        return ops.where(score[..., None] >= 0, found, 0.0)


def _moved(offsets: Any, references: Any) -> Any:
    """Boxes by their corners."""
    center = offsets[..., :2] * references[..., 2:] + references[..., :2]
    half = ops.exp(ops.minimum(offsets[..., 2:], np.float32(MOST_STRETCHED))) * references[..., 2:] * 0.5
    return ops.concatenate([center - half, center + half], -1)


def _without_overlap(boxes: Any, there: Any, most: float) -> Any:
    """Which boxes ``(B, n, 4)``, the best first, are left when none may overlap a better one that is left.

    All are left at first, and those leave that overlap a better one; until nothing changes. After as many rounds as
    boxes depend on each other in a chain it is the only answer there is.
    """
    areas = ops.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)
    first = ops.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    last = ops.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    common = ops.prod(ops.maximum(last - first, 0), axis=-1)
    overlaps = common / (areas[:, :, None] + areas[:, None] - common) > most
    better = np.triu(np.ones((boxes.shape[1],) * 2, bool), 1)
    overlaps = ops.logical_and(overlaps, better)

    def leave(left: Any, _before: Any) -> tuple[Any, Any]:
        covered = ops.any(ops.logical_and(overlaps, left[:, :, None]), axis=1)
        return ops.logical_and(there, ops.logical_not(covered)), left

    def changes(left: Any, before: Any) -> Any:
        return ops.any(ops.not_equal(left, before))

    return ops.while_loop(changes, leave, (there, ops.zeros_like(there)))[0]


@keras.saving.register_keras_serializable("posecli")
class RegionMaps(keras.layers.Layer):  # type: ignore[misc]
    """As `posecli.network.regions.AlignedRegions` has it; TensorFlow looks at evenly spaced places by itself."""

    def __init__(self, operation: AlignedRegions, **settings: Any) -> None:
        super().__init__(**settings)
        self.operation = operation

    def call(self, inputs: Any) -> Any:
        import tensorflow as tf

        picture, regions, *maps = inputs
        operation = self.operation
        scales = operation.scales(picture.shape[1], [each.shape[1] for each in maps])
        flat = ops.reshape(regions, (-1, 4))
        items = ops.arange(ops.shape(flat)[0]) // operation.count
        length = ops.sqrt(ops.prod(flat[:, 2:] - flat[:, :2], axis=-1))
        level = sum((ops.cast(length >= limit, "int32") for limit in operation.limits(scales)), ops.zeros_like(items))
        found, order = [], []
        for number, (tensor, scale) in enumerate(zip(maps, scales, strict=True)):
            (there,) = ops.nonzero(level == number)
            found.append(self._seen(tensor, ops.take(flat, there, 0) * scale, ops.take(items, there, 0)))
            order.append(ops.cast(there, "int32"))
        return tf.dynamic_stitch(order, found)

    def _seen(self, tensor: Any, regions: Any, items: Any) -> Any:
        """Regions of one map, in its cells."""
        import tensorflow as tf

        _, rows, columns, channels = tensor.shape
        places, side = self.operation.side * self.operation.samples, self.operation.side
        extents = ops.maximum(regions[:, 2:] - regions[:, :2], 1.0)
        first = regions[:, :2] + extents / (2 * places)
        last = regions[:, :2] + extents * (1 - 1 / (2 * places))
        # With its last cells repeated a map reaches one further, and TensorFlow's boxes end at their centers.
        corners = ops.concatenate([each[:, ::-1] / np.array([rows, columns], np.float32) for each in (first, last)], 1)
        tensor = ops.pad(tensor, ((0, 0), (0, 1), (0, 1), (0, 0)), "symmetric")
        seen = tf.image.crop_and_resize(tensor, corners, items, (places, places))
        return ops.average_pool(ops.reshape(seen, (-1, places, places, channels)), places // side)

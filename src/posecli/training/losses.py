"""What training makes small, for any Keras backend.

Targets carry their weights in their last axis, so that Keras hands both over as one array.
"""

from __future__ import annotations

from typing import Any

import keras

#: Beyond this the logarithm of a probability says nothing more in float32.
SMALLEST_PROBABILITY = 1e-7


def scoremap_loss(target: Any, probability: Any) -> Any:
    """Mean binary cross-entropy over cells and body parts.

    Parameters
    ----------
    target
        ``(B, h, w, K, 2)``: what should be said, and its weight (0 where a source does not know the body part).
    probability
        ``(B, h, w, K)``.
    """
    ops = keras.ops
    wanted, weight = target[..., 0], target[..., 1]
    p = ops.clip(ops.cast(probability, "float32"), SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
    entropy = -(wanted * ops.log(p) + (1.0 - wanted) * ops.log(1.0 - p))
    return ops.sum(weight * entropy) / ops.maximum(ops.sum(weight), 1.0)


def locref_loss(target: Any, offset: Any) -> Any:
    """Huber loss (delta 1) of the offsets, averaged over the cells within a body part's radius.

    Parameters
    ----------
    target
        ``(B, h, w, K, 3)``: x, y, and 1 within the radius.
    offset
        ``(B, h, w, K, 2)``.
    """
    ops = keras.ops
    mask = target[..., 2:]
    distance = ops.abs(target[..., :2] - ops.cast(offset, "float32"))
    huber = ops.where(distance <= 1.0, 0.5 * distance * distance, distance - 0.5)
    return ops.sum(mask * huber) / ops.maximum(2.0 * ops.sum(mask), 1.0)

"""Numbers that DeepLabCut and posecli can both make, so that golden files need not hold any weights.

Whoever makes golden files runs this in DeepLabCut's own Python: nothing but NumPy is needed, and the numbers are the
same with every version of it.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

#: Variables that multiply or divide what comes in, by the last part of their names.
FACTORS = ("weight", "gamma", "scale", "g")
VARIANCES = ("running_var", "moving_variance")


def tensor(name: str, shape: tuple[int, ...], fan_in: int | None = None) -> npt.NDArray[np.float32]:
    """Numbers of a variable, which follow from its name and shape.

    Kernels keep the variance of what comes in, normalisation changes it little, and variances are positive. `shape` is
    laid out as the checkpoint has it, and `fan_in` counts the numbers that one output is made of: for PyTorch's
    convolutions, and unless told otherwise, the product of all sides but the first.

    >>> print(tensor("conv/weights", (3, 3, 4, 8), fan_in=3 * 3 * 4).std().round(1))
    0.2
    """
    rng, last = np.random.default_rng(zlib.crc32(name.encode())), re.split(r"[./]", name)[-1]
    if last in VARIANCES:
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if len(shape) < 2:
        low, high = (0.8, 1.2) if last in FACTORS else (-0.2, 0.2)
        return np.asarray(rng.uniform(low, high, shape), np.float32)
    bound = math.sqrt(3 / (fan_in or math.prod(shape[1:])))
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def checkpoint(shapes: Mapping[str, tuple[int, ...]], gain: float = 1.0) -> dict[str, npt.NDArray[Any]]:
    """Every tensor of a PyTorch network, of which names and shapes are given.

    Kernels of its heads are multiplied by a gain: that of a golden file lets maps spread over less than 1, as those of
    a trained network do.

    >>> made = checkpoint({"heads.bodypart.heatmap_head.weight": (2, 3, 1, 1), "bn.num_batches_tracked": ()}, 0.5)
    >>> [numbers.dtype.name for numbers in made.values()]
    ['float32', 'int64']
    """
    made: dict[str, npt.NDArray[Any]] = {}
    for name, shape in shapes.items():
        factor = np.float32(gain if name.startswith("heads.") and len(shape) > 1 else 1)
        counts = name.endswith("num_batches_tracked")
        made[name] = np.zeros(shape, np.int64) if counts else tensor(name, tuple(shape)) * factor
    return made


def tensorflow_checkpoint(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, npt.NDArray[np.float32]]:
    """Every tensor of a network of the TensorFlow engine, of which names and shapes are given.

    >>> made = tensorflow_checkpoint({"c/weights": (3, 3, 16, 8), "pose/p/weights": (3, 3, 8, 16)})
    >>> [bool(abs(numbers).max() <= (3 / 144) ** 0.5) for numbers in made.values()]
    [True, True]
    """
    made = {}
    for name, shape in shapes.items():
        entering = 1 if "depthwise" in name.rpartition("/")[2] else shape[3 if name.startswith("pose/") else 2 :][:1]
        made[name] = tensor(name, tuple(shape), math.prod(shape[:2]) * int(np.prod(entering)))
    return made


def golden_picture(height: int, width: int) -> npt.NDArray[np.uint8]:
    """``(H, W, 3)`` RGB: noise on blocks of 8 px.

    >>> golden_picture(65, 97).shape
    (65, 97, 3)
    """
    rng = np.random.default_rng(height * width)
    blocks = rng.integers(0, 200, (-(-height // 8), -(-width // 8), 3))
    enlarged = blocks.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    return (enlarged + rng.integers(0, 56, (height, width, 3))).astype(np.uint8)

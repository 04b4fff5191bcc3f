"""What networks in Keras have in common: names of layers, arrays in and out by name, and the arithmetic's policy.

Importing this module imports Keras, and with it the backend that ``KERAS_BACKEND`` names (TensorFlow by default).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt


def layer_name(scope: str) -> str:
    """Keras forbids slashes in layer names; everything else keeps its checkpoint name."""
    return scope.replace("/", "__")


@contextmanager
def dtype_policy(policy: str) -> Iterator[None]:
    """Make layers within with an arithmetic of their own, such as ``mixed_bfloat16``."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def assign_by_name(
    model: keras.Model, weights: Mapping[str, npt.NDArray[np.float32]], words: Mapping[str, str]
) -> None:
    """Give every layer of a network its arrays, by checkpoint name.

    Parameters
    ----------
    model
        A network whose layers are named by `layer_name`.
    weights
        Arrays by checkpoint name.
    words
        What the checkpoint calls Keras' ``kernel`` and ``bias``.

    Raises
    ------
    KeyError
        If a layer's array is missing.
    """
    for layer in model.layers:
        names = [_variable_name(layer, variable, words) for variable in layer.weights]
        if names:
            layer.set_weights([weights[name] for name in names])


def read_by_name(model: keras.Model, words: Mapping[str, str]) -> dict[str, npt.NDArray[np.float32]]:
    """Every layer's arrays by checkpoint name, the inverse of `assign_by_name`."""
    return {
        _variable_name(layer, variable, words): np.asarray(keras.ops.convert_to_numpy(variable), np.float32)
        for layer in model.layers
        for variable in layer.weights
    }


def _variable_name(layer: keras.Layer, variable: Any, words: Mapping[str, str]) -> str:
    return f"{layer.name.replace('__', '/')}/{words.get(variable.name, variable.name)}"

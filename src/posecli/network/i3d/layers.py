"""The I3D network in Keras.

Importing this module imports Keras, and with it the backend that ``KERAS_BACKEND`` names (TensorFlow by default).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from posecli.network.i3d.variables import (
    BATCH_NORM_EPSILON,
    BATCH_NORM_MOMENTUM,
    LOGITS,
    I3DSpec,
    Mixed,
    Pool,
    Step,
    Unit,
    trunk,
)
from posecli.network.keras_layers import assign_by_name, dtype_policy, layer_name, read_by_name

#: What the checkpoints call Keras' variables.
VARIABLE_WORDS = {"kernel": "w", "bias": "b"}


def build_i3d(
    spec: I3DSpec,
    frames: int | None = None,
    height: int | None = None,
    width: int | None = None,
    *,
    batch_norm: bool = False,
    dropout: float = 0.0,
    policy: str = "float32",
) -> keras.Model:
    """Build the network for chunks of one size.

    Parameters
    ----------
    spec
        What to build.
    frames, height, width
        Size of a chunk: frames, and px; ``None`` leaves it free.
    batch_norm
        Keep batch normalisation as layers (for training), instead of one biased convolution each.
    dropout
        Share of the embedding that is left out at random in training.
    policy
        Keras' name for the arithmetic, such as ``mixed_bfloat16`` (for training); what follows the last map is
        float32 always.

    Returns
    -------
    keras.Model
        Takes ``(B, T, H, W, 3)`` RGB in 0..255, uint8 or float. Gives ``(B, n_classes)`` float32 logits.

    Notes
    -----
    A step of the last map is 8 frames and 32 px, rounded up. Of maps other than 7x7 the whole is averaged, where the
    published network would leave a map of averages over 7x7.
    """
    with dtype_policy(policy):
        return _network(spec, (frames, height, width), batch_norm=batch_norm, dropout=dropout)


def _network(
    spec: I3DSpec, size: tuple[int | None, int | None, int | None], *, batch_norm: bool, dropout: float
) -> keras.Model:
    chunk = keras.Input((*size, 3), name="frames", dtype="float32")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="scaling")(chunk)
    for part in trunk(spec):
        x = _mixed(x, part, batch_norm=batch_norm) if isinstance(part, Mixed) else _step(x, part, batch_norm=batch_norm)
    x = AverageSteps(dtype="float32", name="Logits__AvgPool3d_0a_7x7")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, dtype="float32", name="Logits__Dropout_0b")(x)
    x = keras.layers.Conv3D(spec.n_classes, 1, dtype="float32", name=layer_name(f"{LOGITS}/conv_3d"))(x)
    return keras.Model(chunk, keras.layers.GlobalAveragePooling3D(dtype="float32", name="logits")(x), name="i3d")


def assign_weights(model: keras.Model, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Give every layer of a network its arrays, by checkpoint name.

    Parameters
    ----------
    model
        From `build_i3d`.
    weights
        Folded arrays (`posecli.network.i3d.folding.fold_batch_norm`) for a network without batch normalisation;
        the checkpoint's own for one with it.

    Raises
    ------
    KeyError
        If a layer's array is missing.
    """
    assign_by_name(model, weights, VARIABLE_WORDS)


def read_weights(model: keras.Model) -> dict[str, npt.NDArray[np.float32]]:
    """Every layer's arrays by checkpoint name, the inverse of `assign_weights`."""
    return read_by_name(model, VARIABLE_WORDS)


def _mixed(x: Any, block: Mixed, *, batch_norm: bool) -> Any:
    joined = []
    for branch in block.branches:
        y = x
        for step in branch:
            y = _step(y, step, batch_norm=batch_norm)
        joined.append(y)
    return keras.layers.Concatenate(name=block.scope)(joined)


def _step(x: Any, step: Step, *, batch_norm: bool) -> Any:
    name = layer_name(step.scope)
    if isinstance(step, Pool):
        return keras.layers.MaxPooling3D(step.window, strides=step.strides, padding="same", name=name)(x)
    return _unit(x, step, name, batch_norm=batch_norm)


def _unit(x: Any, unit: Unit, name: str, *, batch_norm: bool) -> Any:
    x = keras.layers.Conv3D(
        unit.out_channels,
        unit.kernel,
        strides=unit.stride,
        padding="same",
        use_bias=not batch_norm,
        name=f"{name}__conv_3d",
    )(x)
    if batch_norm:
        x = keras.layers.BatchNormalization(
            momentum=BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON, scale=False, name=f"{name}__batch_norm"
        )(x)
    return keras.layers.ReLU(name=f"{name}__relu")(x)


@keras.saving.register_keras_serializable("posecli")
class AverageSteps(keras.layers.Layer):  # type: ignore[misc]  # Keras has no type stubs
    """``(B, t, h, w, C)`` to ``(B, t - 1, 1, 1, C)``: averages over the whole map and two steps in time.

    A single step in time stays alone. Unlike an average pooling, this serves maps of any size in one network.
    """

    def call(self, inputs: Any) -> Any:
        """Average."""
        x = keras.ops.mean(inputs, axis=(2, 3), keepdims=True)
        steps = keras.ops.shape(x)[1]
        several = int(steps > 1) if isinstance(steps, int) else keras.ops.cast(steps > 1, "int32")
        return (x[:, : steps - several] + x[:, several:]) / 2

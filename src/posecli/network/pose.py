"""The pose network in Keras: slim ResNet v1 backbone, scoremap head, location-refinement head.

Importing this module imports Keras, and with it the backend that ``KERAS_BACKEND`` names (TensorFlow by
default). Everything is written in Keras layers, except that on TensorFlow a dilated convolution calls
``tf.nn.conv2d`` itself (see `DilatedConv2D`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from posecli.network.keras_layers import assign_by_name, dtype_policy, layer_name, read_by_name
from posecli.network.spec import PoseNetworkSpec
from posecli.network.variables import (
    BATCH_NORM_EPSILON,
    LOCREF_HEAD,
    SCOREMAP_HEAD,
    Convolution,
    Unit,
    head_channels,
    stem,
    units,
)

#: What slim calls Keras' variables.
VARIABLE_WORDS = {"kernel": "weights", "bias": "biases"}


@keras.saving.register_keras_serializable("posecli")
class DilatedConv2D(keras.layers.Conv2D):  # type: ignore[misc]  # Keras has no type stubs
    """A convolution that stays one operation when dilated.

    Keras calls ``tf.nn.convolution``, which in a graph of unknown height and width surrounds a dilated
    convolution with SpaceToBatch and BatchToSpace; exported to ONNX or OpenVINO that is some eighty nodes.
    ``tf.nn.conv2d`` takes the dilation itself. Other backends have no such trap and use Keras' own path.
    """

    def call(self, inputs: Any) -> Any:
        """Convolve."""
        if keras.backend.backend() != "tensorflow":
            return super().call(inputs)
        import tensorflow as tf

        outputs = tf.nn.conv2d(inputs, self.kernel, self.strides, self.padding.upper(), dilations=self.dilation_rate)
        return tf.nn.bias_add(outputs, self.bias) if self.use_bias else outputs


def build_pose_network(
    spec: PoseNetworkSpec,
    height: int | None = None,
    width: int | None = None,
    *,
    batch_norm: bool = False,
    policy: str = "float32",
) -> keras.Model:
    """Build the network for frames of one size.

    Parameters
    ----------
    spec
        What to build.
    height, width
        Frame size in px; ``None`` leaves it free, at some cost in speed.
    batch_norm
        Keep batch normalisation as layers (for training), instead of one biased convolution each.
    policy
        Keras' name for the arithmetic, such as ``mixed_bfloat16`` (for training); outputs are float32 always.

    Returns
    -------
    keras.Model
        Takes ``(B, H, W, 3)`` RGB in 0..255, uint8 or float. Gives a dict: ``scoremap`` ``(B, h, w, K)``,
        probabilities, and, where the network refines locations, ``locref`` ``(B, h, w, K, 2)``, offsets
        (x, y) in units of the location standard deviation; ``h = 2 ceil(H / 16)`` and likewise ``w``.

    Notes
    -----
    Output stride 16 in the backbone, times the heads' upsampling by two: one cell is 8 px wide.
    """
    with dtype_policy(policy):
        return _network(spec, height, width, batch_norm=batch_norm)


def _network(spec: PoseNetworkSpec, height: int | None, width: int | None, *, batch_norm: bool) -> keras.Model:
    frames = keras.Input((height, width, 3), name="frames", dtype="float32")
    x = keras.layers.Rescaling(1.0, offset=[-channel for channel in spec.mean_pixel], name="mean_subtraction")(frames)
    x = _conv(x, stem(spec.net_type), batch_norm=batch_norm)
    x = keras.layers.MaxPooling2D(3, strides=2, padding="same", name="pool1")(x)
    for unit in units(spec.net_type):
        x = _bottleneck(x, unit, batch_norm=batch_norm)
    return keras.Model(frames, _heads(x, spec), name=spec.net_type)


def assign_weights(model: keras.Model, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Give every layer of a network its arrays, by checkpoint name.

    Parameters
    ----------
    model
        From `build_pose_network`.
    weights
        Folded arrays (`posecli.network.folding.fold_batch_norm`) for a network without batch
        normalisation; the checkpoint's own for one with it.

    Raises
    ------
    KeyError
        If a layer's array is missing.
    """
    assign_by_name(model, weights, VARIABLE_WORDS)


def read_weights(model: keras.Model) -> dict[str, npt.NDArray[np.float32]]:
    """Every layer's arrays by checkpoint name, the inverse of `assign_weights`."""
    return read_by_name(model, VARIABLE_WORDS)


def _conv(x: Any, conv: Convolution, *, batch_norm: bool) -> Any:
    name = layer_name(conv.scope)
    padding = "same"
    if conv.stride > 1:
        # TensorFlow's own SAME pads an even size only at its end; slim pads both sides alike.
        x = keras.layers.ZeroPadding2D(conv.kernel // 2, name=f"{name}__pad")(x)
        padding = "valid"
    layer = DilatedConv2D if conv.dilation > 1 else keras.layers.Conv2D
    x = layer(
        conv.out_channels,
        conv.kernel,
        strides=conv.stride,
        padding=padding,
        dilation_rate=conv.dilation,
        use_bias=not batch_norm,
        name=name,
    )(x)
    if batch_norm:
        x = keras.layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=f"{name}__BatchNorm")(x)
    return keras.layers.ReLU(name=f"{name}__relu")(x) if conv.relu else x


def _bottleneck(x: Any, unit: Unit, *, batch_norm: bool) -> Any:
    name = layer_name(unit.scope)
    if unit.shortcut is not None:
        shortcut = _conv(x, unit.shortcut, batch_norm=batch_norm)
    elif unit.stride > 1:
        shortcut = keras.layers.MaxPooling2D(1, strides=unit.stride, padding="same", name=f"{name}__subsample")(x)
    else:
        shortcut = x
    for conv in unit.convolutions:
        x = _conv(x, conv, batch_norm=batch_norm)
    x = keras.layers.Add(name=f"{name}__add")([shortcut, x])
    return keras.layers.ReLU(name=f"{name}__relu")(x)


def _heads(features: Any, spec: PoseNetworkSpec) -> dict[str, Any]:
    maps = {
        head: keras.layers.Conv2DTranspose(channels, 3, strides=2, padding="same", name=layer_name(head))(features)
        for head, channels in head_channels(spec.n_bodyparts, locref=spec.locref).items()
    }
    outputs = {"scoremap": keras.layers.Activation("sigmoid", dtype="float32", name="scoremap")(maps[SCOREMAP_HEAD])}
    if spec.locref:
        outputs["locref"] = SplitOffsets(dtype="float32", name="locref")(maps[LOCREF_HEAD])
    return outputs


@keras.saving.register_keras_serializable("posecli")
class SplitOffsets(keras.layers.Layer):  # type: ignore[misc]
    """``(B, h, w, 2 K)`` to ``(B, h, w, K, 2)``, whatever ``h`` and ``w`` turn out to be."""

    def call(self, inputs: Any) -> Any:
        """Split the channels in pairs."""
        batch, rows, columns, _ = keras.ops.shape(inputs)
        return keras.ops.reshape(inputs, (batch, rows, columns, inputs.shape[-1] // 2, 2))

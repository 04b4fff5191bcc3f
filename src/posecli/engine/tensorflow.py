"""The reference engine: the Keras network as one TensorFlow graph function."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.engine import EngineInfo, Shape
from posecli.engine.outputs import typed_output
from posecli.errors import EngineError
from posecli.model.folder import AnyFolder
from posecli.network.folding import fold_batch_norm
from posecli.options import EngineOptions, FixedPrecision
from posecli.support.hardware import usable_cores
from posecli.support.tensorflow import import_tensorflow


class TensorFlowEngine:
    """A network in float32 on TensorFlow.

    The graph takes uint8, scales it itself, and has static sizes and a free batch dimension: a short last batch costs
    no second compilation.
    Threads can be set once per process, before TensorFlow first computes.
    """

    def __init__(self, folder: AnyFolder, shape: Shape, options: EngineOptions) -> None:
        # Before the framework: a damaged folder is refused at once.
        network, weights = fold_batch_norm(folder.description.network, folder.weights())
        self._tf = import_tensorflow()
        _set_threads(self._tf, options.threads)
        _check_keras_backend()
        from posecli.engine.keras_layers import build_with_weights

        layers = build_with_weights(network, weights, shape[:-1])
        self._head = network.head
        self._layers = layers  # the function below holds its variables weakly
        self._function = self._tf.function(lambda images: layers(images, training=False)).get_concrete_function(
            self._tf.TensorSpec((None, *shape), self._tf.uint8)
        )
        self._shape = shape
        device = "GPU" if self._tf.config.list_logical_devices("GPU") else "CPU"
        threads = self._tf.config.threading.get_intra_op_parallelism_threads() or usable_cores()
        self.info = EngineInfo("tensorflow", self._tf.__version__, device, options.fixed_precision, threads)

    @staticmethod
    def obstacle(_folder: AnyFolder, precision: FixedPrecision) -> str | None:
        """TensorFlow is the reference, and computes in float32 only."""
        if precision == "fp32":
            return None
        return f"the tensorflow engine does not compute in {precision}: choose --precision fp32, or --engine openvino"

    def warm_up(self, batch_size: int) -> None:
        """Run once on black frames: TensorFlow places and allocates at the first call."""
        self(np.zeros((batch_size, *self._shape), np.uint8))

    def __call__(self, images: npt.NDArray[np.uint8]) -> Any:
        try:
            outputs = self._function(self._tf.convert_to_tensor(images))
        except self._tf.errors.ResourceExhaustedError as error:
            what = "frames" if images.ndim == 4 else f"chunks of {images.shape[1]} frames"
            raise EngineError(
                f"not enough memory for {len(images)} {what} of {images.shape[-2]}x{images.shape[-3]} px: "
                "choose a smaller --batchsize or frame size"
            ) from error
        return typed_output(self._head, [outputs[name].numpy() for name in self._head.outputs])


def _set_threads(tf: Any, threads: int | None) -> None:
    config = tf.config.threading
    if threads in (None, config.get_intra_op_parallelism_threads()):
        return
    try:
        config.set_intra_op_parallelism_threads(threads)
        config.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise EngineError(
            f"TensorFlow runs already and cannot change to {threads} threads: set --threads in a process of its own"
        ) from error


def _check_keras_backend() -> None:
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend == "tensorflow":
        import keras  # only now: another backend may not even be installed

        backend = keras.backend.backend()
    if backend != "tensorflow":
        raise EngineError(
            f"Keras' backend is '{backend}', but the tensorflow engine needs 'tensorflow': unset KERAS_BACKEND, or "
            "use a process in which Keras is not loaded yet"
        )

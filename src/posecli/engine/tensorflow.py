"""The reference engine: the Keras network as one TensorFlow graph function."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from posecli.engine import EngineInfo, NetworkOutput
from posecli.errors import EngineError
from posecli.hardware import usable_cores
from posecli.model.folder import ModelFolder
from posecli.network.tensorflow_runtime import import_tensorflow
from posecli.options import EngineOptions, FixedPrecision


class TensorFlowEngine:
    """A pose network in float32 on TensorFlow.

    The graph takes uint8, subtracts the mean itself, and has a static height and width and a free batch
    dimension: a short last batch costs no second compilation.

    Parameters
    ----------
    folder
        The model.
    height, width
        Frame size, px.
    options
        ``threads`` can be set once per process, before TensorFlow first computes.
    """

    def __init__(self, folder: ModelFolder, height: int, width: int, options: EngineOptions) -> None:
        weights = folder.folded_weights()  # before the framework: a damaged folder is refused at once
        self._tf = import_tensorflow()
        _set_threads(self._tf, options.threads)
        _check_keras_backend()
        from posecli.network.pose import assign_weights, build_pose_network

        network = build_pose_network(folder.description.network, height, width)
        assign_weights(network, weights)
        self._network = network  # the function below holds its variables weakly
        self._function = self._tf.function(lambda frames: network(frames, training=False)).get_concrete_function(
            self._tf.TensorSpec((None, height, width, 3), self._tf.uint8)
        )
        self._frame_shape = (height, width, 3)
        devices = self._tf.config.list_logical_devices("GPU")
        self.info = EngineInfo(
            name="tensorflow",
            version=self._tf.__version__,
            device="GPU" if devices else "CPU",
            precision=options.fixed_precision,
            threads=self._tf.config.threading.get_intra_op_parallelism_threads() or usable_cores(),
        )

    @staticmethod
    def obstacle(_folder: ModelFolder, precision: FixedPrecision) -> str | None:
        """TensorFlow is the reference, and computes in float32 only."""
        if precision == "fp32":
            return None
        return f"the tensorflow engine does not compute in {precision}: choose --precision fp32, or --engine openvino"

    def warm_up(self, batch_size: int) -> None:
        """Run once on black frames: TensorFlow places and allocates at the first call."""
        self(np.zeros((batch_size, *self._frame_shape), np.uint8))

    def __call__(self, images: npt.NDArray[np.uint8]) -> NetworkOutput:
        """Run the network on ``(B, H, W, 3)`` uint8 RGB."""
        try:
            outputs = self._function(self._tf.convert_to_tensor(images))
        except self._tf.errors.ResourceExhaustedError as error:
            raise EngineError(
                f"memory does not suffice for {len(images)} frames of {images.shape[2]}x{images.shape[1]} px: "
                "choose a smaller --batchsize or --scale"
            ) from error
        locref = outputs.get("locref")
        return NetworkOutput(outputs["scoremap"].numpy(), None if locref is None else locref.numpy())


def _set_threads(tf: object, threads: int | None) -> None:
    if threads is None:
        return
    config = tf.config.threading  # type: ignore[attr-defined]
    if config.get_intra_op_parallelism_threads() == threads:
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

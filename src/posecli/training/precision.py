"""Arithmetic of training: float32, or bfloat16 products with float32 weights."""

from __future__ import annotations

import time

import keras
import numpy as np

from posecli.errors import PrecisionError
from posecli.network.openvino_runtime import openvino_core
from posecli.network.pose import build_pose_network
from posecli.network.spec import PoseNetworkSpec
from posecli.training.config import TrainingPrecision

FLOAT32 = "float32"
MIXED = "mixed_bfloat16"
#: Size of the trial, and its repeats; the first call, which compiles, does not count.
TRIAL_SIDE = 96
TRIAL_BATCH = 4
TRIAL_CALLS = 3


def fastest_policy(precision: TrainingPrecision) -> str:
    """The Keras dtype policy to train with.

    ``auto`` takes bfloat16 where the processor or accelerator computes in it and where it measures faster.

    Raises
    ------
    PrecisionError
        If bfloat16 is asked for where nothing computes in it.
    """
    if precision == "fp32":
        return FLOAT32
    if not computes_bf16():
        if precision == "bf16":
            raise PrecisionError(
                "precision 'bf16' cannot be trained in here, this processor does not compute in bfloat16: set "
                "precision to fp32 or auto"
            )
        return FLOAT32
    if precision == "bf16":
        return MIXED
    return MIXED if _seconds(MIXED) < _seconds(FLOAT32) else FLOAT32


def computes_bf16() -> bool:
    """Whether what this process trains on computes in bfloat16."""
    if keras.backend.backend() == "tensorflow":
        from posecli.network.tensorflow_runtime import import_tensorflow

        if import_tensorflow().config.list_physical_devices("GPU"):
            return True
    elif keras.backend.backend() == "jax":
        import jax

        if jax.default_backend() != "cpu":
            return True
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _seconds(policy: str) -> float:
    """Time of a few steps on a small network input."""
    spec = PoseNetworkSpec("resnet_50", 1, (0.0, 0.0, 0.0))
    network = build_pose_network(spec, TRIAL_SIDE, TRIAL_SIDE, batch_norm=True, policy=policy)
    network.compile("sgd", loss={"scoremap": "mse", "locref": "mse"}, jit_compile=False)
    images = np.zeros((TRIAL_BATCH, TRIAL_SIDE, TRIAL_SIDE, 3), np.float32)
    targets = {name: np.zeros((TRIAL_BATCH, *output.shape[1:]), np.float32) for name, output in network.output.items()}
    network.train_on_batch(images, targets)
    start = time.perf_counter()
    for _ in range(TRIAL_CALLS):
        network.train_on_batch(images, targets)
    return time.perf_counter() - start

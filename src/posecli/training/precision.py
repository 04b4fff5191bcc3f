"""Arithmetic of training: float32, or bfloat16 products with float32 weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import keras

from posecli.engine.openvino import openvino_core
from posecli.errors import PrecisionError
from posecli.training.objective import Trial

FLOAT32 = "float32"
MIXED = "mixed_bfloat16"
#: Repeats of the trial; the first call, which compiles, does not count.
TRIAL_CALLS = 3


def fastest_policy(precision: Literal["auto", "fp32", "bf16"], trial: Callable[[str], Trial]) -> str:
    """The Keras dtype policy to train with.

    ``auto`` takes bfloat16 where the processor or accelerator computes in it and where it measures faster; asked for
    where nothing computes in it, bfloat16 is a `PrecisionError`.
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
    return MIXED if _seconds(MIXED, trial) < _seconds(FLOAT32, trial) else FLOAT32


def computes_bf16() -> bool:
    """Whether what this process trains on computes in bfloat16."""
    if keras.backend.backend() == "tensorflow":
        from posecli.support.tensorflow import import_tensorflow

        if import_tensorflow().config.list_physical_devices("GPU"):
            return True
    elif keras.backend.backend() == "jax":
        import jax

        if jax.default_backend() != "cpu":
            return True
    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _seconds(policy: str, trial: Callable[[str], Trial]) -> float:
    """Time of a few steps of a small network."""
    network, inputs, targets = trial(policy)
    network.train_on_batch(inputs, targets)
    start = time.perf_counter()
    for _ in range(TRIAL_CALLS):
        network.train_on_batch(inputs, targets)
    return time.perf_counter() - start

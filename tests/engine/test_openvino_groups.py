"""Group normalisation: as NumPy has it, and as exactly as bf16 allows where the mean is far from zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.networks import compiled

from posecli.engine.keras_layers import build_with_weights
from posecli.engine.openvino import CAPABILITY
from posecli.engine.openvino_core import openvino_core
from posecli.network.network import FRAMES, ClassHead, Network, Scaling
from posecli.network.operations import Convolution, GroupNormalization, Operation, Round

#: Behind the normalisation there is a convolution, so that it is not computed in float32 as a network's end is.
OPERATIONS = (
    Convolution("x", (FRAMES,), (1, 1), "spread", 64),
    GroupNormalization("y", ("x",), "gamma", "beta", 16, 1e-5),
    Convolution("z", ("y",), (1, 1), "identity", 64),
)


def error(arithmetic: str, entering: tuple[Operation, ...] = OPERATIONS[:1]) -> float:
    """Root mean square, of values whose standard deviation is 1 or so."""
    rng = np.random.default_rng(0)
    weights = {
        "spread": rng.uniform(0.2, 1.0, (1, 1, 3, 64)).astype(np.float32),  # means of 3 to 4 standard deviations
        "gamma": rng.uniform(0.5, 1.5, 64).astype(np.float32),
        "beta": rng.uniform(-1, 1, 64).astype(np.float32),
        "identity": np.eye(64, dtype=np.float32)[None, None],
    }
    images = rng.integers(60, 200, (2, 24, 40, 3), np.uint8)
    x = images @ weights["spread"][0, 0].astype(np.float64)
    grouped = x.reshape(2, 24 * 40, 16, 4)
    grouped = (grouped - grouped.mean((1, 3), keepdims=True)) / np.sqrt(grouped.var((1, 3), keepdims=True) + 1e-5)
    expected = grouped.reshape(x.shape) * weights["gamma"] + weights["beta"]
    network = Network("normalised", (*entering, *OPERATIONS[1:]), ClassHead("z"))
    found = compiled(network, weights, (24, 40), arithmetic)(images)[0]
    return float(np.sqrt(np.square(found - expected).mean()))


def test_float32() -> None:
    assert error("f32") < 1e-4


def test_behind_a_convolution_in_int8() -> None:
    rounded = Round("rounded", (FRAMES,), 0.0, 255.0)
    assert error("f32", (rounded, replace(OPERATIONS[0], inputs=("rounded",), int8=True))) < 0.05


def test_epsilon_counts_behind_a_convolution_in_int8() -> None:
    spread = np.random.default_rng(0).normal(size=(1, 1, 3, 16)) * np.logspace(-4, 0, 16)
    arrays = {"spread": spread, "gamma": np.ones(16), "beta": np.zeros(16), "identity": np.eye(16)[None, None]}
    weights = {name: array.astype(np.float32) for name, array in arrays.items()}
    images = np.random.default_rng(1).integers(60, 200, (2, 24, 40, 3), np.uint8)
    x = Convolution("x", (FRAMES,), (1, 1), "spread", 16)
    normalised = GroupNormalization("y", ("x",), "gamma", "beta", None, 1e-3)
    rounded = (Round("rounded", (FRAMES,), 0.0, 255.0), replace(x, inputs=("rounded",), int8=True))
    exact, found = (
        compiled(
            Network("small", (*entering, normalised, replace(OPERATIONS[2], channels=16)), ClassHead("z")),
            weights,
            (24, 40),
        )(images)[0]
        for entering in ((x,), rounded)
    )
    assert exact.std((0, 1, 2))[0] < 0.1  # its variance is less than epsilon
    np.testing.assert_allclose(found, exact, rtol=0, atol=0.05)


@pytest.mark.parametrize("rows", [1, 500])
def test_sums_over_large_maps_are_as_good_in_both_engines(rows: int) -> None:
    groups = GroupNormalization("y", (FRAMES,), "gamma", "beta", 3, 1e-5)
    network = Network("normalised", (groups,), ClassHead("y"), Scaling(1.0, 0.0))
    weights = {"gamma": np.ones(3, np.float32), "beta": np.zeros(3, np.float32)}
    images = np.random.default_rng(1).integers(100, 200, (1, rows, 1280, 3), np.uint8)
    axes = (0, 1, 2)
    expected = (images - images.mean(axes)) / np.sqrt(images.astype(np.float64).var(axes) + 1e-5)
    found = compiled(network, weights, images.shape[1:3], "f32")(images)[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)
    keras = np.asarray(build_with_weights(network, weights)(images)["y"])
    np.testing.assert_allclose(keras, expected, rtol=0, atol=2e-5)


@pytest.mark.skipif(
    CAPABILITY["bf16"] not in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"),
    reason="this processor does not compute in bf16",
)
def test_bf16() -> None:
    assert error("bf16") < 0.02

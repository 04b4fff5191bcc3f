"""I3D in plain NumPy, one chunk at a time, written from the table of the published network; and random weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.network.i3d import I3DSpec, i3d

Array = npt.NDArray[Any]
Weights = Mapping[str, Array]


def random_weights(spec: I3DSpec, seed: int = 20221120) -> dict[str, npt.NDArray[np.float32]]:
    """Weights that keep activations near 1 all the way, and logits too."""
    rng = np.random.default_rng(seed)
    return {name: _random(rng, name, shape).astype(np.float32) for name, shape in i3d(spec).variable_shapes().items()}


def _random(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Array:
    if name.endswith("/conv_3d/w"):
        gain = 1 if name.startswith("Logits") else 2
        return rng.standard_normal(shape) * math.sqrt(gain / math.prod(shape[:-1]))
    return rng.uniform(0.7, 1.5, shape) if name.endswith("moving_variance") else rng.standard_normal(shape) * 0.1


def windows(x: Array, window: Sequence[int], strides: Sequence[int], fill: float) -> Array:
    """``(t, h, w, C, kt, kh, kw)`` views of ``(T, H, W, C)``: as many as fit in TensorFlow's SAME, the odd pad last."""
    pads = []
    for size, extent, stride in zip(x.shape, window, strides, strict=False):
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
        pads.append((total // 2, total - total // 2))
    padded = np.pad(x, [*pads, (0, 0)], constant_values=fill)
    views = np.lib.stride_tricks.sliding_window_view(padded, tuple(window), axis=(0, 1, 2))
    return views[:: strides[0], :: strides[1], :: strides[2]]


def max_pool(x: Array, window: Sequence[int], strides: Sequence[int]) -> Array:
    out: Array = windows(x, window, strides, -np.inf).max(axis=(4, 5, 6))
    return out


def unit(x: Array, weights: Weights, scope: str, stride: int = 1) -> Array:
    """Convolution without a bias, batch normalisation without a factor, rectifier."""
    kernel = weights[f"{scope}/conv_3d/w"].astype(np.float64)
    views = windows(x, kernel.shape[:3], [stride] * 3, 0.0)
    y = np.einsum("thwcijk,ijkcd->thwd", views, kernel, optimize=True)
    beta, mean, variance = (
        weights[f"{scope}/batch_norm/{name}"].astype(np.float64) for name in ("beta", "moving_mean", "moving_variance")
    )
    out: Array = np.maximum((y - mean) / np.sqrt(variance + 1e-3) + beta, 0)
    return out


def mixed(x: Array, weights: Weights, scope: str) -> Array:
    second = "Conv3d_0a_3x3" if scope == "Mixed_5b" else "Conv3d_0b_3x3"
    branches = [unit(x, weights, f"{scope}/Branch_0/Conv3d_0a_1x1")]
    for branch, last in (("Branch_1", "Conv3d_0b_3x3"), ("Branch_2", second)):
        y = unit(x, weights, f"{scope}/{branch}/Conv3d_0a_1x1")
        branches.append(unit(y, weights, f"{scope}/{branch}/{last}"))
    pooled = max_pool(x, (3, 3, 3), (1, 1, 1))
    branches.append(unit(pooled, weights, f"{scope}/Branch_3/Conv3d_0b_1x1"))
    return np.concatenate(branches, axis=-1)


def network(chunk: Array, weights: Weights) -> dict[str, Array]:
    """What the network makes of ``(T, H, W, 3)`` RGB in 0..255: two of its maps, and the logits."""
    x = unit(chunk.astype(np.float64) / 127.5 - 1, weights, "Conv3d_1a_7x7", stride=2)
    x = max_pool(x, (1, 3, 3), (1, 2, 2))
    x = unit(unit(x, weights, "Conv3d_2b_1x1"), weights, "Conv3d_2c_3x3")
    x = max_pool(x, (1, 3, 3), (1, 2, 2))
    early = x = mixed(mixed(x, weights, "Mixed_3b"), weights, "Mixed_3c")
    x = max_pool(x, (3, 3, 3), (2, 2, 2))
    for scope in ("Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e", "Mixed_4f"):
        x = mixed(x, weights, scope)
    x = max_pool(x, (2, 2, 2), (2, 2, 2))
    late = x = mixed(mixed(x, weights, "Mixed_5b"), weights, "Mixed_5c")
    pairs = [x[step : step + 2].mean(axis=(0, 1, 2)) for step in range(max(len(x) - 1, 1))]
    kernel, bias = (weights[f"Logits/Conv3d_0c_1x1/conv_3d/{name}"].astype(np.float64) for name in "wb")
    logits = np.mean([pair @ kernel[0, 0, 0] + bias for pair in pairs], axis=0)
    return {"Mixed_3c": early, "Mixed_5c": late, "logits": logits}

"""Batch normalisation without a factor, folded into three-dimensional convolutions."""

from __future__ import annotations

import numpy as np
from network.i3d import reference

from posecli.network.i3d.folding import fold_batch_norm
from posecli.network.i3d.variables import I3DSpec, units

SPEC = I3DSpec(5, width=0.1)
SCOPE = "Mixed_4d/Branch_2/Conv3d_0b_3x3"


def test_formula_of_one_convolution() -> None:
    weights = reference.random_weights(SPEC)
    folded = fold_batch_norm(SPEC, weights)
    kernel = weights[f"{SCOPE}/conv_3d/w"]
    beta, mean, variance = (
        weights[f"{SCOPE}/batch_norm/{name}"] for name in ("beta", "moving_mean", "moving_variance")
    )
    patch = np.random.default_rng(0).standard_normal(kernel.shape[:4])
    expected = (np.einsum("ijkc,ijkcd->d", patch, kernel) - mean) / np.sqrt(variance + 1e-3) + beta
    found = np.einsum("ijkc,ijkcd->d", patch, folded[f"{SCOPE}/conv_3d/w"]) + folded[f"{SCOPE}/conv_3d/b"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_epsilon_counts_where_the_variance_is_small() -> None:
    weights = reference.random_weights(SPEC)
    weights[f"{SCOPE}/batch_norm/moving_variance"][:] = 0
    found = fold_batch_norm(SPEC, weights)[f"{SCOPE}/conv_3d/w"]
    np.testing.assert_allclose(found, weights[f"{SCOPE}/conv_3d/w"] / np.sqrt(1e-3), rtol=1e-6)


def test_two_float32_arrays_per_convolution_and_logits_unchanged() -> None:
    weights = reference.random_weights(SPEC)
    folded = fold_batch_norm(SPEC, weights)
    scopes = [unit.scope for unit in units(SPEC)] + ["Logits/Conv3d_0c_1x1"]
    assert list(folded) == [f"{scope}/conv_3d/{name}" for scope in scopes for name in "wb"]
    assert {array.dtype for array in folded.values()} == {np.dtype(np.float32)}
    for name in "wb":
        assert np.array_equal(folded[f"{scopes[-1]}/conv_3d/{name}"], weights[f"{scopes[-1]}/conv_3d/{name}"])

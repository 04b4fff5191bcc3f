"""Batch normalisation folded into the convolution before it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from posecli.network.variables import BATCH_NORM_EPSILON, BATCH_NORM_VARIABLES, convolutions, head_channels

Arrays = Mapping[str, npt.NDArray[np.float32]]


def fold_batch_norm(
    weights: Arrays, net_type: str, n_bodyparts: int, *, locref: bool = True
) -> dict[str, npt.NDArray[np.float32]]:
    r"""Turn every convolution and its batch normalisation into one convolution with a bias.

    With frozen statistics, :math:`\gamma (W x - \mu) / \sqrt{\sigma^2 + \epsilon} + \beta` is the convolution
    :math:`W' x + b'` where :math:`s = \gamma / \sqrt{\sigma^2 + \epsilon}`, :math:`W' = s W` and
    :math:`b' = \beta - s \mu`. The products are taken in float64 and rounded once.

    Parameters
    ----------
    weights
        Arrays under the names of `posecli.network.variables.variable_shapes`.

    Returns
    -------
    dict
        ``<scope>/weights`` and ``<scope>/biases``, float32, for every convolution and head.
    """
    folded: dict[str, npt.NDArray[np.float32]] = {}
    for conv in convolutions(net_type):
        norm = {name: weights[f"{conv.scope}/BatchNorm/{name}"].astype(np.float64) for name in BATCH_NORM_VARIABLES}
        kernel, bias = folded_convolution(weights[f"{conv.scope}/weights"], norm, norm["gamma"], BATCH_NORM_EPSILON)
        folded[f"{conv.scope}/weights"], folded[f"{conv.scope}/biases"] = kernel, bias
    for head in head_channels(n_bodyparts, locref=locref):
        for name in ("weights", "biases"):
            folded[f"{head}/{name}"] = np.asarray(weights[f"{head}/{name}"], dtype=np.float32)
    return folded


def folded_convolution(
    kernel: npt.NDArray[np.float32],
    norm: Mapping[str, npt.NDArray[np.float64]],
    gamma: npt.NDArray[np.float64] | float,
    epsilon: float,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """One convolution's kernel and bias, of any rank, from its batch normalisation's ``beta`` and moving statistics."""
    scale = gamma / np.sqrt(norm["moving_variance"] + epsilon)
    return (kernel * scale).astype(np.float32), (norm["beta"] - scale * norm["moving_mean"]).astype(np.float32)

"""The I3D network's batch normalisation folded into the convolutions before it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from posecli.network.folding import folded_convolution
from posecli.network.i3d.variables import BATCH_NORM_EPSILON, BATCH_NORM_VARIABLES, LOGITS, I3DSpec, units


def fold_batch_norm(
    spec: I3DSpec, weights: Mapping[str, npt.NDArray[np.float32]]
) -> dict[str, npt.NDArray[np.float32]]:
    """Turn every convolution and its batch normalisation into one convolution with a bias.

    As `posecli.network.folding.fold_batch_norm`, with a factor of one: products in float64, rounded once.

    Parameters
    ----------
    spec
        Which network.
    weights
        Arrays under the names of `posecli.network.i3d.variables.variable_shapes`.

    Returns
    -------
    dict
        ``<scope>/conv_3d/w`` and ``<scope>/conv_3d/b``, float32, for every convolution and the logits.
    """
    folded: dict[str, npt.NDArray[np.float32]] = {}
    for unit in units(spec):
        norm = {name: weights[f"{unit.scope}/batch_norm/{name}"].astype(np.float64) for name in BATCH_NORM_VARIABLES}
        kernel, bias = folded_convolution(weights[f"{unit.scope}/conv_3d/w"], norm, 1.0, BATCH_NORM_EPSILON)
        folded[f"{unit.scope}/conv_3d/w"], folded[f"{unit.scope}/conv_3d/b"] = kernel, bias
    for name in ("w", "b"):
        folded[f"{LOGITS}/conv_3d/{name}"] = np.asarray(weights[f"{LOGITS}/conv_3d/{name}"], dtype=np.float32)
    return folded

"""Batch normalisation folded into the convolutions before it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from posecli.network.network import Network, Weights
from posecli.network.operations import (
    BatchNormalization,
    DepthwiseConvolution,
    Operation,
    TransposedConvolution,
    Weighted,
)

Tensors = dict[str, npt.NDArray[np.float32]]


def fold_batch_norm(network: Network, weights: Weights) -> tuple[Network, Tensors]:
    r"""Turn every operation with a kernel and the batch normalisation behind it into one with a bias.

    With frozen statistics, :math:`\gamma (W x + b - \mu) / \sqrt{\sigma^2 + \epsilon} + \beta` is the convolution
    :math:`W' x + b'` where :math:`s = \gamma / \sqrt{\sigma^2 + \epsilon}`, :math:`W' = s W` and
    :math:`b' = \beta + s (b - \mu)`. The products are taken in float64 and rounded once.

    Weights, in and out, have the names of the network's ``variable_shapes()``; a folded operation's bias is called
    ``<operation>/folded``.
    """
    uses = Counter(name for operation in network.operations for name in operation.inputs)
    uses.update(network.outputs)
    kernels = {each.name: each for each in network.operations if isinstance(each, Weighted) and uses[each.name] == 1}
    norms = {
        each.inputs[0]: each
        for each in network.operations
        if isinstance(each, BatchNormalization) and each.inputs[0] in kernels
    }
    renamed = {norm.name: name for name, norm in norms.items()}
    tensors = dict(weights)
    operations: list[Operation] = []
    for operation in network.operations:
        if operation.name in renamed:
            continue
        inputs = tuple(renamed.get(name, name) for name in operation.inputs)
        norm = norms.get(operation.name)
        folded_one = operation if norm is None else _folded(kernels[operation.name], norm, tensors)
        operations.append(replace(folded_one, inputs=inputs))
    outputs = tuple(renamed.get(name, name) for name in network.outputs)
    folded = replace(network, operations=tuple(operations), outputs=outputs)
    return folded, {name: np.asarray(tensors[name], np.float32) for name in folded.variable_shapes()}


def _folded(operation: Weighted, norm: BatchNormalization, tensors: Tensors) -> Weighted:
    """The operation with a bias; its kernel in `tensors` is scaled, and its bias is added there."""
    beta, mean, variance = (tensors[name].astype(np.float64) for name in (norm.beta, norm.mean, norm.variance))
    gamma = 1.0 if norm.gamma is None else tensors[norm.gamma].astype(np.float64)
    bias = 0.0 if operation.bias is None else tensors[operation.bias].astype(np.float64)
    scale = gamma / np.sqrt(variance + norm.epsilon)
    # Output channels are a kernel's last axis, but for these two.
    along = scale[:, None] if isinstance(operation, DepthwiseConvolution | TransposedConvolution) else scale
    name = f"{operation.name}/folded"
    tensors[operation.weights] = (tensors[operation.weights] * along).astype(np.float32)
    tensors[name] = (beta + scale * (bias - mean)).astype(np.float32)
    return replace(operation, bias=name)

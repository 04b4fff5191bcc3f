"""What networks are for inference: batch normalisation folded, and all heads one ordinary, subpixel convolution."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TypeGuard

import numpy as np
import numpy.typing as npt

from posecli.network.network import Network, Weights
from posecli.network.operations import (
    BatchNormalization,
    Convolution,
    DepthToSpace,
    DepthwiseConvolution,
    Float32,
    Operation,
    Padding,
    Split,
    TransposedConvolution,
    Trim,
    Weighted,
)

Tensors = dict[str, npt.NDArray[np.float32]]
#: The convolution that computes all heads.
HEADS = "pose/heads"
#: The one that doubles features before heads of their own, and how its transposed convolutions are padded.
DOUBLED = "pose/doubled"
EXACT: Padding = ((1, 0), (1, 0))


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


def merge_heads(network: Network, weights: Weights) -> tuple[Network, Tensors]:
    """Compute all heads that double the same map with one convolution and hand them on in float32.

    Networks without such heads (transposed 3x3 convolutions of stride 2 of one map) are left as they are, but for
    those that double features exactly, before heads of their own: they become one convolution likewise.
    """
    tensors: Tensors = dict(weights)
    if doubled := _doubled(network):
        network, tensors = _merged(network, tensors, doubled, DOUBLED, ((0, 1), (0, 1)))
    heads = [each for each in network.operations if _doubles(each, "same", "valid")]
    if not heads or len({(head.inputs, head.padding) for head in heads}) > 1:
        return network, tensors
    # All cells are one more than twice as many: a whole cell is computed, and half of it cut off.
    return _merged(network, tensors, heads, HEADS, ((1, int(heads[0].padding == "valid")),) * 2)


def int8_names(network: Network) -> frozenset[str]:
    """Names of the convolutions that may compute in int8, once heads are merged."""
    return frozenset(network.int8_candidates()) | ({DOUBLED} if _doubled(network) else frozenset())


def _doubled(network: Network) -> list[TransposedConvolution]:
    """What doubles one map of features exactly, before heads of their own."""
    found = [each for each in network.operations if _doubles(each, EXACT)]
    return found if len({each.inputs for each in found}) == 1 else []


def _merged(
    network: Network, weights: Tensors, heads: list[TransposedConvolution], name: str, pads: tuple[tuple[int, int], ...]
) -> tuple[Network, Tensors]:
    """Transposed convolutions of one map as one subpixel convolution of a name, padded so."""
    is_last, has_spare = name == HEADS, heads[0].padding == "valid"
    kernel = np.concatenate([weights[head.weights] for head in heads], axis=2)
    biases = [np.zeros(head.channels, np.float32) if head.bias is None else weights[head.bias] for head in heads]
    kernel_name, bias_name = f"{name}/weights", f"{name}/biases"
    shift = int(heads[0].padding == EXACT)
    merged = {kernel_name: subpixel_kernel(kernel, shift), bias_name: np.tile(np.concatenate(biases), 4)}
    total = sum(head.channels for head in heads)
    inputs = heads[0].inputs
    replaced: list[Operation] = [
        Convolution(name, inputs, (2, 2), kernel_name, 4 * total, padding=pads, bias=bias_name, sensitive=is_last)
    ]
    if is_last:
        # In eight bits of mantissa neighbouring cells of a scoremap would tie, and the first of them win.
        replaced += [Float32(f"{name}/float32", (name,))]
    replaced += [DepthToSpace(f"{name}/maps", (replaced[-1].name,), 2)]
    if has_spare:
        replaced += [Trim(f"{name}/cropped", (f"{name}/maps",), ((0, 1), (0, 1)))]
    if len(heads) == 1:
        replaced[-1] = replace(replaced[-1], name=heads[0].name)
    else:
        maps = (replaced[-1].name,)
        firsts = np.cumsum([0, *(head.channels for head in heads)])
        replaced += [
            Split(head.name, maps, int(first), head.channels) for head, first in zip(heads, firsts, strict=False)
        ]
    place = network.operations.index(heads[0])
    others = [each for each in network.operations if each not in heads]
    found = network.with_operations([*others[:place], *replaced, *others[place:]])
    tensors = {**weights, **merged}
    return found, {name: tensors[name] for name in found.variable_shapes()}


def _doubles(operation: Operation, *paddings: Padding) -> TypeGuard[TransposedConvolution]:
    if not isinstance(operation, TransposedConvolution):
        return False
    return (operation.kernel, operation.strides) == ((3, 3), (2, 2)) and operation.padding in paddings


def subpixel_kernel(kernel: npt.NDArray[np.float32], shift: int = 0) -> npt.NDArray[np.float32]:
    """A 3x3 transposed convolution of stride 2 as an ordinary one with four times the channels.

    A pixel of the doubled map sees at most two cells of the small one along each side: even ones tap 0 of the cell
    above them and tap 2 of the one before, odd ones tap 1 (Shi et al. 2016, "Is the deconvolution layer the same as a
    convolutional layer?"). OpenVINO computes this in the network's own precision; its transposed convolutions compute
    in float32 and, with few channels, mostly on padding.

    With a `shift` of 1 the first row and column of the doubled map are left out, and odd pixels see two cells.

    From ``(3, 3, C, D)``, D channels to C, to ``(2, 2, D, 4 C)``: C channels for each of the upper left, upper right,
    lower left and lower right pixel.

    >>> subpixel_kernel(np.arange(9.0, dtype=np.float32).reshape(3, 3, 1, 1))[:, :, 0].transpose(2, 0, 1).tolist()
    [[[8.0, 6.0], [2.0, 0.0]], [[0.0, 7.0], [0.0, 1.0]], [[0.0, 0.0], [5.0, 3.0]], [[0.0, 0.0], [0.0, 4.0]]]
    """
    _, _, out, entering = kernel.shape
    subpixel = np.zeros((2, 2, 2, 2, out, entering), np.float32)
    taps = {0: ((0, 2), (1, 0)), 1: ((1, 1),)}  # of even and odd pixels: which cell, which tap
    if shift:
        taps = {0: ((0, 1),), 1: ((0, 2), (1, 0))}
    for row, column in np.ndindex(2, 2):
        for y, tap_y in taps[row]:
            for x, tap_x in taps[column]:
                subpixel[y, x, row, column] = kernel[tap_y, tap_x]
    return subpixel.reshape(2, 2, 4 * out, entering).transpose(0, 1, 3, 2)

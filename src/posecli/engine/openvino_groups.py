"""Group normalisation in OpenVINO's operations, several times as fast as OpenVINO's own.

OpenVINO normalises groups with channels laid out one behind the other, and rearranges every map before and after. Here
averages and squares are summed up as convolutions leave them, with channels innermost, and the map is then scaled in
one pass. The variance is the mean square less the square of the mean: two large numbers whose difference bf16 would
lose, so what lies between is computed in float32 in every precision.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.engine.openvino_core import openvino_core

Floats = npt.NDArray[np.float32]

#: What OpenVINO's file format says of an operation that keeps float32. Its Python has no word for it.
PRECISE = '<rt_info><attribute name="precise" version="0"/></rt_info>'
LAYER = re.compile(r'<layer [^>]*type="(?!Parameter|Result|Const)\w+"[^>]*>')


def group_normalization(x: Any, gamma: Floats, beta: Floats, groups: int, epsilon: float) -> Any:
    """Normalise maps ``(B, C, *extents)`` of fixed extents; `gamma` and `beta` are ``(C,)``."""
    from openvino import opset13 as op

    channels, ones = len(gamma), (1,) * (len(x.partial_shape) - 2)
    extents = [extent.get_length() for extent in list(x.partial_shape)[2:]]
    # First along each row, then over rows: one long sum in float32 would lose what a small number adds to it. OpenVINO
    # would make one sum of two of the same kind.
    last, before = op.constant([len(extents) + 1]), op.constant(np.arange(2, len(extents) + 1))
    found = op.reduce_sum(x, last, keep_dims=True), op.reduce_l2(x, last, keep_dims=True)
    sums, norms = (op.parameter([-1, channels, *extents[:-1], 1], np.float32) for _ in found)
    # The average over a row, and over the channels of a group, for each of them.
    share = groups / channels / extents[-1]
    each = np.full((groups, channels // groups, channels // groups, *ones), share, np.float32)

    def averaged(statistic: Any, kernel: Floats) -> Any:
        zeros, rows = [0] * len(ones), op.reduce_mean(statistic, before, keep_dims=True)
        return op.group_convolution(rows, op.constant(kernel), list(ones), zeros, zeros, list(ones))

    # A product with a constant would be merged into the convolution behind it, which then forgets that it is precise.
    minus_mean = averaged(sums, -each)
    square = averaged(op.multiply(norms, norms), each)
    variance = op.relu(op.add(square, op.multiply(averaged(sums, each), minus_mean)))
    deviation = op.sqrt(op.add(variance, _constant(np.full((1, 1, *ones), epsilon))))
    factor = op.divide(_constant(gamma.reshape(1, -1, *ones)), deviation)
    offset = op.add(_constant(beta.reshape(1, -1, *ones)), op.multiply(factor, minus_mean))
    factor, offset = in_float32([factor, offset], [sums, norms], found)
    return op.add(op.multiply(x, factor), offset)


def channel_normalization(x: Any, gamma: Floats, beta: Floats, epsilon: float) -> Any:
    """The same with each channel as a group: OpenVINO has that as one operation, in the convolutions' own layout."""
    from openvino import opset13 as op

    shape = (1, -1, *(1,) * (len(x.partial_shape) - 2))
    y = op.mvn(x, op.constant(np.arange(2, len(shape))), True, epsilon, "inside_sqrt")
    return op.add(op.multiply(y, _constant(gamma.reshape(shape))), _constant(beta.reshape(shape)))


def in_float32(results: Sequence[Any], parameters: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """Operations from `parameters` to `results`, put behind `inputs` and kept in float32 whatever the precision."""
    import openvino as ov

    with tempfile.TemporaryDirectory(prefix="posecli-") as folder:
        path = Path(folder) / "part.xml"
        ov.serialize(ov.Model([ov.opset13.result(each) for each in results], list(parameters)), path)
        text = LAYER.sub(lambda found: found[0] + PRECISE, path.read_text(encoding="utf-8"))
        constants = np.fromfile(path.with_suffix(".bin"), np.uint8)
    part = openvino_core().read_model(text.encode(), ov.Tensor(constants))
    for parameter, value in zip(part.get_parameters(), inputs, strict=True):
        for target in parameter.output(0).get_target_inputs():
            target.replace_source_output(value.output(0))
    return [result.input_value(0) for result in part.get_results()]


def _constant(values: npt.ArrayLike) -> Any:
    from openvino import opset13 as op

    return op.constant(np.ascontiguousarray(values, np.float32))

"""Networks in int8: which convolutions, the ranges of what enters them, and how those are measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from posecli.network.network import Network
from posecli.network.operations import AnyConvolution, Concatenate, Operation, Pooling, Round

Limits = tuple[float, float]


@dataclass(frozen=True)
class Int8Plan:
    """A network's int8 version.

    `ranges` has the lowest and highest value that enters each convolution in int8, by its name; all others stay in the
    wider precision.
    """

    ranges: Mapping[str, Limits]

    def without(self, names: frozenset[str]) -> Int8Plan:
        """The same plan with some convolutions left in the wider precision."""
        return Int8Plan({name: limits for name, limits in self.ranges.items() if name not in names})


def calibration(network: Network) -> Network:
    """The network with what enters each of its `Network.int8_candidates` as its outputs."""
    entering = tuple(dict.fromkeys(network.int8_candidates().values()))
    return replace(network, outputs=entering).with_operations(network.operations)


def beside_int8(network: Network, plan: Int8Plan) -> Network:
    """The network with each convolution of a plan once more, in int8 and of the same exact input.

    Its outputs are what the convolutions make, each followed by what it makes in int8.
    """
    operations: list[Operation] = []
    outputs: list[str] = []
    for operation in network.operations:
        operations.append(operation)
        if isinstance(operation, AnyConvolution) and operation.name in plan.ranges:
            rounded = Round(f"{operation.name}/rounded", operation.inputs, *plan.ranges[operation.name])
            narrow = replace(operation, name=f"{operation.name}/int8", inputs=(rounded.name,), int8=True)
            operations += (rounded, narrow)
            outputs += (operation.name, narrow.name)
    return replace(network, operations=tuple(operations), outputs=tuple(outputs)).with_operations(operations)


def in_int8(network: Network, plan: Int8Plan) -> Network:
    """The network with the convolutions of a plan in int8: what enters them is rounded, and so are their kernels.

    Where the network says so, maps are rounded before they are joined or their maximum is taken, which leaves the
    rounded values as they are: the rounding becomes part of the convolutions that make the maps.
    """
    return _Rounding(network).applied(plan)


class _Rounding:
    def __init__(self, network: Network) -> None:
        self._network = network
        self._makers = {operation.name: operation for operation in network.operations}
        self._operations: list[Operation] = []
        self._rounded: dict[tuple[str, Limits], str] = {}

    def applied(self, plan: Int8Plan) -> Network:
        candidates = self._network.int8_candidates().keys()
        for operation in self._network.operations:
            if isinstance(operation, AnyConvolution) and operation.name in candidates & plan.ranges.keys():
                rounded = self._round(operation.inputs[0], plan.ranges[operation.name])
                self._operations.append(replace(operation, inputs=(rounded,), int8=True))
            else:
                self._operations.append(operation)
        return self._network.with_operations(self._operations)

    def _round(self, tensor: str, limits: Limits) -> str:
        """Name of the rounded tensor, which is made once for all that want it."""
        if (tensor, limits) not in self._rounded:
            name = f"{tensor}/int8_{len(self._rounded)}"
            self._operations.append(self._rounding(name, tensor, limits))
            self._rounded[tensor, limits] = name
        return self._rounded[tensor, limits]

    def _rounding(self, name: str, tensor: str, limits: Limits) -> Operation:
        maker = self._makers.get(tensor)
        keeps_values = isinstance(maker, Concatenate) or (isinstance(maker, Pooling) and maker.kind == "max")
        if maker is not None and keeps_values and self._network.rounds_early:
            inputs = tuple(self._round(before, limits) for before in maker.inputs)
            return replace(maker, name=name, inputs=inputs)
        return Round(name, (tensor,), *limits)

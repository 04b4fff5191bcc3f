"""Whether making a model's int8 version before a run pays, by arithmetic: so all processes of a run come to the same.

Work is counted in multiply-adds of fp32: a network's own, times the share of fp32's time that one takes in another
precision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from posecli.network.network import Network
from posecli.precision.quantize import AnyQuantizeOptions, expected_work

#: What is saved must be so many times what making the int8 version takes: both are estimates.
LEAST_GAIN = 2.0
#: With fewer multiply-adds for each number that enters or leaves their convolutions, networks wait for memory, and were
#: no faster in int8 than in bf16: MobileNets have 15 to 35, EfficientNets 40 to 90, HRNet-w18 110 and w32 190; those
#: that were faster ResNets, CSPNeXt-x and HRNet-w48 from 285 on (`benchmarks/results/versus-networks.md`).
LEAST_INTENSITY = 250
#: With windows a frame costs a fifth of a whole one, if not more.
WINDOWS_SHARE = 0.2


class Pace(NamedTuple):
    """The time that a multiply-add takes, as a share of fp32's."""

    wider: float  # in what a run would use without int8
    int8: float


def pace(features: frozenset[str]) -> Pace | None:
    """That of a processor with these features; ``None`` for one that has no instructions for int8.

    As measured with ResNet-50 on processors with AMX, and on others with VNNI.

    >>> pace(frozenset({"avx2", "avx512_vnni"})), pace(frozenset({"avx2"}))
    (Pace(wider=1.0, int8=0.3), None)
    """
    if "amx_int8" in features:
        return Pace(0.22, 0.17)
    if features & {"avx512_vnni", "avx_vnni"}:
        return Pace(0.52 if "avx512_bf16" in features else 1.0, 0.3)
    return None


@dataclass(frozen=True)
class WorkAhead:
    """What of a run's videos has no table yet, and an item of which size its int8 version would be made with."""

    multiply_adds: float  # for all frames, or chunks of them; an estimate
    may_have_windows: bool
    calibrated_with: Sequence[int]  # the extents of an item
    detecting: float = 0.0  # multiply-adds with which a detector finds the animal in a frame


@dataclass(frozen=True)
class Reckoning:
    """What is ahead without int8, what it saves and what making it costs, in multiply-adds of fp32."""

    ahead: float
    saved: float
    cost: float

    @property
    def pays(self) -> bool:
        return self.saved >= LEAST_GAIN * self.cost


def reckon(network: Network, work: WorkAhead, pace: Pace, options: AnyQuantizeOptions) -> Reckoning:
    """What an int8 version would save, and cost; a network that would not be faster in int8 saves nothing."""
    share = WINDOWS_SHARE if work.may_have_windows else 1.0
    ahead = work.multiply_adds * share * pace.wider
    saved = ahead * (1 - pace.int8 / pace.wider) if intensity(network, work.calibrated_with) >= LEAST_INTENSITY else 0.0
    cost = expected_work(network, work.calibrated_with, options, pace.int8, work.detecting)
    return Reckoning(ahead, saved, cost)


def intensity(network: Network, extents: Sequence[int]) -> float:
    """Multiply-adds for each number that enters or leaves the convolutions that may compute in int8."""
    work, shapes = network.multiplications(extents), network.shapes(extents)
    sums = [
        (work[name], math.prod(n or 1 for n in shapes[name]), math.prod(n or 1 for n in shapes[entering]))
        for name, entering in network.int8_candidates().items()
    ]
    return sum(each[0] for each in sums) / max(1, sum(each[1] + each[2] for each in sums))

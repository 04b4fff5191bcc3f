"""Which preparations of a run pay, by arithmetic and not by timing: so all processes of a run come to the same.

Work is counted in multiply-adds of fp32: a network's own, times the share of fp32's time that one takes in another
precision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from posecli.network.network import Network
from posecli.options import FixedPrecision
from posecli.precision.gate import WORK
from posecli.precision.quantize import GRAPH_WORK, AnyQuantizeOptions, expected_work
from posecli.precision.windows import ATTEMPTS
from posecli.precision.within import SCALES, WITH_WINDOWS

#: What is saved must be so many times what it costs, where nobody knows before whether anything comes of it; and where
#: something nearly always does: most networks' points stay where they are in a faster precision.
LEAST_GAIN, LEAST_SURE_GAIN = 2.0, 1.0
#: With fewer multiply-adds for each number that enters or leaves their convolutions, networks wait for memory, and were
#: no faster in int8 than in bf16: MobileNets have 15 to 35, EfficientNets 40 to 90, HRNet-w18 110 and w32 190; those
#: that were faster ResNets, CSPNeXt-x and HRNet-w48 from 285 on (`benchmarks/results/versus-networks.md`).
LEAST_INTENSITY = 250
#: Times the work that windows leave, for a size that is tried on the sample: more are moved, or not enough.
WINDOW_PASSES = 2


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
    """Frames of a run's videos, or chunks of them, that the network has to look at."""

    multiply_adds: float  # for all of them, as a whole; an estimate
    each: float  # for one of the size that most have
    sampled: int  # that the parity gate looks at
    calibrated_with: Sequence[int]  # the extents of one with which an int8 version would be made
    windows: float = 1.0  # share of a frame's work that windows leave where they serve; 1 where none can come
    detecting: float = 0.0  # multiply-adds with which a detector finds the animal in a frame


@dataclass(frozen=True)
class Reckoning:
    """What is ahead without a preparation, what that saves and what it costs, in multiply-adds of fp32."""

    ahead: float
    saved: float
    cost: float
    is_sure: bool = False  # that something comes of it

    @property
    def pays(self) -> bool:
        return self.saved >= (LEAST_SURE_GAIN if self.is_sure else LEAST_GAIN) * self.cost


def time_share(precision: FixedPrecision, here: Pace | None) -> float:
    """The time that a multiply-add takes in a precision on a processor of some pace, as a share of fp32's.

    >>> time_share("bf16", Pace(0.22, 0.17)), time_share("bf16", None)
    (0.22, 0.5)
    """
    if here is None or precision == "fp32":
        return WORK[precision]
    return here.int8 if precision == "int8" else here.wider


def reckon_int8(network: Network, work: WorkAhead, pace: Pace, options: AnyQuantizeOptions) -> Reckoning:
    """Making an int8 version; a network that would not be faster in int8 saves nothing."""
    share = work.windows if reckon_windows(network, work, "int8").pays else 1.0
    ahead = work.multiply_adds * share * pace.wider
    saved = ahead * (1 - pace.int8 / pace.wider) if intensity(network, work.calibrated_with) >= LEAST_INTENSITY else 0.0
    cost = expected_work(network, work.calibrated_with, options, pace.int8, work.detecting)
    return Reckoning(ahead, saved, cost)


def reckon_precision(
    network: Network, work: WorkAhead, faster: FixedPrecision, *, is_compared: bool = False
) -> Reckoning:
    """Comparing a faster precision with fp32 on a sample, which fp32 may have to look at anyway (`is_compared`)."""
    looks = WORK[faster] if is_compared else 1 + WORK[faster]
    cost = work.sampled * (looks * work.each + 2 * work.detecting) + _graph(network)
    return Reckoning(work.multiply_adds, work.multiply_adds * (1 - WORK[faster]), cost, is_sure=True)


def reckon_windows(
    network: Network, work: WorkAhead, precision: FixedPrecision, *, is_compared: bool = True, areas: float = 1
) -> Reckoning:
    """Trying windows on a sample, which fp32 has looked at before (`is_compared`) or not.

    They may be tried at several scales, of so many full frames' area together.
    """
    sample, ahead = work.sampled * work.each, work.multiply_adds * WORK[precision]
    cost = sample * WORK[precision] * (1 + ATTEMPTS * WINDOW_PASSES * work.windows) + ATTEMPTS * _graph(network)
    return Reckoning(ahead, ahead * (1 - work.windows), areas * cost + (0.0 if is_compared else sample))


def reckon_search(network: Network, work: WorkAhead, precision: FixedPrecision) -> Reckoning:
    """Searching scales, with the fastest precision that can run; at most all but the smallest one's work is saved."""
    areas = [float(scale**2) for scale in SCALES]
    cost = work.sampled * work.each * (1 + WORK[precision] * sum(areas)) + len(SCALES) * _graph(network)
    saved = work.multiply_adds * (1 - WORK[precision] * min(areas) * work.windows)
    return Reckoning(work.multiply_adds, saved, cost, is_sure=True)


def intensity(network: Network, extents: Sequence[int]) -> float:
    """Multiply-adds for each number that enters or leaves the convolutions that may compute in int8."""
    work, shapes = network.multiplications(extents), network.shapes(extents)
    sums = [
        (work[name], math.prod(n or 1 for n in shapes[name]), math.prod(n or 1 for n in shapes[entering]))
        for name, entering in network.int8_candidates().items()
    ]
    return sum(each[0] for each in sums) / max(1, sum(each[1] + each[2] for each in sums))


def _graph(network: Network) -> float:
    """What building the network's graph takes."""
    return float(GRAPH_WORK * network.parameters)


@dataclass(frozen=True)
class Asked:
    """What a run leaves to measurement."""

    faster: FixedPrecision | None  # the fastest precision that can run, or the one that was named; not fp32
    is_named: bool  # whether a precision was named
    windows: int | Literal["auto", "off"] = "off"
    searches: bool = False  # for the fastest setting within a limit
    names_scale: bool = False  # which only a search compares with the full one


@dataclass(frozen=True)
class Trials:
    """What a run measures before the first frame; what would not pay is left out."""

    precisions: bool  # faster ones, or all that a search tries
    windows: bool
    left_out: tuple[str, ...] = ()  # a sentence each
    cost: float = 0.0  # multiply-adds of fp32
    share: float = 1.0  # of a frame's work that windows may leave


def trials(network: Network, work: WorkAhead, asked: Asked) -> Trials:
    """What is worth measuring for the work ahead; what was named by the user is measured in any case."""
    precision, names_window = asked.faster or "fp32", isinstance(asked.windows, int)
    found, areas, is_open = None, 1.0, not asked.is_named
    if asked.searches:
        found = reckon_search(network, work, precision)
        areas = float(sum(scale**2 for scale in SCALES[:WITH_WINDOWS]))
        is_open = is_open and not (names_window or asked.names_scale)
    elif asked.faster is not None:
        found = reckon_precision(network, work, asked.faster, is_compared=names_window)
    cost, left_out = 0.0, []
    measures = found is not None and (found.pays or not is_open)
    if found is not None and measures:
        cost = found.cost
    elif found is not None:
        left_out.append(_left_out("other setting is" if asked.searches else "faster precision is", found, work))
    no_room = work.windows == 1 or (found is not None and not measures)  # they save less, and fp32 must look too
    if asked.windows == "off" or (no_room and not names_window):
        return Trials(measures, False, tuple(left_out), cost)
    found = reckon_windows(network, work, precision, is_compared=measures, areas=areas)
    if found.pays or names_window:
        return Trials(measures, True, tuple(left_out), cost + found.cost, work.windows)
    return Trials(measures, False, (*left_out, _left_out("windows are", found, work)), cost)


def _left_out(what: str, found: Reckoning, work: WorkAhead) -> str:
    ahead, cost, saved = (value / work.each for value in (found.ahead, found.cost, found.saved))
    return (
        f"no {what} tried: that takes as long as {cost:,.0f} passes of the network in fp32, and could save "
        f"{saved:,.0f} of the {ahead:,.0f} that are ahead"
    )

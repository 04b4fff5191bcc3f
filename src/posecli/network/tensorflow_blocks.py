"""What the networks of DeepLabCut's TensorFlow engine are built from, under the names of its checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from posecli.network.network import Network, PoseHead, PoseSpec
from posecli.network.operations import (
    Activation,
    BatchNormalization,
    GroupNormalization,
    Operation,
    TransposedConvolution,
)
from posecli.options import STATISTICS, Statistics

SCOREMAP_HEAD = "pose/part_pred/block4"
LOCREF_HEAD = "pose/locref_pred/block4"


@dataclass(frozen=True)
class PublishedWeights:
    """Where a backbone's weights from ImageNet are offered."""

    url: str  # of an archive
    checkpoint: str  # name of the checkpoint in it; its variables are called as the network's own


def statistics_of(layout: Mapping[str, Any]) -> Statistics:
    """What a layout says of normalisation; ``stored`` unless it says otherwise, `ValueError` where it says nonsense."""
    statistics: Statistics = layout.get("statistics", "stored")
    if statistics not in STATISTICS:
        raise ValueError(f"statistics {statistics} is not one of {STATISTICS}")
    return statistics


def normalization(name: str, tensor: str, epsilon: float, statistics: Statistics = "stored") -> Operation:
    """Normalisation of each channel, with the variables that slim and Keras keep under its name."""
    gamma, beta, mean, variance = (f"{name}/{each}" for each in ("gamma", "beta", "moving_mean", "moving_variance"))
    if statistics == "frame":
        return GroupNormalization(name, (tensor,), gamma, beta, None, epsilon)
    return BatchNormalization(name, (tensor,), gamma, beta, mean, variance, epsilon)


def rounded_channels(channels: int, factor: float) -> int:
    """So many times the channels, to the nearest multiple of 8 that is not less than nine tenths of that.

    >>> [rounded_channels(channels, 0.35) for channels in (32, 16, 96, 320)]
    [16, 8, 32, 112]
    """
    exact = channels * factor
    nearest = max(8, int(exact + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * exact else nearest + 8


def with_heads(spec: PoseSpec, backbone: Iterable[Operation]) -> Network:
    """The whole network: a backbone, and the heads that double the map which its last operation makes."""
    operations = [*backbone]
    features = (operations[-1].name,)
    operations += [_head(SCOREMAP_HEAD, features, spec.n_bodyparts)]
    outputs: list[Operation] = [Activation("scoremap", (SCOREMAP_HEAD,), "sigmoid", sensitive=True)]
    if spec.locref:
        operations += [_head(LOCREF_HEAD, features, 2 * spec.n_bodyparts)]
        outputs += [Activation("locref", (LOCREF_HEAD,), "linear", sensitive=True)]
    head = PoseHead("scoremap", "locref" if spec.locref else None, spec.locref_stdev)
    return Network(spec.net_type, (*operations, *outputs), head, spec.scaling)


def _head(name: str, features: tuple[str, ...], channels: int) -> TransposedConvolution:
    return TransposedConvolution(name, features, (3, 3), f"{name}/weights", channels, (2, 2), bias=f"{name}/biases")

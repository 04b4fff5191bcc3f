"""Which sort of head a network's layout describes; whatever the backbone, it hands its features to one."""

from __future__ import annotations

from posecli.network.axes_head import AxesLayers
from posecli.network.map_head import MapHeads
from posecli.network.network import PoseSpec


def heads_of(spec: PoseSpec) -> MapHeads | AxesLayers:
    """From the part ``heads`` of a layout: ``axes`` alone, or the maps that `MapHeads` has.

    A `ValueError`, `TypeError` or `KeyError` where it says nonsense.
    """
    heads = spec.layout["heads"]
    return AxesLayers.from_plain(heads["axes"]) if set(heads) == {"axes"} else MapHeads.of(spec)

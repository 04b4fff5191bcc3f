"""HRNet: shapes of its branches, what is left out, and how odd frames come through it."""

from __future__ import annotations

from typing import Any

import pytest

from posecli.network.hrnet import hrnet
from posecli.network.network import Network, PoseSpec
from posecli.network.operations import Concatenate, Resize

HEADS = {
    name: {"maps": maps, "channels": [maps], "kernels": [3], "strides": [2]}
    for name, maps in {"scoremap": 4, "locref": 8}.items()
}


def network(net_type: str = "hrnet_w18", **layout: Any) -> Network:
    return hrnet(PoseSpec(net_type, 4, layout={"heads": {**HEADS, "pad_to": 32}, **layout}))


@pytest.mark.parametrize(("net_type", "channels"), [("hrnet_w18", 18), ("hrnet_w32", 32), ("hrnet_w48", 48)])
def test_first_branch_alone_is_computed_to_the_end(net_type: str, channels: int) -> None:
    found = network(net_type)
    shapes = found.variable_shapes()
    assert shapes["heads.bodypart.heatmap_head.deconv_layers.0.weight"] == (3, 3, 4, channels)
    assert "backbone.model.stage4.2.fuse_layers.0.3.0.weight" in shapes
    assert "backbone.model.stage4.2.fuse_layers.1.0.0.0.weight" not in shapes
    assert len(shapes) == 1464


def test_all_branches_joined_with_more_channels() -> None:
    found = network(interpolate_branches=True, increased_channel_count=True)
    (joined,) = (each for each in found.operations if isinstance(each, Concatenate))
    assert found.shapes((64, 96))[joined.name] == (16, 24, 128 + 256 + 512 + 1024)
    enlarged = [each for each in found.operations if isinstance(each, Resize) and each.kind == "linear"]
    assert [each.factors for each in enlarged] == [(2, 2), (4, 4), (8, 8)]
    assert len(found.variable_shapes()) == 1609


@pytest.mark.parametrize(("size", "cells"), [((64, 96), (33, 49)), ((64, 97), (33, 50)), ((41, 70), (22, 36))])
def test_maps_end_with_the_frame(size: tuple[int, int], cells: tuple[int, int]) -> None:
    found = network()
    assert found.stride == 2
    assert found.shapes(size)["scoremap"] == (*cells, 4)


def test_flags_are_true_or_false() -> None:
    with pytest.raises(ValueError, match="interpolate_branches 1 or increased_channel_count False"):
        network(interpolate_branches=1)

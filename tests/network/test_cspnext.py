"""CSPNeXt: shapes of its stages, what its factors do, and layouts that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from support.networks import assert_engines_agree, pictures

from posecli.network.cspnext import cspnext
from posecli.network.network import Network, PoseSpec
from posecli.network.operations import Activation, Add, DepthwiseConvolution, Pooling

HEADS = {
    name: {"maps": maps, "channels": [maps], "kernels": [3], "strides": [2]}
    for name, maps in {"scoremap": 4, "locref": 8}.items()
}
SMALL = {"deepen_factor": 0.33, "widen_factor": 0.5}
MIDDLE = {"deepen_factor": 0.67, "widen_factor": 0.75}
LARGE = {"deepen_factor": 1.33, "widen_factor": 1.25}


def network(**layout: Any) -> Network:
    return cspnext(PoseSpec("cspnext_s", 4, layout={"heads": HEADS, **layout}))


@pytest.mark.parametrize(
    ("factors", "tensors", "channels"),
    [(SMALL, 207, 512), (MIDDLE, 297, 768), (LARGE, 477, 1280)],
    ids=["s", "m", "x"],
)
def test_factors_say_how_deep_and_wide_it_is(factors: dict[str, float], tensors: int, channels: int) -> None:
    shapes = network(**factors).variable_shapes()
    assert len(shapes) == tensors
    assert shapes["backbone.stage4.2.final_conv.conv.weight"] == (1, 1, channels, channels)
    assert shapes["heads.bodypart.heatmap_head.deconv_layers.0.weight"] == (3, 3, 4, channels)


@pytest.mark.parametrize(("size", "cells"), [((96, 128), (7, 9)), ((97, 130), (9, 11))])
def test_map_has_a_cell_more_than_twice_those_of_the_features(size: tuple[int, int], cells: tuple[int, int]) -> None:
    found = network(**SMALL)
    assert found.stride == 16
    assert found.shapes(size)["scoremap"] == (*cells, 4)


def test_units_of_the_last_stage_do_not_add_what_enters_them() -> None:
    sums = [each.name for each in network(**SMALL).operations if isinstance(each, Add)]
    assert [name.split(".")[1] for name in sums] == ["stage1", "stage2", "stage2", "stage3", "stage3"]


def test_maxima_lie_in_the_last_stage_and_kernels_of_five_in_every_unit() -> None:
    operations = network(**SMALL).operations
    maxima = [each for each in operations if isinstance(each, Pooling) and each.kind == "max"]
    assert [each.window for each in maxima] == [(5, 5), (9, 9), (13, 13)]
    assert all(each.name.startswith("backbone.stage4.1.") for each in maxima)
    kernels = {each.kernel for each in operations if isinstance(each, DepthwiseConvolution)}
    assert kernels == {(5, 5)}


@pytest.mark.slow
def test_engines_agree_on_a_frame_of_odd_size() -> None:
    assert_engines_agree(network(deepen_factor=0.1, widen_factor=0.125), pictures(2, 65, 98))


def test_what_a_file_may_say_besides() -> None:
    plain = network(**SMALL, expand_ratio=0.25, channel_attention=False, activation_fn="ReLU")
    shapes = plain.variable_shapes()
    assert shapes["backbone.stage1.1.main_conv.conv.weight"] == (1, 1, 64, 16)
    assert not any("attention" in name for name in shapes)
    kinds = {each.kind for each in plain.operations if isinstance(each, Activation)}
    assert kinds == {"relu", "linear"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widen_factor": 0}, "widen_factor 0 is not a number from 0.05 to 8"),
        ({"deepen_factor": "1"}, "deepen_factor 1 is not a number"),
        ({"expand_ratio": float("nan")}, "expand_ratio nan is not a number"),
        ({"channel_attention": 1}, "channel_attention 1 is not true or false"),
        ({"activation_fn": "GELU"}, "activation_fn GELU is not one of SiLU, ReLU"),
    ],
)
def test_impossible_layouts_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network(**SMALL | changes)

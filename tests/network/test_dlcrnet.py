"""DLCRNet: its backbone's ways to one size, stages that refine maps, and how its scores are read."""

from __future__ import annotations

from typing import Any

import pytest
from support.networks import any_weights, assert_engines_agree, pictures

from posecli.network import timm_resnet
from posecli.network.architectures import POSE_NETWORKS
from posecli.network.dlcrnet import NAMES, dlcrnet
from posecli.network.folding import fold_batch_norm, int8_names, merge_heads
from posecli.network.heads import heads_of
from posecli.network.network import FRAMES, Blur, Network, PoseHead, PoseSpec
from posecli.network.operations import Concatenate, Convolution, ResizeLike
from posecli.network.torch_blocks import Layers

STAGES = {"fields": 6, "stages": 3, "features": 16}
BLUR = {"sigma": 1.0, "radius": 5}


def layout(**heads: Any) -> dict[str, Any]:
    layers = {"kernels": [3], "strides": [2]}
    maps = {name: {"maps": count, "channels": [count], **layers} for name, count in (("scoremap", 4), ("locref", 8))}
    return {"heads": {**maps, "sigmoid": True, **heads}}


def network(output_stride: int = 16, **heads: Any) -> Network:
    return dlcrnet(PoseSpec(NAMES[0], 4, layout={"output_stride": output_stride, **layout(**heads)}))


def test_every_resnet_may_be_in_it() -> None:
    assert {name.removeprefix("dlcrnet_") for name in NAMES} == set(timm_resnet.SIZES)
    assert set(NAMES) <= set(POSE_NETWORKS)


@pytest.mark.parametrize(("output_stride", "cells"), [(16, (7, 9)), (32, (4, 5))])
def test_ways_come_to_the_size_of_the_last_layer(output_stride: int, cells: tuple[int, int]) -> None:
    found = network(output_stride)
    shapes = found.shapes((100, 131))
    for number, before in (1, (5, 7)), (2, (6, 8)):
        (bank,) = (each for each in found.operations if each.name == f"backbone.bank{number}")
        assert isinstance(bank, ResizeLike)
        assert shapes[bank.inputs[0]] == (*before, 128)
        assert shapes[bank.name] == (*cells, 128)
    assert shapes["backbone.joined"] == (*cells, 2304)


def test_features_are_those_of_the_third_units() -> None:
    makers = {each.name: each for each in network().operations}
    for block, unit in (("conv_block3", "layer1.2"), ("conv_block1", "layer2.2")):
        assert makers[f"backbone.{block}.0"].inputs[0].startswith(f"backbone.model.{unit}.")


def test_stages_halve_the_stride_and_take_what_the_ones_before_made() -> None:
    found = network(refinement=STAGES)
    assert found.stride == 4
    shapes = found.shapes((96, 128))
    assert shapes["scoremap"] == (25, 33, 4)
    assert shapes["locref"] == (25, 33, 8)
    joined = [each for each in found.operations if isinstance(each, Concatenate)][1:]
    assert [shapes[each.name] for each in joined] == [(12, 16, 4 + 6 + 16)] * 4
    # The second stage is the first to add what the one before it made.
    assert [each.inputs[0].removeprefix("heads.bodypart.") for each in joined] == [
        "convt1",
        "hm_ref_layers.0",
        "hm_ref_layers.1.sum",
        "hm_ref_layers.2.sum",
    ]
    variables = found.variable_shapes()
    assert variables["heads.bodypart.locref_head.deconv_layers.0.weight"] == (3, 3, 8, 8)
    assert not any("paf_head" in name for name in variables)


def test_any_backbone_may_have_such_heads() -> None:
    spec = PoseSpec("any", 4, layout=layout(refinement=STAGES, pad_to=16))
    heads, layers = heads_of(spec), Layers()
    layers.add(Convolution("x", (heads.entry,), (9, 9), "k", 6, (8, 8), padding="centered", bias="b"))
    found = heads.network(spec, layers.operations, "x", 8)
    assert found.stride == 2
    assert found.shapes((40, 51))["scoremap"] == (21, 27, 4)
    assert_engines_agree(found, pictures(2, 40, 51))
    merged, _ = merge_heads(*fold_batch_norm(found, any_weights(found)))
    assert merged.int8_candidates().keys() == {"x", "pose/doubled", *found.int8_candidates()}
    assert merged.int8_candidates().keys() == int8_names(found), "an int8 version may be read again"


def test_engines_agree_on_maps_of_other_sizes() -> None:
    layers = Layers()
    for name, side in (("x", 3), ("y", 7)):
        layers.add(Convolution(name, (FRAMES,), (side, side), f"{name}/k", 4, (side - 1,) * 2, padding="valid"))
    for name, inputs in (("scoremap", ("x", "y")), ("locref", ("y", "x"))):
        layers.add(ResizeLike(name, inputs))
    found = Network("sizes", tuple(layers.operations), PoseHead("scoremap", "locref", 1.0))
    assert found.shapes((33, 40)) == {
        FRAMES: (33, 40, 3),
        "x": (16, 19, 4),
        "y": (5, 6, 4),
        "scoremap": (5, 6, 4),
        "locref": (16, 19, 4),
    }
    assert_engines_agree(found, pictures(2, 33, 40))


def test_head_says_how_scores_are_blurred() -> None:
    head = network(blur=BLUR).head
    assert isinstance(head, PoseHead)
    assert head.blur == Blur(1.0, 5, 0.01)
    assert network().head == PoseHead("scoremap", "locref", 7.2801)


def test_cells_whose_centers_deeplabcut_would_round_are_refused() -> None:
    spec = PoseSpec("any", 4, layout=layout(blur=BLUR))
    with pytest.raises(ValueError, match="the centers of cells of an odd number of px"):
        heads_of(spec).network(spec, [], FRAMES, 2)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ({"refinement": {**STAGES, "stages": 0}}, "stages that refine maps are impossible"),
        ({"refinement": {**STAGES, "fields": "6"}}, "stages that refine maps are impossible"),
        ({"blur": {"sigma": 0, "radius": 5}}, "sigma 0 or least_score 0.01 of a blur is not a positive number"),
        ({"blur": {"sigma": 1, "radius": 1000}}, "the radius 1000 of a blur is not a number of cells up to 64"),
    ],
)
def test_impossible_layouts_are_refused(heads: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network(**heads)

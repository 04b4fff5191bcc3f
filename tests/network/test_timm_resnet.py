"""timm's ResNets, as DeepLabCut's PyTorch engine has them: shapes, and where they differ from slim's."""

from __future__ import annotations

from typing import Any

import pytest

from posecli.network.network import Network, PoseSpec
from posecli.network.operations import Convolution, GroupNormalization, Pooling
from posecli.network.timm_resnet import timm_resnet


def layout(output_stride: Any = 16) -> dict[str, Any]:
    heads = {name: {"maps": maps, "channels": [maps], "kernels": [3], "strides": [2]} for name, maps in HEADS.items()}
    return {"output_stride": output_stride, "heads": heads}


HEADS = {"scoremap": 4, "locref": 8}


def network(net_type: str, output_stride: Any = 16) -> Network:
    return timm_resnet(PoseSpec(net_type, 4, layout=layout(output_stride)))


@pytest.mark.parametrize(("net_type", "tensors"), [("resnet50_gn", 163), ("resnet101", 524)])
def test_number_of_tensors(net_type: str, tensors: int) -> None:
    assert len(network(net_type).variable_shapes()) == tensors


@pytest.mark.parametrize(("output_stride", "shape"), [(8, (33, 41)), (16, (17, 21)), (32, (9, 11))])
def test_output_stride(output_stride: int, shape: tuple[int, int]) -> None:
    found = network("resnet50_gn", output_stride)
    assert found.stride == output_stride // 2
    assert found.shapes((126, 160))["scoremap"] == (*shape, 4)


def test_stride_lies_in_the_first_unit_and_dilation_behind_it() -> None:
    moves = {each.name: each for each in network("resnet50_gn").operations if isinstance(each, Convolution)}
    strides = {name for name, each in moves.items() if each.strides == (2, 2)}
    root = "backbone.model"
    assert strides == {f"{root}.conv1"} | {
        f"{root}.layer{layer}.0.{name}" for layer in (2, 3) for name in ("conv2", "downsample.0")
    }
    assert {name for name, each in moves.items() if each.dilation == 2} == {
        f"{root}.layer4.{unit}.conv2" for unit in (1, 2)
    }


def test_normalisation_is_that_of_groups_or_of_the_batch() -> None:
    norms = [each for each in network("resnet50_gn").operations if isinstance(each, GroupNormalization)]
    assert {norm.groups for norm in norms} == {32}
    assert len(norms) == 53
    assert not any(isinstance(each, GroupNormalization) for each in network("resnet101").operations)


def test_maximum_has_a_margin_on_both_sides() -> None:
    (pool,) = (each for each in network("resnet101").operations if isinstance(each, Pooling))
    assert (pool.padding, pool.window, pool.strides) == ("centered", (3, 3), (2, 2))


@pytest.mark.parametrize("stride", [4, "16", None])
def test_impossible_stride_is_refused(stride: Any) -> None:
    with pytest.raises(ValueError, match="is not one of"):
        network("resnet50_gn", stride)

"""EfficientNets: names, sizes and strides; what DeepLabCut makes of them is in test_golden.py."""

from __future__ import annotations

import pytest

from posecli.network.efficientnet import SIZES, efficientnet
from posecli.network.network import Network, PoseSpec
from posecli.network.operations import Activation, DepthwiseConvolution, GroupNormalization


def network(net_type: str = "efficientnet-b0", **layout: str) -> Network:
    return efficientnet(PoseSpec(net_type, 4, layout=layout))


@pytest.mark.parametrize(
    ("net_type", "tensors"), [("efficientnet-b0", 308), ("efficientnet-b3", 493), ("efficientnet-b6", 849)]
)
def test_number_of_variables(net_type: str, tensors: int) -> None:
    assert len(network(net_type).variable_shapes()) == tensors


def test_names_and_shapes_of_variables() -> None:
    root = "efficientnet/efficientnet-b0"
    expected = {
        f"{root}/stem/conv2d/kernel": (3, 3, 3, 32),
        f"{root}/stem/tpu_batch_normalization/moving_mean": (32,),
        f"{root}/blocks_0/depthwise_conv2d/depthwise_kernel": (3, 3, 32, 1),
        f"{root}/blocks_0/conv2d/kernel": (1, 1, 32, 16),
        f"{root}/blocks_0/tpu_batch_normalization_1/gamma": (16,),
        f"{root}/blocks_1/conv2d/kernel": (1, 1, 16, 96),
        f"{root}/blocks_1/se/conv2d/kernel": (1, 1, 96, 4),
        f"{root}/blocks_1/se/conv2d_1/bias": (96,),
        f"{root}/blocks_1/conv2d_1/kernel": (1, 1, 96, 24),
        f"{root}/blocks_15/tpu_batch_normalization_2/beta": (320,),
        "pose/locref_pred/block4/weights": (3, 3, 8, 320),
    }
    shapes = network().variable_shapes()
    assert expected.items() <= shapes.items()
    assert f"{root}/blocks_0/tpu_batch_normalization_2/beta" not in shapes
    assert f"{root}/blocks_16/conv2d/kernel" not in shapes


@pytest.mark.parametrize("net_type", SIZES)
def test_strides(net_type: str) -> None:
    found = network(net_type)
    strided = [each for each in found.operations if isinstance(each, DepthwiseConvolution) and each.strides == (2, 2)]
    assert (len(strided), found.stride) == (3, 8)


def test_statistics_of_each_frame_where_the_layout_says_so() -> None:
    norms = [each for each in network(statistics="frame").operations if isinstance(each, GroupNormalization)]
    swishes = [each for each in network().operations if isinstance(each, Activation) and each.kind == "swish"]
    assert len(norms) == 16 * 3
    assert len(swishes) == 16 * 3

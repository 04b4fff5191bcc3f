"""MobileNetV2: variables, strides and normalisation; what DeepLabCut makes of them is in test_golden.py."""

from __future__ import annotations

import numpy as np
import pytest
from support import networks

from posecli.network.folding import fold_batch_norm
from posecli.network.mobilenet import WIDTHS, mobilenet
from posecli.network.network import Network, PoseSpec
from posecli.network.operations import Add, BatchNormalization, DepthwiseConvolution, GroupNormalization


def network(net_type: str = "mobilenet_v2_0.35", statistics: str = "stored") -> Network:
    return mobilenet(PoseSpec(net_type, 4, layout={"statistics": statistics}))


def test_names_and_shapes_of_variables() -> None:
    shapes = network("mobilenet_v2_1.0").variable_shapes()
    expected = {
        "MobilenetV2/Conv/weights": (3, 3, 3, 32),
        "MobilenetV2/Conv/BatchNorm/moving_variance": (32,),
        "MobilenetV2/expanded_conv/depthwise/depthwise_weights": (3, 3, 32, 1),
        "MobilenetV2/expanded_conv/project/weights": (1, 1, 32, 16),
        "MobilenetV2/expanded_conv_13/expand/weights": (1, 1, 96, 576),
        "MobilenetV2/expanded_conv_16/project/BatchNorm/gamma": (320,),
        "MobilenetV2/Conv_1/weights": (1, 1, 320, 1280),
        "pose/part_pred/block4/weights": (3, 3, 4, 1280),
    }
    assert expected.items() <= shapes.items()
    assert "MobilenetV2/expanded_conv/expand/weights" not in shapes
    # DeepLabCut's own graph has 266, two of which are of a head for training.
    assert {len(network(name).variable_shapes()) for name in WIDTHS} == {264}


@pytest.mark.parametrize(("net_type", "channels"), [("mobilenet_v2_0.75", (24, 240)), ("mobilenet_v2_0.35", (16, 112))])
def test_other_widths_are_rounded_but_for_the_features(net_type: str, channels: tuple[int, int]) -> None:
    shapes = network(net_type).variable_shapes()
    assert shapes["MobilenetV2/Conv/weights"][-1] == channels[0]
    assert shapes["MobilenetV2/Conv_1/weights"] == (1, 1, channels[1], 1280)


def test_strides_and_shortcuts() -> None:
    operations = network().operations
    strided = [each.name for each in operations if getattr(each, "strides", ()) == (2, 2)]
    blocks = [f"MobilenetV2/expanded_conv_{number}/depthwise" for number in (1, 3, 6)]
    assert strided == ["MobilenetV2/Conv", *blocks, "pose/part_pred/block4", "pose/locref_pred/block4"]
    assert len([each for each in operations if isinstance(each, DepthwiseConvolution)]) == 17
    assert len([each for each in operations if isinstance(each, Add)]) == 10
    assert network().shapes((97, 130))["scoremap"] == (14, 18, 4)


def test_statistics_are_stored_and_folded_or_the_frames_own() -> None:
    stored, frame = network(), network(statistics="frame")
    assert len([each for each in frame.operations if isinstance(each, GroupNormalization)]) == 52
    assert not any("moving" in name for name in frame.variable_shapes())
    folded, _ = fold_batch_norm(stored, networks.any_weights(stored))
    assert not any(isinstance(each, BatchNormalization) for each in folded.operations)


@pytest.mark.parametrize("engine", [networks.by_openvino, pytest.param(networks.by_keras, marks=pytest.mark.slow)])
def test_a_frame_is_alone_with_its_statistics(engine: networks.Engine) -> None:
    frame, images = network(statistics="frame"), networks.pictures(2, 33, 48)
    images[1] //= 3
    weights = networks.any_weights(frame)
    together, alone = engine(frame, weights, images), engine(frame, weights, images[1:])
    for name in frame.outputs:
        np.testing.assert_allclose(together[name][1:], alone[name], atol=1e-4 * np.ptp(alone[name]))


def test_impossible_statistics() -> None:
    with pytest.raises(ValueError, match="statistics batch"):
        network(statistics="batch")

"""Names and shapes of variables, against what DeepLabCut's checkpoints hold."""

from __future__ import annotations

import pytest

from posecli.network.variables import UNITS_PER_BLOCK, convolutions, units, variable_shapes


@pytest.mark.parametrize(
    ("net_type", "with_intermediate_supervision"), [("resnet_50", 271), ("resnet_101", 526), ("resnet_152", 781)]
)
def test_count(net_type: str, with_intermediate_supervision: int) -> None:
    # Supervision adds the weights and biases of one head, which inference does without.
    assert len(variable_shapes(net_type, n_bodyparts=4)) == with_intermediate_supervision - 2


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resnet_v1_50/conv1/weights", (7, 7, 3, 64)),
        ("resnet_v1_50/conv1/BatchNorm/moving_variance", (64,)),
        ("resnet_v1_50/block1/unit_1/bottleneck_v1/shortcut/weights", (1, 1, 64, 256)),
        ("resnet_v1_50/block2/unit_1/bottleneck_v1/conv1/weights", (1, 1, 256, 128)),
        ("resnet_v1_50/block3/unit_6/bottleneck_v1/conv2/weights", (3, 3, 256, 256)),
        ("resnet_v1_50/block4/unit_3/bottleneck_v1/conv3/BatchNorm/gamma", (2048,)),
        ("pose/part_pred/block4/weights", (3, 3, 5, 2048)),
        ("pose/part_pred/block4/biases", (5,)),
        ("pose/locref_pred/block4/weights", (3, 3, 10, 2048)),
        ("pose/locref_pred/block4/biases", (10,)),
    ],
)
def test_shape(name: str, shape: tuple[int, ...]) -> None:
    assert variable_shapes("resnet_50", n_bodyparts=5)[name] == shape


def test_without_location_refinement_only_its_head_is_gone() -> None:
    with_locref, without = (variable_shapes("resnet_50", 4, locref=locref) for locref in (True, False))
    assert set(with_locref) - set(without) == {f"pose/locref_pred/block4/{name}" for name in ("weights", "biases")}


@pytest.mark.parametrize("net_type", UNITS_PER_BLOCK)
def test_only_the_last_units_of_blocks_1_and_2_are_strided(net_type: str) -> None:
    n_units = UNITS_PER_BLOCK[net_type]
    strided = {unit.scope.split("/", 1)[1] for unit in units(net_type) if unit.stride == 2}
    assert strided == {f"block{block}/unit_{n_units[block - 1]}/bottleneck_v1" for block in (1, 2)}


def test_only_the_3x3_convolutions_of_block_4_are_dilated() -> None:
    dilated = {conv.scope: conv.dilation for conv in convolutions("resnet_50") if conv.dilation != 1}
    assert dilated == {f"resnet_v1_50/block4/unit_{unit}/bottleneck_v1/conv2": 2 for unit in (1, 2, 3)}


def test_shortcuts_are_in_first_units_only() -> None:
    shortcuts = [unit.scope.split("/")[2] for unit in units("resnet_101") if unit.shortcut is not None]
    assert shortcuts == ["unit_1"] * 4

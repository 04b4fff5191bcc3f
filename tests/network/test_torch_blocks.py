"""What PyTorch's networks are built from."""

from __future__ import annotations

import pytest
from support.networks import assert_engines_agree, pictures

from posecli.network.network import FRAMES, ClassHead, Network, Scaling
from posecli.network.operations import BatchNormalization, GroupNormalization
from posecli.network.torch_blocks import Block, Layers, bottleneck, normalization, projection


def test_blocks_are_chained_under_the_names_of_a_state_dict() -> None:
    layers = Layers()
    end = layers.blocks(FRAMES, Block("conv1", "bn1", 3, 8, 2), Block("conv2", "bn2", 5, 8, depthwise=True))
    assert end == "bn2.relu"
    network = Network("two", tuple(layers.operations), ClassHead(end), Scaling(1 / 64))
    assert list(network.variable_shapes()) == [
        f"{name}.weight" if kind == "conv" else f"bn{number}.{kind}"
        for number in (1, 2)
        for name, kind in [(f"conv{number}", "conv"), *[("", each) for each in NORM]]
    ]
    assert network.shapes((9, 12))[end] == (5, 6, 8)


NORM = ("weight", "bias", "running_mean", "running_var")


@pytest.mark.parametrize(("in_groups", "inner"), [(False, 8), (True, 32)])
def test_units_with_and_without_a_projection(in_groups: bool, inner: int) -> None:
    layers = Layers()
    shortcut = projection("u.0", 4 * inner, 2, in_groups=in_groups)
    first = layers.residual("u.0", FRAMES, bottleneck("u.0", inner, 2, in_groups=in_groups), shortcut)
    second = layers.residual("u.1", first, bottleneck("u.1", inner, dilation=2, in_groups=in_groups))
    network = Network("units", tuple(layers.operations), ClassHead(second), Scaling(1 / 64))
    assert_engines_agree(network, pictures(2, 12, 14))


def test_normalisation_is_that_of_groups_or_of_the_batch() -> None:
    assert normalization("n", "x") == BatchNormalization(
        "n", ("x",), "n.weight", "n.bias", "n.running_mean", "n.running_var", 1e-5
    )
    assert normalization("n", "x", in_groups=True) == GroupNormalization("n", ("x",), "n.weight", "n.bias", 32, 1e-5)

"""MobileNetV3: what its blocks are made of; what they compute is tested with the detectors that have them."""

from __future__ import annotations

from posecli.network.mobilenet_v3 import Inverted, Inverteds, last_blocks
from posecli.network.network import FRAMES, ClassHead, Network
from posecli.network.operations import Add
from posecli.network.torch_blocks import Layers


def test_what_enters_a_block_is_added_where_it_has_the_same_shape() -> None:
    layers = Layers()
    make = Inverteds(layers, 1e-3)
    first = make.inverted("first", FRAMES, 3, Inverted(3, 12, 8, False, "relu", 2))
    second = make.inverted("second", first, 8, Inverted(5, 32, 8, True, "hard_swish", 1))
    assert [each.inputs for each in layers.operations if isinstance(each, Add)] == [("second.3.1", "first.2.1")]
    shapes = Network("two", tuple(layers.operations), ClassHead(second)).shapes((9, 12))
    assert (shapes[first], shapes[second]) == ((5, 6, 8), (5, 6, 8))


def test_a_block_whose_inner_channels_are_those_that_enter_does_not_begin_with_more() -> None:
    layers = Layers()
    Inverteds(layers, 1e-3).inverted("same", FRAMES, 3, Inverted(3, 3, 4, False, "relu", 1))
    assert layers.operations[0].name == "same.0.0"
    assert layers.operations[0].variable_shapes((4, 4, 3)) == {"same.0.0.weight": (3, 3, 3, 1)}


def test_weights_of_channels_have_the_names_of_torchvision() -> None:
    layers = Layers()
    Inverteds(layers, 1e-3).inverted("b", FRAMES, 3, Inverted(3, 72, 4, True, "relu", 1))
    names = Network("one", tuple(layers.operations), ClassHead("b.3.1")).variable_shapes()
    assert names["b.2.fc1.weight"] == (1, 1, 72, 24)  # a quarter is 18, and 16 too few
    assert names["b.2.fc2.bias"] == (72,)


def test_last_blocks_halve_maps_once() -> None:
    assert [(each.inner, each.channels, each.stride) for each in last_blocks(80)] == [
        (672, 80, 2),
        (480, 80, 1),
        (480, 80, 1),
    ]

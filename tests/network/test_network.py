"""A network as data: what does not fit together is refused, and only what the outputs need is kept."""

from __future__ import annotations

import pytest

from posecli.network.network import FRAMES, ClassHead, Network, PoseHead
from posecli.network.operations import Activation, Convolution, Dropout, GlobalAverage, TransposedConvolution

X = (FRAMES,)
HEAD = ClassHead("y")


@pytest.mark.parametrize(
    ("operations", "words"),
    [
        ((GlobalAverage("y", ("x",)),), r"'y' takes \['x'\], which nothing before makes"),
        ((Activation("y", X, "relu"), Activation("y", X, "relu")), "two operations are called 'y'"),
        ((Activation("x", X, "relu"),), r"no operation makes the outputs \['y'\]"),
    ],
)
def test_what_does_not_fit_together_is_refused(operations: tuple[Activation, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Network("odd", operations, HEAD)


def test_only_what_the_outputs_need_is_kept() -> None:
    network = Network("one", (Activation("y", X, "relu"),), HEAD)
    found = network.with_operations([Activation("unused", X, "relu"), *network.operations])
    assert found == network


def test_shapes_cost_and_stride() -> None:
    operations = (
        Convolution("x", X, (3, 3), "k", 5, (4, 4)),
        TransposedConvolution("y", ("x",), (3, 3), "t", 2, (2, 2), bias="b"),
    )
    network = Network("two", operations, PoseHead("y", None, 1.0))
    assert network.shapes((33, 64)) == {FRAMES: (33, 64, 3), "x": (9, 16, 5), "y": (18, 32, 2)}
    assert network.shapes()["y"] == (None, None, 2)
    assert network.variable_shapes() == {"k": (3, 3, 3, 5), "t": (3, 3, 2, 5), "b": (2,)}
    assert network.multiplications((33, 64)) == {"x": 9 * 16 * 9 * 15, "y": 9 * 16 * 9 * 10}
    assert network.stride == 2


def test_dropout_is_set_everywhere() -> None:
    network = Network("one", (Dropout("x", X), Dropout("y", ("x",))), HEAD).with_dropout(0.25)
    assert network.operations == (Dropout("x", X, 0.25), Dropout("y", ("x",), 0.25))

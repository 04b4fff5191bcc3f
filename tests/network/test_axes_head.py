"""The head that looks along axes: its layers and scores, the one size of frames, and layouts that cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.networks import any_weights, by_keras, by_openvino, pictures

from posecli.network.folding import fold_batch_norm, merge_heads
from posecli.network.heads import heads_of
from posecli.network.map_head import MapHeads
from posecli.network.network import FRAMES, AxesHead, Network, PoseSpec
from posecli.network.operations import Convolution

SMALL: dict[str, Any] = {"size": [32, 48], "hidden": 8, "attention": 6, "final_kernel": 3}


def spec(**axes: Any) -> PoseSpec:
    return PoseSpec("any", 5, layout={"heads": {"axes": SMALL | axes}}, mean_pixel=(120, 110, 100), std_pixel=(50,) * 3)


def network(**axes: Any) -> Network:
    """The head on a single strided convolution."""
    backbone = Convolution("x0", (FRAMES,), (9, 9), "k", 6, (8, 8), padding="centered", bias="b")
    return heads_of(spec(**axes)).network(spec(**axes), [backbone], "x0", 8)


@pytest.mark.parametrize("axes", [{}, {"activation": "relu", "expansion": 3, "cells_per_px": 1.5}])
def test_engines_agree(axes: dict[str, Any]) -> None:
    found = network(**axes)
    weights, images = any_weights(found), pictures(2, 32, 48)
    expected = by_keras(found, weights, images)
    by_graph = by_openvino(*merge_heads(*fold_batch_norm(found, weights)), images)
    for name, side in (("x", 48), ("y", 32)):
        assert expected[name].shape == (2, 5, int(side * axes.get("cells_per_px", 2)))
        assert expected[name].std() > 0.01
        np.testing.assert_allclose(by_graph[name], expected[name], atol=1e-4 * np.abs(expected[name]).max())


def test_variables_are_called_as_in_the_state_dict() -> None:
    shapes = network().variable_shapes()
    root = "heads.bodypart"
    assert {name.removeprefix(f"{root}."): shape for name, shape in shapes.items() if name.startswith(root)} == {
        "final_layer.weight": (3, 3, 6, 5),
        "final_layer.bias": (5,),
        "mlp.0.g": (1,),
        "mlp.1.weight": (24, 8),
        "gau.ln.g": (1,),
        "gau.uv.weight": (8, 2 * 16 + 6),
        "gau.gamma": (2, 6),
        "gau.beta": (2, 6),
        "gau.o.weight": (16, 8),
        "gau.res_scale.scale": (8,),
        "cls_y.weight": (8, 64),
        "cls_x.weight": (8, 96),
    }


def test_head_says_what_scores_mean() -> None:
    found = network(factors=[849.0, 700.0], softmax=False)
    assert found.head == AxesHead("x", "y", (32, 48), 2.0, (849.0, 700.0), softmax=False)
    assert found.stride == 0.5
    assert found.shapes((32, 48))["x"] == (5, 96)
    assert found.multiplications((32, 48))["heads.bodypart.cls_x"] == 5 * 8 * 96


def test_other_frames_are_refused() -> None:
    with pytest.raises(ValueError, match=r"takes maps of \(4, 6\) cells, not \(5, 6\)"):
        network().shapes((40, 48))


def test_layout_says_which_sort_of_head_it_is() -> None:
    maps = {"scoremap": {"maps": 5, "channels": [5], "kernels": [3], "strides": [2]}}
    assert isinstance(heads_of(PoseSpec("any", 5, locref=False, layout={"heads": maps})), MapHeads)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"size": [32, 0]}, "is impossible"),
        ({"size": [32, 32, 32]}, "is impossible"),
        ({"hidden": 1e3}, "is impossible"),
        ({"final_kernel": 4}, "kernel of 4 and swish is not known"),
        ({"activation": "gelu"}, "kernel of 3 and gelu is not known"),
        ({"factors": [1.0, -1.0]}, "are not positive numbers"),
        ({"cells_per_px": float("inf")}, "are not positive numbers"),
        ({"cells_per_px": 1e-3}, "are impossible"),
        ({"softmax": "yes"}, "softmax yes or normalized False is not true or false"),
    ],
)
def test_impossible_layouts_are_refused(axes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network(**axes)

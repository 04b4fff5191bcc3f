"""Heads that make maps: any number of layers, padding of frames, and layouts that cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.networks import any_weights, assert_engines_agree, compiled, pictures

from posecli.network.folding import fold_batch_norm, merge_heads
from posecli.network.map_head import MapHeads
from posecli.network.network import FRAMES, Network, PoseSpec
from posecli.network.operations import Convolution

ONE: dict[str, Any] = {"maps": 2, "channels": [2], "kernels": [3], "strides": [2]}
TWO: dict[str, Any] = {"maps": 2, "channels": [5, 2], "kernels": [4, 3], "strides": [2, 2]}
FINAL: dict[str, Any] = {"maps": 2, "channels": [], "kernels": [], "strides": [], "final_kernel": 1}
BOTH: dict[str, Any] = {"maps": 2, "channels": [3], "kernels": [3], "strides": [2], "final_kernel": 3}


def network(scoremap: dict[str, Any], stride: int = 4, **settings: Any) -> Network:
    """Heads on a single strided convolution."""
    locref = {**scoremap, "maps": 4, "channels": [*scoremap["channels"][:-1], *([4] if scoremap["channels"] else [])]}
    heads = {"scoremap": scoremap, "locref": locref, **settings}
    spec = PoseSpec("any", 2, layout={"heads": heads}, std_pixel=(50.0, 60.0, 70.0))
    found = MapHeads.of(spec)
    sides = (stride + 1,) * 2
    backbone = Convolution("x", (found.entry,), sides, "k", 6, (stride, stride), padding="centered", bias="b")
    return found.network(spec, [backbone], "x", stride)


@pytest.mark.parametrize(
    ("layers", "stride", "shape"),
    [(ONE, 2, (15, 19)), (TWO, 1, (33, 41)), (FINAL, 4, (7, 9)), (BOTH, 2, (13, 17))],
    ids=["one", "two", "final", "both"],
)
def test_layers_of_any_number(layers: dict[str, Any], stride: int, shape: tuple[int, int]) -> None:
    found = network(layers)
    assert found.stride == stride
    assert found.shapes((26, 35))["scoremap"] == (*shape, 2)
    assert_engines_agree(found, pictures(2, 26, 35))


@pytest.mark.parametrize("layers", [ONE, TWO, FINAL, BOTH], ids=["one", "two", "final", "both"])
def test_scores_are_float32_where_the_rest_is_narrower(layers: dict[str, Any]) -> None:
    found = network(layers)
    folded, weights = merge_heads(*fold_batch_norm(found, any_weights(found)))
    images = pictures(1, 64, 64)
    scores = np.asarray(compiled(folded, weights, (64, 64), "bf16")(images)[0])
    assert len(np.unique(scores)) > 0.9 * scores.size  # in bf16 many cells would tie


@pytest.mark.parametrize("settings", [{"sigmoid": True}, {"pad_to": 32}, {"pad_to": 32, "clip_scores": True}])
def test_settings(settings: dict[str, Any]) -> None:
    found = network(ONE, **settings)
    assert_engines_agree(found, pictures(2, 40, 50))
    # The map of a padded frame has as many cells as that of a frame which needs no padding.
    assert found.shapes((40, 50))["scoremap"] == (21, 27 if "pad_to" not in settings else 26, 2)
    assert found.shapes((64, 96))["scoremap"] == (33, 49, 2)
    assert found.head.clip_scores == settings.get("clip_scores", False)  # type: ignore[union-attr]


def test_what_is_padded_is_the_frame() -> None:
    assert network(ONE, pad_to=16).operations[0].inputs == (FRAMES,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernels": [3, 3]}, "do not fit one another"),
        ({"channels": [], "kernels": [], "strides": []}, "do not fit one another"),
        ({"channels": [3]}, "last layer does not make its maps"),
        ({"strides": [4]}, "smaller than its strides"),
        ({"kernels": [10**9]}, "impossible"),
        ({"kernels": [True]}, "impossible"),
        ({"maps": 3, "channels": [3]}, "3 maps for 2 body parts"),
    ],
)
def test_impossible_layers_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network(ONE | changes)


@pytest.mark.parametrize("settings", [{"pad_to": 0}, {"pad_to": "32"}, {"sigmoid": 1}])
def test_impossible_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is not (a number of px|true or false)"):
        network(ONE, **settings)

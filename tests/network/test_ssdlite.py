"""SSDLite: what DeepLabCut's own makes of a picture, in both engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.golden import golden_picture
from support.networks import Arrays, by_keras, by_openvino
from support.top_down import golden_weights

from posecli.engine.outputs import BoxScores, typed_output
from posecli.inference.boxes import best_boxes, reference_boxes
from posecli.network.folding import fold_batch_norm, merge_heads
from posecli.network.network import BoxHead, DetectorSpec
from posecli.network.ssdlite import ssdlite

GOLDEN = Path(__file__).with_name("golden") / "ssdlite.npz"
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
SPEC = DetectorSpec("ssdlite", MEAN, STD, {"tail": 80})


@pytest.fixture(scope="module")
def golden() -> Arrays:
    with np.load(GOLDEN) as file:
        return dict(file)


@pytest.fixture(scope="module")
def said(golden: Arrays) -> dict[str, BoxScores]:
    network, picture = ssdlite(SPEC), golden_picture(*golden["size"])[None]
    weights = golden_weights(network)
    found = {
        "keras": by_keras(network, weights, picture),
        "openvino": by_openvino(*merge_heads(*fold_batch_norm(network, weights)), picture),
    }
    outputs = {}
    for name, arrays in found.items():
        output = typed_output(network.head, [arrays[output] for output in network.outputs])
        assert isinstance(output, BoxScores)
        outputs[name] = output
    return outputs


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["keras", "openvino"])
@pytest.mark.parametrize("part", ["logits", "offsets"])
def test_scores_and_offsets_are_those_of_deeplabcut(
    golden: Arrays, said: dict[str, BoxScores], engine: str, part: str
) -> None:
    expected, found = golden[part], getattr(said[engine], part)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.ptp(expected))


def test_least_score_is_the_one_that_deeplabcut_ends_up_with(golden: Arrays) -> None:
    head = ssdlite(SPEC).head
    assert isinstance(head, BoxHead)
    assert head.least_score == golden["threshold"]


def test_a_backbone_that_began_with_imagenet_has_wider_last_blocks() -> None:
    network = ssdlite(DetectorSpec("ssdlite", layout={"tail": 160}))
    assert network.shapes()["model.backbone.features.1.3.1.hard_swish"] == (10, 10, 960)


def test_other_tails_are_refused() -> None:
    with pytest.raises(ValueError, match="tail 100"):
        ssdlite(DetectorSpec("ssdlite", layout={"tail": 100}))


@pytest.mark.parametrize("engine", ["keras", "openvino"])
def test_best_box_is_that_of_deeplabcut(golden: Arrays, said: dict[str, BoxScores], engine: str) -> None:
    network = ssdlite(SPEC)
    assert isinstance(network.head, BoxHead)
    x, y, width, height = best_boxes(said[engine], reference_boxes(network), network.head, tuple(golden["size"]))[0]
    np.testing.assert_allclose((x, y, x + width, y + height), golden["box"], atol=0.01)

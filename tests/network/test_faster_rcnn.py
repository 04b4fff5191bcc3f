"""Faster R-CNN: what DeepLabCut's own makes of a picture, in both engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.golden import golden_picture
from support.networks import by_keras, by_openvino
from support.top_down import golden_weights

from posecli.engine.outputs import BoxScores, typed_output
from posecli.inference.boxes import best_boxes
from posecli.network.faster_rcnn import VARIANTS, faster_rcnn
from posecli.network.folding import fold_batch_norm, merge_heads
from posecli.network.network import DetectorSpec, Network, RegionHead

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
MOBILENET, RESNET = VARIANTS


def network_of(net_type: str) -> Network:
    return faster_rcnn(DetectorSpec(net_type, MEAN, STD, {"least_score": 0.01}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "engine"),
    [
        (MOBILENET, "openvino"),
        (MOBILENET, "keras"),
        (f"{MOBILENET}-151x201", "openvino"),
        (f"{RESNET}-100x131", "openvino"),
        (f"{RESNET}-100x131", "keras"),
    ],
)
def test_regions_and_best_box_are_those_of_deeplabcut(file: str, engine: str) -> None:
    with np.load(Path(__file__).with_name("golden") / f"{file}.npz") as stored:
        golden = dict(stored)
    network, picture = network_of(file.partition("-")[0]), golden_picture(*golden["size"])[None]
    weights = golden_weights(network)
    if engine == "keras":
        arrays = by_keras(network, weights, picture)
    else:
        arrays = by_openvino(*merge_heads(*fold_batch_norm(network, weights)), picture)
    said = typed_output(network.head, [arrays[output] for output in network.outputs])
    assert isinstance(said, BoxScores)
    assert said.regions is not None
    count = len(golden["regions"])
    assert not said.regions[0, count:].any()
    # Two whose logits are equal but for rounding may change places.
    same = (np.abs(said.regions[0, :count] - golden["regions"]) < 0.1).all(axis=1)
    assert same.mean() > 0.95
    for part in ("logits", "offsets"):
        expected = golden[part]
        np.testing.assert_allclose(
            getattr(said, part)[0, :count][same], expected[same], atol=3e-4 * np.ptp(expected), err_msg=part
        )
    assert isinstance(network.head, RegionHead)
    assert network.head.least_score == golden["threshold"]
    x, y, width, height = best_boxes(said, None, network.head, tuple(golden["size"]))[0]
    np.testing.assert_allclose((x, y, x + width, y + height), golden["box"], atol=0.01)


def test_regions_are_counted_in_the_work() -> None:
    network = network_of(RESNET)
    work = network.multiplications((480, 640))
    blocks = [count for name, count in work.items() if name.startswith("model.roi_heads.box_head.")]
    assert blocks[:4] == [1000 * 49 * 9 * 256 * 256] * 4
    assert network.parameters == 43_256_153


def test_wide_frames_are_no_wider_than_the_most() -> None:
    shapes = network_of(MOBILENET).shapes((100, 400))
    assert [shapes[name] for name in ("resized", "padded")] == [(333, 1333, 3), (352, 1344, 3)]


def test_a_size_is_cut_off_as_pytorch_does_it() -> None:
    assert network_of(MOBILENET).shapes((97, 120))["resized"] == (799, 989, 3)  # 97 * (800 / 97) is less than 800


@pytest.mark.parametrize("least", [-0.1, 1.5, "low", None])
def test_other_least_scores_are_refused(least: object) -> None:
    with pytest.raises(ValueError, match=f"least_score {least} is not a number from 0 to 1"):
        faster_rcnn(DetectorSpec(MOBILENET, layout={"least_score": least}))

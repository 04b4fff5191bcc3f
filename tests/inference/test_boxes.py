"""Boxes of a detector: which of them is taken, and where it lies."""

from __future__ import annotations

import numpy as np
import pytest

from posecli.engine.outputs import BoxScores
from posecli.inference.boxes import Boxes, best_boxes, reference_boxes
from posecli.network.network import FRAMES, BoxHead, Network
from posecli.network.operations import Convolution, ResizeTo

HEAD = BoxHead(("logits",), ("offsets",), (((0.5, 0.5), (1.0, 0.25)),), (32, 64), 0.1)


def detector() -> Network:
    """Two cells side by side, with two boxes each."""
    operations = (
        ResizeTo("resized", (FRAMES,), HEAD.size),
        *(
            Convolution(name, ("resized",), (32, 32), f"{name}/k", channels, (32, 32), padding="valid")
            for name, channels in (("logits", 4), ("offsets", 8))
        ),
    )
    return Network("detector", operations, HEAD)


def found(logits: list[float], offsets: dict[int, tuple[float, ...]] | None = None) -> Boxes:
    """The box in a frame of 100 rows and 400 columns; of the animal's logits, those of background being 0."""
    scores = BoxScores(np.zeros((1, 4, 2), np.float32), np.zeros((1, 4, 4), np.float32))
    scores.logits[0, :, 1] = logits
    for place, moved in (offsets or {}).items():
        scores.offsets[0, place] = moved
    boxes: Boxes = best_boxes(scores, reference_boxes(detector()), HEAD, (100, 400))[0]
    return boxes


def test_boxes_stand_about_the_centers_of_cells() -> None:
    expected = [(16, 16, 32, 16), (16, 16, 64, 8), (48, 16, 32, 16), (48, 16, 64, 8)]
    np.testing.assert_array_equal(reference_boxes(detector()), expected)


def test_best_box_is_brought_to_the_frame_and_ends_at_its_edges() -> None:
    np.testing.assert_allclose(found([0, 0, 5, 4]), (200, 25, 200, 50))
    np.testing.assert_allclose(found([0, 6, 5, 4]), (0, 37.5, 300, 25))


def test_offsets_move_by_tenths_and_stretch_by_fifths() -> None:
    moved = (-2.5, 1.25, 5 * np.log(0.5), 5 * np.log(2))
    np.testing.assert_allclose(found([0, 0, 5, 4], {2: moved}), (200, 6.25, 100, 93.75), rtol=1e-5)


def test_stretching_has_a_limit() -> None:
    np.testing.assert_allclose(found([3, 0, 0, 0], {0: (0, 0, 1e30, 1e30)}), (0, 0, 400, 100))


def test_first_of_equal_scores_counts_also_where_they_saturate() -> None:
    np.testing.assert_allclose(found([0, 0, 100, 120]), (200, 25, 200, 50))


@pytest.mark.parametrize(("logit", "is_one"), [(-2.3, False), (-2.1, True)])
def test_a_score_must_be_above_the_least(logit: float, is_one: bool) -> None:
    assert np.isfinite(found([logit, -9, -9, -9])).all() == is_one

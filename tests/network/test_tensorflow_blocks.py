"""What the networks of DeepLabCut's TensorFlow engine have in common."""

from __future__ import annotations

import pytest

from posecli.network.network import FRAMES, PoseSpec
from posecli.network.operations import Activation, BatchNormalization, GroupNormalization
from posecli.network.tensorflow_blocks import normalization, statistics_of, with_heads


def test_normalisation_by_stored_statistics_or_the_frames_own() -> None:
    stored, frame = normalization("n", "x", 1e-3), normalization("n", "x", 1e-3, "frame")
    assert isinstance(stored, BatchNormalization)
    assert set(stored.variable_shapes((None, 4))) == {f"n/{name}" for name in ("gamma", "beta", *MOVING)}
    assert isinstance(frame, GroupNormalization)
    assert frame.groups is None
    assert set(frame.variable_shapes((None, 4))) == {"n/gamma", "n/beta"}


MOVING = ("moving_mean", "moving_variance")


def test_statistics_of_a_layout() -> None:
    assert [statistics_of(layout) for layout in ({}, {"statistics": "frame"})] == ["stored", "frame"]
    with pytest.raises(ValueError, match="statistics batch is not one of"):
        statistics_of({"statistics": "batch"})


@pytest.mark.parametrize("locref", [True, False])
def test_heads_double_the_map_and_are_known_as_last_layers(locref: bool) -> None:
    network = with_heads(PoseSpec("any", 2, locref=locref), [Activation("features", (FRAMES,), "relu")])
    found = {output: layer.name for output, layer in network.last_layers.items()}
    heads = {"scoremap": "pose/part_pred/block4", "locref": "pose/locref_pred/block4"}
    assert found == {output: heads[output] for output in network.outputs}
    assert network.shapes((5, 7))["scoremap"] == (10, 14, 2)

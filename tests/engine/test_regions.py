"""Regions of a picture in both engines: which they are, and what maps have in each, against plain NumPy."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from support.networks import Arrays, Engine, any_weights, by_keras, by_openvino, pictures

from posecli.engine.keras_layers import build_keras
from posecli.errors import EngineError
from posecli.network.network import FRAMES, ClassHead, Network, Scaling
from posecli.network.operations import Convolution, Flatten, PadToMultiple, ResizeWithin
from posecli.network.regions import AlignedRegions, Proposals

Floats = npt.NDArray[np.floating]

COUNT, CHANNELS = 60, 5
BOXES = (((16.0, 16.0), (48.0, 24.0)), ((128.0, 128.0), (200.0, 100.0)))
PROPOSALS = Proposals("proposals", ("resized", "padded", "l0", "l1", "o0", "o1"), BOXES, COUNT, overlap=0.5)
ALIGNED = AlignedRegions("regions", ("resized", "proposals", "fine", "coarse"), COUNT)


def convolution(name: str, tensor: str, side: int, channels: int) -> Convolution:
    return Convolution(name, (tensor,), (side, side), f"{name}/k", channels, (side, side), padding="valid")


NETWORK = Network(
    "looks twice",
    (
        ResizeWithin("resized", (FRAMES,), 150, 225),
        PadToMultiple("padded", ("resized",), 16, zeros=True),
        convolution("fine", "padded", 4, CHANNELS),
        convolution("coarse", "fine", 2, CHANNELS),
        *(convolution(f"l{level}", tensor, 1, 2) for level, tensor in enumerate(("fine", "coarse"))),
        *(convolution(f"o{level}", tensor, 1, 8) for level, tensor in enumerate(("fine", "coarse"))),
        PROPOSALS,
        ALIGNED,
    ),
    ClassHead("regions"),
    Scaling(1 / 128, 1.0),
    outputs=("resized", "padded", "fine", "coarse", "l0", "l1", "o0", "o1", "proposals", "regions"),
)


@pytest.fixture(scope="module", params=["keras", "openvino"])
def found(request: pytest.FixtureRequest) -> Arrays:
    run = by_keras if request.param == "keras" else by_openvino
    return run(NETWORK, any_weights(NETWORK), pictures(2, 47, 64))


def overlap(one: Floats, other: Floats) -> float:
    """Share of their union that two boxes have in common."""
    common = np.prod(np.maximum(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0))
    areas = sum(np.prod(box[2:] - box[:2]) for box in (one, other))
    return float(common / (areas - common))


def proposed(found: Arrays, item: int) -> Floats:
    """Boxes of an item that are left, the best first."""
    scored = []
    limits = np.tile(found["resized"].shape[2:0:-1], 2)
    cells = [found[f"l{level}"].shape[1:3] for level in (0, 1)]
    for level, references in enumerate(PROPOSALS.references(found["padded"].shape[1:3], cells)):
        logits, offsets = found[f"l{level}"][item].ravel(), found[f"o{level}"][item].reshape(-1, 4)
        kept: list[Floats] = []
        for place in np.argsort(-logits, kind="stable")[:COUNT]:
            center = references[place, :2] + offsets[place, :2] * references[place, 2:]
            half = np.exp(np.minimum(offsets[place, 2:], math.log(62.5))) * references[place, 2:] / 2
            box = np.clip(np.concatenate([center - half, center + half]), 0, limits)
            is_large = (box[2:] - box[:2] >= PROPOSALS.least_side).all()
            if is_large and all(overlap(box, other) <= PROPOSALS.overlap for other in kept):
                kept.append(box)
                scored.append((float(logits[place]), box))
    return np.array([box for _, box in sorted(scored, key=lambda each: -each[0])][:COUNT])


def seen(tensor: Floats, region: Floats, scale: float) -> Floats:
    """What a map has in a region."""
    first, extent = region[:2] * scale, np.maximum((region[2:] - region[:2]) * scale, 1)
    places = first[:, None] + extent[:, None] * (np.arange(14) + 0.5) / 14
    sampled = np.zeros((14, 14, tensor.shape[-1]))
    for row, column in np.ndindex(14, 14):
        at = np.array([places[1, row], places[0, column]])
        if (at > tensor.shape[:2]).any():
            continue
        at = np.minimum(at, np.array(tensor.shape[:2]) - 1)
        low = np.floor(at).astype(int)
        high, (y, x) = np.minimum(low + 1, np.array(tensor.shape[:2]) - 1), at - low
        above = (1 - x) * tensor[low[0], low[1]] + x * tensor[low[0], high[1]]
        below = (1 - x) * tensor[high[0], low[1]] + x * tensor[high[0], high[1]]
        sampled[row, column] = (1 - y) * above + y * below
    return np.asarray(sampled.reshape(7, 2, 7, 2, -1).mean((1, 3)))


def test_pictures_fit_and_are_padded_with_zeros(found: Arrays) -> None:
    assert found["resized"].shape == (2, 150, 204, 3)
    assert found["padded"].shape == (2, 160, 208, 3)
    np.testing.assert_array_equal(found["padded"][:, :150, :204], found["resized"])
    assert not found["padded"][:, 150:].any()
    assert not found["padded"][:, :, 204:].any()


def test_best_regions_do_not_overlap_better_ones_of_their_level(found: Arrays) -> None:
    for item, regions in enumerate(found["proposals"]):
        expected = proposed(found, item)
        assert 20 < len(expected) <= COUNT
        np.testing.assert_allclose(regions[: len(expected)], expected, atol=1e-2)
        assert not regions[len(expected) :].any()


@pytest.mark.parametrize("run", [by_keras, by_openvino])
def test_a_box_may_overlap_a_better_one_by_just_the_most_that_is_allowed(run: Engine) -> None:
    # Moves so large that nothing is left but what the picture's edge cuts off: halves of each other, among others.
    weights = {name: np.abs(array) for name, array in any_weights(NETWORK).items()}
    weights |= {name: np.full_like(array, 1e3) for name, array in weights.items() if name.startswith("o")}
    found = run(NETWORK, weights, np.zeros((1, 47, 64, 3), np.uint8))
    expected = proposed(found, 0)
    overlaps = [overlap(one, other) for place, one in enumerate(expected) for other in expected[:place]]
    assert PROPOSALS.overlap in overlaps
    np.testing.assert_allclose(found["proposals"][0, : len(expected)], expected, atol=1e-2)


@pytest.mark.parametrize("run", [by_keras, by_openvino])
def test_a_picture_in_which_nothing_is_proposed(run: Engine) -> None:
    weights = {name: np.abs(array) for name, array in any_weights(NETWORK).items()}
    weights |= {name: np.full_like(array, 1e3) for name, array in weights.items() if name.startswith("o")}
    found = run(NETWORK, weights, np.full((2, 47, 64, 3), 255, np.uint8))  # all boxes are beyond its edge
    assert not found["proposals"].any()
    assert np.isfinite(found["regions"]).all()


def test_regions_are_looked_at_in_maps_of_their_size(found: Arrays) -> None:
    regions = found["proposals"].reshape(-1, 4)
    length = np.sqrt(np.prod(regions[:, 2:] - regions[:, :2], axis=1))
    assert (length > 112).any()
    assert (length < 112).any()
    assert found["regions"].shape == (2 * COUNT, 7, 7, CHANNELS)
    assert NETWORK.shapes((47, 64))["regions"] == (7, 7, CHANNELS)
    for place in range(0, 2 * COUNT, 3):
        tensor, scale = (found["coarse"], 0.125) if length[place] >= 112 else (found["fine"], 0.25)
        expected = seen(tensor[place // COUNT], regions[place], scale)
        np.testing.assert_allclose(found["regions"][place], expected, atol=1e-3)


def test_a_map_becomes_a_vector_channel_by_channel() -> None:
    network = Network("flat", (Flatten("y", (FRAMES,)),), ClassHead("y"))
    images = pictures(2, 3, 4)
    assert network.shapes((3, 4))["y"] == (36,)
    for run in (by_keras, by_openvino):
        np.testing.assert_array_equal(run(network, {}, images)["y"], images.transpose(0, 3, 1, 2).reshape(2, 36))


def test_keras_looks_twice_at_frames_of_one_size_only() -> None:
    with pytest.raises(EngineError, match="'resized' of Keras' translator is for frames of one size"):
        build_keras(NETWORK)

"""I3D: names, shapes and cost against what is published of it, and its maps and logits against plain NumPy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import i3d_reference as reference
from support.networks import by_keras, by_openvino, pictures

from posecli.errors import UsageError
from posecli.network.folding import fold_batch_norm
from posecli.network.i3d import I3DSpec, i3d

NARROW = I3DSpec(9, width=0.125)


def trainable(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return sum(math.prod(shape) for name, shape in shapes.items() if "moving_" not in name)


@pytest.mark.parametrize(("n_classes", "parameters"), [(9, 12_289_209), (400, 12_689_984)])
def test_published_network(n_classes: int, parameters: int) -> None:
    shapes = i3d(I3DSpec(n_classes)).variable_shapes()
    assert len(shapes) == 230
    assert trainable(shapes) == parameters


def test_names_and_shapes_here_and_there() -> None:
    shapes = i3d(I3DSpec(400)).variable_shapes()
    assert shapes["Mixed_4e/Branch_1/Conv3d_0b_3x3/conv_3d/w"] == (3, 3, 3, 144, 288)
    assert shapes["Mixed_4f/Branch_3/Conv3d_0b_1x1/batch_norm/moving_variance"] == (128,)
    assert shapes["Logits/Conv3d_0c_1x1/conv_3d/w"] == (1, 1, 1, 1024, 400)
    assert shapes["Logits/Conv3d_0c_1x1/conv_3d/b"] == (400,)


def test_one_name_is_spelt_otherwise() -> None:
    ends = [name for name in i3d(I3DSpec(9)).variable_shapes() if "Branch_2/" in name and "_3x3/conv_3d/w" in name]
    odd = [name for name in ends if "Conv3d_0b_3x3" not in name]
    assert (len(ends), odd) == (9, ["Mixed_5b/Branch_2/Conv3d_0a_3x3/conv_3d/w"])


@pytest.mark.parametrize(
    ("size", "billions"), [((64, 224, 224), 111.15), ((16, 224, 224), 27.79), ((64, 480, 640), 680.5)]
)
def test_multiplications(size: tuple[int, int, int], billions: float) -> None:
    assert sum(i3d(I3DSpec(9)).multiplications(size).values()) / 1e9 == pytest.approx(billions, rel=5e-4)


@given(published=st.integers(1, 2000), width=st.floats(0.01, 4.0))
def test_channel_counts_are_multiples_of_four_near_the_factor(published: int, width: float) -> None:
    channels = I3DSpec(9, width).channels(published)
    assert channels % 4 == 0
    assert channels >= 4
    assert abs(channels - published * width) <= 2 or channels == 4


@pytest.mark.parametrize(("spec", "words"), [((0, 1.0), "classes 0"), ((9, 0.0), "width 0.0"), ((9, 5.0), "width 5.0")])
def test_impossible_networks(spec: tuple[int, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        I3DSpec(*spec)


@pytest.fixture(scope="module")
def weights() -> dict[str, npt.NDArray[np.float32]]:
    return reference.random_weights(NARROW)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(16, 32, 64), (17, 45, 39), (5, 32, 32)])
def test_both_engines_say_what_numpy_says(
    weights: dict[str, npt.NDArray[np.float32]], size: tuple[int, int, int]
) -> None:
    chunks = pictures(2, *size)
    network = replace(i3d(NARROW), outputs=("Mixed_3c", "Mixed_5c", "logits"))
    keras, openvino = by_keras(network, weights, chunks), by_openvino(*fold_batch_norm(network, weights), chunks)
    for place, chunk in enumerate(chunks):
        for name, expected in reference.network(chunk, weights).items():
            assert expected.std() > 0.05
            for found in (keras, openvino):
                np.testing.assert_allclose(
                    found[name][place], expected, atol=2e-5 * np.abs(expected).max(), err_msg=name
                )


@pytest.mark.slow
def test_engines_agree_at_the_published_width() -> None:
    spec = I3DSpec(9)
    folded, weights = fold_batch_norm(i3d(spec), reference.random_weights(spec))
    chunks = pictures(1, 16, 112, 112)
    found, expected = (run(folded, weights, chunks)["logits"] for run in (by_openvino, by_keras))
    assert found.std() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-4)

"""Names, shapes and cost of I3D, against what is published of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.errors import UsageError
from posecli.network.i3d.variables import I3DSpec, multiply_adds, units, variable_shapes


def trainable(spec: I3DSpec) -> int:
    return sum(math.prod(shape) for name, shape in variable_shapes(spec).items() if "moving_" not in name)


@pytest.mark.parametrize(("n_classes", "parameters"), [(9, 12_289_209), (400, 12_689_984)])
def test_published_network(n_classes: int, parameters: int) -> None:
    spec = I3DSpec(n_classes)
    assert len(variable_shapes(spec)) == 230
    assert trainable(spec) == parameters


def test_names_and_shapes_here_and_there() -> None:
    shapes = variable_shapes(I3DSpec(400))
    assert shapes["Mixed_4e/Branch_1/Conv3d_0b_3x3/conv_3d/w"] == (3, 3, 3, 144, 288)
    assert shapes["Mixed_4f/Branch_3/Conv3d_0b_1x1/batch_norm/moving_variance"] == (128,)
    assert shapes["Logits/Conv3d_0c_1x1/conv_3d/w"] == (1, 1, 1, 1024, 400)
    assert shapes["Logits/Conv3d_0c_1x1/conv_3d/b"] == (400,)


def test_one_name_is_spelt_otherwise() -> None:
    seconds = [unit.scope for unit in units(I3DSpec(9)) if "Branch_2/" in unit.scope and unit.kernel == 3]
    assert [scope for scope in seconds if not scope.endswith("Conv3d_0b_3x3")] == ["Mixed_5b/Branch_2/Conv3d_0a_3x3"]


@pytest.mark.parametrize(
    ("size", "billions"), [((64, 224, 224), 111.15), ((16, 224, 224), 27.79), ((64, 480, 640), 680.5)]
)
def test_multiplications(size: tuple[int, int, int], billions: float) -> None:
    assert multiply_adds(I3DSpec(9), *size) / 1e9 == pytest.approx(billions, rel=5e-4)


@given(published=st.integers(1, 2000), width=st.floats(0.01, 4.0))
def test_channel_counts_are_multiples_of_four_near_the_factor(published: int, width: float) -> None:
    channels = I3DSpec(9, width).channels(published)
    assert channels % 4 == 0
    assert channels >= 4
    assert abs(channels - published * width) <= 2 or channels == 4


@given(width=st.floats(0.05, 2.0))
def test_every_convolution_takes_what_the_one_before_gives(width: float) -> None:
    shapes = variable_shapes(I3DSpec(9, width))
    for block, following in (("Mixed_3b", "Mixed_3c"), ("Mixed_3c", "Mixed_4b"), ("Mixed_5b", "Mixed_5c")):
        ends = [shape[0] for name, shape in shapes.items() if name.startswith(block) and name.endswith("/beta")]
        joined = ends[0] + ends[2] + ends[4] + ends[5]
        for branch, first in ((0, "0a"), (1, "0a"), (2, "0a"), (3, "0b")):
            assert shapes[f"{following}/Branch_{branch}/Conv3d_{first}_1x1/conv_3d/w"][3] == joined


@pytest.mark.parametrize(("spec", "words"), [((0, 1.0), "classes 0"), ((9, 0.0), "width 0.0"), ((9, 5.0), "width 5.0")])
def test_impossible_networks(spec: tuple[int, float], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        I3DSpec(*spec)

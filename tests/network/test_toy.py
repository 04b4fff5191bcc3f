"""A network of one's own, added as CONTRIBUTING.md says."""

from __future__ import annotations

import pytest
from support.networks import assert_engines_agree, pictures
from support.toy_network import toy

from posecli.network.network import PoseSpec


@pytest.mark.parametrize("size", [(40, 48), (41, 50)])
def test_engines_agree(size: tuple[int, int]) -> None:
    network = toy(PoseSpec("toy", 3))
    assert network.stride == 2
    assert_engines_agree(network, pictures(2, *size))

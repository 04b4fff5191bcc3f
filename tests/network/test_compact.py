"""The small network of whole convolutions."""

from __future__ import annotations

import pytest
from support.networks import assert_engines_agree, pictures

from posecli.network.compact import CHANNELS, compact
from posecli.network.network import PoseSpec


@pytest.mark.parametrize("size", [(64, 96), (41, 50)])
def test_engines_agree(size: tuple[int, int]) -> None:
    network = compact(PoseSpec("compact_8", 3))
    rows, columns = (-(-side // 8) for side in size)
    assert network.shapes(size)["scoremap"] == (rows, columns, 3)
    assert network.shapes(size)["locref"] == (rows, columns, 6)
    assert_engines_agree(network, pictures(2, *size))


def test_cells_lie_as_those_of_other_networks() -> None:
    for name in CHANNELS:
        network = compact(PoseSpec(name, 2, locref=False))
        assert (network.stride, network.coarsest, network.outputs) == (8, 32, ("scoremap",))

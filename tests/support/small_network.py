"""A ResNet that is one in form but not in size, so that a test can train it in a moment.

``python small_network.py train ...`` is the real command line with that network.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from posecli.network import variables

#: Units and output channels of blocks 1 to 4.
UNITS = (2, 2, 1, 1)
DEPTHS = (16, 32, 48, 64)
STEM = 8


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Make ``resnet_50`` small."""
    patch.setitem(variables.UNITS_PER_BLOCK, "resnet_50", UNITS)
    patch.setattr(variables, "BLOCK_DEPTHS", DEPTHS)
    patch.setattr(variables, "STEM_DEPTH", STEM)


if __name__ == "__main__":
    from posecli.cli import main

    shrink(pytest.MonkeyPatch())
    main()

"""A ResNet that is one in form but not in size, so that a test can train it in a moment.

``python small_network.py train ...`` is the real command line with that network.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from posecli.network.resnet import SIZES, ResNetSize

SMALL = ResNetSize(units=(2, 1, 1, 1), depths=(16, 32, 48, 64), stem=8)


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Make ``resnet_50`` small."""
    patch.setitem(SIZES, "resnet_50", SMALL)


if __name__ == "__main__":
    from posecli.cli import main

    shrink(pytest.MonkeyPatch())
    main()

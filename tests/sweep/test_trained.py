"""What model folders say of the scales that their networks saw."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from posecli.sweep.trained import trained_scales
from posecli.training.pose_config import AugmentOptions


@pytest.mark.parametrize(
    "source", [{}, {"config": {}}, {"config": {"augment": []}}, {"global_scale": "all"}, {"config": {"augment": {}}}]
)
def test_nothing_known(source: dict[str, Any]) -> None:
    assert trained_scales(source) is None


def test_what_training_writes_is_understood() -> None:
    seen = asdict(AugmentOptions(scales=(1.0, 0.5), scale_jitter=1.25))
    assert trained_scales({"config": {"augment": seen}}) == pytest.approx((0.4, 1.25))

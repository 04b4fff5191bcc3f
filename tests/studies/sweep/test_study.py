"""What model folders say of the scales that their networks saw."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from posecli.model.folder import builtin_model_path, read_model_folder
from posecli.studies.sweep.study import trained_scales
from posecli.training.config import AugmentOptions


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"config": {}},
        {"config": {"augment": []}},
        {"global_scale": "all"},
        {"config": {"augment": {}}},
        {"of": []},
        {"of": 3},
        {"of": ["a"]},
        {"of": [{}]},
    ],
)
def test_nothing_known(source: dict[str, Any]) -> None:
    assert trained_scales(source) is None


def test_what_training_writes_is_understood() -> None:
    seen = asdict(AugmentOptions(scales=(1.0, 0.5), scale_jitter=1.25))
    assert trained_scales({"config": {"augment": seen}}) == pytest.approx((0.4, 1.25))


def test_a_mean_of_networks_saw_what_any_of_them_saw() -> None:
    own = read_model_folder(builtin_model_path()).description.source
    assert trained_scales(own) == pytest.approx((0.125 / 2**0.5, 2**0.5))
    assert trained_scales({"of": [{"global_scale": 0.8}, {}]}) == pytest.approx((0.4, 1.0))

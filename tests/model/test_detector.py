"""What a detector's ``model.yaml`` says."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from posecli.errors import ModelError
from posecli.model.detector import DetectorDescription

PLAIN: dict[str, Any] = {
    "net_type": "ssdlite",
    "scorer": "DLC_x",
    "mean_pixel": [123.0, 116, 103],
    "std_pixel": [58, 57, 57.5],
    "layout": {"tail": 80},
    "source": {"path": "there"},
}


def test_description_of_plain_values() -> None:
    description = DetectorDescription.from_plain(dict(PLAIN))
    assert description.mean_pixel == (123.0, 116.0, 103.0)
    assert description.network.name == "ssdlite"
    assert DetectorDescription.from_plain(asdict(description)) == description


def test_names_for_people_are_no_part_of_what_it_is() -> None:
    one = DetectorDescription.from_plain(dict(PLAIN))
    other = DetectorDescription.from_plain(PLAIN | {"scorer": "DLC_y", "source": {}})
    assert one.identity_fields() == other.identity_fields()
    assert one.identity_fields() != DetectorDescription.from_plain(PLAIN | {"layout": {"tail": 160}}).identity_fields()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"net_type": "fasterrcnn_resnet50_fpn"}, "'fasterrcnn_resnet50_fpn' is not supported yet, only ssdlite, fast"),
        ({"std_pixel": [0, 1, 1]}, "not three possible numbers"),
        ({"mean_pixel": [float("nan"), 1, 1]}, "not three possible numbers"),
        ({"scorer": "x"}, "must begin with 'DLC_'"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        DetectorDescription.from_plain(PLAIN | change)


def test_two_numbers_are_no_color() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        DetectorDescription.from_plain(PLAIN | {"mean_pixel": [1, 2]})

"""``int8.yaml``: round trip, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from posecli.errors import ModelError
from posecli.model.folder import INT8_FILE, ModelFolder, has_int8, int8_fingerprint, read_int8_plan, write_int8
from posecli.network.int8 import Int8Plan

PLAN = Int8Plan(
    {
        "resnet_v1_50/block1/unit_1/bottleneck_v1/conv1": (0.0, 7.5),
        "resnet_v1_50/block4/unit_3/bottleneck_v1/conv3": (-0.25, 3.0),
    }
)


@pytest.fixture
def folder(dots_model: ModelFolder) -> ModelFolder:
    write_int8(dots_model, PLAN, {"made_by": "a test"})
    return dots_model


def change(folder: ModelFolder, **values: object) -> None:
    path = folder.path / INT8_FILE
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | values))


def test_round_trip(folder: ModelFolder) -> None:
    assert read_int8_plan(folder) == PLAN
    assert sorted(path.name for path in folder.path.iterdir()) == ["int8.yaml", "model.yaml", "weights.safetensors"]


def test_folder_without(dots_model: ModelFolder) -> None:
    assert not has_int8(dots_model)
    assert int8_fingerprint(dots_model) is None


def test_fingerprint_is_that_of_the_ranges(folder: ModelFolder) -> None:
    first = int8_fingerprint(folder)
    write_int8(folder, PLAN, {"made_by": "another test"})
    assert int8_fingerprint(folder) == first
    write_int8(folder, PLAN.without(frozenset({next(iter(PLAN.ranges))})), {})
    assert int8_fingerprint(folder) != first


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"format": "something"}, "is not a posecli-int8 file of version 1"),
        ({"format_version": 2}, "is not a posecli-int8 file of version 1"),
        ({"model_identity": "0" * 64}, "was made for other weights"),
        ({"ranges": [1, 2]}, "is damaged"),
        ({"ranges": {"resnet_v1_50/conv1": 5}}, "is damaged"),
        ({"ranges": {"resnet_v1_50/conv1": [0, "high"]}}, "is damaged"),
        ({"ranges": {"resnet_v1_50/conv9": [0, 1]}}, "'resnet_v1_50/conv9' the range 0.0 to 1.0, which is impossible"),
        ({"ranges": {"resnet_v1_50/conv1": [1, 1]}}, "range 1.0 to 1.0"),
        ({"ranges": {"resnet_v1_50/conv1": [0, float("inf")]}}, "range 0.0 to inf"),
    ],
    ids=str,
)
def test_damaged_files_are_refused(folder: ModelFolder, values: dict[str, object], words: str) -> None:
    change(folder, **values)
    with pytest.raises(ModelError, match=words) as refusal:
        read_int8_plan(folder)
    assert "posecli model quantize" in str(refusal.value)


def test_copied_folder_keeps_its_version(folder: ModelFolder, tmp_path: Path) -> None:
    moved = folder.path.rename(tmp_path / "elsewhere")
    assert read_int8_plan(ModelFolder(moved, folder.description)) == PLAN

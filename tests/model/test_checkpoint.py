"""Tensors out of checkpoints and frozen graphs: all that is asked for, bit by bit, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from support import projects

from posecli.errors import ModelError
from posecli.model.checkpoint import read_checkpoint, read_frozen_graph
from posecli.network.architectures import pose_network
from posecli.network.network import PoseSpec
from posecli.support.tensorflow import import_tensorflow

SHAPES = pose_network(PoseSpec("resnet_50", 4)).variable_shapes()

SMALL: projects.Tensors = {
    "a/weights": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "a/biases": np.array([1.5, -2.5], np.float32),
    "global_step": np.array(7, np.int64),
}
SMALL_SHAPES: dict[str, tuple[int, ...]] = {"a/weights": (2, 3, 4), "a/biases": (2,)}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return projects.write_checkpoint(tmp_path / "train" / "snapshot-7", SMALL)


def data_file(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}.data-00000-of-00001")


@pytest.mark.slow
def test_whole_network_without_what_training_left(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = read_checkpoint(projects.trained_checkpoint(tmp_path_factory.getbasetemp()), SHAPES)
    assert list(found) == list(SHAPES)
    assert all(np.array_equal(found[name], projects.weights()[name]) for name in SHAPES)


def test_deeplabcut_s_own_checkpoint_holds_the_network(shared_data: Path) -> None:
    prefix = next(shared_data.glob("dlc-openfield/dlc-models/*/*/train/snapshot-4000.index")).with_suffix("")
    held = import_tensorflow().train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
    assert {name: tuple(held[name]) for name in SHAPES if name in held} == SHAPES


def test_missing_tensors_are_left_to_the_caller(small: Path) -> None:
    assert list(read_checkpoint(small, SMALL_SHAPES | {"b/weights": (1,)})) == ["a/weights", "a/biases"]


def test_averages_of_weights_are_not_taken_for_them(tmp_path: Path) -> None:
    averages = {f"{name}/ExponentialMovingAverage": tensor + 1 for name, tensor in SMALL.items() if tensor.ndim}
    prefix = projects.write_checkpoint(tmp_path / "snapshot-8", SMALL | averages)
    found = read_checkpoint(prefix, SMALL_SHAPES)
    assert all(np.array_equal(found[name], SMALL[name]) for name in SMALL_SHAPES)


def test_truncated_data(small: Path) -> None:
    data_file(small).write_bytes(data_file(small).read_bytes()[:50])
    with pytest.raises(ModelError, match=r"^checkpoint '.*snapshot-7' cannot be read \(.+\): copy it again"):
        read_checkpoint(small, SMALL_SHAPES)


def test_changed_data_fail_their_checksum(small: Path) -> None:
    content = bytearray(data_file(small).read_bytes())
    content[9] ^= 1
    data_file(small).write_bytes(content)
    with pytest.raises(ModelError, match=r"snapshot-7' cannot be read \(.*[Cc]hecksum"):
        read_checkpoint(small, SMALL_SHAPES)


@pytest.mark.parametrize("content", [b"", b"not a table" * 20], ids=["empty", "text"])
def test_damaged_index(small: Path, content: bytes) -> None:
    small.with_name(f"{small.name}.index").write_bytes(content)
    with pytest.raises(ModelError, match="snapshot-7' cannot be read"):
        read_checkpoint(small, SMALL_SHAPES)


def test_missing_data_file(small: Path) -> None:
    data_file(small).unlink()
    with pytest.raises(ModelError, match="snapshot-7' cannot be read"):
        read_checkpoint(small, SMALL_SHAPES)


def test_folder_with_odd_letters(small: Path, tmp_path: Path) -> None:
    moved = tmp_path / "été [1] *"
    shutil.copytree(small.parent, moved)
    assert np.array_equal(read_checkpoint(moved / small.name, SMALL_SHAPES)["a/weights"], SMALL["a/weights"])


def test_frozen_graph(tmp_path: Path) -> None:
    path = projects.write_frozen_graph(tmp_path / "snapshot-7.pb", SMALL)
    found = read_frozen_graph(path, SMALL_SHAPES)
    assert list(found) == ["a/weights", "a/biases"]
    assert all(np.array_equal(found[name], SMALL[name]) for name in found)


def test_file_that_is_no_graph(tmp_path: Path) -> None:
    path = tmp_path / "snapshot-7.pb"
    path.write_bytes(b"\xff" * 40)
    with pytest.raises(ModelError, match=r"snapshot-7.pb' is not a frozen TensorFlow graph"):
        read_frozen_graph(path, SMALL_SHAPES)

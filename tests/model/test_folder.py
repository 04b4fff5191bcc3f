"""The model folder: what goes in comes out, wherever it lies, and damage is told apart."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file
from support import projects

from posecli.errors import ModelError, OutputError, OutputExistsError
from posecli.model import folder as folder_module
from posecli.model.description import ModelDescription
from posecli.model.folder import (
    MODEL_FILE,
    WEIGHTS_FILE,
    ModelFolder,
    file_sha256,
    is_model_folder,
    read_model_folder,
    write_folder,
)
from posecli.model.pytorch_config import PyTorchConfig
from posecli.network.network import Network

GOLDEN = Path(__file__).resolve().parents[1] / "network" / "golden"

DESCRIPTION = ModelDescription(
    net_type="resnet_50",
    bodyparts=("snout", "left ear", "é"),
    scorer="DLC_resnet50_reachNov20shuffle1_100",
    locref_stdev=7.0,
    mean_pixel=(1.0, 2.0, 3.5),
    pcutoff=0.4,
    source={"tool": "a test", "global_scale": 0.8},
)

Shapes = dict[str, tuple[int, ...]]
SMALL_SHAPES: Shapes = {"a/weights": (2, 3), "a/biases": (3,)}
SMALL: projects.Tensors = {
    "a/weights": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3),
    "a/biases": np.array([np.float32(1e-40), -0.0, np.inf], np.float32),
}


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every network has just two small tensors."""
    monkeypatch.setattr(Network, "variable_shapes", lambda _: SMALL_SHAPES)


@pytest.fixture
def model(tmp_path: Path, small_network: None) -> ModelFolder:
    return write_folder(tmp_path / "model", DESCRIPTION, SMALL)


def rewrite(model: ModelFolder, old: str, new: str) -> None:
    path = model.path / MODEL_FILE
    text = path.read_text(encoding="utf-8")
    assert re.search(old, text, re.MULTILINE)
    path.write_text(re.sub(old, new, text, flags=re.MULTILINE), encoding="utf-8")


def rewrite_weights(model: ModelFolder, tensors: projects.Tensors) -> None:
    """Other weights, with a description that vouches for them."""
    save_file(tensors, model.path / WEIGHTS_FILE)
    rewrite(model, "weights_sha256: .*", f"weights_sha256: {file_sha256(model.path / WEIGHTS_FILE)}")


def test_round_trip_of_a_whole_network(tmp_path_factory: pytest.TempPathFactory) -> None:
    written = projects.model_folder(tmp_path_factory.getbasetemp())
    found = read_model_folder(written.path).weights()
    assert set(found) == set(written.description.network.variable_shapes())
    assert all(found[name].tobytes() == tensor.tobytes() for name, tensor in projects.weights().items())


def test_round_trip(model: ModelFolder) -> None:
    read = read_model_folder(model.path)
    assert read == model
    assert replace(read.description, weights_sha256="") == DESCRIPTION
    assert read.description.weights_sha256 == file_sha256(model.path / WEIGHTS_FILE)
    found = read.weights()
    assert {name: tensor.tobytes() for name, tensor in found.items()} == {
        name: tensor.tobytes() for name, tensor in SMALL.items()
    }


def test_who_may_read_it_is_left_to_the_user(model: ModelFolder) -> None:
    modes = {path.stat().st_mode for path in model.path.iterdir()}
    assert len(modes) == 1, "a laboratory shares its folders"


def test_half_rounds_kernels_and_widens_them_exactly(tmp_path: Path, small_network: None) -> None:
    kernels = np.array([[1 / 3, -1e-8, 65504], [np.nan, -np.inf, 0.5]], np.float32)
    half = write_folder(tmp_path / "half", DESCRIPTION, SMALL | {"a/weights": kernels}, half=True)
    stored = load_file(half.path / WEIGHTS_FILE)
    assert {name: tensor.dtype for name, tensor in stored.items()} == {
        "a/weights": np.dtype(np.float16),
        "a/biases": np.dtype(np.float32),
    }
    found = read_model_folder(half.path).weights()
    assert all(tensor.dtype == np.float32 for tensor in found.values())
    assert np.array_equal(found["a/weights"], kernels.astype(np.float16).astype(np.float32), equal_nan=True)
    assert found["a/biases"].tobytes() == SMALL["a/biases"].tobytes()
    again = write_folder(tmp_path / "again", DESCRIPTION, found, half=True)
    assert again.identity == half.identity


@pytest.mark.slow
def test_half_of_a_whole_network_is_half_as_large_and_keeps_batch_norm(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    full = projects.model_folder(tmp_path_factory.getbasetemp())
    tensors = projects.weights()
    half = write_folder(tmp_path_factory.mktemp("half") / "model", full.description, tensors, half=True)
    sizes = [(folder.path / WEIGHTS_FILE).stat().st_size for folder in (half, full)]
    assert 0.5 < sizes[0] / sizes[1] < 0.51
    found = half.weights()
    for name, tensor in tensors.items():
        is_kernel = name.endswith("/weights")
        assert np.allclose(found[name], tensor, rtol=2**-11 if is_kernel else 0, atol=2**-25 if is_kernel else 0), name


def test_half_refuses_what_it_cannot_hold(tmp_path: Path, small_network: None) -> None:
    kernels = np.array([[1, 2, 3], [4, -1e5, 6]], np.float32)
    with pytest.raises(
        ModelError, match=r"tensor 'a/weights' holds -100000, which float16 .*store the model in float32"
    ):
        write_folder(tmp_path / "model", DESCRIPTION, SMALL | {"a/weights": kernels}, half=True)
    assert not list(tmp_path.iterdir())


def test_only_what_the_network_needs_is_written(tmp_path: Path, small_network: None) -> None:
    model = write_folder(tmp_path / "model", DESCRIPTION, SMALL | {"global_step": np.array([1], np.float32)})
    assert set(load_file(model.path / WEIGHTS_FILE)) == set(SMALL)
    assert {path.name for path in model.path.iterdir()} == {MODEL_FILE, WEIGHTS_FILE}
    assert list(tmp_path.iterdir()) == [model.path]


def test_moved_and_renamed(model: ModelFolder, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere" / "été"
    place.parent.mkdir()
    model.path.rename(place)
    moved = read_model_folder(place)
    assert (moved.identity, moved.description) == (model.identity, model.description)
    assert np.array_equal(moved.weights()["a/weights"], SMALL["a/weights"])


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"source": {"tool": "another"}}, True),
        ({"pcutoff": None}, True),
        ({"scorer": "DLC_another"}, True),
        ({"locref_stdev": 7.1}, False),
        ({"mean_pixel": (1.0, 2.0, 3.0)}, False),
        ({"bodyparts": ("é", "left ear", "snout")}, False),
        ({"net_type": "resnet_101"}, False),
    ],
    ids=str,
)
def test_identity_is_of_all_that_determines_poses(
    model: ModelFolder, tmp_path: Path, change: dict[str, Any], same: bool
) -> None:
    other = write_folder(tmp_path / "other", replace(DESCRIPTION, **change), SMALL)
    assert (other.identity == model.identity) is same


def test_identity_changes_with_one_bit_of_the_weights(model: ModelFolder, tmp_path: Path) -> None:
    weights = np.nextafter(SMALL["a/weights"], np.float32(2))
    other = write_folder(tmp_path / "other", DESCRIPTION, SMALL | {"a/weights": weights})
    assert other.identity != model.identity


def damage_weights(model: ModelFolder) -> None:
    content = bytearray((model.path / WEIGHTS_FILE).read_bytes())
    content[-1] ^= 1
    (model.path / WEIGHTS_FILE).write_bytes(content)


def truncate_weights(model: ModelFolder) -> None:
    content = (model.path / WEIGHTS_FILE).read_bytes()
    (model.path / WEIGHTS_FILE).write_bytes(content[:-4])


def use_a_type_that_numpy_lacks(model: ModelFolder) -> None:
    header = b'{"a/weights":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}'
    (model.path / WEIGHTS_FILE).write_bytes(len(header).to_bytes(8, "little") + header + bytes(12))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_weights, ["is not the file that model.yaml was written for"]),
        (truncate_weights, ["cannot be read", "import the model again"]),
        (use_a_type_that_numpy_lacks, []),
        (lambda model: (model.path / WEIGHTS_FILE).write_bytes(b""), ["cannot be read"]),
        (lambda model: (model.path / WEIGHTS_FILE).unlink(), ["has no weights.safetensors"]),
        (
            lambda model: rewrite_weights(model, {"a/weights": SMALL["a/weights"]}),
            ["lacks tensor 'a/biases' of shape (3,)"],
        ),
        (
            lambda model: rewrite_weights(model, SMALL | {"a/weights": np.zeros((3, 2), np.float32)}),
            ["tensor 'a/weights' of shape (3, 2) where (2, 3) is needed"],
        ),
        (
            lambda model: rewrite_weights(model, SMALL | {"a/biases": np.zeros(3, np.float64)}),
            ["tensor 'a/biases' of type float64 where float32 is needed"],
        ),
    ],
    ids=["one bit", "truncated", "bfloat16", "empty", "no file", "no tensor", "shape", "type"],
)
def test_damaged_weights(model: ModelFolder, damage: Callable[[ModelFolder], object], words: list[str]) -> None:
    damage(model)
    with pytest.raises(ModelError) as error:
        read_model_folder(model.path).weights()
    message = str(error.value)
    assert str(model.path) in message
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("^format_version: 1", "format_version: 2", ["version 1"]),
        ("^format: .*", "format: something", ["is not a posecli-model file"]),
        ("^format: .*", "", ["is not a posecli-model file"]),
        ("^net_type: .*", "net_type: mobilenet_v1", ["mobilenet_v1", "resnet_50"]),
        ("^net_type: .*", "net_type: [resnet_50]", ["damaged"]),
        ("^net_type: .*\n", "", ["damaged", "net_type"]),
        ("^scorer: .*", "scorer: 5", ["scorer '5'"]),
        ("^scorer: .*", "scorer: DLC_a/b", ["DLC_a/b"]),
        ("^- left ear", "- snout", ["distinct"]),
        ("^- left ear", "- 5", ["distinct"]),
        ("^stride: .*", "stride: 4.0", ["stride 4.0"]),
        ("^locref_stdev: .*", "locref_stdev: much", ["damaged"]),
        ("^locref_stdev: .*", "locref_stdev: .nan", ["locref_stdev nan"]),
        ("^- 3.5\n", "", ["mean_pixel"]),
        ("^- 3.5", "- dark", ["damaged", "dark"]),
        ("^pcutoff: .*", "unheard_of: 1", ["damaged", "unheard_of"]),
        ("^stride: .*", "stride: [", ["not plain YAML"]),
        ("^stride: .*", "stride: !!python/name:os.system", ["has the tag '!!python/name:os.system'"]),
    ],
)
def test_damaged_description(model: ModelFolder, old: str, new: str, words: list[str]) -> None:
    rewrite(model, old, new)
    with pytest.raises(ModelError) as error:
        read_model_folder(model.path)
    message = str(error.value)
    assert str(model.path / MODEL_FILE) in message
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("name", ["cspnext_s", "cspnext_s-no-locref", "rtmpose_s"])
def test_location_refinement_is_held_against_the_head(name: str) -> None:
    settings = yaml.safe_load((GOLDEN / f"{name}.yaml").read_text())
    described = PyTorchConfig(settings, "it").describe("DLC_x", None, {})
    with pytest.raises((ModelError, ValueError), match=r"location_refinement is (True|False), but"):
        replace(described, location_refinement=not described.location_refinement)


def test_a_path_may_be_text(tmp_path: Path, small_network: None) -> None:
    assert write_folder(str(tmp_path / "text"), DESCRIPTION, SMALL).path == tmp_path / "text"


def test_what_is_there_is_not_replaced_unasked(model: ModelFolder) -> None:
    with pytest.raises(OutputExistsError, match="--overwrite"):
        write_folder(model.path, replace(DESCRIPTION, locref_stdev=1.0), SMALL)
    assert read_model_folder(model.path) == model


def test_overwrite_replaces_a_model_folder(model: ModelFolder) -> None:
    changed = write_folder(model.path, replace(DESCRIPTION, locref_stdev=1.0), SMALL, overwrite=True)
    assert read_model_folder(model.path) == changed
    assert changed.description.locref_stdev == 1.0
    assert list(model.path.parent.iterdir()) == [model.path]


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_things_are_never_replaced(tmp_path: Path, small_network: None, overwrite: bool) -> None:
    folder, file = tmp_path / "theses", tmp_path / "thesis.txt"
    folder.mkdir()
    (folder / "thesis.txt").touch()
    file.write_text("three years of work")
    for path in (folder, file):
        with pytest.raises(OutputExistsError, match="choose another name"):
            write_folder(path, DESCRIPTION, SMALL, overwrite=overwrite)
    assert (folder / "thesis.txt").exists()
    assert file.read_text() == "three years of work"


@pytest.mark.parametrize("overwrite", [False, True])
def test_failed_write_leaves_no_trace(
    tmp_path: Path, model: ModelFolder, overwrite: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(path: Path) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_module, "file_sha256", full_disk)
    destination = model.path if overwrite else tmp_path / "new"
    with pytest.raises(OutputError, match=r"cannot be written \(No space left on device\)"):
        write_folder(destination, DESCRIPTION, SMALL, overwrite=overwrite)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [model.path]
    assert is_model_folder(model.path)


def test_old_folder_comes_back_if_the_new_one_cannot_take_its_place(
    model: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def refuse_new(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_new)
    with pytest.raises(OutputError, match="Input/output error"):
        write_folder(model.path, replace(DESCRIPTION, locref_stdev=1.0), SMALL, overwrite=True)
    assert read_model_folder(model.path) == model
    assert model.weights().keys() == SMALL.keys()


def test_place_that_cannot_be_made(tmp_path: Path, small_network: None) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write_folder(tmp_path / "file" / "model", DESCRIPTION, SMALL)


def test_folder_that_appears_meanwhile_is_kept(
    tmp_path: Path, small_network: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, hash_file = tmp_path / "model", file_sha256

    def another_process_is_faster(path: Path) -> str:
        place.mkdir()
        (place / "notes.txt").touch()
        return hash_file(path)

    monkeypatch.setattr(folder_module, "file_sha256", another_process_is_faster)
    with pytest.raises(OutputExistsError, match="another process"):
        write_folder(place, DESCRIPTION, SMALL)
    assert [path.name for path in place.iterdir()] == ["notes.txt"]


def test_copied_folder_is_one(model: ModelFolder, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(model.path, tmp_path / "copy"))
    assert is_model_folder(copy)
    assert not is_model_folder(tmp_path)
    assert read_model_folder(copy).identity == model.identity

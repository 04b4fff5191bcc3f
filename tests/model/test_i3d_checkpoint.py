"""I3D checkpoints in the variants that are about: the same tensors out of each, and every mismatch named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support import i3d_reference as reference
from support import projects

from posecli.cli import cli
from posecli.errors import ModelError
from posecli.inference.predictor import ClipModel
from posecli.model.checkpoint import read_i3d_checkpoint
from posecli.model.description import BEHAVIOURS, ClipDescription
from posecli.model.importing import import_i3d
from posecli.network.i3d import I3DSpec, i3d
from posecli.options import EngineOptions

SPEC = I3DSpec(9, width=0.05)
LOGITS = "Logits/Conv3d_0c_1x1/conv_3d"
PREFIX = "RGB/inception_i3d/"

Tensors = projects.Tensors
Variant = Callable[[Tensors], Tensors]


def tensors(spec: I3DSpec = SPEC) -> Tensors:
    return dict(reference.random_weights(spec))


def published(held: Tensors) -> Tensors:
    """As the networks trained on 400 classes are published."""
    return {PREFIX + name: tensor for name, tensor in held.items()}


def retrained(held: Tensors) -> Tensors:
    """As the one trained on 600 classes is: no prefix, statistics of five axes, and an optimiser's slots."""
    wide = {name: tensor.reshape(1, 1, 1, 1, -1) if "/batch_norm/" in name else tensor for name, tensor in held.items()}
    slots = {f"{name}/Momentum": np.ones_like(tensor) for name, tensor in wide.items() if "moving_" not in name}
    return wide | slots


def in_between(held: Tensors) -> Tensors:
    """A prefix, slots and a step counter, as a training run of one's own leaves it."""
    slots = {f"{name}/Momentum": np.ones_like(tensor) for name, tensor in held.items()}
    return published(held | slots) | {"global_step": np.array(7, np.int64)}


@pytest.mark.parametrize("variant", [published, retrained, in_between])
def test_same_tensors_from_every_variant(variant: Variant, tmp_path: Path) -> None:
    prefix = projects.write_checkpoint(tmp_path / "model.ckpt", variant(tensors()))
    for path in (prefix, prefix.with_name("model.ckpt.index")):
        found, notes = read_i3d_checkpoint(path, SPEC)
        assert notes == ()
        assert {name: tensor.shape for name, tensor in found.items()} == i3d(SPEC).variable_shapes()
        assert all(np.array_equal(found[name], tensor) for name, tensor in tensors().items())


@pytest.mark.parametrize("variant", [published, retrained])
def test_logits_of_other_classes_are_left_out(variant: Variant, tmp_path: Path) -> None:
    prefix = projects.write_checkpoint(tmp_path / "model.ckpt", variant(tensors(I3DSpec(400, SPEC.width))))
    found, (note,) = read_i3d_checkpoint(prefix, SPEC)
    assert found.keys() == {name for name in i3d(SPEC).variable_shapes() if not name.startswith("Logits/")}
    assert "400 classes apart, not 9" in note


def test_every_mismatch_is_named_at_once(tmp_path: Path) -> None:
    held = tensors()
    del held["Mixed_3b/Branch_0/Conv3d_0a_1x1/batch_norm/beta"], held[f"{LOGITS}/b"]
    held["Mixed_5b/Branch_2/Conv3d_0b_3x3/conv_3d/w"] = held.pop("Mixed_5b/Branch_2/Conv3d_0a_3x3/conv_3d/w")
    held["Conv3d_2b_1x1/conv_3d/w"] = held["Conv3d_2b_1x1/conv_3d/w"][..., :-1]
    held["Conv3d_2b_1x1/batch_norm/beta"] = held["Conv3d_2b_1x1/batch_norm/beta"].reshape(2, -1)
    held["Conv3d_2c_3x3/batch_norm/moving_mean"] = held["Conv3d_2c_3x3/batch_norm/moving_mean"].astype(np.float64)
    prefix = projects.write_checkpoint(tmp_path / "model.ckpt", published(held))
    with pytest.raises(ModelError) as caught:
        read_i3d_checkpoint(prefix, SPEC)
    message = str(caught.value)
    for words in (
        "'Mixed_3b/Branch_0/Conv3d_0a_1x1/batch_norm/beta' of shape (4,) is missing",
        f"'{LOGITS}/b' of shape (9,) is missing",
        "'Mixed_5b/Branch_2/Conv3d_0a_3x3/conv_3d/w' of shape (3, 3, 3, 4, 8) is missing",
        "'Conv3d_2b_1x1/conv_3d/w' has shape (1, 1, 1, 4, 3) where (1, 1, 1, 4, 4) is needed",
        "'Conv3d_2b_1x1/batch_norm/beta' has shape (2, 2) where (4,) is needed",
        "'Conv3d_2c_3x3/batch_norm/moving_mean' has type float64",
    ):
        assert words in message
    assert message.count(";") == 5


def test_another_width(tmp_path: Path) -> None:
    prefix = projects.write_checkpoint(tmp_path / "model.ckpt", published(tensors()))
    with pytest.raises(ModelError, match=r"'Conv3d_1a_7x7/conv_3d/w' has shape .* of this width$"):
        read_i3d_checkpoint(prefix, I3DSpec(9, width=0.1))


@pytest.mark.parametrize("prefix", ["Flow/inception_i3d/", ""])
def test_optical_flow(prefix: str, tmp_path: Path) -> None:
    held = {prefix + name: tensor for name, tensor in tensors().items()}
    first = f"{prefix}Conv3d_1a_7x7/conv_3d/w"
    held[first] = held[first][:, :, :, :2]
    with pytest.raises(ModelError, match=r"is an I3D network for optical flow.*give one for RGB"):
        read_i3d_checkpoint(projects.write_checkpoint(tmp_path / "model.ckpt", held), SPEC)


def test_no_such_network(tmp_path: Path) -> None:
    other = {"resnet_v1_50/conv1/weights": np.zeros((7, 7, 3, 64), np.float32)}
    with pytest.raises(ModelError, match="is not an I3D network"):
        read_i3d_checkpoint(projects.write_checkpoint(tmp_path / "model.ckpt", other), SPEC)


def test_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no checkpoint '.*nowhere.model\.ckpt'"):
        read_i3d_checkpoint(tmp_path / "nowhere" / "model.ckpt", SPEC)


def test_damaged_checkpoint(tmp_path: Path) -> None:
    prefix = projects.write_checkpoint(tmp_path / "model.ckpt", published(tensors()))
    data = prefix.with_name("model.ckpt.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"cannot be read \(.+\): copy it again"):
        read_i3d_checkpoint(prefix, SPEC)


def test_a_model_folder_of_it(tmp_path: Path) -> None:
    description = ClipDescription(BEHAVIOURS, "I3D_test", width=SPEC.width)
    prefix = projects.write_checkpoint(tmp_path / "model.ckpt", published(tensors()))
    folder, notes = import_i3d(prefix, tmp_path / "a folder", description)
    assert notes == ()
    assert folder.description.source["checkpoint"] == "model.ckpt"
    assert all(np.array_equal(folder.weights()[name], tensor) for name, tensor in tensors().items())


def test_a_last_layer_that_does_not_fit_is_left_at_zero(tmp_path: Path) -> None:
    description = ClipDescription(("rest", "walk"), "I3D_test", width=SPEC.width)
    prefix = projects.write_checkpoint(tmp_path / "model.ckpt", published(tensors()))
    folder, notes = import_i3d(prefix, tmp_path / "model", description)
    assert len(notes) == 1
    assert not folder.weights()[f"{LOGITS}/w"].any()
    chunk = np.random.default_rng(0).integers(0, 256, (1, 9, 32, 32, 3), np.uint8)
    model = ClipModel(folder, EngineOptions(precision="fp32"))
    np.testing.assert_allclose(model.predict(chunk), [[0.5, 0.5]])


def test_from_the_command_line(tmp_path: Path) -> None:
    arguments = ["model", "import-i3d", str(tmp_path / "no.ckpt"), "--classes", "9", "-o", str(tmp_path / "model")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 5
    assert "no.ckpt" in result.stderr
    assert not (tmp_path / "model").exists()

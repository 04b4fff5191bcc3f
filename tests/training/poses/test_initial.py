"""Weights to begin with."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from support import projects
from support.small_network import shrink

from posecli.errors import ModelError
from posecli.model.description import ModelDescription
from posecli.model.folder import BUILTIN, write_folder
from posecli.network.architectures import pose_network
from posecli.network.network import PoseSpec
from posecli.training.poses import objective as initial
from posecli.training.poses.objective import PRIOR, initial_weights, scratch_weights

SPEC = PoseSpec("resnet_50", 4, (0.0, 0.0, 0.0))
HEAD = "pose/part_pred/block4/weights"


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


def tensors(n_bodyparts: int = 4) -> projects.Tensors:
    return projects.random_weights("resnet_50", n_bodyparts)


def backbone(weights: projects.Tensors) -> projects.Tensors:
    return {name: array for name, array in weights.items() if not name.startswith("pose/")}


class TestScratch:
    def test_every_variable_has_its_shape(self) -> None:
        weights = scratch_weights(SPEC, 0)
        assert {name: array.shape for name, array in weights.items()} == pose_network(
            PoseSpec("resnet_50", 4)
        ).variable_shapes()
        assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}

    def test_it_is_a_function_of_the_seed(self) -> None:
        first, again, other = (scratch_weights(SPEC, seed) for seed in (0, 0, 1))
        assert all(np.array_equal(first[name], again[name]) for name in first)
        assert not np.array_equal(first[HEAD], other[HEAD])

    def test_activations_keep_their_size_and_units_begin_as_shortcuts(self) -> None:
        weights = scratch_weights(SPEC, 0)
        kernel = weights["resnet_v1_50/block4/unit_1/bottleneck_v1/conv2/weights"]
        assert kernel.std() == pytest.approx(np.sqrt(2 / np.prod(kernel.shape[:3])), rel=0.05)
        assert not weights["resnet_v1_50/block4/unit_1/bottleneck_v1/conv3/BatchNorm/gamma"].any()
        assert (weights["resnet_v1_50/conv1/BatchNorm/gamma"] == 1).all()
        assert (weights["resnet_v1_50/conv1/BatchNorm/moving_variance"] == 1).all()

    def test_the_scoremap_begins_with_the_prior(self) -> None:
        bias = scratch_weights(SPEC, 0)["pose/part_pred/block4/biases"]
        assert 1 / (1 + np.exp(-bias)) == pytest.approx(PRIOR)

    def test_other_networks_begin_so_too(self) -> None:
        spec = PoseSpec("mobilenet_v2_0.35", 4)
        weights = scratch_weights(spec, 0)
        kernel = weights["MobilenetV2/expanded_conv_16/depthwise/depthwise_weights"]
        assert kernel.std() == pytest.approx(np.sqrt(2 / 9), rel=0.05)
        silent = {name.split("/")[1] for name, array in weights.items() if name.endswith("gamma") and not array.any()}
        assert silent == {f"expanded_conv_{number}" for number in (2, 4, 5, 7, 8, 9, 11, 12, 14, 15)}
        assert weights["pose/locref_pred/block4/weights"].std() == pytest.approx(0.01, rel=0.05)
        assert 1 / (1 + np.exp(-weights["pose/part_pred/block4/biases"])) == pytest.approx(PRIOR)


class TestModelFolder:
    def folder(self, path: Path, n_bodyparts: int) -> Path:
        parts = tuple(f"part{number}" for number in range(n_bodyparts))
        description = ModelDescription("resnet_50", parts, projects.SCORER)
        return write_folder(path / "model", description, tensors(n_bodyparts)).path

    def test_all_of_a_network_with_as_many_body_parts(self, tmp_path: Path) -> None:
        weights = initial_weights(SPEC, str(self.folder(tmp_path, 4)), "", 0)
        assert all(np.array_equal(weights[name], array) for name, array in tensors().items())

    def test_the_network_that_comes_with_posecli(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(BUILTIN, "built-in", self.folder(tmp_path, 4))
        weights = initial_weights(SPEC, "built-in", "", 0)
        assert all(np.array_equal(weights[name], array) for name, array in tensors().items())

    def test_only_the_backbone_of_another(self, tmp_path: Path) -> None:
        weights, scratch = initial_weights(SPEC, str(self.folder(tmp_path, 3)), "", 0), scratch_weights(SPEC, 0)
        assert all(np.array_equal(weights[name], array) for name, array in backbone(tensors(3)).items())
        assert np.array_equal(weights[HEAD], scratch[HEAD])

    @pytest.mark.slow
    def test_another_net_type_is_refused(self, tmp_path: Path) -> None:
        spec = PoseSpec("resnet_101", 4, (0.0, 0.0, 0.0))
        with pytest.raises(ModelError, match="is a resnet_50 and cannot begin a resnet_101: set net_type"):
            initial_weights(spec, str(self.folder(tmp_path, 4)), "", 0)


class TestCheckpoint:
    @pytest.mark.parametrize("name", ["resnet_v1_50.ckpt", "odd [1] name.ckpt"])
    def test_its_backbone_is_taken(self, tmp_path: Path, name: str) -> None:
        classifier = {"resnet_v1_50/logits/weights": np.zeros((1, 1, 64, 1000), np.float32)}
        path = projects.write_checkpoint(tmp_path / "imagenet", backbone(tensors()) | classifier)
        for ending in (".index", ".data-00000-of-00001"):
            path.with_name(path.name + ending).rename(tmp_path / f"{name}{ending}")
        digest = sha256((tmp_path / f"{name}.data-00000-of-00001").read_bytes()).hexdigest()
        for wanted in ("", digest, digest.upper()):
            weights = initial_weights(SPEC, str(tmp_path / name), wanted, 0)
            assert all(np.array_equal(weights[name], array) for name, array in backbone(tensors()).items())
            assert np.array_equal(weights[HEAD], scratch_weights(SPEC, 0)[HEAD])

    def test_a_checksum_that_does_not_fit(self, tmp_path: Path) -> None:
        path = projects.write_checkpoint(tmp_path / "resnet_v1_50.ckpt", backbone(tensors()))
        with pytest.raises(ModelError, match=r"has SHA-256 [0-9a-f]{64}, not 000"):
            initial_weights(SPEC, str(path), "0" * 64, 0)

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError) as error:
            initial_weights(SPEC, str(tmp_path / "no" / "resnet_v1_50.ckpt"), "", 0)
        assert "resnet_v1_50.ckpt' are not there: give 'scratch', 'imagenet', a model folder" in str(error.value)

    def test_by_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = projects.write_checkpoint(tmp_path / "resnet_v1_50.ckpt", backbone(tensors()))
        kept = {("resnet_50", "a" * 64): path}
        monkeypatch.setattr(initial, "imagenet_checkpoint", lambda *asked: kept[asked])
        weights = initial_weights(SPEC, "imagenet", "a" * 64, 0)
        assert all(np.array_equal(weights[name], array) for name, array in backbone(tensors()).items())

    def test_another_networks_checkpoint(self, tmp_path: Path) -> None:
        path = projects.write_checkpoint(tmp_path / "c", {"vgg/weights": np.zeros(3, np.float32)})
        with pytest.raises(ModelError, match="lacks tensor 'resnet_v1_50/conv1/weights'"):
            initial_weights(SPEC, str(path), "", 0)

    def test_no_checkpoint_at_all(self, tmp_path: Path) -> None:
        (tmp_path / "resnet_v1_50.ckpt").write_text("<html>not found</html>")
        with pytest.raises(ModelError, match="cannot be read"):
            initial_weights(SPEC, str(tmp_path / "resnet_v1_50.ckpt"), "", 0)

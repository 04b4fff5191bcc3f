"""Weights for a network of behaviours to begin with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import projects

from posecli.errors import ModelError
from posecli.model.description import ClipDescription
from posecli.model.folder import write_folder
from posecli.network.i3d import LOGITS, I3DSpec, i3d
from posecli.training.behaviours.objective import initial_weights, scratch_weights

CLASSES = ("rest", "walk")
SPEC = I3DSpec(2, 0.1)
LOGITS_KERNEL = f"{LOGITS}/conv_3d/w"
FIRST_KERNEL = "Conv3d_1a_7x7/conv_3d/w"


def random_weights(spec: I3DSpec, seed: int = 5) -> projects.Tensors:
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(0.1, 1, shape).astype(np.float32) for name, shape in i3d(spec).variable_shapes().items()}


def folder(path: Path, classes: tuple[str, ...], width: float = 0.1) -> Path:
    description = ClipDescription(classes, "I3D_x", width=width)
    return write_folder(path / "model", description, random_weights(description.spec)).path


class TestScratch:
    def test_every_variable_has_its_shape(self) -> None:
        weights = scratch_weights(SPEC, 0)
        assert {name: array.shape for name, array in weights.items()} == i3d(SPEC).variable_shapes()
        assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}

    def test_it_is_a_function_of_the_seed(self) -> None:
        first, again, other = (scratch_weights(SPEC, seed) for seed in (0, 0, 1))
        assert all(np.array_equal(first[name], again[name]) for name in first)
        assert not np.array_equal(first[FIRST_KERNEL], other[FIRST_KERNEL])

    def test_activations_keep_their_size(self) -> None:
        weights = scratch_weights(SPEC, 0)
        kernel = weights["Mixed_4f/Branch_1/Conv3d_0b_3x3/conv_3d/w"]
        assert kernel.std() == pytest.approx(np.sqrt(2 / np.prod(kernel.shape[:4])), rel=0.05)
        assert (weights["Conv3d_1a_7x7/batch_norm/moving_variance"] == 1).all()
        assert not weights["Conv3d_1a_7x7/batch_norm/beta"].any()


class TestModelFolder:
    def test_all_of_a_network_for_the_same_behaviours(self, tmp_path: Path) -> None:
        weights = initial_weights(SPEC, CLASSES, str(folder(tmp_path, CLASSES)), 0)
        assert all(np.array_equal(weights[name], array) for name, array in random_weights(SPEC).items())

    @pytest.mark.parametrize("classes", [("walk", "rest"), ("a", "b", "c")])
    def test_all_but_the_logits_of_another(self, tmp_path: Path, classes: tuple[str, ...]) -> None:
        weights = initial_weights(SPEC, CLASSES, str(folder(tmp_path, classes)), 0)
        theirs = random_weights(I3DSpec(len(classes), 0.1))
        assert np.array_equal(weights[FIRST_KERNEL], theirs[FIRST_KERNEL])
        assert np.array_equal(weights[LOGITS_KERNEL], scratch_weights(SPEC, 0)[LOGITS_KERNEL])

    def test_another_width_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"width 0\.2 and cannot begin one of width 0\.1: set network_width"):
            initial_weights(SPEC, CLASSES, str(folder(tmp_path, CLASSES, 0.2)), 0)


class TestCheckpoint:
    @pytest.mark.parametrize(("n_classes", "taken"), [(2, True), (400, False)])
    def test_its_logits_only_for_as_many_classes(self, tmp_path: Path, n_classes: int, taken: bool) -> None:
        theirs = random_weights(I3DSpec(n_classes, 0.1))
        named = {f"RGB/inception_i3d/{name}": array for name, array in theirs.items()}
        path = projects.write_checkpoint(tmp_path / "model.ckpt", named)
        weights = initial_weights(SPEC, CLASSES, str(path), 0)
        assert np.array_equal(weights[FIRST_KERNEL], theirs[FIRST_KERNEL])
        assert np.array_equal(weights[LOGITS_KERNEL], theirs[LOGITS_KERNEL]) == taken

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"model\.ckpt"):
            initial_weights(SPEC, CLASSES, str(tmp_path / "model.ckpt"), 0)

"""``posecli model`` from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from click.testing import CliRunner
from support import projects

from posecli.cli import cli
from posecli.model.description import ModelDescription
from posecli.model.folder import WEIGHTS_FILE, read_model_folder, write_model_folder


def test_compact_halves_the_file_and_rounds_the_kernels(tmp_path: Path) -> None:
    description = ModelDescription("resnet_50", ("a", "b"), "DLC_x")
    folder = write_model_folder(tmp_path / "model", description, projects.random_weights(n_bodyparts=2))
    copy = tmp_path / "a copy"
    result = CliRunner().invoke(cli, ["model", "compact", str(folder.path), "-o", str(copy)])
    assert result.exit_code == 0, result.output
    assert f"wrote '{copy}'" in result.stdout
    sizes = [(path / WEIGHTS_FILE).stat().st_size for path in (folder.path, copy)]
    assert sizes[1] < 0.51 * sizes[0]
    small = read_model_folder(copy)
    assert small.identity != folder.identity
    rounded = small.weights()
    for name, tensor in folder.weights().items():
        assert np.allclose(rounded[name], tensor, rtol=2**-10, atol=1e-7), name
    again = CliRunner().invoke(cli, ["model", "compact", str(folder.path), "-o", str(copy)])
    assert again.exit_code == 8

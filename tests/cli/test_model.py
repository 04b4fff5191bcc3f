"""``posecli model`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support import networks, projects, pytorch_projects

from posecli.cli import cli
from posecli.model.deeplabcut_project import find_source
from posecli.model.description import ModelDescription
from posecli.model.folder import WEIGHTS_FILE, read_model_folder, write_folder


@pytest.mark.slow
def test_compact_halves_the_file_and_rounds_the_kernels(tmp_path: Path) -> None:
    description = ModelDescription("resnet_50", ("a", "b"), "DLC_x")
    folder = write_folder(tmp_path / "model", description, projects.random_weights(n_bodyparts=2))
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


def test_info_describes_the_network_of_a_deeplabcut_project(tmp_path: Path) -> None:
    with networks.tiny_resnet() as name:
        checkpoint = projects.write_checkpoint(tmp_path / "trained", projects.random_weights(name))
        root = tmp_path / "project"
        folder = projects.write_model_directory(root, net_type=name, checkpoint=checkpoint)
        config = projects.write_project(root)
        export = projects.write_export(tmp_path / "export", net_type=name)
        projects.link_checkpoint(checkpoint, export / "snapshot-100")
        found = []
        for source in (config, root, folder, export):
            result = CliRunner().invoke(cli, ["model", "info", str(source), "--json"], catch_exceptions=False)
            assert result.exit_code == 0, result.output
            found.append(json.loads(result.stdout))
    assert {each["net_type"] for each in found} == {name}
    assert {each["source"]["checkpoint"] for each in found} == {"snapshot-100"}
    assert {tuple(each["bodyparts"]) for each in found} == {projects.BODYPARTS}
    assert {each["scorer"] for each in found} == {projects.SCORER.replace("resnet50", name.replace("_", ""))}


def test_info_counts_work_and_names_precisions(tmp_path: Path) -> None:
    folder = pytorch_projects.write_pytorch_directory(tmp_path)
    state = pytorch_projects.state_dict(find_source(folder).describe().network)
    snapshot = pytorch_projects.write_snapshot(folder / "train" / "snapshot-005.pt", state)
    arguments = ["model", "info", str(snapshot), "--size", "320x240"]
    result = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["network"]
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert found["parameters"] == sum(each.size for name, each in state.items() if not name.endswith(statistics))
    assert found["size"] == [320, 240]
    # Work grows with the number of pixels.
    large = CliRunner().invoke(cli, [*arguments[:3], "--json", "--size", "640x480"])
    assert json.loads(large.stdout)["network"]["multiply_adds"] / found["multiply_adds"] == pytest.approx(4, rel=0.1)
    assert "fp32" in found["precisions"]
    assert "int8" not in found["precisions"]
    assert "has no int8 version" in found["obstacles"]["int8"]
    text = CliRunner().invoke(cli, arguments).stdout
    for words in (
        "RGB in 0 to 255, minus 123.675 116.28 103.53, divided by 58.395 57.12 57.375",
        "0.5 to 1.25",
        "multiply-adds for a picture of 320x240 px",
        "DeepLabCut (PyTorch engine)",
        "stride",
    ):
        assert words in text


def test_info_of_a_network_for_behaviours() -> None:
    result = CliRunner().invoke(cli, ["model", "info", "built-in-behaviours"], catch_exceptions=False)
    assert "frames of 64x64 px" in result.stdout
    wrong = CliRunner().invoke(cli, ["model", "info", "built-in", "--size", "large"])
    assert wrong.exit_code == 2


def test_info_chooses_among_the_networks_of_a_project(tmp_path: Path) -> None:
    projects.write_model_directory(tmp_path)
    result = CliRunner().invoke(cli, ["model", "info", str(projects.write_project(tmp_path)), "--shuffle", "2"])
    assert result.exit_code == 5
    assert "no trained network 'reachNov20-trainset95shuffle2'" in result.stderr


def test_info_of_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["model", "info", str(tmp_path / "nothing")])
    assert result.exit_code == 5
    assert f"model '{tmp_path / 'nothing'}' does not exist" in result.stderr


@pytest.mark.parametrize(("statistics", "words"), [("frame", "each frame's own"), ("stored", "stored in training")])
def test_info_says_what_normalisation_takes(statistics: str, words: str, tmp_path: Path) -> None:
    description = ModelDescription("mobilenet_v2_0.35", ("a", "b"), "DLC_x", layout={"statistics": statistics})
    folder = write_folder(tmp_path / "model", description, networks.any_weights(description.network))
    result = CliRunner().invoke(cli, ["model", "info", str(folder.path)], catch_exceptions=False)
    (line,) = (line for line in result.stdout.splitlines() if "batch normalisation" in line)
    assert words in line

"""What a network asks of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import networks
from support.toy_network import toy

from posecli.engine.facts import network_facts
from posecli.errors import UsageError
from posecli.model.description import ModelDescription, TopDown
from posecli.model.detector import DetectorDescription
from posecli.model.folder import FolderOf, write_folder
from posecli.network.network import PoseSpec
from posecli.options import InputSize


def test_work_of_a_network_whose_layers_are_few() -> None:
    network = toy(PoseSpec("toy", 3))
    # A 5x5 convolution of stride 4 to 16 channels, and a 3x3 one that doubles their map.
    assert network.parameters == 5 * 5 * 3 * 16 + 2 * 16 + 3 * 3 * 16 * 3 + 3
    assert sum(network.multiplications((40, 48)).values()) == 10 * 12 * (5 * 5 * 3 * 16 + 3 * 3 * 16 * 3)


def test_facts_of_a_model_folder(tmp_path: Path) -> None:
    with networks.tiny_resnet() as name:
        folder = FolderOf(tmp_path, ModelDescription(name, ("a", "b"), "DLC_x"))
        facts = network_facts(folder)
        half = network_facts(folder, InputSize(320, 240))
        reference = network_facts(folder, engine="tensorflow")
    assert (str(facts.size), facts.frames) == ("640x480", 1)
    assert facts.multiply_adds == 4 * half.multiply_adds
    assert reference.precisions == ["fp32"]
    assert facts.as_dict()["precisions"] == facts.precisions


def test_network_that_looks_at_crops_and_its_detector(tmp_path: Path) -> None:
    detector = DetectorDescription("ssdlite", "DLC_x", layout={"tail": 80})
    with networks.tiny_resnet() as name:
        description = ModelDescription(name, ("a", "b"), "DLC_x", top_down=TopDown(96, 64))
        parts = detector, networks.any_weights(detector.network)
        folder = write_folder(
            tmp_path / "model", description, networks.any_weights(description.network), detector=parts
        )
        facts = network_facts(folder)
        alone = network_facts(FolderOf(tmp_path, description), InputSize(96, 64))
        with pytest.raises(UsageError, match="the network sees crops of 96x64 px, whatever the frames, not 640x480"):
            network_facts(folder, InputSize(640, 480))
    assert str(facts.size) == "96x64"
    assert alone.multiply_adds == facts.multiply_adds
    assert (alone.detector_parameters, alone.detector_multiply_adds) == (0, 0)
    assert facts.detector_parameters == detector.network.parameters
    assert facts.detector_multiply_adds > facts.multiply_adds

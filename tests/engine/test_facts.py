"""What a network asks of a machine."""

from __future__ import annotations

from pathlib import Path

from support import networks
from support.toy_network import toy

from posecli.engine.facts import network_facts
from posecli.model.description import ModelDescription
from posecli.model.folder import FolderOf
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

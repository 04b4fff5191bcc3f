"""DeepLabCut networks to model folders, by hand and through the cache."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import projects

from posecli.errors import ModelError, OutputExistsError
from posecli.model import deeplabcut_tensorflow, importing
from posecli.model.deeplabcut import NetworkChoice
from posecli.model.folder import MODEL_FILE, ModelFolder, read_model_folder, write_folder
from posecli.model.importing import cache_directory, import_model, open_model
from posecli.network.network import Network

MODEL = "dlc-models/iteration-0/reachNov20-trainset95shuffle1"

SMALL: projects.Tensors = {"a/weights": np.ones((2, 3), np.float32), "a/biases": np.zeros(3, np.float32)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return projects.trained_checkpoint(tmp_path_factory.getbasetemp())


@pytest.fixture
def project(tmp_path: Path, trained: Path) -> Path:
    """A project with a whole network."""
    root = tmp_path / "project"
    projects.write_project(root)
    projects.write_model_directory(root, checkpoint=trained)
    return root


@pytest.fixture
def small_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose network has just two small tensors, as has then every other."""
    shapes = {name: tensor.shape for name, tensor in SMALL.items()}
    monkeypatch.setattr(Network, "variable_shapes", lambda _: shapes)
    root = tmp_path / "small-project"
    projects.write_project(root)
    projects.write_model_directory(root, checkpoint=projects.write_checkpoint(tmp_path / "small", SMALL))
    return root


def add_snapshot(project: Path, iterations: int, tensors: projects.Tensors) -> None:
    projects.write_checkpoint(project / MODEL / "train" / f"snapshot-{iterations}", tensors)


def holds_the_network(model: ModelFolder) -> bool:
    found = model.weights()
    return all(np.array_equal(tensor, found[name]) for name, tensor in projects.weights().items())


@pytest.mark.parametrize("place", ["config.yaml", "", MODEL, f"{MODEL}/train"])
def test_network_of_a_project(project: Path, tmp_path: Path, place: str) -> None:
    model = import_model(project / place, tmp_path / "model")
    description = model.description
    assert description.scorer == "DLC_resnet50_reachNov20shuffle1_100"
    assert (description.net_type, description.bodyparts) == ("resnet_50", projects.BODYPARTS)
    assert (description.stride, description.locref_stdev) == (8.0, 7.2801)
    assert description.location_refinement
    assert description.pcutoff == (None if place.startswith(MODEL) else 0.4)
    assert description.source["checkpoint"] == "snapshot-100"
    assert description.source["global_scale"] == 0.8  # noted, never applied: videos are analysed at scale 1
    assert description.source["name"] == (Path(place).name if place.startswith(MODEL) else project.name)
    assert str(tmp_path) not in (model.path / MODEL_FILE).read_text(), "folders are passed on"
    assert holds_the_network(model)
    assert read_model_folder(tmp_path / "model") == model


@pytest.mark.slow
def test_exported_checkpoint_and_frozen_graph_are_the_same_network(tmp_path: Path, trained: Path) -> None:
    with_checkpoint = projects.write_export(tmp_path / "a" / "DLC_reach_resnet_50_iteration-0_shuffle-1")
    projects.link_checkpoint(trained, with_checkpoint / "snapshot-100")
    (with_checkpoint / "snapshot-100.pb").write_bytes(b"not looked at where there is a checkpoint")
    only_graph = projects.write_export(tmp_path / "b" / "DLC_reach_resnet_50_iteration-0_shuffle-1")
    projects.write_frozen_graph(only_graph / "snapshot-100.pb", projects.weights())
    models = [
        import_model(export, tmp_path / f"model-{number}")
        for number, export in enumerate((with_checkpoint, only_graph))
    ]
    assert {model.description.scorer for model in models} == {"DLC_resnet50_reachNov20shuffle1_100"}
    assert holds_the_network(models[0])
    assert models[0].identity == models[1].identity


def test_network_without_location_refinement(tmp_path: Path, trained: Path) -> None:
    folder = projects.write_model_directory(tmp_path, checkpoint=trained, location_refinement=False)
    model = import_model(folder, tmp_path / "model")
    assert not model.description.location_refinement
    assert set(projects.weights()) - set(model.weights()) == {
        f"pose/locref_pred/block4/{name}" for name in ("weights", "biases")
    }


class TestStatistics:
    @pytest.fixture
    def checkpoint(self, small_project: Path) -> Path:
        return small_project.parent / "small"

    def test_those_of_deeplabcut_unless_others_are_chosen(self, tmp_path: Path, checkpoint: Path) -> None:
        folder = projects.write_model_directory(tmp_path, checkpoint=checkpoint, net_type="mobilenet_v2_0.35")
        found = {chosen: open_model(folder, NetworkChoice(statistics=chosen)) for chosen in (None, "frame", "stored")}
        assert [model.description.layout["statistics"] for model in found.values()] == ["frame", "frame", "stored"]
        assert {model.description.scorer for model in found.values()} == {"DLC_mobnet_35_reachNov20shuffle1_100"}
        assert found[None].identity == found["frame"].identity != found["stored"].identity
        assert open_model(folder).description.layout == {"statistics": "frame"}  # not what was met last

    @pytest.mark.parametrize(("settings", "statistics"), [({}, "stored"), ({"use_batch_norm": True}, "frame")])
    def test_an_efficientnet(self, tmp_path: Path, checkpoint: Path, settings: Any, statistics: str) -> None:
        folder = projects.write_model_directory(tmp_path, checkpoint=checkpoint, net_type="efficientnet_b0", **settings)
        description = import_model(folder, tmp_path / "model").description
        assert (description.net_type, description.layout) == ("efficientnet-b0", {"statistics": statistics})
        assert description.std_pixel == (58.395, 57.12, 57.375)
        assert description.scorer == "DLC_effnet_b0_reachNov20shuffle1_100"

    @pytest.mark.parametrize(("said", "is_noted"), [(True, True), ("yes", True), (False, False)])
    def test_blocks_left_out_at_random(
        self, tmp_path: Path, checkpoint: Path, caplog: pytest.LogCaptureFixture, said: Any, is_noted: bool
    ) -> None:
        fields: dict[str, Any] = {"net_type": "efficientnet-b0", "use_drop_out": said}
        folder = projects.write_model_directory(tmp_path, checkpoint=checkpoint, **fields)
        source = import_model(folder, tmp_path / "model").description.source
        assert source.get("use_drop_out") == ("not applied" if is_noted else None)
        assert ("says use_drop_out, by which DeepLabCut leaves out blocks" in caplog.text) is is_noted

    def test_a_network_without_a_choice(self, small_project: Path, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="is a resnet_50, whose normalisation leaves no choice: leave out"):
            import_model(small_project, tmp_path / "model", NetworkChoice(statistics="stored"))


@pytest.mark.parametrize("names", ["[NO, on, 08, 1:30]", "!!python/tuple ['NO', 'on', '08', '1:30']"])
def test_settings_that_were_changed_by_hand_or_by_another_library(tmp_path: Path, trained: Path, names: str) -> None:
    folder = projects.write_model_directory(tmp_path, checkpoint=trained)
    lines = [f"all_joints_names: {names}", "location_refinement: no", "locref_stdev: 1e-05", "net_type: resnet_50"]
    (folder / "test" / "pose_cfg.yaml").write_text("\n".join(lines), encoding="utf-8")
    description = import_model(folder, tmp_path / "model").description
    assert description.bodyparts == ("NO", "on", "08", "1:30")
    assert description.location_refinement is False
    assert description.locref_stdev == 1e-5


def refused(source: Path, destination: Path) -> str:
    with pytest.raises(ModelError) as error:
        import_model(source, destination)
    message = str(error.value)
    assert "\n" not in message
    assert not destination.exists()
    return message


@pytest.mark.parametrize(
    ("pose_cfg", "words"),
    [
        ({"net_type": "mobilenet_v1_1.0"}, ["net type 'mobilenet_v1_1.0'", "not supported yet", "mobilenet_v2_1.0"]),
        ({"net_type": "resnet50_gn"}, ["net type 'resnet50_gn'", "of the TensorFlow engine posecli runs resnet_50,"]),
        ({"net_type": "dlcrnet_ms5"}, ["net type 'dlcrnet_ms5'"]),
        ({"multi_stage": True}, ["multi-stage resnet_50", "not supported yet"]),
        ({"net_type": ["resnet_50"]}, ["net type '['resnet_50']'"]),
        ({"net_type": None}, ["net type 'None'"]),
        ({"partaffinityfield_predict": True}, ["multi-animal", "not supported yet"]),
        ({"all_joints_names": None}, ["not a usable pose_cfg.yaml"]),
        ({"all_joints_names": ["a", "a"]}, ["['a', 'a']", "distinct"]),
        ({"all_joints_names": ["a", True]}, ["not a usable pose_cfg.yaml", "is True, not a name: put it in quotes"]),
        ({"location_refinement": "perhaps"}, ["location_refinement 'perhaps' is not of the type bool"]),
        ({"mean_pixel": [1, 2]}, ["not a usable pose_cfg.yaml"]),
        ({"locref_stdev": "much"}, ["not a usable pose_cfg.yaml", "much"]),
        ({"stride": 4}, ["stride 4.0"]),
    ],
    ids=str,
)
def test_network_that_is_not_supported(tmp_path: Path, pose_cfg: dict[str, Any], words: list[str]) -> None:
    message = refused(projects.write_model_directory(tmp_path, **pose_cfg), tmp_path / "model")
    assert all(word in message for word in words), message


@pytest.mark.parametrize(("key", "word"), [("net_type", "net type"), ("all_joints_names", "all_joints_names")])
def test_pose_cfg_that_lacks_a_key(tmp_path: Path, key: str, word: str) -> None:
    folder = projects.write_model_directory(tmp_path)
    content = {name: value for name, value in projects.POSE_CFG.items() if name != key}
    projects.write_yaml(folder / "test" / "pose_cfg.yaml", content)
    message = refused(folder, tmp_path / "model")
    assert "pose_cfg.yaml" in message
    assert word in message


def test_other_body_parts_than_the_network_has(tmp_path: Path, trained: Path) -> None:
    folder = projects.write_model_directory(tmp_path, checkpoint=trained, all_joints_names=["snout", "tail", "paw"])
    message = refused(folder, tmp_path / "model")
    assert "'pose/part_pred/block4/weights' of shape (3, 3, 4, 2048) where (3, 3, 3, 2048) is needed" in message
    assert "snapshot-100" in message


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"a/weights": SMALL["a/weights"]}, ["lacks tensor 'a/biases' of shape (3,)"]),
        (SMALL | {"a/weights": np.ones((3, 2), np.float32)}, ["'a/weights' of shape (3, 2) where (2, 3) is needed"]),
        (SMALL | {"a/biases": np.ones(3)}, ["'a/biases' of type float64 where float32 is needed"]),
    ],
    ids=["missing", "shape", "type"],
)
def test_tensor_that_does_not_fit(
    small_project: Path, tmp_path: Path, tensors: projects.Tensors, words: list[str]
) -> None:
    add_snapshot(small_project, 200, tensors)
    message = refused(small_project, tmp_path / "model")
    assert "snapshot-200'" in message
    assert all(word in message for word in words), message


def test_truncated_checkpoint(small_project: Path, tmp_path: Path) -> None:
    add_snapshot(small_project, 200, SMALL)
    data = small_project / MODEL / "train" / "snapshot-200.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:10])
    assert "snapshot-200' cannot be read" in refused(small_project, tmp_path / "model")


def test_import_replaces_only_when_told(small_project: Path, tmp_path: Path) -> None:
    first = import_model(small_project, tmp_path / "model")
    add_snapshot(small_project, 200, SMALL | {"a/biases": np.ones(3, np.float32)})
    with pytest.raises(OutputExistsError, match="--overwrite"):
        import_model(small_project, first.path)
    assert read_model_folder(first.path) == first
    second = import_model(small_project, first.path, overwrite=True)
    assert second.description.scorer.endswith("_200")
    assert second.identity != first.identity


def test_model_folder_opens_as_it_is(small_project: Path, tmp_path: Path, private_cache: Path) -> None:
    model = import_model(small_project, tmp_path / "model")
    assert open_model(model.path) == model
    assert not private_cache.exists()


@pytest.mark.parametrize(
    "choice", [NetworkChoice(shuffle=2), NetworkChoice(snapshot=5), NetworkChoice(trainset_index=1)], ids=str
)
def test_nothing_can_be_chosen_in_a_model_folder(small_project: Path, tmp_path: Path, choice: NetworkChoice) -> None:
    model = import_model(small_project, tmp_path / "model")
    with pytest.raises(ModelError, match="holds one network"):
        open_model(model.path, choice)


def test_cache_is_used_again(small_project: Path, private_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_model(small_project)
    assert first.path.is_relative_to(private_cache)
    times = {path: path.stat().st_mtime_ns for path in first.path.iterdir()}
    monkeypatch.setattr(deeplabcut_tensorflow, "read_checkpoint", None)  # to call it would be an error
    assert open_model(small_project) == first
    assert {path: path.stat().st_mtime_ns for path in first.path.iterdir()} == times


def retrain(project: Path) -> None:
    """The same snapshot, written again with other weights."""
    for path in (project / MODEL / "train").glob("snapshot-100.*"):
        path.unlink()
    add_snapshot(project, 100, SMALL | {"a/biases": np.ones(3, np.float32)})


@pytest.mark.parametrize(
    "change",
    [
        retrain,
        lambda project: add_snapshot(project, 200, SMALL),
        lambda project: projects.write_model_directory(project, snapshots=(), locref_stdev=5.0),
        lambda project: projects.write_project(project, pcutoff=0.9),
    ],
    ids=["snapshot", "new snapshot", "pose_cfg", "pcutoff"],
)
def test_changed_source_is_imported_anew(small_project: Path, change: Callable[[Path], object]) -> None:
    first = open_model(small_project)
    change(small_project)
    second = open_model(small_project)
    assert second.path != first.path
    assert second.description != first.description
    assert read_model_folder(first.path) == first


def test_two_networks_of_a_project_do_not_share_a_place(small_project: Path) -> None:
    add_snapshot(small_project, 200, SMALL)
    models = [open_model(small_project, NetworkChoice(snapshot=iterations)) for iterations in (100, 200)]
    assert [model.description.scorer.rpartition("_")[2] for model in models] == ["100", "200"]


def test_cache_without_a_choice_of_its_own_is_the_system_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("POSECLI_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory().name == "posecli"


def test_import_that_another_process_finishes_first(small_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[ModelFolder] = []
    others_inode: list[int] = []

    def write_late(*arguments: Any, **options: Any) -> ModelFolder:
        others.append(write_folder(*arguments, **options))
        others_inode.append(others[0].path.stat().st_ino)
        return write_folder(*arguments, **options)

    monkeypatch.setattr(importing, "write_folder", write_late)
    ours = open_model(small_project)
    assert others == [ours]
    # Replaced even by the same, it would be gone for a moment while the other process reads it.
    assert [ours.path.stat().st_ino] == others_inode
    assert np.array_equal(ours.weights()["a/weights"], SMALL["a/weights"])


@pytest.mark.slow
def test_two_processes_import_at_once(project: Path, private_cache: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from posecli.model.importing import open_model; "
        "print(open_model(Path(sys.argv[1])).identity); open_model(Path(sys.argv[1])).weights()"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(project)],
            env=os.environ | {"POSECLI_CACHE_DIR": str(private_cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert len({out for out, _ in said}) == 1
    assert len(list((private_cache / "models").iterdir())) == 1

"""Which files DeepLabCut would take, and what it would call the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import projects

from posecli.errors import ModelError
from posecli.model.deeplabcut import DeepLabCutNetwork, NetworkChoice
from posecli.model.deeplabcut_project import find_source as find_any
from posecli.model.deeplabcut_tensorflow import TensorFlowNetwork, scorer_name


def find_source(path: Path, choice: NetworkChoice = NetworkChoice()) -> TensorFlowNetwork:
    source = find_any(path, choice)
    assert isinstance(source, TensorFlowNetwork)
    return source


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with two shuffles, two training fractions and three snapshots; its checkpoints are empty files."""
    root = tmp_path / "reach-me-2024-11-20"
    projects.write_project(root, TrainingFraction=[0.95, 0.29])
    projects.write_model_directory(root, snapshots=(5, 103000, 50000))
    projects.write_model_directory(root, "reachNov20-trainset95shuffle2", snapshots=(7,))
    projects.write_model_directory(root, "reachNov20-trainset28shuffle1", snapshots=(9,))
    return root


MODEL = "dlc-models/iteration-0/reachNov20-trainset95shuffle1"


@pytest.mark.parametrize("place", ["", "config.yaml", MODEL, f"{MODEL}/train", f"{MODEL}/test"])
def test_places_that_name_a_network(project: Path, place: str) -> None:
    source = find_source(project / place)
    assert source.checkpoint == project / MODEL / "train" / "snapshot-103000"
    assert source.scorer == "DLC_resnet50_reachNov20shuffle1_103000"
    assert source.pose_cfg_path == project / MODEL / "test" / "pose_cfg.yaml"
    assert source.pcutoff == (0.4 if place in ("", "config.yaml") else None)


@pytest.mark.parametrize("folder", ["", MODEL, f"{MODEL}/train"])
def test_working_folder(project: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project / folder)
    assert find_source(Path()).scorer == "DLC_resnet50_reachNov20shuffle1_103000"


@pytest.mark.parametrize(
    ("choice", "scorer"),
    [
        (NetworkChoice(shuffle=2), "DLC_resnet50_reachNov20shuffle2_7"),
        (NetworkChoice(trainset_index=1), "DLC_resnet50_reachNov20shuffle1_9"),  # int(0.29 * 100) is 28
        (NetworkChoice(snapshot=5), "DLC_resnet50_reachNov20shuffle1_5"),
        (NetworkChoice(snapshot=50000), "DLC_resnet50_reachNov20shuffle1_50000"),
    ],
)
def test_choice(project: Path, choice: NetworkChoice, scorer: str) -> None:
    assert find_source(project, choice).scorer == scorer


@pytest.mark.parametrize(
    ("index", "iterations"),
    [(-1, 103000), ("all", 103000), (None, 103000), (0, 5), (1, 50000), (2, 103000), (-3, 5), ("1", 50000)],
)
def test_snapshotindex_counts_in_order_of_iterations(project: Path, index: object, iterations: int) -> None:
    projects.write_project(project, snapshotindex=index)
    assert find_source(project).checkpoint.name == f"snapshot-{iterations}"
    assert find_source(project, NetworkChoice(snapshot=5)).checkpoint.name == "snapshot-5"


@pytest.mark.parametrize(("fraction", "percent"), [(0.95, 95), (0.29, 28), (0.57, 56), (0.58, 57), (0.8, 80), (1, 100)])
def test_percentage_is_truncated(tmp_path: Path, fraction: float, percent: int) -> None:
    projects.write_project(tmp_path, TrainingFraction=[fraction])
    folder = projects.write_model_directory(tmp_path, f"reachNov20-trainset{percent}shuffle1")
    assert find_source(tmp_path).pose_cfg_path.is_relative_to(folder)


def test_deeplabcut_s_defaults_stand_in_for_what_a_file_leaves_out(project: Path) -> None:
    cfg = find_source(project).pose_cfg
    assert (cfg["stride"], cfg["mean_pixel"]) == (8.0, [123.68, 116.779, 103.939])
    assert cfg["locref_stdev"] == 7.2801
    assert cfg["location_refinement"] is True  # as the file says, against the default


@pytest.mark.parametrize(
    ("net_type", "task_date", "shuffle", "snapshot", "scorer"),
    [
        ("resnet_50", "openfieldOct30", "1", "snapshot-0", "DLC_resnet50_openfieldOct30shuffle1_0"),
        ("resnet_101", "my taskMar3", "12", "snapshot-1030000", "DLC_resnet101_my taskMar3shuffle12_1030000"),
        ("resnet_152", "a-bMay1", "2", "snapshot-5", "DLC_resnet152_a-bMay1shuffle2_5"),
        ("mobilenet_v2_1.0", "reachMay1", "2", "snapshot-5", "DLC_mobnet_100_reachMay1shuffle2_5"),
        ("mobilenet_v2_0.75", "reachMay1", "2", "snapshot-5", "DLC_mobnet_75_reachMay1shuffle2_5"),
        ("efficientnet-b6", "reachMay1", "2", "snapshot-5", "DLC_effnet_b6_reachMay1shuffle2_5"),
    ],
)
def test_scorer(net_type: str, task_date: str, shuffle: str, snapshot: str, scorer: str) -> None:
    assert scorer_name(net_type, task_date, shuffle, snapshot) == scorer


def test_scorer_is_that_of_deeplabcut_s_own_tables(shared_data: Path) -> None:
    scorer = find_source(shared_data / "dlc-openfield").scorer
    tables = sorted(shared_data.glob("dlc-openfield/golden/*.h5"))
    assert tables
    assert all(table.stem.endswith(scorer) for table in tables)


def export(root: Path, *files: str, name: str = "DLC_reach_resnet_50_iteration-0_shuffle-3", **pose_cfg: Any) -> Path:
    folder = projects.write_export(root / name, **pose_cfg)
    for file in files:
        (folder / file).touch()
    return folder


CHECKPOINT = ("snapshot-100.index", "snapshot-100.data-00000-of-00001", "snapshot-100.meta", "snapshot-100.pb")


@pytest.mark.parametrize(
    ("files", "snapshot", "checkpoint"),
    [
        (CHECKPOINT, None, "snapshot-100"),
        (("snapshot-100.pb",), None, "snapshot-100.pb"),
        (("snapshot-5.pb", "snapshot-103000.pb"), None, "snapshot-103000.pb"),
        (("snapshot-5.pb", "snapshot-103000.pb"), 5, "snapshot-5.pb"),
    ],
)
def test_export(tmp_path: Path, files: tuple[str, ...], snapshot: int | None, checkpoint: str) -> None:
    source = find_source(export(tmp_path, *files), NetworkChoice(snapshot=snapshot))
    iterations = checkpoint.removesuffix(".pb").split("-")[1]
    assert source.checkpoint.name == checkpoint
    assert source.is_frozen_graph == checkpoint.endswith(".pb")
    # The folder's name has no date: it comes from the data set that the training's settings name.
    assert source.scorer == f"DLC_resnet50_reachNov20shuffle3_{iterations}"


def test_export_under_another_name_and_without_its_data_set(tmp_path: Path) -> None:
    source = find_source(export(tmp_path, "snapshot-100.pb", name="mice", dataset="TBA"))
    assert source.scorer == "DLC_resnet50_miceshuffle1_100"


def test_files_that_determine_a_network(tmp_path: Path, project: Path) -> None:
    folder = export(tmp_path, *CHECKPOINT, "snapshot-1000.index")
    assert {path.name for path in find_source(folder, NetworkChoice(snapshot=100)).files()} == {
        "pose_cfg.yaml",
        *CHECKPOINT,
    }
    graph = export(tmp_path, "snapshot-100.pb", name="other")
    assert {path.name for path in find_source(graph).files()} == {"pose_cfg.yaml", "snapshot-100.pb"}


def refused(path: Path, choice: NetworkChoice = NetworkChoice()) -> str:
    with pytest.raises(ModelError) as error:
        find_source(path, choice)
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"Task": None}, ["lacks Task"]),
        ({"date": None, "iteration": None}, ["lacks date, iteration"]),
        ({"multianimalproject": True}, ["multi-animal", "not supported yet"]),
        ({"TrainingFraction": 0.95}, ["TrainingFraction", "0.95"]),
        ({"TrainingFraction": ["much"]}, ["TrainingFraction 'much'", "number"]),
        ({"snapshotindex": "last"}, ["snapshotindex 'last'", "number"]),
        ({"snapshotindex": 3}, ["snapshot number 3", "[5, 50000, 103000]"]),
        ({"pcutoff": "high"}, ["pcutoff 'high'", "number"]),
        ({"iteration": 4}, ["reachNov20-trainset95shuffle1", "iteration-4"]),
    ],
    ids=str,
)
def test_unusable_project(project: Path, config: dict[str, object], words: list[str]) -> None:
    projects.write_project(project, **config)
    message = refused(project)
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (NetworkChoice(shuffle=3), ["reachNov20-trainset95shuffle3", "there are", "reachNov20-trainset95shuffle2"]),
        (NetworkChoice(trainset_index=2), ["training fraction number 2", "[0.95, 0.29]"]),
        (NetworkChoice(trainset_index=-1), ["training fraction number -1"]),
        (NetworkChoice(snapshot=6), ["iteration 6", "[5, 50000, 103000]"]),
        (NetworkChoice(snapshot="best"), ["no best snapshot", "PyTorch", "[5, 50000, 103000]"]),
    ],
    ids=str,
)
def test_choice_that_is_not_there(project: Path, choice: NetworkChoice, words: list[str]) -> None:
    message = refused(project, choice)
    assert all(word in message for word in words), message


@pytest.mark.parametrize("choice", [NetworkChoice(shuffle=2), NetworkChoice(trainset_index=1)], ids=str)
def test_shuffle_is_not_ignored_where_there_is_nothing_to_choose(
    project: Path, tmp_path: Path, choice: NetworkChoice
) -> None:
    for path in (project / MODEL, export(tmp_path, "snapshot-100.pb")):
        assert "give its config.yaml" in refused(path, choice)


def test_shuffle_of_the_pytorch_engine(project: Path) -> None:
    (project / "dlc-models-pytorch/iteration-0/reachNov20-trainset95shuffle4/train").mkdir(parents=True)
    message = refused(project, NetworkChoice(shuffle=4))
    assert "shuffle4/train/pytorch_config.yaml' does not exist" in message
    message = refused(project, NetworkChoice(shuffle=5, engine="pytorch"))
    assert "no trained network 'reachNov20-trainset95shuffle5'" in message
    assert "there are reachNov20-trainset95shuffle4;" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Task: [reach\ndate: Nov20\n", ["not plain YAML at line 2"]),
        (
            "Task: !!python/object/apply:os.system ['true']\n",
            ["has the tag '!!python/object/apply:os.system' at line 1"],
        ),
        ("- Task\n- date\n", ["holds no settings"]),
        ("", ["holds no settings"]),
        ("Task: \xff\0", ["is not text in UTF-8"]),
    ],
    ids=["malformed", "python tag", "list", "empty", "no text"],
)
@pytest.mark.parametrize("file", ["config.yaml", f"{MODEL}/test/pose_cfg.yaml"])
def test_damaged_settings(project: Path, file: str, content: str, words: list[str]) -> None:
    (project / file).write_text(content, encoding="latin-1")
    message = refused(project)
    assert str(project / file) in message
    assert all(word in message for word in words), message


def test_python_tag_runs_nothing(project: Path, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    (project / "config.yaml").write_text(f"Task: !!python/object/apply:pathlib.Path.touch [{witness}]\n")
    refused(project)
    assert not witness.exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "nowhere", ["nowhere' does not exist"]),
        (lambda folder: folder, ["holds no model", "model.yaml", "config.yaml"]),
        (lambda folder: _touch(folder / "video.mp4"), ["video.mp4' is not a model"]),
        (lambda folder: export(folder, "readme.txt"), ["neither a checkpoint (.index) nor a frozen graph (.pb)"]),
        (lambda folder: export(folder, "frozen.pb"), ["holds no snapshot", ".pb"]),
        (lambda folder: projects.write_model_directory(folder, "elsewhere"), ["elsewhere' is not named <Task>"]),
        (lambda folder: projects.write_model_directory(folder, snapshots=()), ["train' holds no snapshot"]),
    ],
    ids=["nothing", "empty", "file", "empty export", "unnumbered graph", "renamed", "untrained"],
)
def test_places_that_name_no_network(tmp_path: Path, make: Any, words: list[str]) -> None:
    message = refused(make(tmp_path))
    assert all(word in message for word in words), message


def _touch(path: Path) -> Path:
    path.touch()
    return path


def test_missing_pose_cfg(project: Path) -> None:
    (project / MODEL / "test" / "pose_cfg.yaml").unlink()
    assert "pose_cfg.yaml' does not exist" in refused(project)


def test_nothing_is_written_to_a_project(project: Path) -> None:
    def state() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in project.rglob("*")}

    before = state()
    source: DeepLabCutNetwork = find_source(project)
    source.files()
    assert state() == before

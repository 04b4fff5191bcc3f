"""Networks of DeepLabCut's PyTorch engine: which files, which snapshot, which name, which weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from support import projects, torchfile
from support import pytorch_projects as pytorch

from posecli.cli import cli
from posecli.errors import ModelError
from posecli.model.deeplabcut import NetworkChoice
from posecli.model.deeplabcut_project import find_source
from posecli.model.deeplabcut_pytorch import PyTorchNetwork, read_state
from posecli.model.importing import import_model, open_model
from posecli.model.torchfile import read_torch_file
from posecli.network.network import FRAMES, ClassHead, Network
from posecli.network.operations import (
    BatchNormalization,
    Convolution,
    Dense,
    DepthwiseConvolution,
    GlobalAverage,
    TransposedConvolution,
)
from posecli.tables.hdf5 import read_plain_table

SNAPSHOTS = ("snapshot-005", "snapshot-best-003", "snapshot-1010", "snapshot-200", "snapshot-detector-best-007")
MODEL = f"dlc-models-pytorch/iteration-0/{pytorch.MODEL}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose first shuffle has a network of the PyTorch engine; its snapshots are empty files."""
    root = tmp_path / "reach-me-2024-11-20"
    projects.write_project(root, project_path="C:\\Users\\me\\reach-me-2024-11-20")
    pytorch.write_pytorch_directory(root, snapshots=SNAPSHOTS)
    return root


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> projects.Tensors:
    """Numbers of a whole network."""
    folder = pytorch.write_pytorch_directory(tmp_path_factory.mktemp("any"))
    return pytorch.state_dict(find_source(folder).describe().network)


def find(path: Path, choice: NetworkChoice = NetworkChoice()) -> PyTorchNetwork:
    source = find_source(path, choice)
    assert isinstance(source, PyTorchNetwork)
    return source


def refused(path: Path, choice: NetworkChoice = NetworkChoice()) -> str:
    with pytest.raises(ModelError) as error:
        find_source(path, choice).describe()
    assert "\n" not in str(error.value)
    return str(error.value)


# Places --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["", "config.yaml", MODEL, f"{MODEL}/train", f"{MODEL}/test", f"{MODEL}/train/pytorch_config.yaml"]
)
def test_places_that_name_a_network(project: Path, place: str) -> None:
    source = find(project / place)
    assert source.snapshot == project / MODEL / "train" / "snapshot-best-003.pt"
    assert source.config_path == project / MODEL / "train" / "pytorch_config.yaml"
    assert source.scorer == "DLC_CspnextS_reachNov20shuffle1_snapshot_best-3"
    assert source.pcutoff == (0.4 if place in ("", "config.yaml") else None)
    assert source.files() == [source.config_path, source.snapshot]


def test_working_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("", MODEL, f"{MODEL}/train"):
        monkeypatch.chdir(project / folder)
        assert find(Path()).scorer == "DLC_CspnextS_reachNov20shuffle1_snapshot_best-3"


def test_part_of_a_project_by_itself(project: Path, tmp_path: Path) -> None:
    train = (project / MODEL / "train").rename(tmp_path / "weights of last week")
    # Its name says nothing, but its settings say what DeepLabCut called it, on whatever system.
    assert find(train).scorer == "DLC_CspnextS_reachNov20shuffle1_snapshot_best-3"


@pytest.mark.parametrize(
    ("choice", "index", "uid"),
    [
        (None, -1, "best-3"),
        (None, "all", "best-3"),
        (None, None, "best-3"),
        (None, 0, "5"),
        (None, 1, "200"),
        (None, -2, "1010"),
        ("best", 0, "best-3"),
        (200, -1, "200"),
        (3, 0, "best-3"),
    ],
)
def test_choice_of_a_snapshot(project: Path, choice: Any, index: Any, uid: str) -> None:
    projects.write_project(project, snapshotindex=index)
    source = find(project, NetworkChoice(snapshot=choice))
    assert source.scorer == f"DLC_CspnextS_reachNov20shuffle1_snapshot_{uid}"


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (6, "has no snapshot of epoch 6: choose one of 5, 200, 1010, best-3"),
        (7, "has no snapshot of epoch 7"),  # a detector's
    ],
)
def test_snapshot_that_is_not_there(project: Path, choice: Any, words: str) -> None:
    assert words in refused(project, NetworkChoice(snapshot=choice))
    (project / MODEL / "train" / "snapshot-best-003.pt").unlink()
    assert "has no best snapshot: choose one of 5, 200, 1010" in refused(project, NetworkChoice(snapshot="best"))
    projects.write_project(project, snapshotindex=3)
    assert "has no snapshot number 3 (snapshotindex): there are 5, 200, 1010" in refused(project)


def test_untrained(project: Path) -> None:
    for path in (project / MODEL / "train").glob("snapshot-[!d]*"):
        path.unlink()
    assert "holds no snapshot (snapshot-<epoch>.pt)" in refused(project)
    (project / MODEL / "train" / "pytorch_config.yaml").unlink()
    assert "pytorch_config.yaml' does not exist" in refused(project)


@pytest.mark.parametrize(
    ("net_type", "method", "scorer"),
    [
        ("resnet_50", "bu", "DLC_Resnet50_reachNov20shuffle1_snapshot_best-3"),
        ("dlcrnet_ms5", "bu", "DLC_DlcrnetStride16Ms5_reachNov20shuffle1_snapshot_best-3"),
        ("top_down_hrnet_w32", "td", "DLC_HrnetW32_reachNov20shuffle1_detector_best-7_snapshot_best-3"),
    ],
)
def test_scorer(project: Path, net_type: str, method: str, scorer: str) -> None:
    pytorch.write_pytorch_directory(project, net_type=net_type, method=method, snapshots=())
    assert find(project).scorer == scorer


# Both engines --------------------------------------------------------------------------------------------------------


def write_metadata(project: Path, engine: str, name: str = pytorch.MODEL) -> None:
    folder = project / "training-datasets" / "iteration-0" / "UnaugmentedDataSet_reachNov20"
    entry = {"train_fraction": 0.95, "index": 1, "split": 1, "engine": engine}
    projects.write_yaml(folder / "metadata.yaml", {"shuffles": {name: entry}})


@pytest.fixture
def project_of_both(project: Path) -> Path:
    """A project whose first shuffle was trained by both engines."""
    projects.write_model_directory(project)
    return project


@pytest.mark.parametrize(
    ("said", "chosen", "scorer"),
    [
        ("pytorch", None, "DLC_CspnextS_reachNov20shuffle1_snapshot_best-3"),
        ("tensorflow", None, "DLC_resnet50_reachNov20shuffle1_100"),
        ("TF", None, "DLC_resnet50_reachNov20shuffle1_100"),
        ("tensorflow", "pytorch", "DLC_CspnextS_reachNov20shuffle1_snapshot_best-3"),
        (None, "tensorflow", "DLC_resnet50_reachNov20shuffle1_100"),
    ],
)
def test_engine_of_a_shuffle(project_of_both: Path, said: str | None, chosen: Any, scorer: str) -> None:
    if said is not None:
        write_metadata(project_of_both, said)
    assert find_source(project_of_both, NetworkChoice(engine=chosen)).scorer == scorer


@pytest.mark.parametrize("other", ["jax", None])
def test_shuffle_of_both_engines(project_of_both: Path, other: str | None) -> None:
    if other is not None:
        write_metadata(project_of_both, other)
    write_metadata(project_of_both, "pytorch", "reachNov20-trainset95shuffle2")
    message = refused(project_of_both)
    assert "was trained with both engines of DeepLabCut (dlc-models and dlc-models-pytorch)" in message
    assert "--dlc-engine tensorflow or pytorch" in message


def test_engine_that_a_shuffle_was_not_trained_with(project: Path) -> None:
    write_metadata(project, "tensorflow")  # but its folder is not there
    assert find(project).scorer.startswith("DLC_CspnextS")
    message = refused(project, NetworkChoice(engine="tensorflow"))
    assert message.endswith(
        f"'{project}/dlc-models/iteration-0' is missing; train it, or copy its folder, or leave out --dlc-engine"
    )
    (project / "dlc-models/iteration-0").mkdir(parents=True)
    assert "dlc-models/iteration-0' is empty; train it" in refused(project, NetworkChoice(engine="tensorflow"))
    assert "give its config.yaml" in refused(project / MODEL, NetworkChoice(engine="tensorflow"))
    shutil.rmtree(project / "dlc-models-pytorch")
    assert "dlc-models/iteration-0' is empty; train it, or copy its folder" in refused(project)
    shutil.rmtree(project / "dlc-models")
    assert "pytorch/iteration-0' are missing; train it" in refused(project)


def test_multi_animal_project_with_a_network_for_one(project: Path) -> None:
    projects.write_project(project, multianimalproject=True, bodyparts="MULTI!")
    assert find(project).describe().bodyparts == projects.BODYPARTS
    changes: dict[str, Any] = {"metadata.individuals": ["a", "b"]}
    pytorch.write_pytorch_directory(project, snapshots=(), **changes)
    assert "a network for 2 animals" in refused(project)


# Exported models and snapshots by themselves -------------------------------------------------------------------------


def write_export(root: Path, name: str, uids: tuple[str, ...], state: Any = None, **changes: Any) -> Path:
    folder = root / "exported-models-pytorch" / name
    config = pytorch.with_changes(pytorch.PYTORCH_CONFIG, changes)
    for uid in uids:
        content = {"config": config, "pose": {} if state is None else state}
        torchfile.save(folder / f"{name}_snapshot-{uid}.pt", content)
    return folder


@pytest.mark.parametrize("net", ["NetType.CSPNEXT_S", "cspnext_s"])
@pytest.mark.parametrize("path", [None, "C:\\a\\reachNov20-trainset95shuffle3\\train\\pytorch_config.yaml"])
def test_export(tmp_path: Path, net: str, path: str | None) -> None:
    changes = {"metadata.pose_config_path": path}
    folder = write_export(tmp_path, f"DLC_reach_{net}_iteration-0_shuffle-3", ("50", "best-40"), **changes)
    task = "reachNov20" if path else "reach"  # a folder's name has no date
    for source in (find(folder), find(folder / f"{folder.name}_snapshot-best-40.pt")):
        assert source.scorer == f"DLC_CspnextS_{task}shuffle3_snapshot_best-40"
        assert source.config_path == source.snapshot
        assert source.files() == [source.snapshot]
        assert source.describe().source["epoch"] == 40
    assert find(folder, NetworkChoice(snapshot=50)).scorer == f"DLC_CspnextS_{task}shuffle3_snapshot_50"
    assert "choose one of 50, best-40" in refused(folder, NetworkChoice(snapshot=7))


def test_export_with_a_detector_or_under_another_name(tmp_path: Path) -> None:
    name = "DLC_reach_cspnext_s_iteration-0_shuffle-1"
    folder = write_export(tmp_path, name, ())
    torchfile.save(
        folder / f"{name}_snapshot-detectorbest-7_snapshot-40.pt",
        {"config": pytorch.with_changes(pytorch.PYTORCH_CONFIG, {"method": "td"}), "pose": {}, "detector": {}},
    )
    source = find(folder)
    assert source.scorer == "DLC_CspnextS_reachNov20shuffle1_detector_best-7_snapshot_40"
    assert source.detector is not None
    assert source.detector.path == source.snapshot
    other = write_export(tmp_path, "mice", ("40",), **{"metadata.pose_config_path": None})
    renamed = (other / "mice_snapshot-40.pt").rename(other / "weights.pt")
    assert find(other).scorer == find(renamed).scorer == "DLC_CspnextS_miceshuffle1_snapshot_weights"


ENDLESS = torchfile.Raw(b"]q\x01h\x01a")
DEEP = torchfile.Raw(b"]" + b"\x85" * 100_000)
LAUGHS = torchfile.Raw(b"(](NNNe" + b"".join(b"q%c](%se" % (place, b"h%c" % place * 9) for place in range(1, 9)) + b"t")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (ENDLESS, "nested too deeply"),
        (DEEP, "nested too deeply"),
        (LAUGHS, "too many"),
        (np.zeros(2, np.float32), "holds a TorchTensor among its settings"),
    ],
    ids=["endless", "deep", "laughs", "tensor"],
)
@pytest.mark.parametrize("place", ["net_type", "metadata.bodyparts", "model.heads.bodypart.heatmap_config.channels"])
def test_export_that_means_harm(tmp_path: Path, value: Any, place: str, words: str) -> None:
    name = "DLC_reach_cspnext_s_iteration-0_shuffle-1"
    config = pytorch.with_changes(pytorch.PYTORCH_CONFIG, {place: value})
    path = torchfile.save(tmp_path / f"{name}_snapshot-1.pt", {"config": config, "pose": {}})
    message = refused(path)
    assert message.startswith(f"'{path}' ")
    assert words in message


@pytest.mark.parametrize("inside", ["", "train"])
def test_snapshot_beside_its_settings(tmp_path: Path, inside: str, state: projects.Tensors) -> None:
    projects.write_yaml(tmp_path / "mice" / inside / "pytorch_config.yaml", pytorch.PYTORCH_CONFIG)
    path = pytorch.write_snapshot(tmp_path / "mice" / "snapshot-040.pt", state)
    assert find(path).scorer == "DLC_CspnextS_reachNov20shuffle1_snapshot_40"
    assert "is one snapshot" in refused(path, NetworkChoice(snapshot=5))
    assert "give its config.yaml" in refused(path, NetworkChoice(shuffle=2))
    (path.parent / inside / "pytorch_config.yaml").unlink()
    assert "put the pytorch_config.yaml of its training beside it" in refused(path)


def test_detector_is_no_pose_network(project: Path) -> None:
    assert "finds animals but no body parts" in refused(project / MODEL / "train" / "snapshot-detector-best-007.pt")


# Weights -------------------------------------------------------------------------------------------------------------


def test_kernels_are_laid_out_as_tensorflow_keeps_them(tmp_path: Path) -> None:
    operations = (
        Convolution("a", (FRAMES,), (2, 3), "a.weight", 5, bias="a.bias"),
        DepthwiseConvolution("b", ("a",), (2, 3), "b.weight"),
        TransposedConvolution("c", ("b",), (2, 3), "c.weight", 4, (2, 2)),
        BatchNormalization("d", ("c",), "d.weight", "d.bias", "d.running_mean", "d.running_var", 1e-5),
        GlobalAverage("e", ("d",)),
        Dense("f", ("e",), (), "f.weight", 6),
    )
    shapes = {"a.weight": (5, 3, 2, 3), "b.weight": (5, 1, 2, 3), "c.weight": (5, 4, 2, 3), "f.weight": (6, 4)}
    shapes |= {"a.bias": (5,), **{f"d.{name}": (4,) for name in ("weight", "bias", "running_mean", "running_var")}}
    rng = np.random.default_rng(1)
    state = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    path = pytorch.write_snapshot(tmp_path / "snapshot-001.pt", {**state, "d.num_batches_tracked": np.array(3)})
    network = Network("all", operations, ClassHead("f"))
    found = read_state(read_torch_file(path), network, "a test")
    assert set(found) == set(state)
    assert found["a.weight"][1, 2, 0, 4] == state["a.weight"][4, 0, 1, 2]
    assert found["b.weight"][1, 2, 4, 0] == state["b.weight"][4, 0, 1, 2]
    assert found["c.weight"][1, 2, 3, 4] == state["c.weight"][4, 3, 1, 2]
    assert found["f.weight"][3, 5] == state["f.weight"][5, 3]
    assert {name: tensor.shape for name, tensor in found.items()} == network.variable_shapes()


def test_tensors_that_do_not_fit_are_named(tmp_path: Path, state: projects.Tensors) -> None:
    head = "heads.bodypart.heatmap_head.deconv_layers.0"
    wrong = {**state, f"{head}.weight": np.ones((128, 3, 3, 3), np.float32)}
    del wrong[f"{head}.bias"]
    folder = pytorch.write_pytorch_directory(tmp_path, state=wrong)
    with pytest.raises(ModelError) as error:
        import_model(folder, tmp_path / "model")
    message = str(error.value)
    assert f"tensor '{head}.weight' has shape (128, 3, 3, 3) where (128, 4, 3, 3) is needed" in message
    assert f"tensor '{head}.bias' of shape (4,) is missing" in message
    assert str(folder / "train" / "pytorch_config.yaml") in message
    folder = pytorch.write_pytorch_directory(tmp_path, state={})
    with pytest.raises(ModelError, match=r"is missing.* and \d+ more; check that the two belong together"):
        import_model(folder, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_whole_file_of_another_kind(tmp_path: Path) -> None:
    folder = pytorch.write_pytorch_directory(tmp_path, snapshots=())
    torchfile.save(folder / "train" / "snapshot-001.pt", ["a", "list"])
    with pytest.raises(ModelError, match="does not hold the network"):
        import_model(folder, tmp_path / "model")


# From end to end -----------------------------------------------------------------------------------------------------


def test_project_from_a_windows_machine_is_analysed(tmp_path: Path, dots_clip: Path, state: projects.Tensors) -> None:
    root = tmp_path / "moved here"
    config = projects.write_project(root, project_path="C:\\Users\\me\\reach-me-2024-11-20")
    pytorch.write_pytorch_directory(root, state=state)
    arguments = ["analyze", str(dots_clip), "--model", str(config), "--precision", "fp32", "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    scorer = "DLC_CspnextS_reachNov20shuffle1_snapshot_best-3"
    table = read_plain_table(tmp_path / "out" / f"{dots_clip.stem}{scorer}.h5", ModelError)
    assert table.values.shape == (50, 12)
    assert np.isfinite(table.values).all()
    manifest = json.loads(next((tmp_path / "out").glob("*.json")).read_text())
    assert manifest["model"]["source"]["tool"] == "DeepLabCut (PyTorch engine)"
    assert manifest["model"]["source"]["snapshot"] == "snapshot-best-003.pt"


def test_import_of_a_snapshot_and_of_its_export_are_one_network(tmp_path: Path, state: projects.Tensors) -> None:
    folder = pytorch.write_pytorch_directory(tmp_path, state=state)
    export = write_export(tmp_path, "DLC_reach_cspnext_s_iteration-0_shuffle-1", ("best-3",), state)
    models = [
        open_model(folder),
        open_model(export),
        import_model(folder / "train" / "snapshot-best-003.pt", tmp_path / "m"),
    ]
    assert len({model.identity for model in models}) == 1
    assert {model.description.scorer for model in models} == {"DLC_CspnextS_reachNov20shuffle1_snapshot_best-3"}
    assert all(np.isfinite(tensor).all() for tensor in models[0].weights().values())

"""Top-down networks of DeepLabCut's PyTorch engine with their detectors, imported as a user does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import pytorch_projects as pytorch
from support import torchfile
from support.golden import golden_picture
from support.networks import pictures
from support.projects import BODYPARTS

from posecli.analysis.poses import PoseAnalysis
from posecli.errors import ModelError, UsageError
from posecli.inference.predictor import PoseModel
from posecli.model.deeplabcut import NetworkChoice
from posecli.model.deeplabcut_project import find_source
from posecli.model.deeplabcut_pytorch import PyTorchNetwork
from posecli.model.description import TopDown
from posecli.model.folder import ModelFolder
from posecli.model.importing import import_model
from posecli.model.pytorch_config import PyTorchConfig
from posecli.network.architectures import detector_network
from posecli.network.network import AxesHead, DetectorSpec
from posecli.options import AnalyzeOptions, EngineName, EngineOptions

HEAD = "model.heads.bodypart"
LAYERS = {
    name: {"channels": [128], "kernel_size": [], "strides": [], "final_conv": {"out_channels": maps, "kernel_size": 1}}
    for name, maps in {"heatmap_config": len(BODYPARTS), "locref_config": 2 * len(BODYPARTS)}.items()
}
DETECTOR = {
    "model": {"type": "SSDLite", "freeze_bn_stats": True, "variant": None, "box_score_thresh": 0.01},
    "data": {"colormode": "RGB", "inference": {"normalize_images": True}},
}
TOP_DOWN: dict[str, Any] = {
    "method": "td",
    "net_type": "top_down_cspnext_s",
    "data.inference.top_down_crop": {"width": 96, "height": 64},
    "detector": DETECTOR,
    **{f"{HEAD}.{name}": layers for name, layers in LAYERS.items()},
}
FASTER = {"detector": DETECTOR | {"model": {"type": "FasterRCNN", "variant": "fasterrcnn_resnet50_fpn"}}}
SSDLITE = detector_network(DetectorSpec("ssdlite", layout={"tail": 80}))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder of ``dlc-models-pytorch`` with a pose network and two snapshots of its detector."""
    config = PyTorchConfig(pytorch.with_changes(pytorch.PYTORCH_CONFIG, TOP_DOWN), "it")
    network = config.describe("DLC_x", None, {}).network
    folder = pytorch.write_pytorch_directory(tmp_path, state=pytorch.state_dict(network), **TOP_DOWN)
    for name, factor in (("snapshot-detector-best-007", 1.0), ("snapshot-detector-009", 1.1)):
        state = {key: (array * factor).astype(array.dtype) for key, array in pytorch.state_dict(SSDLITE).items()}
        pytorch.write_snapshot(folder / "train" / f"{name}.pt", state)
    return folder


def imported(project: Path, tmp_path: Path, **choice: Any) -> ModelFolder:
    return import_model(project, tmp_path / "model", NetworkChoice(**choice), overwrite=True)


def test_pose_network_and_detector_come_together(project: Path, tmp_path: Path) -> None:
    folder = imported(project, tmp_path)
    assert folder.description.scorer == "DLC_CspnextS_reachNov20shuffle1_detector_best-7_snapshot_best-3"
    assert folder.description.top_down == TopDown(96, 64, 0)
    assert folder.description.source["detector"] == "SSDLite"
    assert folder.detector is not None
    assert folder.detector.description.std_pixel == pytest.approx((58.395, 57.12, 57.375))
    assert folder.detector.description.source["snapshot"] == "snapshot-detector-best-007.pt"
    pose = PoseModel(folder, EngineOptions(precision="fp32")).predict(pictures(2, 120, 160))
    assert pose.shape == (2, len(BODYPARTS), 3)
    assert np.isfinite(pose).all()


def test_a_snapshot_of_the_detector_is_chosen(project: Path, tmp_path: Path) -> None:
    best = imported(project, tmp_path / "best")
    ninth = imported(project, tmp_path / "ninth", detector_snapshot=9)
    assert ninth.description.scorer.endswith("_detector_9_snapshot_best-3")
    assert ninth.identity != best.identity
    with pytest.raises(ModelError, match="no snapshot of epoch 8: choose one of 9, best-7"):
        imported(project, tmp_path, detector_snapshot=8)


def test_an_exported_model_holds_both(project: Path, tmp_path: Path) -> None:
    from_project = imported(project, tmp_path)
    source = find_source(project)
    assert isinstance(source, PyTorchNetwork)
    content = {
        "config": pytorch.with_changes(pytorch.PYTORCH_CONFIG, TOP_DOWN),
        "pose": pytorch.state_dict(from_project.description.network),
        "detector": pytorch.state_dict(SSDLITE),
    }
    export = tmp_path / "DLC_reach_NetType.CSPNEXT_S_iteration-0_shuffle-1"
    torchfile.save(export / f"{export.name}_snapshot-detectorbest-7_snapshot-40.pt", content)
    folder = import_model(export, tmp_path / "exported")
    assert folder.detector is not None
    assert from_project.detector is not None
    assert folder.detector.description.weights_sha256 == from_project.detector.description.weights_sha256


def test_a_detector_that_is_not_supported_is_left_out(
    project: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytorch.write_pytorch_directory(project.parents[2], snapshots=(), **TOP_DOWN | FASTER)
    folder = imported(project, tmp_path)
    assert "'fasterrcnn_resnet50_fpn' is not supported and is left out" in caplog.text
    assert folder.detector is None
    with pytest.raises(UsageError, match="'fasterrcnn_resnet50_fpn' is not supported yet: say where it is with"):
        PoseAnalysis(PoseModel(folder), AnalyzeOptions())


def test_a_network_whose_detector_is_not_there(project: Path, tmp_path: Path) -> None:
    for path in (project / "train").glob("snapshot-detector*"):
        path.unlink()
    folder = imported(project, tmp_path)
    assert folder.detector is None
    with pytest.raises(UsageError, match="has no detector to find it: say where it is with --boxes, or import"):
        PoseAnalysis(PoseModel(folder), AnalyzeOptions())


def described(**changes: Any) -> PyTorchConfig:
    return PyTorchConfig(pytorch.with_changes(pytorch.PYTORCH_CONFIG, TOP_DOWN | changes), "'it'")


def test_crops_are_256_px_unless_the_file_says_otherwise() -> None:
    config = described(**{"data.inference.top_down_crop": None})
    assert config.describe("DLC_x", None, {}).top_down == TopDown(256, 256, 0)
    config = described(**{"data.inference.top_down_crop": {"width": 64, "height": 32, "margin": 5}})
    assert config.describe("DLC_x", None, {}).top_down == TopDown(64, 32, 5)


@pytest.mark.parametrize(
    ("crop", "words"),
    [
        ({"width": 96, "height": 64, "crop_with_context": False}, "crops that do not show what is around the animal"),
        ({"width": 9, "height": 64}, "a crop of 9x64 px is impossible"),
        ({"width": "wide", "height": 64}, "a crop of widex64 px is impossible"),
    ],
)
def test_other_crops_are_refused(crop: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        described(**{"data.inference.top_down_crop": crop}).describe("DLC_x", None, {})


def test_a_detector_is_read_from_its_section() -> None:
    detector = described().describe_detector("DLC_x", {})
    assert detector is not None
    assert (detector.net_type, detector.layout) == ("ssdlite", {"tail": 80})
    changed = {"detector.model.pretrained_from_imagenet": True, "detector.data.inference": {"normalize_images": False}}
    detector = described(**changed).describe_detector("DLC_x", {})
    assert detector is not None
    assert (detector.layout, detector.std_pixel) == ({"tail": 160}, (1.0, 1.0, 1.0))
    with pytest.raises(ModelError, match="a detector for the colour mode 'BGR'"):
        described(**{"detector.data.colormode": "BGR"}).describe_detector("DLC_x", {})


def test_the_larger_detectors_are_known_by_their_variant() -> None:
    model = {"type": "FasterRCNN", "variant": "fasterrcnn_resnet50_fpn_v2", "box_score_thresh": 0.6}
    detector = described(**{"detector.model": model}).describe_detector("DLC_x", {})
    assert detector is not None
    assert (detector.net_type, detector.layout) == ("fasterrcnn_resnet50_fpn_v2", {"least_score": 0.6})
    detector = described(**{"detector.model": {"type": "FasterRCNN", "box_score_thresh": None}}).describe_detector(
        "DLC_x", {}
    )
    assert detector is not None
    assert (detector.net_type, detector.layout) == ("fasterrcnn_mobilenet_v3_large_fpn", {"least_score": 0.01})
    with pytest.raises(ModelError, match="does not describe a usable detector"):
        described(**{"detector.model.type": "FasterRCNN", "detector.model.box_score_thresh": "low"}).describe_detector(
            "DLC_x", {}
        )


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["openvino", "tensorflow"])
def test_pose_network_with_a_larger_detector(engine: EngineName, project: Path, tmp_path: Path) -> None:
    model = {"type": "FasterRCNN", "variant": "fasterrcnn_mobilenet_v3_large_fpn"}
    pytorch.write_pytorch_directory(
        project.parents[2], snapshots=(), **TOP_DOWN | {"detector": DETECTOR | {"model": model}}
    )
    network = detector_network(DetectorSpec(model["variant"], layout={"least_score": 0.01}))
    pytorch.write_snapshot(project / "train" / "snapshot-detector-best-007.pt", pytorch.state_dict(network))
    folder = imported(project, tmp_path)
    assert folder.description.source["detector"] == "fasterrcnn_mobilenet_v3_large_fpn"
    posed = PoseModel(folder, EngineOptions(engine, "fp32"))
    frames = np.stack([golden_picture(151, 201), golden_picture(151, 202)[:, :201]])
    assert posed.cropping is not None
    assert posed.cropping.detect is not None
    boxes = posed.cropping.detect(frames)
    with np.load(Path(__file__).parents[1] / "network" / "golden" / f"{model['variant']}-151x201.npz") as golden:
        np.testing.assert_allclose(boxes[0, :2] + boxes[0, 2:], golden["box"][2:], atol=0.01)
    assert np.abs(boxes[0] - boxes[1]).max() > 1
    assert np.isfinite(posed.predict(frames)).all()


AXES: dict[str, Any] = {
    "type": "RTMCCHead",
    "predictor": {
        "type": "SimCCPredictor",
        "simcc_split_ratio": 2.0,
        "sigma": [5.66, 4.9],
        "decode_beta": 150.0,
        "apply_softmax": True,
        "normalize_outputs": False,
    },
    "input_size": [96, 64],
    "in_channels": 128,
    "out_channels": len(BODYPARTS),
    "in_featuremap_size": [3, 2],
    "simcc_split_ratio": 2.0,
    "final_layer_kernel_size": 7,
    "gau_cfg": {
        "hidden_dims": 32,
        "s": 16,
        "expansion_factor": 2,
        "act_fn": "SiLU",
        "use_rel_bias": False,
        "pos_enc": False,
    },
}


def test_a_head_along_the_axes() -> None:
    description = described(**{HEAD: AXES}).describe("DLC_x", None, {})
    head = description.network.head
    assert isinstance(head, AxesHead)
    assert (head.size, head.cells_per_px, head.softmax, head.normalized) == ((64, 96), 2.0, True, False)
    assert head.factors == (849.0, 735.0)
    assert not description.location_refinement


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("predictor.type", "HeatmapPredictor", "poses found by a 'HeatmapPredictor'"),
        ("gau_cfg.pos_enc", True, "attention knows the places of tokens"),
        ("predictor.simcc_split_ratio", 3.0, "simcc_split_ratio 2.0 of the head is not the predictor's"),
        ("gau_cfg.act_fn", "GELU", "not a usable pytorch_config.yaml"),
        ("input_size", [384, 64], "crops of 96x64 px for a head that takes 384x64 px"),
        ("input_size", 256, "not a usable pytorch_config.yaml"),
    ],
)
def test_other_heads_along_the_axes_are_refused(part: str, value: Any, words: str) -> None:
    head = pytorch.with_changes(AXES, {part: value})
    with pytest.raises(ModelError, match=words):
        described(**{HEAD: head}).describe("DLC_x", None, {})

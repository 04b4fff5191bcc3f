"""Projects of DeepLabCut's PyTorch engine in miniature, with networks that are small enough to be written by a test."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posecli.network.network import Network
from posecli.network.operations import DepthwiseConvolution, Weighted
from support import golden, torchfile
from support.projects import BODYPARTS, DATE, TASK, Tensors, write_yaml

MODEL = f"{TASK}{DATE}-trainset95shuffle1"
CONFIG_PATH = (
    "C:",
    "Users",
    "me",
    "reach-me",
    "dlc-models-pytorch",
    "iteration-0",
    MODEL,
    "train",
    "pytorch_config.yaml",
)

#: What DeepLabCut 3.0.2 writes for a network with a backbone of CSPNeXt, here a very small one, and posecli reads.
PYTORCH_CONFIG: dict[str, Any] = {
    "config_version": 0,
    "model": {
        "backbone": {"type": "CSPNeXt", "model_name": "cspnext_s", "deepen_factor": 0.33, "widen_factor": 0.125},
        "heads": {
            "bodypart": {
                "type": "HeatmapHead",
                "predictor": {
                    "type": "HeatmapPredictor",
                    "apply_sigmoid": False,
                    "clip_scores": True,
                    "location_refinement": True,
                    "locref_std": 7.2801,
                },
                "heatmap_config": {"channels": [128, len(BODYPARTS)], "kernel_size": [3], "strides": [2]},
                "locref_config": {"channels": [128, 2 * len(BODYPARTS)], "kernel_size": [3], "strides": [2]},
            }
        },
        "backbone_output_channels": 128,
        "neck": None,
    },
    "net_type": "cspnext_s",
    "method": "bu",
    "metadata": {
        "project_path": "C:\\Users\\me\\reach-me-2024-11-20",
        "pose_config_path": "\\".join(CONFIG_PATH),
        "bodyparts": list(BODYPARTS),
        "unique_bodyparts": [],
        "individuals": ["individual_1"],
        "with_identity": None,
    },
    "data": {
        "colormode": "RGB",
        "inference": {"resize": None, "hist_eq": False, "auto_padding": None, "normalize_images": True},
        "train": {"affine": {"scaling": [0.5, 1.25]}, "crop_sampling": {"width": 448, "height": 448}},
    },
    "detector": None,
}


def with_changes(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with others at places given as ``model.backbone.type``."""
    changed = copy.deepcopy(dict(content))
    for place, value in changes.items():
        *sections, key = place.split(".")
        section = changed
        for name in sections:
            section = section[name]
        section[key] = copy.deepcopy(value)
    return changed


def state_dict(network: Network) -> Tensors:
    """Numbers for all variables of a network, laid out as PyTorch has them, and what else its state dicts hold."""
    state: Tensors = {}
    for operation, shapes in network.variables():
        for name, shape in shapes.items():
            is_kernel = isinstance(operation, Weighted) and operation.weights == name
            order = {2: (1, 0), 4: (2, 3, 0, 1) if isinstance(operation, DepthwiseConvolution) else (2, 3, 1, 0)}
            axes = np.argsort(order[len(shape)]) if is_kernel else range(len(shape))
            state[name] = golden.tensor(name, tuple(shape[axis] for axis in axes))
            if name.endswith("running_var"):
                state[name.replace("running_var", "num_batches_tracked")] = np.array(7, np.int64)
    return state


def write_snapshot(path: Path, state: Tensors, **metadata: Any) -> Path:
    """Write a snapshot of DeepLabCut's PyTorch engine."""
    return torchfile.save(path, {"model": state, "metadata": {"epoch": 3, "metrics": {"test.mAP": 50.5}, **metadata}})


def write_pytorch_directory(
    root: Path,
    name: str = MODEL,
    *,
    snapshots: Iterable[str] = ("snapshot-best-003",),
    state: Tensors | None = None,
    **changes: Any,
) -> Path:
    """Write one folder of a project's ``dlc-models-pytorch``; without a state its snapshots are empty files."""
    folder = root / "dlc-models-pytorch" / "iteration-0" / name
    write_yaml(folder / "train" / "pytorch_config.yaml", with_changes(PYTORCH_CONFIG, changes))
    write_yaml(folder / "test" / "pose_cfg.yaml", {"net_type": "cspnext_s", "all_joints_names": list(BODYPARTS)})
    for snapshot in snapshots:
        path = folder / "train" / f"{snapshot}.pt"
        if state is None:
            path.touch()
        else:
            write_snapshot(path, state)
    return folder

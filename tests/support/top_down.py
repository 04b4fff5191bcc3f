"""Networks that look at one animal: a small one, with and without DeepLabCut's light detector."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import numpy as np
from conftest import make_dots_model

from posecli.model.description import ModelDescription, TopDown
from posecli.model.detector import DetectorDescription
from posecli.model.folder import MODEL_FILE, DetectorParts, ModelFolder, read_model_folder, write_folder
from posecli.network.folding import Tensors
from posecli.network.network import Network
from posecli.network.operations import DepthwiseConvolution
from support import clips
from support.golden import tensor
from support.networks import any_weights

CROP = TopDown(96, 64, margin=3)
BODYPARTS = ("snout", "tail")


def golden_weights(network: Network) -> Tensors:
    """The numbers that golden files are made with, laid out as ours."""
    weights: Tensors = {}
    for operation, shapes in network.variables():
        for name, shape in shapes.items():
            if len(shape) < 2:
                weights[name] = tensor(name, shape)
            elif len(shape) == 2:
                weights[name] = tensor(name, shape[::-1]).T
            elif isinstance(operation, DepthwiseConvolution):
                weights[name] = tensor(name, (shape[2], 1, *shape[:2])).transpose(2, 3, 0, 1)
            else:
                weights[name] = tensor(name, (*shape[:1:-1], *shape[:2])).transpose(2, 3, 1, 0)
    return weights


def detector_parts() -> DetectorParts:
    """DeepLabCut's light detector; it knows nothing, but is sure of some box in any frame."""
    description = DetectorDescription(
        "ssdlite", "DLC_detector", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), {"tail": 80}
    )
    return description, golden_weights(description.network)


def model_folder(
    path: Path, net_type: str, crop: TopDown | None = CROP, detector: DetectorParts | None = None
) -> ModelFolder:
    """A small network of that type, which looks at crops or, without one, at whole frames."""
    description = ModelDescription(net_type, BODYPARTS, "DLC_Small_x", pcutoff=0.1, top_down=crop)
    weights = any_weights(description.network)
    for name, array in weights.items():  # likelihoods that say something
        if name.startswith("pose/part_pred") and array.ndim > 1:
            weights[name] = (array * 8).astype(np.float32)
    return write_folder(path, description, weights, detector=detector)


def write_boxes(path: Path, frames: int, unseen: Container[int] = ()) -> Path:
    """A table of boxes that follow the dots of `support.clips` within frames of 160x120 px; frames without one."""
    lines = ["frame,x,y,width,height"]
    for number in range(frames):
        low, high = (edge(clips.dot_centres(number, 120, 160), axis=0) for edge in (np.min, np.max))
        if number not in unseen:
            lines.append(",".join(map(str, (number, *(low - 12), *(high - low + 24)))))
    path.write_text("\n".join(lines) + "\n")
    return path


def dots_folder(path: Path) -> ModelFolder:
    """The fake engine's network, which sees crops of the animal."""
    folder = make_dots_model(path)
    with (path / MODEL_FILE).open("a") as stream:
        stream.write("top_down: {width: 160, height: 120, margin: 0}\n")
    return read_model_folder(folder.path)

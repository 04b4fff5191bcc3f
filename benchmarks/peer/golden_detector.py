"""Golden data of DeepLabCut's SSDLite: what it says of a picture when its tensors hold numbers that we can make too.

Run by DeepLabCut's own Python: ``python benchmarks/peer/golden_detector.py tests/network/golden/ssdlite.npz``.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from support.golden import golden_picture, tensor

with suppress(ImportError):
    import tvfix  # noqa: F401  # where torchvision's compiled operations are missing, what it asks for is declared
import torch
from torchvision.ops import boxes as box_operations

SIZE = (217, 333)


def overlapping_left_out(boxes: Any, scores: Any, most: float) -> Any:
    """Places of boxes that overlap no better one by more than a share of their union, the best first."""
    order, kept = scores.argsort(descending=True, stable=True), []
    while len(order):
        kept.append(order[0])
        overlap = box_operations.box_iou(boxes[order[:1]], boxes[order[1:]])[0]
        order = order[1:][overlap <= most]
    return torch.stack(kept)


def main(path: Path) -> None:
    box_operations.nms = overlapping_left_out
    from deeplabcut.pose_estimation_pytorch.data.transforms import build_transforms
    from deeplabcut.pose_estimation_pytorch.models.detectors import DETECTORS

    detector = DETECTORS.build({"type": "SSDLite", "freeze_bn_stats": True, "freeze_bn_weights": False})
    state = detector.state_dict()
    numbers = {name: torch.from_numpy(tensor(name, tuple(value.shape))) for name, value in state.items() if value.ndim}
    detector.load_state_dict(state | numbers)
    detector.eval()
    said: dict[str, Any] = {}
    detector.model.head.register_forward_hook(lambda _module, _inputs, output: said.update(output))
    frame = build_transforms({"normalize_images": True})(
        image=golden_picture(*SIZE), keypoints=[], class_labels=[], bboxes=[], bbox_labels=[]
    )
    with torch.no_grad():
        _, (found,) = detector(torch.from_numpy(frame["image"].astype(np.float32)).permute(2, 0, 1)[None])
    np.savez_compressed(
        path,
        size=SIZE,
        logits=said["cls_logits"].numpy(),
        offsets=said["bbox_regression"].numpy(),
        box=found["boxes"][0].numpy(),
        score=found["scores"][0].numpy(),
        threshold=detector.model.score_thresh,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Golden data of DeepLabCut's detectors: what they say of a picture when their tensors hold numbers that we make too.

Run by DeepLabCut's own Python: ``python benchmarks/peer/golden_detector.py tests/network/golden/ssdlite.npz``; the
file's name says which detector, and may end with a size (``<detector>-<height>x<width>.npz``).
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


def regions_aligned(
    maps: Any, regions: Any, output_size: tuple[int, int], spatial_scale: float, sampling_ratio: int
) -> Any:
    """What maps have in regions, with zeros beyond a cell behind their last, as in torchvision's compiled operation."""
    found = []
    for region in regions:
        tensor, extents = maps[int(region[0])], maps.shape[-2:]
        weights = []
        for extent, side, axis in zip(extents, output_size, (2, 1), strict=True):
            first, length = region[axis] * spatial_scale, (region[axis + 2] - region[axis]) * spatial_scale
            count = side * sampling_ratio
            places = first + length.clamp(min=1.0) * (torch.arange(count) + 0.5) / count
            near = 1 - (torch.arange(extent) - places[:, None].clamp(0, extent - 1)).abs()
            shares = near.clamp(min=0) * (places <= extent)[:, None]
            weights.append(shares.reshape(side, sampling_ratio, extent).mean(1))
        found.append(weights[0] @ tensor @ weights[1].T)
    return torch.stack(found) if found else maps.new_zeros((0, maps.shape[1], *output_size))


def build(settings: dict[str, Any]) -> Any:
    """A detector of DeepLabCut with our numbers."""
    from deeplabcut.pose_estimation_pytorch.models.detectors import DETECTORS

    detector = DETECTORS.build(dict(settings))
    state = detector.state_dict()
    numbers = {name: torch.from_numpy(tensor(name, tuple(value.shape))) for name, value in state.items() if value.ndim}
    detector.load_state_dict(state | numbers)
    detector.eval()  # which returns nothing here
    return detector


def prepare() -> None:
    """Let torchvision do without what is compiled, and without weights from elsewhere, which ours replace."""
    from torchvision.models import mobilenet_v3_large
    from torchvision.models.detection import faster_rcnn
    from torchvision.ops import poolers

    box_operations.nms = overlapping_left_out
    poolers.roi_align = regions_aligned
    faster_rcnn.mobilenet_v3_large = lambda **settings: mobilenet_v3_large(**settings | {"weights": None})


def main(path: Path) -> None:
    prepare()
    from deeplabcut.pose_estimation_pytorch.data.transforms import build_transforms

    variant, _, size = path.stem.partition("-")
    height, width = map(int, size.split("x")) if size else SIZE
    kind = {"type": "SSDLite"} if variant == "ssdlite" else {"type": "FasterRCNN", "variant": variant}
    detector = build({**kind, "freeze_bn_stats": True, "freeze_bn_weights": False})
    said: dict[str, Any] = {}
    if variant == "ssdlite":
        detector.model.head.register_forward_hook(
            lambda _module, _inputs, output: said.update(
                logits=output["cls_logits"], offsets=output["bbox_regression"], threshold=detector.model.score_thresh
            )
        )
    else:
        heads = detector.model.roi_heads
        detector.model.rpn.register_forward_hook(lambda _module, _inputs, output: said.update(regions=output[0][0]))
        heads.box_predictor.register_forward_hook(
            lambda _module, _inputs, output: said.update(
                logits=output[0], offsets=output[1][:, 4:], threshold=heads.score_thresh
            )
        )
    frame = build_transforms({"normalize_images": True})(
        image=golden_picture(height, width), keypoints=[], class_labels=[], bboxes=[], bbox_labels=[]
    )
    with torch.no_grad():
        _, (found,) = detector(torch.from_numpy(frame["image"].astype(np.float32)).permute(2, 0, 1)[None])
    said |= {"box": found["boxes"][0], "score": found["scores"][0]}
    arrays: dict[str, Any] = {name: np.asarray(each) for name, each in said.items()}
    np.savez_compressed(path, size=(height, width), **arrays)
    print(path, said["box"].tolist(), float(said["score"]), len(found["boxes"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

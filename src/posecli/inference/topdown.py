"""Poses of one animal that is cut out of the frame: where it is, crops of one size, and the network that looks at them.

The crop is the one that DeepLabCut makes: the box is enlarged by a margin, grows about its centre to the shape that the
network wants, its edges are rounded to whole pixels (halves to even ones), zeros stand for what lies beyond the frame,
and the whole is resized with linear interpolation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.engine import Shape
from posecli.errors import ModelError, UsageError
from posecli.inference.boxes import Boxes
from posecli.inference.step import Step, Values
from posecli.model.description import TopDown
from posecli.model.folder import LEFT_OUT, ModelFolder
from posecli.video.batch import Batch
from posecli.video.opencv import Image, import_cv2

cv2 = import_cv2()

#: Finds the box of the animal in each of ``(B, H, W, 3)`` uint8 RGB.
Detect = Callable[[npt.NDArray[np.uint8]], Boxes]
#: Larger windows, px a side, are those of boxes that no animal has.
LARGEST_WINDOW = 1 << 14


@dataclass(frozen=True)
class Cropping:
    """From frames to crops of the animal in each: a detector finds it, unless its boxes come with the frames."""

    crop: TopDown
    detect: Detect | None
    lacking: str  # why there is nothing to look at where neither is given

    def __call__(self, batch: Batch) -> Batch:
        return crops_of(batch, self._boxes(batch), self.crop)

    def warm_up(self, batch_size: int, shape: Shape) -> None:
        """Let the detector's network be compiled, which happens when frames first come."""
        if self.detect is not None and hasattr(self.detect, "warm_up"):  # a function has nothing to warm up
            self.detect.warm_up(batch_size, shape)

    def _boxes(self, batch: Batch) -> npt.NDArray[np.floating]:
        """In px of the batch's images."""
        if batch.boxes is not None:
            corners = batch.geometry.to_network(batch.boxes[:, :2])
            return np.concatenate([corners, batch.boxes[:, 2:] * batch.geometry.scale], axis=1)
        if self.detect is None:
            raise ModelError(self.lacking)
        return self.detect(batch.images)


def without_detector(folder: ModelFolder) -> str:
    """Why a network that looks at one animal finds none by itself."""
    left_out = folder.description.source.get(LEFT_OUT)
    why = "has no detector to find it" if left_out is None else f"its detector '{left_out}' is not supported yet"
    advice = ", or import the model with its detector" if left_out is None else ""
    return f"'{folder.path}' looks at the animal alone and {why}: say where it is with --boxes{advice}"


def check_boxes(folder: ModelFolder, boxes: Path | None) -> None:
    """Refuse boxes of the animal for a network that has no use for them, and none for one that cannot do without."""
    is_top_down = folder.description.top_down is not None
    if boxes is not None and not is_top_down:
        raise UsageError(f"'{folder.path}' looks at whole frames: leave out --boxes")
    if boxes is None and is_top_down and folder.detector is None:
        raise UsageError(without_detector(folder))


@dataclass(frozen=True)
class TopDownStep(Step):
    """Crops of the animal, and a pose network that looks at them."""

    crops: Cropping
    pose: Step
    shape: Shape  # of a frame

    def infer(self, batch: Batch) -> tuple[Batch, Any]:
        crops = self.crops(batch)
        return crops, self.pose.infer(crops)

    def finish(self, batch: Batch, output: tuple[Batch, Any]) -> Values:  # noqa: ARG002  # the crops know it all
        return self.pose.finish(*output)

    def warm_up(self, batch_size: int) -> None:
        self.crops.warm_up(batch_size, self.shape)
        self.pose.warm_up(batch_size)


def crops_of(batch: Batch, boxes: npt.NDArray[np.floating], crop: TopDown) -> Batch:
    """What a network looks at of frames: ``(B, 4)`` boxes, in px of the batch's images, each as a crop of one size.

    An item without a box, or with one that has no area in the frame, is not valid.
    """
    windows, known = windows_of(boxes, crop, batch.images.shape[1:3])
    known &= batch.valid
    images = np.zeros((len(batch), crop.height, crop.width, 3), np.uint8)
    for place in np.flatnonzero(known):
        _cut(batch.images[place], windows[place].tolist(), images[place])
    sides = np.where(known[:, None], windows[:, 2:] - windows[:, :2], 1)
    geometry = batch.geometry.window(windows[:, :2].astype(np.float64), (crop.width, crop.height) / sides)
    return Batch(images, geometry, batch.indices, batch.seconds, known, batch.fresh)


def windows_of(
    boxes: npt.NDArray[np.floating], crop: TopDown, size: tuple[int, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """First and last edges, ``(B, 4)`` x, y, x, y px, of what is cut out of frames of a size; and where there is any.

    >>> windows_of(np.array([[20.0, 10.0, 40.0, 20.0]]), TopDown(256, 256), (100, 100))[0].tolist()
    [[20, 0, 60, 40]]
    """
    boxes = boxes.astype(np.float64)
    centers, sides, shape = boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:] + 2 * crop.margin, crop.width / crop.height
    with np.errstate(divide="ignore", invalid="ignore"):
        wide = sides[:, 0] / sides[:, 1]
        sides[wide > shape, 1] = sides[wide > shape, 0] / shape
        sides[wide < shape, 0] = sides[wide < shape, 1] * shape
        edges = np.concatenate([centers - sides / 2, centers + sides / 2], axis=1)
    edges[~(np.abs(edges) < LARGEST_WINDOW).all(axis=1)] = 0
    windows = np.rint(edges).astype(np.int64)
    inside = np.clip(windows, 0, (*size[1::-1], *size[1::-1]))
    return windows, (inside[:, 2:] > inside[:, :2]).all(axis=1)


def _cut(image: Image, window: list[int], out: Image) -> None:
    """A window of a picture, which may reach beyond it, into a picture of another size."""
    (first_x, first_y, end_x, end_y), (height, width) = window, image.shape[:2]
    part = image[max(first_y, 0) : end_y, max(first_x, 0) : end_x]
    beyond = (max(-first_y, 0), max(end_y - height, 0), max(-first_x, 0), max(end_x - width, 0))
    if any(beyond):
        part = cv2.copyMakeBorder(part, *beyond, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    cv2.resize(part, out.shape[1::-1], dst=out, interpolation=cv2.INTER_LINEAR)

"""An engine without a network: what it says of a chunk are the numbers of its first, second and last frame."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from posecli.engine import EngineInfo, Shape
from posecli.engine.outputs import Logits
from posecli.model.folder import MODEL_FILE, WEIGHTS_FILE, AnyFolder, ClipModelFolder, read_clip_folder
from posecli.options import EngineOptions, FixedPrecision
from support import clips

CLASSES = ("none", "first", "second", "last")
#: What a frame's number is divided by: its exponential must not overflow.
SCALE = 100.0


class FakeClipEngine:
    """Logits are frame numbers; `numbers_of` finds them again."""

    #: Shapes of all chunks that any fake engine was called with, in order.
    calls: ClassVar[list[tuple[int, ...]]] = []

    def __init__(self, folder: AnyFolder, shape: Shape, options: EngineOptions) -> None:
        self.info = EngineInfo("fake", "0", "CPU", options.fixed_precision, options.threads or 1)
        self._shape = shape

    @staticmethod
    def obstacle(folder: AnyFolder, precision: FixedPrecision) -> str | None:
        """It is exact."""
        return None if precision == "fp32" else f"the fake engine does not compute in {precision}"

    def warm_up(self, batch_size: int) -> None:
        """Nothing to do."""

    def __call__(self, images: npt.NDArray[np.uint8]) -> Logits:
        assert images.dtype == np.uint8
        assert images.shape[1:] == self._shape
        FakeClipEngine.calls.append(images.shape)
        logits = [[0, *(clips.read_number(chunk[place]) / SCALE for place in (0, 1, -1))] for chunk in images]
        return Logits(np.asarray(logits, np.float32))


def numbers_of(probabilities: npt.NDArray[np.float64]) -> list[list[int] | None]:
    """For each row the numbers of its first, second and last frame; ``None`` for one without probabilities."""
    logits = np.log(probabilities[:, 1:] / probabilities[:, :1]) * SCALE
    return [None if np.isnan(row).any() else [round(value) for value in row] for row in logits]


def make_fake_clip_model(folder: Path, length: int = 10, stride: int = 10, frame_step: int = 1) -> ClipModelFolder:
    """Write a model folder for the fake engine; frames keep the size of `support.clips`."""
    folder.mkdir(parents=True)
    lines = [
        "format: posecli-model",
        "format_version: 1",
        "net_type: i3d",
        f"classes: [{', '.join(CLASSES)}]",
        "scorer: I3D_numbers_1",
        f"length: {length}",
        f"stride: {stride}",
        f"frame_step: {frame_step}",
        "input_height: 120",
        "input_width: 160",
    ]
    (folder / MODEL_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / WEIGHTS_FILE).write_bytes(b"")
    return read_clip_folder(folder)

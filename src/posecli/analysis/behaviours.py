"""A run that finds behaviours: one row for each chunk of frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from posecli.analysis.journal import JournalContent, Rows, read_rows
from posecli.analysis.kinds import ATTEMPTS, Analysis
from posecli.analysis.plan import VideoFiles
from posecli.behaviour.chunks import ChunkPlan
from posecli.behaviour.table import Behaviours, behaviours_to_csv, labels_of, write_behaviours
from posecli.engine import Shape
from posecli.inference.predictor import ClipModel
from posecli.options import ClassifyOptions, InputSize
from posecli.plots.figures import save_ethogram
from posecli.precision.gate import (
    SAMPLE_CHUNKS,
    Gate,
    Opens,
    clip_gate,
)
from posecli.precision.quantize import ClipQuantizeOptions
from posecli.support.files import partial_path
from posecli.support.results import SHOWN
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo

#: Options that say how videos are cut into chunks; models have their own defaults.
CHUNKING = ("length", "stride", "frame_step")


class BehaviourAnalysis(Analysis):
    """One row per chunk of frames: a probability for every class."""

    size_options = "--input-size or --length"
    to_csv = staticmethod(behaviours_to_csv)
    model: ClipModel
    options: ClassifyOptions
    chunks: ChunkPlan

    def __init__(self, model: ClipModel, options: ClassifyOptions) -> None:
        super().__init__(model, options)
        own = model.description
        self.row_width = len(own.classes)
        self.network = f"{own.net_type}, {len(own.classes)} behaviours"
        self.settings = {name: getattr(options, name) or getattr(own, name) for name in CHUNKING}
        self.chunks = ChunkPlan(**self.settings)
        self.run_settings = {}

    def geometry(self, info: VideoInfo, scale: Fraction | None = None) -> Geometry:  # noqa: ARG002  # one size
        """Crop, then resize to the network's own size."""
        own = self.model.description
        size = self.options.input_size or InputSize(own.input_width, own.input_height)
        return Geometry.plan(info.width, info.height, self.options.crop).brought_to(size.width, size.height)

    def sample_size(self, info: VideoInfo) -> int:  # noqa: ARG002
        return SAMPLE_CHUNKS

    def gate(self, videos: Sequence[Path], opens: Opens, *, windows: bool = False) -> Gate:  # noqa: ARG002
        return clip_gate(videos, self.chunks, self.geometry, self.options, opens)

    def quantize_options(self) -> ClipQuantizeOptions:
        default = ClipQuantizeOptions()
        return replace(default, max_change=min(default.max_change, self.options.max_change / 2), most_attempts=ATTEMPTS)

    def calibration_shape(self, info: VideoInfo) -> Shape:  # noqa: ARG002
        own = self.model.description
        return own.length, own.input_height, own.input_width, 3

    def write(self, files: VideoFiles, info: VideoInfo, content: JournalContent) -> None:
        starts = self.chunks.starts(self.frames(content))
        probabilities = np.concatenate([np.empty((0, self.row_width)), *read_rows(files.journal, content)])
        found = Behaviours(self.model.description.classes, starts, self.chunks.span, probabilities, info.seconds())
        try:
            write_behaviours(files.table, found)
            save_ethogram(files.side, found, info.path.name)
        except BaseException:
            partial_path(files.table).unlink(missing_ok=True)
            raise

    @property
    def seen_what(self) -> str:
        return SHOWN

    def seen(self, blocks: Iterable[Rows]) -> dict[str, float]:
        classes = self.model.description.classes
        labels = [labels_of(block, classes) for block in blocks]
        shown = np.concatenate([np.empty(0, str), *labels])
        return {name: float((shown == name).mean()) if len(shown) else 0.0 for name in classes}

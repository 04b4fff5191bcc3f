"""Videos to behaviour tables: what is particular to behaviours about a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from posecli.analysis.journal import JournalContent, read_rows
from posecli.analysis.outputs import OutputPaths
from posecli.analysis.task import Task
from posecli.behaviour.chunks import ChunkPlan, ClipReader
from posecli.behaviour.table import Behaviours, behaviours_to_csv, write_behaviours
from posecli.inference.pipeline import Reader
from posecli.inference.predictor import ClipModel
from posecli.options import ClassifyOptions, FixedPrecision, InputSize
from posecli.plots.ethogram import save_ethogram
from posecli.precision.behaviours import ClipGate, ClipGateFigures
from posecli.support.files import partial_path
from posecli.tables import manifest as manifests
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo
from posecli.video.reader import VideoReader


class BehaviourTask(Task[ClipModel]):
    """One row per chunk of frames: a probability for every class."""

    side_ending: ClassVar[str] = ".png"
    size_options: ClassVar[str] = "--input-size or --length"
    options: ClassifyOptions

    @property
    def plan(self) -> ChunkPlan:
        """How videos are cut into chunks: the model's own way, unless the options say otherwise."""
        own, asked = self.model.description, self.options
        return ChunkPlan(asked.length or own.length, asked.stride or own.stride, asked.frame_step or own.frame_step)

    @property
    def input_size(self) -> InputSize:
        """The size to which frames are brought."""
        own = self.model.description
        return self.options.input_size or InputSize(own.input_width, own.input_height)

    @property
    def row_width(self) -> int:
        """A probability for each class."""
        return len(self.model.description.classes)

    @property
    def network_words(self) -> str:
        """Its net type and how many classes it knows."""
        description = self.model.description
        return f"{description.net_type}, {len(description.classes)} behaviours"

    def work_words(self, geometry: Geometry, batch_size: int) -> str:
        """Chunks of what, and how many."""
        plan = self.plan
        step = "" if plan.frame_step == 1 else f" (each {plan.frame_step} apart)"
        return (
            f"batch {batch_size}, chunks of {plan.length} frames{step} every {plan.stride} frames, network input "
            f"{geometry.width}x{geometry.height} px"
        )

    def geometry(self, info: VideoInfo) -> Geometry:
        """Crop, and the network's own size."""
        size = self.input_size
        return Geometry.plan(info.width, info.height, self.options.crop).brought_to(size.width, size.height)

    def shape(self, geometry: Geometry) -> tuple[int, ...]:
        """A chunk's."""
        return self.plan.length, geometry.height, geometry.width, 3

    def reader(self, info: VideoInfo, geometry: Geometry) -> ClipReader:
        """Chunk by chunk."""
        return ClipReader(VideoReader(info, geometry, self.options.video_backend), self.plan)

    def items(self, info: VideoInfo) -> int:
        """Its chunks."""
        return len(self.plan.starts(info.expected_frames))

    def frames_before(self, row: int, info: VideoInfo) -> int:
        """All that has been read for so many chunks."""
        ends = self.plan.starts(info.expected_frames)[:row] + self.plan.span
        return min(int(ends[-1]), info.expected_frames) if len(ends) else 0

    def gate(self, videos: Sequence[Path], opens: Callable[[Path | None], object]) -> ClipGate:
        """By how far probabilities change."""
        return ClipGate(videos, self.plan, self.geometry, self.options, opens)

    def gate_figures(self, content: dict[str, Any]) -> ClipGateFigures:
        """As they were noted."""
        return ClipGateFigures(**content)

    def settings(self, precision: FixedPrecision, geometry: Geometry) -> dict[str, Any]:
        """Engine, precision, crop, size, chunks."""
        plan = self.plan
        return manifests.determining_settings(self.model.folder, self.model.options.engine, precision, geometry) | {
            "length": plan.length,
            "stride": plan.stride,
            "frame_step": plan.frame_step,
        }

    def run_settings(self) -> dict[str, Any]:
        """Nothing else was asked for."""
        return {}

    def account(self, reader: Reader) -> dict[str, Any]:
        """How many frames there were, and which could not be decoded: a row stands for many."""
        assert isinstance(reader, ClipReader)
        return {"frames": reader.frames, "bad_frames": reader.lost}

    def bad_frames(self, content: JournalContent) -> list[int]:
        """As they were noted at the end."""
        assert content.ending is not None
        return list(content.ending["bad_frames"])

    def frames(self, content: JournalContent) -> int:
        """As they were counted."""
        assert content.ending is not None
        return int(content.ending["frames"])

    def is_sound(self, ending: dict[str, Any]) -> bool:
        """Whether it counts the frames."""
        bad = ending.get("bad_frames")
        return (
            isinstance(ending.get("frames"), int)
            and isinstance(bad, list)
            and all(isinstance(frame, int) for frame in bad)
        )

    def describe(self, info: VideoInfo, content: JournalContent) -> dict[str, Any]:
        """Counts of frames and chunks, the frames that could not be decoded, and the chunks that they spoil."""
        found = manifests.describe_run_of_video(info, self.bad_frames(content), self.frames(content))
        del found["timestamps"]["hdf5_node"]  # the tables have a column
        return found | {"chunks": content.rows, "bad_chunks": content.bad_rows}

    def write(self, outputs: OutputPaths, info: VideoInfo, content: JournalContent) -> None:
        """The behaviour table, and the ethogram."""
        n_frames = self.frames(content)
        probabilities = np.concatenate([np.empty((0, self.row_width)), *read_rows(outputs.journal, content)])
        found = Behaviours(
            self.model.description.classes,
            self.plan.starts(n_frames),
            self.plan.span,
            probabilities,
            info.seconds(),
        )
        try:
            write_behaviours(outputs.table, found)
            save_ethogram(outputs.side, found, info.path.name)
        except BaseException:
            partial_path(outputs.table).unlink(missing_ok=True)
            raise

    def write_csv(self, outputs: OutputPaths) -> None:
        """The table of frames."""
        behaviours_to_csv(outputs.table, outputs.csv)

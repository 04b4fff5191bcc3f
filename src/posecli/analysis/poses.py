"""Videos to pose tables: what is particular to poses about a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from posecli.analysis.journal import JournalContent, read_rows
from posecli.analysis.outputs import OutputPaths, deeplabcut_meta
from posecli.analysis.task import Task
from posecli.engine.kinds import Shape
from posecli.inference.pipeline import Reader
from posecli.inference.predictor import PoseModel
from posecli.inference.step import Step
from posecli.options import AnalyzeOptions, FixedPrecision
from posecli.precision.poses import GateFigures, PoseGate
from posecli.support.files import write_partial
from posecli.tables import manifest as manifests
from posecli.tables.pose_table import PoseTableWriter, pose_columns, table_to_csv
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo
from posecli.video.reader import VideoReader


class PoseTask(Task[PoseModel]):
    """One row per frame: x, y and likelihood of every body part."""

    side_ending: ClassVar[str] = "_meta.pickle"
    size_options: ClassVar[str] = "--scale or --crop"
    options: AnalyzeOptions

    @property
    def row_width(self) -> int:
        """Three numbers for each peak of each body part."""
        return 3 * len(self.model.description.bodyparts) * self.options.num_outputs

    @property
    def network_words(self) -> str:
        """Its net type and how many body parts it knows."""
        description = self.model.description
        return f"{description.net_type}, {len(description.bodyparts)} body parts"

    def work_words(self, geometry: Geometry, batch_size: int) -> str:
        """Frames of which size, and how many."""
        return f"batch {batch_size}, network input {geometry.width}x{geometry.height} px"

    def geometry(self, info: VideoInfo) -> Geometry:
        """Crop and scale."""
        return Geometry.plan(info.width, info.height, self.options.crop, self.options.exact_scale)

    def shape(self, geometry: Geometry) -> tuple[int, ...]:
        """A frame's."""
        return geometry.height, geometry.width, 3

    def reader(self, info: VideoInfo, geometry: Geometry) -> VideoReader:
        """Frame by frame."""
        return VideoReader(info, geometry, self.options.video_backend)

    def items(self, info: VideoInfo) -> int:
        """Its frames."""
        return info.expected_frames

    def frames_before(self, row: int, _info: VideoInfo) -> int:
        """A row is a frame."""
        return row

    def gate(self, videos: Sequence[Path], opens: Callable[[Path | None], object]) -> PoseGate:
        """By how far points move."""
        return PoseGate(videos, self.options, opens)

    def gate_figures(self, content: dict[str, Any]) -> GateFigures:
        """As they were noted."""
        return GateFigures(**content)

    def step(self, model: PoseModel, shape: Shape) -> Step:
        """Poses, with as many peaks as were asked for."""
        return model.step(shape, self.options.decoder, self.options.num_outputs)

    def settings(self, precision: FixedPrecision, geometry: Geometry) -> dict[str, Any]:
        """Engine, precision, crop, size, peaks."""
        return manifests.determining_settings(self.model.folder, self.model.options.engine, precision, geometry) | {
            "num_outputs": self.options.num_outputs
        }

    def run_settings(self) -> dict[str, Any]:
        """The decoder: all give the same poses."""
        return {"decoder": self.options.decoder}

    def account(self, _reader: Reader) -> dict[str, Any]:
        """Nothing: a frame without a pose has a row that says so."""
        return {}

    def bad_frames(self, content: JournalContent) -> list[int]:
        """Rows without a pose."""
        return content.bad_rows

    def frames(self, content: JournalContent) -> int:
        """A row each."""
        return content.rows

    def is_sound(self, _ending: dict[str, Any]) -> bool:
        """Nothing is asked of it."""
        return True

    def describe(self, info: VideoInfo, content: JournalContent) -> dict[str, Any]:
        """All counts, the frames without a pose, and where the clock is."""
        return manifests.describe_run_of_video(info, content.bad_rows, content.rows)

    def write(self, outputs: OutputPaths, info: VideoInfo, content: JournalContent) -> None:
        """The pose table, and DeepLabCut's meta file."""
        description, peaks = self.model.description, self.options.num_outputs
        writer = PoseTableWriter(outputs.table, pose_columns(description.scorer, description.bodyparts, peaks))
        assert content.ending is not None
        try:
            for rows in read_rows(outputs.journal, content):
                writer.append(rows.reshape(len(rows), len(description.bodyparts), peaks, 3))
            writer.close(info.seconds())
            seconds = content.ending["timing"]["whole_seconds"]
            meta = deeplabcut_meta(info, description, content.rows, content.batch_size, seconds)
            write_partial(outputs.side, meta)
        except BaseException:
            writer.discard()
            raise

    def write_csv(self, outputs: OutputPaths) -> None:
        """As DeepLabCut writes it."""
        table_to_csv(outputs.table, outputs.csv)

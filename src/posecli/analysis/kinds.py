"""What a run finds in videos, poses or behaviours: all that differs between the two, chosen once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Literal

from posecli.analysis.journal import JournalContent, Rows, holds
from posecli.analysis.plan import VideoFiles
from posecli.behaviour.chunks import ChunkPlan, ClipReader
from posecli.engine import Shape
from posecli.inference.pipeline import Reader
from posecli.inference.predictor import Model
from posecli.inference.sources import Still
from posecli.inference.step import Step
from posecli.inference.teacher import Teaching
from posecli.inference.windows import Windows
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions, ClassifyOptions, FixedPrecision
from posecli.precision.gate import (
    CANDIDATES,
    Evidence,
    Figures,
    Gate,
    Opens,
)
from posecli.precision.quantize import AnyQuantizeOptions
from posecli.precision.reckoning import Asked
from posecli.precision.windows import ChosenWindows, WindowFigures
from posecli.precision.within import Setting
from posecli.tables import manifest as manifests
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo
from posecli.video.reader import VideoReader

#: A run looks for its version in so many attempts, so that it can tell before what that will cost.
ATTEMPTS = 8


class Analysis(ABC):
    """What a run finds in videos: a row of values for each frame, or for each chunk of frames."""

    size_options: ClassVar[str]  #: The options that make smaller what goes through the network as one.
    chunks: ChunkPlan | None = None  #: How videos are cut into chunks; ``None`` where a row is a frame.
    row_width: int  #: Numbers in a row of the journal.
    network: str  #: For people.
    to_csv: Callable[[Path, Path], object]  #: Writes a finished table as text.
    settings: dict[str, Any]  #: Those of its own that change values, and that do not.
    run_settings: dict[str, Any]

    def __init__(self, model: Model[Any, Any], options: AnalyzeOptions | ClassifyOptions) -> None:
        self.model = model
        self.options = options

    @abstractmethod
    def geometry(self, info: VideoInfo, scale: Fraction | None = None) -> Geometry:
        """What is done to each frame; at the scale that the options name, unless another was found."""

    @abstractmethod
    def gate(self, videos: Sequence[Path], opens: Opens, *, windows: bool = False) -> Gate:
        """Compares precisions on the run's own videos, and windows if these are to be tried."""

    @abstractmethod
    def write(self, files: VideoFiles, info: VideoInfo, content: JournalContent) -> None:
        """The table and what lies beside it, whole, under their partial names; nothing is left by an error."""

    @property
    @abstractmethod
    def seen_what(self) -> str:
        """What the shares are that `seen` gives, for people."""

    @abstractmethod
    def seen(self, blocks: Iterable[Rows]) -> dict[str, float]:
        """Share of the rows in which each body part or behaviour was seen."""

    def determining_settings(
        self,
        precision: FixedPrecision,
        geometry: Geometry,
        windows: Any,  # noqa: ARG002
        teaching: Any,  # noqa: ARG002
        video: Path,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Settings that determine the values of a video's table, besides its content and the model."""
        engine = self.options.engine.engine
        return manifests.determining_settings(self.model.folder, engine, precision, geometry) | self.settings

    def window_asked_for(self, geometry: Geometry) -> Windows | Literal["any"] | None:  # noqa: ARG002
        """The windows that a result must have been made with; any where that is left to measurement."""
        return None

    def teaching_asked_for(self, found: Any) -> Any:  # noqa: ARG002
        """How a teacher must have been asked for a result, as plain values, by how that `found` it was."""
        return None

    def work(self, geometry: Geometry, batch_size: int) -> str:
        """Describe for people what goes through the network at once."""
        chunks = ""
        if plan := self.chunks:
            step = "" if plan.frame_step == 1 else f" (each {plan.frame_step} apart)"
            chunks = f"chunks of {plan.length} frames{step} every {plan.stride} frames, "
        return f"batch {batch_size}, {chunks}network input {geometry.width}x{geometry.height} px"

    def step(
        self,
        model: Model[Any, Any],
        shape: Shape,
        windows: Windows | None = None,  # noqa: ARG002
        background: Callable[[int], Still] | None = None,  # noqa: ARG002
        teaching: Teaching | None = None,  # noqa: ARG002
    ) -> Step:
        """From items of one shape to the values of a row each; a `background` is there for windows that it places."""
        return model.step(shape)

    @property
    def teacher(self) -> ModelFolder | None:
        """Who may be asked where the network is unsure."""
        return None

    def fastest_within(
        self,
        evidence: Evidence,  # noqa: ARG002
        *,
        windows: bool,  # noqa: ARG002
    ) -> tuple[Setting, Sequence[Figures]] | None:
        """The fastest setting inside the limit, and what was measured, if that is asked for."""
        return None

    def choose_windows(
        self,
        model: Model[Any, Any],  # noqa: ARG002  # chunks have none
        evidence: Evidence,  # noqa: ARG002
    ) -> tuple[list[ChosenWindows], list[WindowFigures]]:
        """The part of each frame that the network will look at, by the frames' shape, and what was measured for it."""
        return [], []

    def ask_teacher(
        self,
        model: Model[Any, Any],  # noqa: ARG002
        evidence: Evidence,  # noqa: ARG002
        windows: Sequence[ChosenWindows],
    ) -> tuple[Sequence[ChosenWindows], Teaching | None, list[Figures]]:
        """The windows that are used after all, when a teacher is asked, and what was measured of that."""
        return windows, None, []

    def notes(
        self,
        model: Model[Any, Any],  # noqa: ARG002
        evidence: Evidence,  # noqa: ARG002
    ) -> list[str]:
        """What a user should know of the network on these videos."""
        return []

    def shape(self, geometry: Geometry) -> Shape:
        """Shape of an item, as the engine takes it."""
        frame = (geometry.height, geometry.width, 3)
        return frame if self.chunks is None else (self.chunks.length, *frame)

    @property
    def finds_scale(self) -> bool:
        """Whether a run finds out itself at which scale the network looks at frames."""
        return False

    @property
    def asked(self) -> Asked:
        """What the options leave to measurement."""
        named = self.options.engine.precision
        if named != "auto":
            return Asked(None if named == "fp32" else named, is_named=True)
        return Asked(next(iter(self.faster_precisions), None), is_named=False)

    @property
    def faster_precisions(self) -> list[FixedPrecision]:
        """Those that the engine has for this model on this machine, the fastest first."""
        known = () if self.options.engine.engine == "tensorflow" else CANDIDATES
        return [name for name in known if self.model.obstacle(name) is None]

    @abstractmethod
    def sample_size(self, info: VideoInfo) -> int:
        """Items that the parity gate looks at, if videos like this one have as many."""

    def windows_share(self, info: VideoInfo) -> float:  # noqa: ARG002
        """Share of the work on a frame that windows leave where they serve; 1 where none can come."""
        return 1.0

    def network_shape(self, info: VideoInfo) -> Shape:
        """Shape of what the network sees of an item of a video."""
        return self.shape(self.geometry(info))

    @abstractmethod
    def quantize_options(self) -> AnyQuantizeOptions:
        """How an int8 version is made for this run: well within what the parity gate will allow it."""

    @abstractmethod
    def calibration_shape(self, info: VideoInfo) -> Shape:
        """Shape of what the network sees of an item of a video while an int8 version is made."""

    def reader(self, info: VideoInfo, geometry: Geometry) -> Reader:
        """Gives the video, item by item."""
        frames = VideoReader(info, geometry, self.options.video_backend)
        return frames if self.chunks is None else ClipReader(frames, self.chunks)

    def items(self, info: VideoInfo) -> int:
        """How many a video has, according to its container."""
        return info.expected_frames if self.chunks is None else len(self.chunks.starts(info.expected_frames))

    def frames_before(self, row: int, info: VideoInfo) -> int:
        """Frames of the video that are read when so many rows are done."""
        if self.chunks is None:
            return row
        ends = self.chunks.starts(info.expected_frames)[:row] + self.chunks.span
        return min(int(ends[-1]), info.expected_frames) if len(ends) else 0

    # What is known of the frames when all have been read. Where a row stands for many the journal's last note has it.

    def account(self, reader: Reader) -> dict[str, Any]:
        """Facts about the frames that the rows do not hold."""
        return {"frames": reader.frames, "bad_frames": reader.lost} if isinstance(reader, ClipReader) else {}

    def has_account(self, ending: dict[str, Any]) -> bool:
        """Whether a journal's last note has what `account` gave."""
        return self.chunks is None or holds(ending, frames=int, bad_frames=[int])

    def bad_frames(self, content: JournalContent) -> list[int]:
        """Indices of frames that could not be decoded."""
        return content.bad_rows if self.chunks is None else list(content.last_note["bad_frames"])

    def frames(self, content: JournalContent) -> int:
        """Number of frames that the video turned out to have."""
        return content.rows if self.chunks is None else int(content.last_note["frames"])

    def frames_without_animal(self, content: JournalContent) -> list[int]:  # noqa: ARG002
        """Indices of frames in which nothing was found."""
        return []

    def describe(self, info: VideoInfo, content: JournalContent) -> dict[str, Any]:
        """The manifest's section on the frames that were found."""
        found = manifests.describe_run_of_video(info, self.bad_frames(content), self.frames(content))
        if self.chunks is not None:
            del found["timestamps"]["hdf5_node"]  # the tables have a column
            found |= {"chunks": content.rows, "bad_chunks": content.bad_rows}
        return found

"""What a run makes of each video: poses or behaviours. All else about runs is the same for both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.analysis.journal import JournalContent
from posecli.analysis.outputs import OutputPaths
from posecli.inference.pipeline import Batch, Reader, Values
from posecli.inference.predictor import Model
from posecli.options import FixedPrecision, RunOptions
from posecli.precision.poses import Figures, Gate
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo
from posecli.video.reader import VideoReader

ModelT = TypeVar("ModelT", bound=Model[Any, Any])


class RunBatch(Batch, Protocol):
    """A batch that knows the places of its items."""

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """Numbers of the items: rows of the journal."""

    def frames_of_last(self, count: int) -> int:
        """How many more frames of the video are read with the last items."""


class RunReader(Reader[RunBatch], Protocol):
    """A reader that can go on in the middle."""

    def skip(self, count: int) -> None:
        """Pass over the next items."""

    def close(self) -> None:
        """Let the decoders go."""

    @property
    def video(self) -> VideoReader:
        """What reads the frames."""


class Task(ABC, Generic[ModelT]):
    """What a run makes of each video.

    Parameters
    ----------
    model
        As it was asked for.
    options
        Everything else.
    """

    #: What stands for the values of an item that could not be decoded.
    missing: ClassVar[tuple[float, ...]]
    #: How the name of what lies beside the table ends.
    side_ending: ClassVar[str]
    #: What goes through the network as one, and the options that make it smaller, for people.
    item: ClassVar[str]
    size_options: ClassVar[str]

    def __init__(self, model: ModelT, options: RunOptions) -> None:
        self.model = model
        self.options: Any = options

    @property
    @abstractmethod
    def row_width(self) -> int:
        """Numbers in a row of the journal."""

    @property
    @abstractmethod
    def network_words(self) -> str:
        """The network, for people."""

    @abstractmethod
    def work_words(self, geometry: Geometry, batch_size: int) -> str:
        """What goes through it at once, for people."""

    @abstractmethod
    def geometry(self, info: VideoInfo) -> Geometry:
        """What is done to each frame."""

    @abstractmethod
    def shape(self, geometry: Geometry) -> tuple[int, ...]:
        """Of an item, as the engine wants it."""

    @abstractmethod
    def reader(self, info: VideoInfo, geometry: Geometry) -> RunReader:
        """Gives the video."""

    @abstractmethod
    def items(self, info: VideoInfo) -> int:
        """Items of a video, as far as its container tells."""

    @abstractmethod
    def frames_before(self, row: int, info: VideoInfo) -> int:
        """Frames of the video that are done when so many rows are."""

    @abstractmethod
    def gate(self, videos: Sequence[Path], opens: Callable[[Path | None], object]) -> Gate[ModelT]:
        """Compares precisions on the run's own videos."""

    @abstractmethod
    def gate_figures(self, content: dict[str, Any]) -> Figures:
        """What a gate had found, from plain values."""

    @abstractmethod
    def decode(self, output: Any) -> Values:
        """The network's output to values."""

    @abstractmethod
    def rows(self, values: Values, geometry: Geometry) -> npt.NDArray[np.float64]:
        """Values to rows of the journal, ``(n, row_width)``."""

    @abstractmethod
    def settings(self, precision: FixedPrecision, geometry: Geometry) -> dict[str, Any]:
        """What determines the table's values besides video and model."""

    @abstractmethod
    def run_settings(self) -> dict[str, Any]:
        """What else was asked for that does not change values, for the manifest."""

    @abstractmethod
    def account(self, reader: RunReader) -> dict[str, Any]:
        """What is known of the frames when all have been read, and is not in the rows."""

    @abstractmethod
    def bad_frames(self, content: JournalContent) -> list[int]:
        """Frames that could not be decoded."""

    @abstractmethod
    def frames(self, content: JournalContent) -> int:
        """Frames of the video, when all are done."""

    @abstractmethod
    def is_sound(self, ending: dict[str, Any]) -> bool:
        """Whether a journal's last note has what `account` gave; it comes from a file, and may be anything."""

    @abstractmethod
    def describe(self, info: VideoInfo, content: JournalContent) -> dict[str, Any]:
        """The manifest's part on what the video's frames turned out to be."""

    @abstractmethod
    def write(self, outputs: OutputPaths, info: VideoInfo, content: JournalContent) -> None:
        """The table and what lies beside it, whole, under their partial names; nothing is left by an error."""

    @abstractmethod
    def write_csv(self, outputs: OutputPaths) -> None:
        """The table as text."""

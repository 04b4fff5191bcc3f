"""What a run makes of each video: poses or behaviours. All else about runs is the same for both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.analysis.journal import JournalContent
from posecli.analysis.outputs import OutputPaths
from posecli.engine.kinds import Shape
from posecli.inference.kind import Values
from posecli.inference.pipeline import Reader
from posecli.inference.predictor import Model
from posecli.inference.step import Step
from posecli.options import FixedPrecision, RunOptions
from posecli.precision.gate import Figures, Gate
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo

ModelT = TypeVar("ModelT", bound=Model[Any, Any])


class Task(ABC, Generic[ModelT]):
    """What a run makes of each video.

    Parameters
    ----------
    model
        As it was asked for.
    options
        Everything else.
    """

    #: How the name of what lies beside the table ends.
    side_ending: ClassVar[str]
    #: The options that make smaller what goes through the network as one.
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
    def reader(self, info: VideoInfo, geometry: Geometry) -> Reader:
        """Gives the video."""

    @abstractmethod
    def items(self, info: VideoInfo) -> int:
        """Items of a video, as far as its container tells."""

    @abstractmethod
    def frames_before(self, row: int, info: VideoInfo) -> int:
        """Frames of the video that are done when so many rows are."""

    @abstractmethod
    def gate(self, videos: Sequence[Path], opens: Callable[[Path | None], object]) -> Gate:
        """Compares precisions on the run's own videos."""

    @abstractmethod
    def gate_figures(self, content: dict[str, Any]) -> Figures:
        """What a gate had found, from plain values."""

    def step(self, model: ModelT, shape: Shape) -> Step:
        """From items to values."""
        return model.step(shape)

    def rows(self, values: Values) -> npt.NDArray[np.float64]:
        """Values to rows of the journal, ``(n, row_width)``."""
        return values.reshape(len(values), self.row_width)

    @abstractmethod
    def settings(self, precision: FixedPrecision, geometry: Geometry) -> dict[str, Any]:
        """What determines the table's values besides video and model."""

    @abstractmethod
    def run_settings(self) -> dict[str, Any]:
        """What else was asked for that does not change values, for the manifest."""

    @abstractmethod
    def account(self, reader: Reader) -> dict[str, Any]:
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

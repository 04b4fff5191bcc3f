"""Options of a sweep; imports nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from posecli.errors import UsageError
from posecli.options import AnalyzeOptions, TableChoice, at_least

#: Mean shift that is tolerated unless another is asked for, px: what Mathis & Warren (2018) found at a thousandfold
#: compression, and a third of the 3 px by which two people differ who label the same frame.
TOLERANCE_PX = 1.0
#: Share of the points seen in the original that may fall below the likelihood cut-off.
MAX_LOST = 0.02
#: Frames of the rendered scene: ten seconds, the least that a recommendation is based on.
SCENE_FRAMES = 300
#: Of the rendered scene: one that no training video has.
SCENE_SEED = 7
#: Called with the number of frames just done.
Progress = Callable[[int], object]
DEFAULT_CRF = "10,20,30,40"
DEFAULT_SCALES = (1.0, 0.5, 0.25, 0.125)


@dataclass(frozen=True)
class SweepOptions:
    """Options that all sweeps share."""

    #: Without any, the trail-tracking scene is rendered.
    videos: tuple[Path, ...] = ()
    #: What `posecli.load_model` takes; ``None`` is the network that comes with posecli.
    model: Path | None = None
    #: Engine, precision, batch size, crop, pipeline.
    analysis: AnalyzeOptions = field(default_factory=AnalyzeOptions)
    #: Use the first so many frames of each video; ``None`` uses all, and `SCENE_FRAMES` of the rendered scene.
    frames: int | None = None
    #: Look at about so many of them only, in stretches from all over each video; versions are encoded whole anyway.
    sample: int | None = None
    #: Pose table with the true points of the one video; the one beside a rendered video is found by itself.
    truth: Path | None = None
    #: Which table of that file, where it holds several.
    truth_choice: TableChoice = TableChoice()
    #: A DeepLabCut project, or a part of it: its labelled frames of these videos count as truth.
    labels: Path | None = None
    #: Likelihood from which on a point counts as seen; ``None`` takes the model's own.
    pcutoff: float | None = None
    #: Largest mean error of any body part, px of the full frame, at which a version is recommended.
    tolerance: float = TOLERANCE_PX
    #: Largest share of points that a recommended version may lose below the cut-off.
    max_lost: float = MAX_LOST
    #: Of the median filter, frames.
    window: int = 5
    #: Of the bootstrap.
    resamples: int = 1000
    #: Of the bootstrap, and of the rendered scene.
    seed: int = SCENE_SEED
    #: Hours of video that savings are stated for.
    hours_per_year: float = 1000.0
    #: Keep encoded versions.
    keep: bool = False

    def __post_init__(self) -> None:
        self._check_counts()
        self._check_amounts()
        self._check_truth()
        if isinstance(self.analysis.batch_size, str):
            raise UsageError("batch size 'auto' would differ between versions: give a whole number of 1 or more")
        if self.analysis.num_outputs != 1:
            raise UsageError(f"num-outputs {self.analysis.num_outputs} cannot be compared: leave it at 1")

    def _check_counts(self) -> None:
        at_least(2, frames=self.frames, sample=self.sample)
        at_least(100, resamples=self.resamples)
        at_least(0, seed=self.seed)
        if self.window < 3 or self.window % 2 == 0:
            raise UsageError(f"window {self.window} has no middle: give an odd number of 3 or more")

    def _check_amounts(self) -> None:
        for name, value in (("tolerance", self.tolerance), ("hours-per-year", self.hours_per_year)):
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name} {value:g} is out of range: give a number above 0")
        for name, share in (("pcutoff", self.pcutoff), ("max-lost", self.max_lost)):
            if share is not None and not 0 <= share <= 1:
                raise UsageError(f"{name} {share:g} is out of range: give a number from 0 to 1")

    def _check_truth(self) -> None:
        if self.truth is not None and len(self.videos) != 1:
            raise UsageError(f"--truth belongs to one video, and {len(self.videos)} are given: give that one alone")
        if self.truth is None and (self.truth_choice.key or self.truth_choice.scorer):
            raise UsageError("--truth-key and --truth-scorer belong to --truth: name the table too")
        if self.truth is not None and self.labels is not None:
            raise UsageError("--truth and --labels exclude each other: give the one that you trust more")
        if self.analysis.boxes is not None and not self.videos:
            raise UsageError(f"'{self.analysis.boxes}' has the boxes of a video, and none is given: name it")
        names = [video.stem for video in self.videos]
        if len(set(names)) < len(names):
            raise UsageError(f"videos {', '.join(names)} do not have distinct names: rename one")

    @property
    def batch_size(self) -> int:
        """Frames per call of the network."""
        assert isinstance(self.analysis.batch_size, int)
        return self.analysis.batch_size


class SweepObserver:
    """Receives the progress of a sweep. This one ignores it; the commands' own prints it."""

    def say(self, line: str) -> None:
        """Receive a sentence on what happens."""

    def work(self, _name: str, _frames: int) -> AbstractContextManager[Progress]:
        """Enter a piece of work on so many frames; the context's value receives its progress."""
        return nullcontext(lambda _count: None)

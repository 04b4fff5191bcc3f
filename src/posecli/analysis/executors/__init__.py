"""Ways to carry out a plan: in this process, or in one that is watched.

To add one, write its module in this folder and name it in `EXECUTORS`. The plan goes to other processes and machines as
JSON (`RunPlan.to_json`); there `posecli.analysis.executors.here` carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Literal, TypeAlias

from posecli.analysis.plan import Forecast, RunPlan, VideoPlan
from posecli.support.results import VideoResult

if TYPE_CHECKING:  # those who are only told of values need not load what makes them
    from posecli.engine import EngineInfo
    from posecli.inference.batching import BatchChoice
    from posecli.precision.gate import Figures
    from posecli.video.probe import VideoInfo

#: What to do with each video: say what would be done with it, and how long all that would take, or do it.
Verb = Literal["decide", "foretell", "carry_out"]
#: What comes of a video.
Outcome: TypeAlias = VideoPlan | VideoResult
OUTCOMES: dict[Verb, type[Outcome]] = {"decide": VideoPlan, "foretell": VideoPlan, "carry_out": VideoResult}


class RunObserver:
    """Is told how a run goes. This one does nothing; a command's own prints."""

    def int8_begins(self, ahead: float, saved: float, cost: float) -> None:
        """The model has no int8 version, and one is about to be made.

        So many seconds of network would be ahead without it; int8 saves some of them, and making it takes some.
        """

    def foretold(self, forecast: Forecast) -> None:
        """What would be done, and how long it would take; told in the process that asked."""

    def preparing(self, step: str) -> None:
        """A step of making the int8 version, in words."""

    def gate_measured(self, figures: Figures) -> None:
        """A faster precision was measured; told for every video of the run."""

    def left_out(self, sentence: str) -> None:
        """Something is not tried, as it could not save as much as it costs; told for every video of the run."""

    def batch_measured(self, choice: BatchChoice) -> None:
        """Batch sizes were tried; told for every video of the run."""

    def engine_ready(self, network: str, info: EngineInfo, work: str) -> None:
        """The network is compiled for a video's frames; what it is, and what goes through it at once, in words."""

    def video_started(self, info: VideoInfo) -> None:
        """A video's frames are about to be read."""

    def video_resumed(self, info: VideoInfo, first_frame: int) -> None:
        """An earlier run made the rows before that frame; told after `video_started`."""

    def started_afresh(self, info: VideoInfo, reason: str) -> None:
        """The rows of an earlier run cannot be used."""

    def batch_halved(self, info: VideoInfo, batch_size: int) -> None:
        """There was not enough memory; the video goes on in batches of that size."""

    def frames_done(self, count: int) -> None:
        """That many more frames have a pose."""

    def video_finished(self, result: VideoResult) -> None:
        """A video is done, skipped or has failed."""


#: Carries out a plan, wherever it runs: the outcome of each video, in the plan's order; a run's own errors are raised.
Executor: TypeAlias = Callable[[RunPlan, Verb, RunObserver], Sequence[Outcome]]
#: Where each is; what it needs is imported when it is used.
EXECUTORS: dict[str, str] = {
    "here": "posecli.analysis.executors.here:here",
    "watched": "posecli.analysis.executors.watched:watched",
}


def executor(name: str) -> Executor:
    """The executor of that name."""
    module, function = EXECUTORS[name].split(":")
    found: Executor = getattr(import_module(module), function)
    return found

"""Who is told how an analysis goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # those who are only told of values need not load what makes them
    from posecli.engine import EngineInfo
    from posecli.inference.batching import BatchChoice
    from posecli.precision.gate import Figures
    from posecli.support.results import VideoResult
    from posecli.video.probe import VideoInfo


class RunObserver:
    """Is told how a run goes. This one does nothing; a command's own prints."""

    def gate_measured(self, figures: Figures) -> None:
        """A faster precision was measured; told for every video of the run."""

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

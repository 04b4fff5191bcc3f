"""How a run went: one result per video, and a report that owns the exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["done", "skipped", "short", "failed"]


@dataclass(frozen=True)
class VideoResult:
    """How one video went.

    Attributes
    ----------
    video
        The file.
    state
        ``done``; ``skipped``: the same result was there already; ``short``: done, but some frames are missing
        or could not be decoded, which was allowed; ``failed``.
    table
        The pose table, where there is one.
    frames
        Rows of the table that this run wrote.
    seconds
        From the first frame read to the table in place.
    bad_frames
        Indices of frames that could not be decoded: NaN, NaN, 0 in the table.
    stage_seconds
        How long each stage was busy.
    message
        Why it was skipped, is short, or failed.
    exit_code
        0, or the error's.
    """

    video: Path
    state: State
    table: Path | None = None
    frames: int = 0
    seconds: float = 0.0
    bad_frames: tuple[int, ...] = ()
    stage_seconds: dict[str, float] = field(default_factory=dict)
    message: str = ""
    exit_code: int = 0

    @property
    def frames_per_second(self) -> float:
        """Over all stages; 0 where nothing ran."""
        return self.frames / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "video": str(self.video),
            "state": self.state,
            "table": None if self.table is None else str(self.table),
            "frames": self.frames,
            "seconds": self.seconds,
            "frames_per_second": self.frames_per_second,
            "bad_frames": list(self.bad_frames),
            "stage_seconds": self.stage_seconds,
            "message": self.message,
            "exit_code": self.exit_code,
        }


@dataclass(frozen=True)
class AnalysisReport:
    """How all videos of a run went, in the order given."""

    results: tuple[VideoResult, ...]

    @property
    def exit_code(self) -> int:
        """The worst of the videos' exit codes."""
        return max((result.exit_code for result in self.results), default=0)

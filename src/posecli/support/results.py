"""How a run went: one result per video, and a report that owns the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

STAGES = ("read", "network", "decode", "write")
State = Literal["done", "skipped", "short", "failed", "busy"]


@dataclass(frozen=True)
class StageReport:
    """Where the time of a run went.

    `seconds` pass from the first frame read to the last pose handed to the table; in `stage_seconds` each stage was
    busy. Where stages overlap, they add up to more.

    >>> report = StageReport(100, 10.0, {"read": 1.0, "network": 9.5, "decode": 0.1, "write": 0.1})
    >>> report.sentence
    'limited by the network: 95 % busy'
    >>> round(report.alone_fps["read"])
    100
    """

    frames: int
    seconds: float
    stage_seconds: dict[str, float]

    @property
    def alone_fps(self) -> dict[str, float]:
        """Frames per second that each stage would reach if it never had to wait."""
        return {name: self.frames / max(busy, 1e-9) for name, busy in self.stage_seconds.items()}

    @property
    def busy(self) -> dict[str, float]:
        """Share of the time that each stage was busy."""
        return {name: busy / max(self.seconds, 1e-9) for name, busy in self.stage_seconds.items()}

    @property
    def sentence(self) -> str:
        """Which stage sets the speed."""
        slowest = max(self.busy, key=self.busy.__getitem__)
        return f"limited by the {slowest}: {self.busy[slowest]:.0%} busy".replace("%", " %")

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values, with all that follows from it."""
        return {
            "seconds": self.seconds,
            "frames_per_second": self.frames / max(self.seconds, 1e-9),
            "stage_seconds": self.stage_seconds,
            "stage_busy": self.busy,
            "stage_alone_fps": self.alone_fps,
            "bottleneck": self.sentence,
        }


#: What the shares of behaviours are of; body parts are seen in frames.
SHOWN = "share of chunks"
#: A body part that is seen in fewer frames is worth a look.
LOW = 0.5


@dataclass(frozen=True)
class VideoResult:
    """How the analysis of one video went."""

    video: Path
    #: ``skipped``: the same result was there already; ``short``: done, but some frames are missing or could not be
    #: decoded, which was allowed; ``busy``: another process is at it.
    state: State
    #: The pose table, where there is one.
    table: Path | None = None
    #: Rows of the table, where this run made it.
    frames: int = 0
    #: From this run's first frame to the last row written.
    seconds: float = 0.0
    #: Indices of frames that could not be decoded: NaN, NaN, 0 in the table.
    bad_frames: tuple[int, ...] = ()
    #: Where the time went; ``None`` where nothing ran.
    stages: StageReport | None = None
    #: Why it was skipped, is short, is busy, or failed.
    message: str = ""
    exit_code: int = 0
    #: Where this run began: an earlier one, which was interrupted, made the rows before.
    first_frame: int = 0
    #: What is odd about the video, though nothing is wrong with the table.
    notes: tuple[str, ...] = ()
    #: How the network looked at the frames, what was measured to choose that, what was refused and what was left out:
    #: the sections ``settings``, ``parity_gate``, ``left_out``, ``batch_trials`` and ``windows`` of the manifest.
    plan: Mapping[str, Any] = field(default_factory=dict)
    #: Frames of this run of which a student's teacher was asked; ``None`` where there was none.
    teacher_frames: int | None = None
    #: Share of the frames in which each body part was seen, or of the chunks that show each behaviour.
    seen: Mapping[str, float] = field(default_factory=dict)
    seen_what: str = ""  #: What that means, for people.

    def is_low(self, name: str) -> bool:
        """Whether something that should be in nearly every frame is seldom seen."""
        return self.seen_what != SHOWN and self.seen[name] < LOW

    @property
    def frames_per_second(self) -> float:
        """Over all stages; 0 where nothing ran."""
        return (self.frames - self.first_frame) / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON values, with its speed."""
        return vars(self) | {
            "video": str(self.video),
            "table": None if self.table is None else str(self.table),
            "frames_per_second": self.frames_per_second,
            "bad_frames": list(self.bad_frames),
            "stages": None if self.stages is None else self.stages.as_dict(),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class AnalysisReport:
    """How all videos of a run went, in the order given."""

    results: tuple[VideoResult, ...]

    @property
    def counts(self) -> dict[State, int]:
        """How many videos ended in each state; states that none ended in are left out.

        >>> AnalysisReport((VideoResult(Path("a"), "done"), VideoResult(Path("b"), "done"))).counts
        {'done': 2}
        """
        found = Counter(result.state for result in self.results)
        return {state: found[state] for state in get_args(State) if state in found}

    @property
    def exit_code(self) -> int:
        """The worst of the videos' exit codes."""
        return max((result.exit_code for result in self.results), default=0)

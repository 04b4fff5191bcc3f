"""Progress in frames: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Never

import click

from posecli.analysis.executors import Outcome, RunObserver
from posecli.analysis.plan import Forecast, VideoPlan, plain
from posecli.cli.base import Output, aligned, duration, percent
from posecli.support.results import AnalysisReport, StageReport, VideoResult

if TYPE_CHECKING:
    from tqdm import tqdm

    from posecli.engine import EngineInfo
    from posecli.inference.batching import BatchChoice
    from posecli.precision.gate import Figures
    from posecli.video.probe import VideoInfo

#: Seconds between plain lines, over which their speed is measured.
PLAIN_INTERVAL = 10.0
#: Body parts that the line of a result names at most.
MOST_SEEN = 8
NO_VIDEOS = "no videos in this shard"


class AnalysisProgress(RunObserver):
    """Prints how an analysis goes."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._meter: tqdm[Never] | PlainProgress | None = None
        self._announced: str | None = None
        self._told: set[str] = set()
        self.forecast: Forecast | None = None

    def int8_begins(self, ahead: float, saved: float, cost: float) -> None:
        ahead_words, saved_words, cost_words = map(duration, (ahead, saved, cost))
        self._output.say(
            f"{ahead_words} of network ahead; making an int8 version first: about {cost_words}, saves {saved_words}"
        )

    def foretold(self, forecast: Forecast) -> None:
        self.forecast = forecast

    def preparing(self, step: str) -> None:
        self._output.say(step)

    def gate_measured(self, figures: Figures) -> None:
        verdict = "passes" if figures.passed else "does not pass"
        self._say_once(f"parity gate: {figures}: {verdict}")

    def left_out(self, sentence: str) -> None:
        self._say_once(sentence)

    def batch_measured(self, choice: BatchChoice) -> None:
        self._say_once(f"batch size: {choice}")

    def _say_once(self, line: str) -> None:
        """Print what is true of several videos only once."""
        if line not in self._told:
            self._told.add(line)
            self._output.say(line)

    def engine_ready(self, network: str, info: EngineInfo, work: str) -> None:
        line = (
            f"model {network}, engine {info.name} {info.version} on {info.device} "
            f"({info.threads} threads), {info.precision}, {work}"
        )
        if line != self._announced:
            self._output.say(line)
            self._announced = line

    def video_started(self, info: VideoInfo) -> None:
        if info.announced is not None and info.announced.is_variable:
            self._output.say(
                f"{info.path.name}: variable frame rate; each frame's own time is kept in the table's file"
            )
        self._begin(info)

    def video_resumed(self, info: VideoInfo, first_frame: int) -> None:
        self._output.say(f"{info.path.name}: continuing at frame {first_frame} of {info.expected_frames}")
        self._begin(info, first_frame)

    def started_afresh(self, info: VideoInfo, reason: str) -> None:
        self._output.warn(f"{info.path.name}: starting over: {reason}")

    def batch_halved(self, info: VideoInfo, batch_size: int) -> None:
        self._output.warn(f"{info.path.name}: not enough memory: continuing in batches of {batch_size}")

    def frames_done(self, count: int) -> None:
        if self._meter is not None:
            self._meter.update(count)

    def video_finished(self, result: VideoResult) -> None:
        self._end()
        if result.state == "failed":
            self._output.warn(f"Error: {result.message}")
        elif result.state == "busy":
            self._output.warn(f"{result.video.name}: passed over: {result.message}")
        else:
            self._output.say(summary_line(result), *(f"{result.video.name}: {note}" for note in result.notes))
            if result.seen:
                self._output.say(f"  {seen_line(result)}")
        if result.stages is not None:
            more = f"; {stage_line(result.stages)}" if self._output.verbose else ""
            self._output.say(f"  {result.stages.sentence}{more}")

    def _begin(self, info: VideoInfo, done: int = 0) -> None:
        self._end()
        if not self._output.quiet:
            self._meter = _meter(info.path.name, info.expected_frames, done)

    def _end(self) -> None:
        if self._meter is not None:
            self._meter.close()
        self._meter = None


def run_report(
    outcomes: Sequence[Outcome], forecast: Forecast | None = None, *, dry_run: bool
) -> tuple[list[str], dict[str, Any]]:
    """Of all videos: closing lines, and the JSON object; of a dry run what would be done with each, and how."""
    if dry_run:
        plans = [outcome for outcome in outcomes if isinstance(outcome, VideoPlan)]
        lines = [*decision_lines(plans), *([] if forecast is None else forecast_lines(forecast))]
        return lines, {"decisions": [plain(each) for each in plans], "plan": forecast and plain(forecast)}
    report = AnalysisReport(tuple(outcome for outcome in outcomes if isinstance(outcome, VideoResult)))
    results = [result.as_dict() for result in report.results]
    return closing_lines(report) if len(results) != 1 else [], {"results": results, "counts": report.counts}


def closing_lines(report: AnalysisReport) -> list[str]:
    """How many of several videos ended in each state, and those that need attention."""
    counts = ", ".join(f"{count} {state}" for state, count in report.counts.items())
    noted = [result for result in report.results if result.state not in ("done", "skipped")]
    rows = [[result.state, str(result.video), result.message] for result in noted]
    head = f"{len(report.results)} videos: {counts}" if counts else NO_VIDEOS
    return [head, *(aligned(rows) if rows else [])]


def decision_lines(decisions: Sequence[VideoPlan]) -> list[str]:
    """What would be done with each video."""
    words = {"resume": "resume at frame {}", "analyse": "analyse"}
    actions = [words.get(each.action, each.action).format(each.first_frame) for each in decisions]
    rows = [
        [action, str(each.video), _size(each), each.message] for action, each in zip(actions, decisions, strict=True)
    ]
    return aligned(rows) if rows else [NO_VIDEOS]


def _size(decision: VideoPlan) -> str:
    """How long a video is, and what the network sees of it."""
    if not decision.shape:
        return ""
    height, width = decision.shape[-3:-1]
    return f"{decision.frames:,} frames, network input {width}x{height} px"


def forecast_lines(forecast: Forecast) -> list[str]:
    """The plan of a run, and the time that it may take, for people."""
    settings = {"precision": forecast.precision, "scale": forecast.scale, "windows": forecast.window}
    return [
        *(f"{name}: {words}" for name, words in settings.items()),
        *forecast.left_out,
        *(f"first {each.what}: about {duration(each.seconds)}" for each in forecast.first),
        *(f"expected in {each.what}: about {duration(each.seconds)}" for each in forecast.expected),
    ]


@contextmanager
def frame_progress(output: Output, name: str, total: int) -> Iterator[Callable[[int], object]]:
    """Show how many frames are done; yields what to call with how many more are."""
    if output.quiet:
        yield lambda _count: None
        return
    with closing(_meter(name, total)) as meter:
        yield meter.update


def _meter(name: str, total: int, done: int = 0) -> tqdm[Never] | PlainProgress:
    """A bar on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        return PlainProgress(name, total, done)
    from tqdm import tqdm

    return tqdm(total=total, initial=done, unit=" frames", desc=name, dynamic_ncols=True, leave=False)


class PlainProgress:
    """Prints a line every `PLAIN_INTERVAL` seconds."""

    def __init__(self, name: str, total: int, done: int = 0) -> None:
        self._name, self._total, self._done = name, total, done
        self._told = (time.monotonic(), done)

    def update(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        start, done_then = self._told
        if now - start < PLAIN_INTERVAL:
            return
        self._told = (now, self._done)
        speed = (self._done - done_then) / (now - start)
        left = (self._total - self._done) / speed if speed else float("inf")
        click.echo(
            f"{self._name}: {self._done} of {self._total} frames, {speed:.1f} fps, {duration(left)} left", err=True
        )

    def close(self) -> None:
        """Nothing to clean up; a bar has to be."""


def summary_line(result: VideoResult) -> str:
    """One line about a video that did not fail."""
    if result.state == "skipped":
        return f"{result.video.name}: skipped, {result.message}: {result.table}"
    note = f" ({result.message})" if result.message else ""
    note += f" (from frame {result.first_frame} on)" if result.first_frame and result.seconds else ""
    if result.teacher_frames is not None:
        share = result.teacher_frames / max(1, result.frames - result.first_frame)
        note += f" (its teacher was asked about {result.teacher_frames} frames, {100 * share:.1f} %)"
    speed = f" in {result.seconds:.1f} s, {result.frames_per_second:.1f} fps" if result.seconds else " taken over"
    return f"{result.video.name}: {result.state}{note}, {result.frames} frames{speed}: {result.table}"


def seen_line(result: VideoResult) -> str:
    """What was found in a video; of many body parts or behaviours the rarest.

    >>> from pathlib import Path
    >>> seen_line(VideoResult(Path("a"), "done", seen_what="likelihood 0.6 or more", seen={"ear": 0.99, "tail": 0.07}))
    'seen (likelihood 0.6 or more): ear 99 %, tail 7 % (low)'
    """
    rarest = sorted(result.seen, key=lambda name: result.seen[name])[:MOST_SEEN]
    listed = [name for name in result.seen if name in rarest] if len(result.seen) <= MOST_SEEN else rarest
    words = [f"{name} {percent(result.seen[name])}{' (low)' if result.is_low(name) else ''}" for name in listed]
    others = len(result.seen) - len(listed)
    return f"seen ({result.seen_what}): {', '.join(words)}{f', and {others} others more often' if others else ''}"


def stage_line(stages: StageReport) -> str:
    """What each stage could do alone, and its load.

    >>> stage_line(StageReport(100, 10.0, {"read": 1.0, "network": 9.5}))
    'read 100 fps alone, 10 % busy; network 11 fps alone, 95 % busy'
    """
    alone, busy = stages.alone_fps, stages.busy
    return "; ".join(f"{name} {alone[name]:.0f} fps alone, {100 * busy[name]:.0f} % busy" for name in busy)

"""What the commands that run a network over videos share: their options, and how they go about it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.base import PATH, Output, stop_signals
from posecli.cli.options import (
    AnyCallback,
    all_of,
    batch_size_option,
    crop_option,
    engine_option,
    pipeline_option,
    precision_option,
    threads_option,
)
from posecli.cli.workers import OWN_PROCESS, Watcher, Worker
from posecli.options import VIDEO_BACKENDS, Crop, EngineOptions, PipelineName, RunOptions, Shard
from posecli.video.find import FoundVideos, find_videos

if TYPE_CHECKING:
    from posecli.analysis import Known, RunObserver
    from posecli.support.results import AnalysisReport, Decision


#: Options of the command line that are called what their fields are called.
SAME_NAMES = ("batch_size", "video_backend", "pipeline", "allow_short", "out_dir", "overwrite", "csv", "recursive")


def batch_options(defaults: RunOptions, items: str) -> Callable[[AnyCallback], AnyCallback]:
    """Add what comes first: the batch size, and the crop."""
    words = f"{items} per call of the network; auto tries a few sizes on the video and takes the fastest."
    return all_of(batch_size_option(words, defaults.batch_size, auto=True), crop_option)


def engine_options(limit: Any) -> Callable[[AnyCallback], AnyCallback]:
    """Add engine and precision, and the option that sets the limit of the parity gate."""
    words = "; auto is the fastest that passes the parity gate on these videos."
    return all_of(engine_option, precision_option(words), limit)


def running_options(
    defaults: RunOptions, pipelines: tuple[PipelineName, ...], pipeline_help: str
) -> Callable[[AnyCallback], AnyCallback]:
    """Add pipeline, threads, where results go, and which videos are meant."""
    return all_of(
        pipeline_option(pipeline_help, pipelines),
        threads_option,
        click.option(
            "--video-backend",
            type=click.Choice(VIDEO_BACKENDS),
            default=defaults.video_backend,
            help="FFmpeg decodes (auto and pyav alike); opencv takes OpenCV's pictures as long as they are FFmpeg's.",
        ),
        click.option(
            "--allow-short",
            is_flag=True,
            help="Accept a video with frames missing: NaN for those that cannot be decoded.",
        ),
        click.option("-o", "--out-dir", type=PATH, help="Folder for the results.  [beside each video]"),
        click.option("--overwrite", is_flag=True, help="Replace results that are there already."),
        click.option("--csv", is_flag=True, help="Write each table as CSV too."),
        click.option("--recursive", is_flag=True, help="Look for videos in the folders of folders too."),
        click.option(
            "--shard",
            metavar="I/N|slurm",
            help="Analyse the I-th of N parts of the videos; slurm takes both from the SLURM job array.",
        ),
        click.option("--dry-run", is_flag=True, help="Say what would be done with each video, and do nothing."),
    )


def shared_fields(flags: dict[str, Any]) -> dict[str, Any]:
    """Flags to those fields of the options that every run has."""
    return {name: flags[name] for name in SAME_NAMES} | {
        "engine": EngineOptions(flags["engine"], flags["precision"], flags["threads"]),
        "crop": None if flags["crop"] is None else Crop.parse(flags["crop"]),
        "shard": None if flags["shard"] is None else Shard.parse(flags["shard"]),
    }


def watched(found: FoundVideos, output: Output, *, own_process: bool) -> Worker | int:
    """Where several videos could suffer from the crash of one: a worker for them, or the exit code of the last one.

    A program that calls commands in its own process must not find itself in two.
    """
    if not (own_process and sys.platform == "linux" and len(found.videos) > 1):
        return Worker()
    return Watcher(output).worker()


#: Goes through the videos, once a model is loaded: the observer and what earlier processes have found go in.
Go = Callable[["RunObserver", "Known"], Any]


def run_over(
    ctx: click.Context,
    videos: tuple[str, ...],
    options: RunOptions,
    output: Output,
    open_run: Callable[[], tuple[Go, Go]],
    *,
    dry_run: bool,
) -> None:
    """Go through the videos, or say what would be done with them, and end with the run's exit code.

    Parameters
    ----------
    open_run
        Loads the model; gives what runs, and what only plans.
    """
    with stop_signals():
        found = find_videos(videos, recursive=options.recursive)
        if found.passed_over:
            output.say(f"passed over: {found.passed_over}")
        worker = watched(found, output, own_process=ctx.obj is OWN_PROCESS)
        if isinstance(worker, int):
            ctx.exit(worker)

        run, plan = open_run()
        exit_code = _planned(plan, found, output, worker) if dry_run else _done(run, found, output, worker)
        worker.ends(exit_code)
        ctx.exit(exit_code)


def _done(run: Go, found: FoundVideos, output: Output, worker: Worker) -> int:
    """Run, and report; the exit code."""
    from posecli.analysis import Known
    from posecli.cli.progress import AnalysisProgress, closing_lines

    report: AnalysisReport = run(AnalysisProgress(output, worker), Known.of(worker.notes))
    if len(report.results) != 1:
        for line in closing_lines(report):
            output.say(line)
    output.result(
        {
            "results": [result.as_dict() for result in report.results],
            "counts": report.counts,
            "passed_over": found.passed_over_as_dict(),
            "exit_code": report.exit_code,
        }
    )
    return report.exit_code


def _planned(plan: Go, found: FoundVideos, output: Output, worker: Worker) -> int:
    """Say what would be done; the exit code of the worst refusal."""
    from posecli.analysis import Known
    from posecli.cli.progress import AnalysisProgress, decision_lines

    decisions: tuple[Decision, ...] = plan(AnalysisProgress(output, worker), Known.of(worker.notes))
    exit_code = max((decision.exit_code for decision in decisions), default=0)
    for line in decision_lines(decisions):
        output.say(line)
    output.result(
        {
            "decisions": [decision.as_dict() for decision in decisions],
            "passed_over": found.passed_over_as_dict(),
            "exit_code": exit_code,
        }
    )
    return exit_code

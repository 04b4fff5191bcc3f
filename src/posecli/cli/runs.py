"""What the commands that run a network over videos share: their options, and how they go about it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from posecli.cli.base import Output, stop_signals
from posecli.cli.workers import OWN_PROCESS, Watcher, Worker
from posecli.options import (
    ENGINES,
    PRECISIONS,
    VIDEO_BACKENDS,
    Crop,
    EngineOptions,
    PipelineName,
    RunOptions,
    Shard,
)
from posecli.videos import find_videos

if TYPE_CHECKING:
    from posecli.analysis import Known, RunObserver
    from posecli.results import AnalysisReport, Decision

AnyCallback = TypeVar("AnyCallback", bound=Callable[..., Any])

#: Options of the command line that are called what their fields are called.
SAME_NAMES = (
    "batch_size",
    "video_backend",
    "pipeline",
    "allow_short",
    "out_dir",
    "overwrite",
    "csv",
    "recursive",
)


def batch_size_option(value: int | str) -> int | str:
    """What ``--batchsize`` takes: a whole number, or ``auto``."""
    try:
        return value if value == "auto" else int(value)
    except ValueError:
        raise click.BadParameter(f"'{value}' is neither a whole number nor 'auto'.") from None


def batch_options(defaults: RunOptions, items: str) -> Callable[[AnyCallback], AnyCallback]:
    """Add what comes first: the batch size, and the crop."""
    return _all_of(
        click.option(
            "-b",
            "--batchsize",
            "--batch-size",
            "batch_size",
            type=batch_size_option,
            metavar="N|auto",
            default=defaults.batch_size,
            show_default=True,
            help=f"{items} per call of the network; auto tries a few sizes on the video and takes the fastest.",
        ),
        click.option("--crop", help="Part of the frame to look at: x1,x2,y1,y2 in px."),
    )


def engine_options(defaults: RunOptions, limit: Any) -> Callable[[AnyCallback], AnyCallback]:
    """Add engine and precision, and the option that sets the limit of the parity gate."""
    return _all_of(
        click.option(
            "--engine",
            type=click.Choice(ENGINES),
            default=defaults.engine.engine,
            show_default=True,
            help="Runtime of the network.",
        ),
        click.option(
            "--precision",
            type=click.Choice(PRECISIONS),
            default=defaults.engine.precision,
            show_default=True,
            help="Arithmetic of the network; auto is the fastest that passes the parity gate on these videos.",
        ),
        limit,
    )


def running_options(
    defaults: RunOptions, pipelines: tuple[PipelineName, ...], pipeline_help: str
) -> Callable[[AnyCallback], AnyCallback]:
    """Add pipeline, threads, where results go, and which videos are meant."""
    return _all_of(
        click.option(
            "--pipeline",
            type=click.Choice(pipelines),
            default=defaults.pipeline,
            show_default=True,
            help=pipeline_help,
        ),
        click.option("--threads", type=int, help="Threads for the network.  [every core this process may use]"),
        click.option(
            "--video-backend",
            type=click.Choice(VIDEO_BACKENDS),
            default=defaults.video_backend,
            show_default=True,
            help="Library that decodes the video; the other one is asked for frames that it cannot decode.",
        ),
        click.option(
            "--allow-short",
            is_flag=True,
            help="Accept a video with frames missing: NaN for those that cannot be decoded.",
        ),
        click.option(
            "-o",
            "--out-dir",
            type=click.Path(path_type=Path),
            help="Folder for the results.  [beside each video]",
        ),
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


def _all_of(*options: Any) -> Callable[[AnyCallback], AnyCallback]:
    def add(function: AnyCallback) -> AnyCallback:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def shared_fields(flags: dict[str, Any]) -> dict[str, Any]:
    """Flags to those fields of the options that every run has."""
    return {name: flags[name] for name in SAME_NAMES} | {
        "engine": EngineOptions(flags["engine"], flags["precision"], flags["threads"]),
        "crop": None if flags["crop"] is None else Crop.parse(flags["crop"]),
        "shard": None if flags["shard"] is None else Shard.parse(flags["shard"]),
    }


def watched(videos: tuple[str, ...], options: RunOptions, output: Output, *, own_process: bool) -> Worker | int:
    """Where several videos could suffer from the crash of one: a worker for them, or the exit code of the last one.

    A program that calls commands in its own process must not find itself in two.
    """
    if not (own_process and sys.platform == "linux" and len(find_videos(videos, recursive=options.recursive)) > 1):
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
        worker = watched(videos, options, output, own_process=ctx.obj is OWN_PROCESS)
        if isinstance(worker, int):
            ctx.exit(worker)

        run, plan = open_run()
        exit_code = _planned(plan, output, worker) if dry_run else _done(run, output, worker)
        worker.ends(exit_code)
        ctx.exit(exit_code)


def _done(run: Go, output: Output, worker: Worker) -> int:
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
            "exit_code": report.exit_code,
        }
    )
    return report.exit_code


def _planned(plan: Go, output: Output, worker: Worker) -> int:
    """Say what would be done; the exit code of the worst refusal."""
    from posecli.analysis import Known
    from posecli.cli.progress import AnalysisProgress, decision_lines

    decisions: tuple[Decision, ...] = plan(AnalysisProgress(output, worker), Known.of(worker.notes))
    exit_code = max((decision.exit_code for decision in decisions), default=0)
    for line in decision_lines(decisions):
        output.say(line)
    output.result({"decisions": [decision.as_dict() for decision in decisions], "exit_code": exit_code})
    return exit_code

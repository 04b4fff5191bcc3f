"""What the commands that run a network over videos share: their options, and how they go about it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from posecli.cli.base import OWN_PROCESS, PATH, Output, config_option, output_options, stop_signals
from posecli.cli.options import AnyCallback, all_of, batch_size_option, crop_option, engine_options, pipeline_option
from posecli.options import (
    VIDEO_BACKENDS,
    AnalyzeOptions,
    ClassifyOptions,
    Crop,
    InputSize,
    PipelineName,
    RunOptions,
    Shard,
)
from posecli.video.find import find_videos

if TYPE_CHECKING:
    from posecli.model.deeplabcut import NetworkChoice

OptionsT = TypeVar("OptionsT", AnalyzeOptions, ClassifyOptions)

#: Options that are text on the command line, and how it becomes a value.
PARSED: dict[str, Callable[[str], Any]] = {"crop": Crop.parse, "shard": Shard.parse, "input_size": InputSize.parse}


def run_options(
    defaults: RunOptions, items: str, pipelines: tuple[PipelineName, ...], *own: Any, limit: Any, note: str = ""
) -> Callable[[AnyCallback], AnyCallback]:
    """All options of a run: those that every run has, around a command's own ones and the parity gate's limit."""
    batch_help = f"{items} per call of the network; auto tries a few sizes on the video and takes the fastest."
    return all_of(
        batch_size_option(batch_help, defaults.batch_size, auto=True),
        crop_option,
        *own,
        engine_options("; auto is the fastest that passes the parity gate on these videos."),
        limit,
        pipeline_option(f"How reading, inference and decoding overlap; results are the same.{note}", pipelines),
        click.option(
            "--video-backend",
            type=click.Choice(VIDEO_BACKENDS),
            default=defaults.video_backend,
            help="FFmpeg decodes (auto and pyav alike); opencv takes OpenCV's pictures as long as they are FFmpeg's.",
        ),
        click.option(
            "--allow-short", is_flag=True, help="Accept a video with missing frames: NaN where one cannot be decoded."
        ),
        click.option("-o", "--out-dir", type=PATH, help="Folder for the results.  [beside each video]"),
        click.option("--overwrite", is_flag=True, help="Replace existing results."),
        click.option("--csv", is_flag=True, help="Write each table as CSV too."),
        click.option("--recursive", is_flag=True, help="Look for videos in subfolders too."),
        click.option(
            "--shard",
            metavar="I/N|slurm",
            help="Analyse the I-th of N parts of the videos; slurm takes both from the SLURM job array.",
        ),
        click.option("--dry-run", is_flag=True, help="Say what would be done with each video, and do nothing."),
        config_option,
        output_options,
    )


def options_of(kind: type[OptionsT], flags: dict[str, Any]) -> OptionsT:
    """Flags as they come from the command line to the options that they mean."""
    parsed = {name: parse(flags[name]) for name, parse in PARSED.items() if flags.get(name) is not None}
    return kind(**(flags | parsed))


def run_over(
    ctx: click.Context,
    videos: tuple[str, ...],
    model: Path | None,
    options: AnalyzeOptions | ClassifyOptions,
    output: Output,
    *,
    dry_run: bool,
    knows: str,
    network: NetworkChoice | None = None,
) -> None:
    """Go through the videos, or say what would be done with them, and end with the run's exit code.

    Where no model is given the built-in one is used, and what it `knows` is said.
    """
    from posecli.analysis.executors import executor
    from posecli.analysis.plan import RunPlan, open_folder
    from posecli.cli.progress import AnalysisProgress, run_report

    with stop_signals():
        found = find_videos(videos, recursive=options.recursive)
        if found.passed_over:
            output.say(f"passed over: {found.passed_over}")
        folder = open_folder(model, options, network)
        if model is None:
            output.say(f"no --model is given: using the built-in network, which knows {knows}")
        # Where several videos could suffer from the crash of one, a process of its own takes the risk; but a program
        # that calls commands in its own process must not find itself in two.
        is_watched = ctx.obj is OWN_PROCESS and sys.platform == "linux" and len(found.videos) > 1
        carry_out = executor("watched" if is_watched else "here")
        plan = RunPlan.of(found.videos, folder, options)
        outcomes = carry_out(plan, "decide" if dry_run else "carry_out", AnalysisProgress(output))
        lines, content = run_report(outcomes, dry_run=dry_run)
        for line in lines:
            output.say(line)
        exit_code = max((outcome.exit_code for outcome in outcomes), default=0)
        output.result(content | {"passed_over": found.passed_over_as_dict(), "exit_code": exit_code})
        ctx.exit(exit_code)

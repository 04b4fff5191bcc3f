"""``posecli analyze``: videos to pose tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.base import Command, Output, config_option, make_output, output_options, stop_signals
from posecli.cli.model import choice_options
from posecli.cli.workers import OWN_PROCESS, Watcher, Worker
from posecli.options import (
    DECODERS,
    ENGINES,
    PIPELINES,
    PRECISIONS,
    VIDEO_BACKENDS,
    AnalyzeOptions,
    Crop,
    EngineOptions,
    Shard,
)
from posecli.videos import find_videos

if TYPE_CHECKING:
    from posecli.predictor import PoseModel

DEFAULTS = AnalyzeOptions()


def batch_size_option(value: int | str) -> int | str:
    """What ``--batchsize`` takes: a whole number, or ``auto``."""
    try:
        return value if value == "auto" else int(value)
    except ValueError:
        raise click.BadParameter(f"'{value}' is neither a whole number nor 'auto'.") from None


@click.command(cls=Command)
@click.argument("videos", nargs=-1, required=True, type=click.Path())
@click.option(
    "-m",
    "--model",
    type=click.Path(path_type=Path),
    help="Model folder, or DeepLabCut project (config.yaml or folder), dlc-models folder or exported model.  "
    "[the built-in network: a mouse from above]",
)
@choice_options
@click.option(
    "-b",
    "--batchsize",
    "--batch-size",
    "batch_size",
    type=batch_size_option,
    metavar="N|auto",
    default=DEFAULTS.batch_size,
    show_default=True,
    help="Frames per call of the network; auto tries a few sizes on the video and takes the fastest.",
)
@click.option("--crop", help="Part of the frame to look at: x1,x2,y1,y2 in px.")
@click.option(
    "--scale",
    type=float,
    default=DEFAULTS.scale,
    show_default=True,
    help="Resize frames by this factor for the network; poses stay in px of the full frame.",
)
@click.option(
    "--decoder",
    type=click.Choice(DECODERS),
    default=DEFAULTS.decoder,
    show_default=True,
    help="How scoremaps become poses. All give equal poses; standard runs one frame at a time.",
)
@click.option(
    "--num-outputs",
    type=int,
    default=DEFAULTS.num_outputs,
    show_default=True,
    help="Peaks to report per body part, best first.",
)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=DEFAULTS.engine.engine,
    show_default=True,
    help="Runtime of the network.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default=DEFAULTS.engine.precision,
    show_default=True,
    help="Arithmetic of the network; auto is the fastest that passes the parity gate on these videos.",
)
@click.option(
    "--max-shift",
    type=float,
    default=DEFAULTS.max_shift,
    show_default=True,
    help="Largest shift against fp32 (99th percentile, px) that the parity gate allows a faster precision.",
)
@click.option(
    "--pipeline",
    type=click.Choice(PIPELINES),
    default=DEFAULTS.pipeline,
    show_default=True,
    help="How reading, network and decoding are laid over each other; poses are the same. Those that begin with tf- "
    "read through tf.data, for --engine tensorflow.",
)
@click.option("--threads", type=int, help="Threads for the network.  [every core this process may use]")
@click.option(
    "--video-backend",
    type=click.Choice(VIDEO_BACKENDS),
    default=DEFAULTS.video_backend,
    show_default=True,
    help="Library that decodes the video; the other one is asked for frames that it cannot decode.",
)
@click.option(
    "--allow-short", is_flag=True, help="Accept a video with frames missing: NaN for those that cannot be decoded."
)
@click.option("-o", "--out-dir", type=click.Path(path_type=Path), help="Folder for the results.  [beside each video]")
@click.option("--overwrite", is_flag=True, help="Replace results that are there already.")
@click.option("--csv", is_flag=True, help="Write each table as CSV too.")
@click.option("--recursive", is_flag=True, help="Look for videos in the folders of folders too.")
@click.option(
    "--shard",
    metavar="I/N|slurm",
    help="Analyse the I-th of N parts of the videos; slurm takes both from the SLURM job array.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done with each video, and do nothing.")
@config_option
@output_options
@click.pass_context
def analyze(
    ctx: click.Context,
    /,
    videos: tuple[str, ...],
    model: Path | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **flags: Any,
) -> None:
    """Find the body parts in every frame of VIDEOS.

    VIDEOS are files, folders, quoted patterns ('day*/*.avi') and lists (@list.txt). One HDF5 pose table per video,
    named as DeepLabCut names it, is put beside the video or into --out-dir. A video whose table was made before with
    the same model and settings is skipped; one whose analysis was interrupted goes on at the frame it had come to.

    \b
    Examples:
        posecli analyze video.mp4 --batchsize 64
        posecli analyze recordings --recursive -m project/config.yaml -o poses --csv
        posecli analyze recordings -m my-model --shard slurm
        posecli analyze video.mp4 --config analyze.yaml --scale 0.5
    """
    output = make_output(as_json, quiet, verbose)
    options = analyze_options(flags)
    with stop_signals():
        worker = watched(videos, options, output, own_process=ctx.obj is OWN_PROCESS)
        if isinstance(worker, int):
            ctx.exit(worker)

        from posecli.model.builtin import builtin_model_path
        from posecli.model.deeplabcut import Choice
        from posecli.predictor import load_model

        choice = Choice(flags["shuffle"], flags["trainset_index"], flags["snapshot"])
        if model is None:
            model = builtin_model_path()
            output.say("no --model is given: using the built-in network, which knows a mouse seen from above")
        loaded = load_model(model, options.engine, choice)
        run = _planned if dry_run else _analyzed
        exit_code = run(videos, loaded, options, output, worker)
        worker.ends(exit_code)
        ctx.exit(exit_code)


def watched(videos: tuple[str, ...], options: AnalyzeOptions, output: Output, *, own_process: bool) -> Worker | int:
    """Where several videos could suffer from the crash of one: a worker for them, or the exit code of the last one.

    A program that calls commands in its own process must not find itself in two.
    """
    if not (own_process and sys.platform == "linux" and len(find_videos(videos, recursive=options.recursive)) > 1):
        return Worker()
    return Watcher(output).worker()


def _analyzed(
    videos: tuple[str, ...], model: PoseModel, options: AnalyzeOptions, output: Output, worker: Worker
) -> int:
    """Analyse, and report; the exit code."""
    from posecli.analysis import Known
    from posecli.analysis import analyze as analyze_videos
    from posecli.cli.progress import AnalysisProgress, closing_lines

    report = analyze_videos(videos, model, options, AnalysisProgress(output, worker), Known.of(worker.notes))
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


def _planned(videos: tuple[str, ...], model: PoseModel, options: AnalyzeOptions, output: Output, worker: Worker) -> int:
    """Say what would be done; the exit code of the worst refusal."""
    from posecli.analysis import Known, plan_analysis
    from posecli.cli.progress import AnalysisProgress, decision_lines

    decisions = plan_analysis(videos, model, options, AnalysisProgress(output, worker), Known.of(worker.notes))
    exit_code = max((decision.exit_code for decision in decisions), default=0)
    for line in decision_lines(decisions):
        output.say(line)
    output.result({"decisions": [decision.as_dict() for decision in decisions], "exit_code": exit_code})
    return exit_code


def analyze_options(flags: dict[str, Any]) -> AnalyzeOptions:
    """Flags as they come from the command line to the options that they mean."""
    return AnalyzeOptions(
        engine=EngineOptions(flags["engine"], flags["precision"], flags["threads"]),
        crop=None if flags["crop"] is None else Crop.parse(flags["crop"]),
        shard=None if flags["shard"] is None else Shard.parse(flags["shard"]),
        **{
            name: flags[name]
            for name in (
                "batch_size",
                "decoder",
                "num_outputs",
                "scale",
                "video_backend",
                "pipeline",
                "max_shift",
                "allow_short",
                "out_dir",
                "overwrite",
                "csv",
                "recursive",
            )
        },
    )

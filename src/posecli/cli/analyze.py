"""``posecli analyze``, ``classify`` and ``outpath``: videos to tables of poses or of behaviours."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli import __version__
from posecli.cli.base import (
    OWN_PROCESS,
    PATH,
    Command,
    Decorator,
    Output,
    all_of,
    batch_size_option,
    boxes_option,
    crop_option,
    engine_options,
    number_or,
    pipeline_option,
    pixels,
    project_options,
    stop_signals,
)
from posecli.options import (
    CLIP_PIPELINES,
    DECODERS,
    PIPELINES,
    VIDEO_BACKENDS,
    AnalyzeOptions,
    ClassifyOptions,
    Crop,
    InputSize,
    PipelineName,
    RunOptions,
    Shard,
)
from posecli.support.words import counted

if TYPE_CHECKING:
    from posecli.model.deeplabcut import NetworkChoice

POSES, BEHAVIOURS = AnalyzeOptions(), ClassifyOptions()
#: Options that are text on the command line, and how it becomes a value.
PARSED: dict[str, Callable[[str], Any]] = {
    "crop": Crop.parse,
    "shard": Shard.parse,
    "input_size": InputSize.parse,
    "within": pixels("within"),
}


def run_options(
    defaults: RunOptions, items: str, pipelines: tuple[PipelineName, ...], *own: Any, limit: Any, note: str = ""
) -> Decorator:
    """All options of a run: those that every run has, around a command's own ones and the parity gate's limit."""
    batch_help = f"{items} per call of the network; auto tries a few sizes on the video and takes the fastest."
    return all_of(
        batch_size_option(batch_help, defaults.batch_size, auto=True),
        crop_option,
        *own,
        engine_options("; auto is the fastest that passes the parity gate on these videos."),
        limit,
        click.option(
            "--quantize/--no-quantize",
            default=defaults.quantize,
            show_default=False,
            help="Where the precision is auto and the model has no int8 version, make one first on these videos if the "
            "work ahead is worth it.  [where it pays]",
        ),
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
        click.option(
            "--dry-run",
            is_flag=True,
            help="Say what would be done with each video, what would be made and measured first, and how long it would "
            "all take, by one pass of the network; nothing is measured on the videos, and nothing written.",
        ),
    )


def run_over(
    ctx: click.Context, kind: type[AnalyzeOptions | ClassifyOptions], knows: str, flags: dict[str, Any]
) -> None:
    """Go through the videos, or say what would be done with them, and end with the run's exit code.

    Where no model is given the built-in one is used, and what it `knows` is said.
    """
    from posecli.analysis.executors import executor
    from posecli.analysis.plan import RunPlan, open_folder
    from posecli.cli.progress import AnalysisProgress, run_report
    from posecli.precision.teacher import without_teacher
    from posecli.video.find import find_videos

    videos, model, dry_run, output = (flags.pop(name) for name in ("videos", "model", "dry_run", "output"))
    network = flags.pop("network", None)
    parsed = {name: parse(flags[name]) for name, parse in PARSED.items() if flags.get(name) is not None}
    options = kind(**(flags | parsed))
    with stop_signals():
        found = find_videos(videos, recursive=options.recursive)
        if found.passed_over:
            output.say(f"passed over: {found.passed_over}")
        folder = open_folder(model, options, network)
        output.progress(
            f"posecli {__version__}: {counted(len(found.videos), 'video')}, model {folder.description.scorer}"
        )
        if model is None:
            output.say(f"no --model is given: using the built-in network, which knows {knows}")
        if isinstance(options, AnalyzeOptions) and (words := without_teacher(folder, options)) is not None:
            output.say(words)
        # Where several videos could suffer from the crash of one, a process of its own takes the risk; but a program
        # that calls commands in its own process must not find itself in two.
        is_watched = ctx.obj is OWN_PROCESS and sys.platform == "linux" and len(found.videos) > 1
        carry_out = executor("watched" if is_watched else "here")
        plan = RunPlan.of(found.videos, folder, options)
        progress = AnalysisProgress(output)
        outcomes = carry_out(plan, "foretell" if dry_run else "carry_out", progress)
        lines, content = run_report(outcomes, progress.forecast, dry_run=dry_run)
        output.say(*lines)
        exit_code = max((outcome.exit_code for outcome in outcomes), default=0)
        output.result(content | {"passed_over": found.passed_over_as_dict(), "exit_code": exit_code})
        ctx.exit(exit_code)


@click.command(cls=Command)
@click.argument("videos", nargs=-1, required=True, type=click.Path())
@click.option(
    "-m",
    "--model",
    type=PATH,
    help="Model folder, or DeepLabCut project (config.yaml or folder), one of its model folders, exported model or "
    "snapshot (.pt).  "
    "[the built-in network: a mouse from above]",
)
@project_options
@run_options(
    POSES,
    "Frames",
    PIPELINES,
    click.option(
        "--scale",
        default=POSES.scale,
        help="Resize frames by this factor for the network; poses stay in px of the full frame.",
    ),
    click.option(
        "--decoder",
        type=click.Choice(DECODERS),
        default=POSES.decoder,
        help="How scoremaps become poses. All give equal poses; standard runs one frame at a time.",
    ),
    click.option(
        "--window",
        **number_or("auto", "off"),
        help="Look at a part of each frame only, N px a side about the animal (dynamic cropping), and at all of it "
        "where that is not enough; auto finds the size that pays on these videos and passes the parity gate.  "
        "[auto; off with a --precision or --engine tensorflow, unless --within is given]",
    ),
    boxes_option(),
    click.option("--num-outputs", default=POSES.num_outputs, help="Peaks to report per body part, best first."),
    click.option(
        "--within",
        metavar="PX",
        help="Find the fastest scale, precision and window whose poses stay within so many px (99th percentile, such "
        "as 1px) of fp32 on the full frame, on these videos; what other options name is kept.",
    ),
    click.option(
        "--teacher",
        metavar="MODEL|off",
        help="The network that taught a student (see posecli distill): it looks at the frames of which the student is "
        "unsure: so many that poses stay --within its own, else about a tenth.  [a model folder beside the student]",
    ),
    limit=click.option(
        "--max-shift",
        default=POSES.max_shift,
        help="Largest shift against fp32 (99th percentile, px) that the parity gate allows a faster precision.",
    ),
    note=" Those that begin with tf- read through tf.data, for --engine tensorflow.",
)
@click.pass_context
def analyze(ctx: click.Context, /, **flags: Any) -> None:
    """Find the body parts in every frame of VIDEOS.

    VIDEOS are files, folders, quoted patterns ('day*/*.avi') and lists (@list.txt). One HDF5 pose table per video,
    named as DeepLabCut names it, is put beside the video or into --out-dir. A video whose table was made before with
    the same model and settings is skipped; an interrupted one resumes at the frame it had reached.

    \b
    Examples:
        posecli analyze video.mp4 --batchsize 64
        posecli analyze recordings --recursive -m project/config.yaml --csv
        posecli analyze recordings -m my-model --shard slurm
        posecli analyze video.mp4 --config analyze.yaml --scale 0.5
    """
    run_over(ctx, AnalyzeOptions, "a mouse seen from above", flags)


@click.command(cls=Command)
@click.argument("videos", nargs=-1, required=True, type=click.Path())
@click.option(
    "-m",
    "--model",
    type=PATH,
    help="Model folder of a network for behaviours.  [the built-in network: the rendered home cage]",
)
@run_options(
    BEHAVIOURS,
    "Chunks",
    CLIP_PIPELINES,
    click.option("--length", type=int, help="Frames in a chunk.  [the model's own]"),
    click.option(
        "--stride", type=int, help="Frames from the start of one chunk to the start of the next.  [the model's own]"
    ),
    click.option("--frame-step", type=int, help="Take every n-th frame into a chunk.  [the model's own]"),
    click.option("--input-size", metavar="N|WxH", help="Resize frames to this size, px.  [the model's own]"),
    limit=click.option(
        "--max-change",
        default=BEHAVIOURS.max_change,
        help="Largest change of probabilities against fp32 (95th percentile) that the parity gate allows.",
    ),
)
@click.pass_context
def classify(ctx: click.Context, /, **flags: Any) -> None:
    """Say what an animal does in VIDEOS, chunk by chunk and frame by frame.

    VIDEOS are files, folders, quoted patterns ('day*/*.avi') and lists (@list.txt). One HDF5 behaviour table per video
    (probabilities and labels) and an ethogram are put beside the video or into --out-dir. Skipping, interruption and
    all else is as with 'posecli analyze'.

    \b
    Examples:
        posecli classify cage.mp4
        posecli classify recordings --recursive -m my-behaviours --csv
        posecli classify cage.mp4 -m my-behaviours --stride 16 --precision int8
    """
    run_over(ctx, ClassifyOptions, "the rendered home cage only", flags)


@click.command(cls=Command, config=False)
@click.argument("videos", nargs=-1, required=True, type=click.Path())
@click.option("-m", "--model", type=PATH, help="As for analyze.  [the built-in network]")
@click.option("-o", "--out-dir", type=PATH, help="As for analyze.  [beside each video]")
@click.option("--recursive", is_flag=True, help="Look for videos in subfolders too.")
@project_options
def outpath(
    videos: tuple[str, ...],
    model: Path | None,
    out_dir: Path | None,
    recursive: bool,
    network: NetworkChoice,
    output: Output,
) -> None:
    """Print the path of the pose table that analyze makes of each of VIDEOS.

    A video that is named by itself need not exist yet. One path per line, for workflow managers and scripts.

    \b
    Examples:
        posecli outpath m1.mp4 -m project/config.yaml -o poses
        posecli filter "$(posecli outpath m1.mp4 -m my-model)"
    """
    from posecli.analysis.plan import RunPlan, open_folder
    from posecli.video.find import find_videos

    options = AnalyzeOptions(out_dir=out_dir, recursive=recursive)
    folder = open_folder(model, options, network)
    planned = RunPlan.of(find_videos(videos, recursive=recursive).videos, folder, options).videos
    if not output.json:
        for files in planned:
            click.echo(files.table)
    output.result({"tables": [{"video": str(files.video), "table": str(files.table)} for files in planned]})

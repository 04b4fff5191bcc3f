"""``posecli analyze``: videos to pose tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.base import PATH, Command, Output
from posecli.cli.options import project_options
from posecli.cli.runs import options_of, run_options, run_over
from posecli.options import DECODERS, PIPELINES, AnalyzeOptions

if TYPE_CHECKING:
    from posecli.model.deeplabcut import NetworkChoice

DEFAULTS = AnalyzeOptions()


@click.command(cls=Command)
@click.argument("videos", nargs=-1, required=True, type=click.Path())
@click.option(
    "-m",
    "--model",
    type=PATH,
    help="Model folder, or DeepLabCut project (config.yaml or folder), dlc-models folder or exported model.  "
    "[the built-in network: a mouse from above]",
)
@project_options
@run_options(
    DEFAULTS,
    "Frames",
    PIPELINES,
    click.option(
        "--scale",
        default=DEFAULTS.scale,
        help="Resize frames by this factor for the network; poses stay in px of the full frame.",
    ),
    click.option(
        "--decoder",
        type=click.Choice(DECODERS),
        default=DEFAULTS.decoder,
        help="How scoremaps become poses. All give equal poses; standard runs one frame at a time.",
    ),
    click.option("--num-outputs", default=DEFAULTS.num_outputs, help="Peaks to report per body part, best first."),
    limit=click.option(
        "--max-shift",
        default=DEFAULTS.max_shift,
        help="Largest shift against fp32 (99th percentile, px) that the parity gate allows a faster precision.",
    ),
    note=" Those that begin with tf- read through tf.data, for --engine tensorflow.",
)
@click.pass_context
def analyze(
    ctx: click.Context,
    /,
    videos: tuple[str, ...],
    model: Path | None,
    network: NetworkChoice,
    dry_run: bool,
    output: Output,
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
    options = options_of(AnalyzeOptions, flags)
    knows = "a mouse seen from above"
    run_over(ctx, videos, model, options, output, dry_run=dry_run, knows=knows, network=network)

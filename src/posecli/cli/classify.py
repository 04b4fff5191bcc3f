"""``posecli classify``: videos to behaviour tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from posecli.cli.base import PATH, Command, Output
from posecli.cli.runs import options_of, run_options, run_over
from posecli.options import CLIP_PIPELINES, ClassifyOptions

DEFAULTS = ClassifyOptions()


@click.command(cls=Command)
@click.argument("videos", nargs=-1, required=True, type=click.Path())
@click.option(
    "-m",
    "--model",
    type=PATH,
    help="Model folder of a network for behaviours.  [the built-in network: the rendered home cage]",
)
@run_options(
    DEFAULTS,
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
        default=DEFAULTS.max_change,
        help="Largest change of probabilities against fp32 (95th percentile) that the parity gate allows.",
    ),
)
@click.pass_context
def classify(
    ctx: click.Context, /, videos: tuple[str, ...], model: Path | None, dry_run: bool, output: Output, **flags: Any
) -> None:
    """Say what an animal does in VIDEOS, chunk by chunk and frame by frame.

    VIDEOS are files, folders, quoted patterns ('day*/*.avi') and lists (@list.txt). One HDF5 behaviour table per video
    (probabilities and labels) and an ethogram are put beside the video or into --out-dir. Skipping, interruption and
    all else is as with 'posecli analyze'.

    \b
    Examples:
        posecli classify cage.mp4
        posecli classify recordings --recursive -m my-behaviours -o ethograms --csv
        posecli classify cage.mp4 -m my-behaviours --stride 16 --precision int8
    """
    options = options_of(ClassifyOptions, flags)
    run_over(ctx, videos, model, options, output, dry_run=dry_run, knows="the rendered home cage only")

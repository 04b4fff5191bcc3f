"""``posecli scale-sweep``: how far downsampling moves poses, how fast it makes the network, and which scale to use."""

from __future__ import annotations

import click

from posecli.cli.base import PATH, Command, Output
from posecli.cli.options import parse_numbers
from posecli.cli.sweeps import Target, run_and_show, sweep_options
from posecli.studies.sweep.options import DEFAULT_SCALES, SweepOptions


@click.command("scale-sweep", cls=Command)
@click.argument("videos", nargs=-1, type=PATH)
@click.option(
    "--scales",
    default=",".join(f"{scale:g}" for scale in DEFAULT_SCALES),
    help="Factors by which frames are resized for the network.",
)
@sweep_options("posecli-scale-sweep")
def scale_sweep(scales: str, sweep: SweepOptions, target: Target, output: Output) -> None:
    """Measure how far downsampling moves poses and how much faster it is, and say which scale to use.

    Finds the body parts in VIDEOS at every scale with the same network and compares, in px of the full frame. Without a
    video a mouse is rendered, whose true poses are known. Killed, it is continued by the same command.

    \b
    Examples:
        posecli scale-sweep --scales 1,0.5,0.25,0.125
        posecli scale-sweep day1.mp4 --model openfield-model --tolerance 2px
    """
    from posecli.studies.sweep.versions import scaled_versions

    run_and_show("scale-sweep", sweep, scaled_versions(parse_numbers(scales)), target, output)

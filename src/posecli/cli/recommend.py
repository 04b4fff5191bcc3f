"""``posecli recommend``: the fastest setting inside a tolerance, on one's own video."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from posecli.cli.base import PATH, Command, Output
from posecli.cli.options import parse_numbers
from posecli.cli.sweeps import SweepProgress, Target, show_table, sweep_options
from posecli.studies.sweep.options import SweepOptions

if TYPE_CHECKING:
    from posecli.options import FixedPrecision


@click.command(cls=Command)
@click.argument("videos", nargs=-1, required=True, type=PATH)
@click.option("--scales", default="1,0.75,0.5,0.25", help="Factors by which frames are resized.")
@click.option("--precisions", help="Any of fp32,bf16,fp16,int8.  [those that engine, processor and model have]")
@click.option("--crf", default="20,30,40", help="CRF values of H.264 to try; 'none' leaves compression out.")
@click.option(
    "--budget", default=15.0, help="Minutes for the network: fewer frames are used where all would take longer."
)
@sweep_options("posecli-recommendation")
def recommend(
    scales: str, precisions: str | None, crf: str, budget: float, sweep: SweepOptions, target: Target, output: Output
) -> None:
    """Search for the fastest setting whose poses stay inside the tolerance on VIDEOS.

    Measures every scale in every precision against the full frame in fp32, then batch sizes and pipelines for the
    fastest one inside, then how far the video can be compressed with it. The same command gives the same poses and
    continues what was interrupted; --precision and --batchsize are what is searched, and only used on the way.

    \b
    Examples:
        posecli recommend day1.mp4 --model openfield-model
        posecli recommend day1.mp4 --tolerance 0.5px --scales 1,0.5 --crf none --budget 5
    """
    from posecli.studies.sweep.report import version_table
    from posecli.studies.sweep.search import SearchOptions, search
    from posecli.studies.sweep.versions import parse_crf

    options = SearchOptions(
        sweep,
        parse_numbers(scales),
        None if precisions is None else tuple(cast("FixedPrecision", name.strip()) for name in precisions.split(",")),
        () if crf == "none" else parse_crf(crf, ["libx264"])["libx264"],
        60 * budget,
    )
    observer = SweepProgress(output)
    found = search(options, target.folder, observer, overwrite=target.overwrite, network=target.network)
    show_table(version_table(found.settings), found.reasons, output)
    for line in (found.analysis, found.acquisition):
        if line:
            output.say(f"  {line}")
    output.say(f"frontier: {found.figure}")
    output.result(found.as_dict())

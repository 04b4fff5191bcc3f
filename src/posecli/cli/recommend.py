"""``posecli recommend``: the fastest setting inside a tolerance, on one's own video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from posecli.cli.base import Command, config_option, make_output, output_options
from posecli.cli.model import choice_options
from posecli.cli.scale_sweep import parse_scales
from posecli.cli.sweeps import SweepProgress, folder_option, network_of, sweep_options, sweep_options_of


@click.command(cls=Command)
@click.argument("videos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--scales", default="1,0.75,0.5,0.25", show_default=True, help="Factors by which frames are resized.")
@click.option("--precisions", help="Any of fp32,bf16,fp16,int8.  [those that engine, processor and model have]")
@click.option("--crf", default="20,30,40", show_default=True, help="Of H.264; 'none' leaves compression out.")
@click.option(
    "--budget",
    type=float,
    default=15.0,
    show_default=True,
    help="Minutes for the network: fewer frames are used where all would take longer.",
)
@sweep_options
@choice_options
@folder_option("posecli-recommendation")
@config_option
@output_options
def recommend(
    videos: tuple[Path, ...],
    folder: Path,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **flags: Any,
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
    output = make_output(as_json, quiet, verbose)
    sweep = sweep_options_of(videos, flags)
    from posecli.studies.sweep.report import version_table
    from posecli.studies.sweep.search import SearchOptions, search
    from posecli.studies.sweep.versions import parse_crf

    precisions = flags["precisions"]
    crf = () if flags["crf"] == "none" else parse_crf(flags["crf"], ["libx264"])["libx264"]
    options = SearchOptions(
        sweep,
        tuple(parse_scales(flags["scales"])),
        None if precisions is None else tuple(name.strip() for name in precisions.split(",")),
        crf,
        60 * flags["budget"],
    )
    found = search(options, folder, SweepProgress(output), overwrite=overwrite, network=network_of(flags))
    from posecli.cli.tables import aligned

    for line in aligned(version_table(found.settings)):
        output.say(line)
    output.say("")
    for sentence in found.reasons:
        output.say(sentence)
    for line in (found.analysis, found.acquisition):
        if line:
            output.say(f"  {line}")
    output.say(f"frontier: {found.figure}")
    output.result(found.as_dict())

"""``posecli recommend``: the fastest setting inside a tolerance, on one's own video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.base import PATH, Command, Output, aligned, config_option, output_options
from posecli.cli.options import project_options
from posecli.cli.scale_sweep import parse_scales
from posecli.cli.sweeps import SweepProgress, folder_option, sweep_options, sweep_options_of

if TYPE_CHECKING:
    from posecli.model.deeplabcut import Choice


@click.command(cls=Command)
@click.argument("videos", nargs=-1, required=True, type=PATH)
@click.option("--scales", default="1,0.75,0.5,0.25", help="Factors by which frames are resized.")
@click.option("--precisions", help="Any of fp32,bf16,fp16,int8.  [those that engine, processor and model have]")
@click.option("--crf", default="20,30,40", help="Of H.264; 'none' leaves compression out.")
@click.option(
    "--budget", default=15.0, help="Minutes for the network: fewer frames are used where all would take longer."
)
@sweep_options
@project_options
@folder_option("posecli-recommendation")
@config_option
@output_options
def recommend(
    videos: tuple[Path, ...], folder: Path, network: Choice, overwrite: bool, output: Output, **flags: Any
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
    found = search(options, folder, SweepProgress(output), overwrite=overwrite, network=network)
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

"""``posecli scale-sweep``: how far downsampling moves poses, how fast it makes the network, and which scale to use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.base import PATH, Command, Output, config_option, output_options
from posecli.cli.options import project_options
from posecli.cli.sweeps import SweepProgress, folder_option, show_results, sweep_options, sweep_options_of
from posecli.errors import UsageError
from posecli.studies.sweep.options import DEFAULT_SCALES

if TYPE_CHECKING:
    from posecli.model.deeplabcut import Choice


@click.command("scale-sweep", cls=Command)
@click.argument("videos", nargs=-1, type=PATH)
@click.option(
    "--scales",
    default=",".join(f"{scale:g}" for scale in DEFAULT_SCALES),
    help="Factors by which frames are resized for the network.",
)
@sweep_options
@project_options
@folder_option("posecli-scale-sweep")
@config_option
@output_options
def scale_sweep(
    videos: tuple[Path, ...], folder: Path, network: Choice, overwrite: bool, output: Output, **flags: Any
) -> None:
    """Measure how far downsampling moves poses and how much faster it is, and say which scale to use.

    Finds the body parts in VIDEOS at every scale with the same network and compares, in px of the full frame. Without a
    video a mouse is rendered, whose true poses are known. Killed, it is continued by the same command.

    \b
    Examples:
        posecli scale-sweep --scales 1,0.5,0.25,0.125
        posecli scale-sweep day1.mp4 --model openfield-model --tolerance 2px
    """
    options = sweep_options_of(videos, flags)
    from posecli.studies.sweep.runner import run_sweep
    from posecli.studies.sweep.versions import scaled_versions

    versions = scaled_versions(parse_scales(flags["scales"]))
    study = run_sweep(
        "scale-sweep", options, versions, folder, SweepProgress(output), overwrite=overwrite, network=network
    )
    show_results(study, output)


def parse_scales(text: str) -> list[float]:
    """Factors separated by commas.

    >>> parse_scales("1, 0.5")
    [1.0, 0.5]
    """
    try:
        return [float(part) for part in str(text).split(",")]
    except ValueError:
        raise UsageError(f"scales '{text}' are not numbers: separate them by commas, as in 1,0.5,0.25") from None

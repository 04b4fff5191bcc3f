"""``posecli compress-sweep``: how far video compression moves poses, and which compression to use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.base import PATH, Command, Output, config_option, output_options
from posecli.cli.options import project_options
from posecli.cli.sweeps import SweepProgress, folder_option, show_results, sweep_options, sweep_options_of
from posecli.studies.sweep.options import DEFAULT_CRF

if TYPE_CHECKING:
    from posecli.model.deeplabcut import Choice


@click.command("compress-sweep", cls=Command)
@click.argument("videos", nargs=-1, type=PATH)
@click.option(
    "--crf",
    default=DEFAULT_CRF,
    help="Constant rate factors; different ones per codec as in 'libx264:20,30;libsvtav1:35,50'.",
)
@click.option(
    "--codec",
    default="libx264",
    help="Codecs for a list without their names: any of libx264,libx265,libsvtav1,libvpx-vp9.",
)
@click.option("--preset", help="The encoder's word for how long it may search; per codec as with --crf.")
@click.option("--pix-fmt", help="Pixel format of what is encoded.  [yuv420p]")
@click.option("--gop", type=int, help="Largest number of frames between key frames.  [the encoder's]")
@sweep_options
@project_options
@click.option("--keep", is_flag=True, help="Keep the encoded videos.")
@folder_option("posecli-compress-sweep")
@config_option
@output_options
def compress_sweep(
    videos: tuple[Path, ...], folder: Path, network: Choice, overwrite: bool, output: Output, **flags: Any
) -> None:
    """Measure how far compression moves poses, and say which to use.

    Encodes VIDEOS at every quality, checks that no frame was lost or shifted, finds the body parts in every version
    with the same network, and compares. Without a video a mouse is rendered, whose true poses are known. Killed, it
    is continued by the same command.

    \b
    Examples:
        posecli compress-sweep --crf 0,10,20,30
        posecli compress-sweep day1.mp4 --model openfield-model --crf 15,25,35,45 --tolerance 0.5px
        posecli compress-sweep day1.mp4 --config configs/compress-sweep-paper.yaml
    """
    options = sweep_options_of(videos, flags)
    from posecli.studies.sweep.runner import run_sweep
    from posecli.studies.sweep.versions import encoded_versions, parse_crf, parse_presets

    codecs = [name.strip() for name in flags["codec"].split(",")]
    crf = parse_crf(flags["crf"], codecs)
    versions = encoded_versions(crf, parse_presets(flags["preset"], crf), flags["pix_fmt"], flags["gop"])
    study = run_sweep(
        "compress-sweep", options, versions, folder, SweepProgress(output), overwrite=overwrite, network=network
    )
    show_results(study, output)

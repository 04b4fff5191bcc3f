"""``posecli compress-sweep``: how far video compression moves poses, and which compression to use."""

from __future__ import annotations

from dataclasses import replace

import click

from posecli.cli.base import PATH, Command, Output
from posecli.cli.sweeps import Target, run_and_show, sweep_options
from posecli.studies.sweep.options import DEFAULT_CRF, SweepOptions


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
@click.option("--preset", help="The encoder's preset, its word for speed against size; per codec as with --crf.")
@click.option("--pix-fmt", help="Pixel format of the encoded videos.  [yuv420p]")
@click.option("--gop", type=int, help="Largest number of frames between key frames.  [the encoder's]")
@click.option("--keep", is_flag=True, help="Keep the encoded videos.")
@sweep_options("posecli-compress-sweep")
def compress_sweep(
    crf: str,
    codec: str,
    preset: str | None,
    pix_fmt: str | None,
    gop: int | None,
    keep: bool,
    *,
    sweep: SweepOptions,
    target: Target,
    output: Output,
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
    from posecli.studies.sweep.versions import encoded_versions, parse_crf, parse_presets

    values = parse_crf(crf, [name.strip() for name in codec.split(",")])
    versions = encoded_versions(values, parse_presets(preset, values), pix_fmt, gop)
    run_and_show("compress-sweep", replace(sweep, keep=keep), versions, target, output)

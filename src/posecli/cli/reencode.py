"""``posecli reencode``: re-encode videos and check them frame by frame."""

from __future__ import annotations

from pathlib import Path

import click

from posecli.cli.base import PATH, Command, Output, config_option, output_options
from posecli.cli.sweeps import SweepProgress
from posecli.errors import UsageError


@click.command(cls=Command)
@click.argument("videos", nargs=-1, required=True, type=PATH)
@click.option(
    "--recommendation", type=PATH, help="Folder of a compress-sweep (or its results.json): encode as it recommends."
)
@click.option("--crf", type=float, help="Constant rate factor, where no recommendation is given.")
@click.option("--codec", default="libx264", help="libx264, libx265, libsvtav1 or libvpx-vp9.")
@click.option("--preset", help="The encoder's preset, its word for speed against size.")
@click.option("--pix-fmt", help="Pixel format of the new videos.  [yuv420p]")
@click.option("--gop", type=int, help="Most frames from one key frame to the next.  [the encoder's]")
@click.option("-o", "--out-dir", type=PATH, default=Path("reencoded"), help="Folder for the new videos.")
@click.option("--overwrite", is_flag=True, help="Replace new videos that are there already; originals never are.")
@config_option
@output_options
@click.pass_context
def reencode(
    ctx: click.Context,
    /,
    *,
    videos: tuple[Path, ...],
    recommendation: Path | None,
    crf: float | None,
    codec: str,
    preset: str | None,
    pix_fmt: str | None,
    gop: int | None,
    out_dir: Path,
    overwrite: bool,
    output: Output,
) -> None:
    """Re-encode VIDEOS, and check that every frame is where it was.

    Originals are only read: whether they are still needed is for you to decide. A new video gets its name only when
    count, times and pictures of all its frames match.

    \b
    Examples:
        posecli reencode day1/*.avi --recommendation posecli-compress-sweep -o day1-small
        posecli reencode video.avi --crf 25 -o small
    """
    from posecli.studies.sweep.reencode import recommended_encoding
    from posecli.studies.sweep.reencode import reencode as reencode_videos
    from posecli.studies.sweep.versions import encoded_versions

    if (recommendation is None) == (crf is None):
        raise UsageError("either --recommendation or --crf says how to encode: give one of them")
    if recommendation is not None:
        options = recommended_encoding(recommendation)
    else:
        assert crf is not None
        presets = {} if preset is None else {codec: preset}
        version = encoded_versions({codec: [crf]}, presets, pix_fmt, gop)[-1]
        assert version.encode is not None
        options = version.encode
        if version.note:
            output.progress(version.note)
    results = reencode_videos(videos, options, out_dir, SweepProgress(output), overwrite=overwrite)
    done = sum(result.state == "done" for result in results)
    failed = sum(result.state == "failed" for result in results)
    output.say(f"{done} encoded, {len(results) - done - failed} made before, {failed} failed, in '{out_dir}'")
    exit_code = max(result.exit_code for result in results)
    output.result({"results": [result.as_dict() for result in results], "exit_code": exit_code})
    ctx.exit(exit_code)

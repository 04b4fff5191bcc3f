"""``posecli outpath``: where a video's pose table is or will be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from posecli.cli.base import PATH, Command, Output, output_options
from posecli.cli.options import project_options
from posecli.options import AnalyzeOptions

if TYPE_CHECKING:
    from posecli.model.deeplabcut import NetworkChoice


@click.command(cls=Command)
@click.argument("videos", nargs=-1, required=True, type=click.Path())
@click.option("-m", "--model", type=PATH, help="As for analyze.  [the built-in network]")
@click.option("-o", "--out-dir", type=PATH, help="As for analyze.  [beside each video]")
@click.option("--recursive", is_flag=True, help="Look for videos in subfolders too.")
@project_options
@output_options
def outpath(
    videos: tuple[str, ...],
    model: Path | None,
    out_dir: Path | None,
    recursive: bool,
    network: NetworkChoice,
    output: Output,
) -> None:
    """Print the path of the pose table that analyze makes of each of VIDEOS.

    A video that is named by itself need not exist yet. One path per line, for workflow managers and scripts.

    \b
    Examples:
        posecli outpath m1.mp4 -m project/config.yaml -o poses
        posecli filter "$(posecli outpath m1.mp4 -m my-model)"
    """
    from posecli.analysis.plan import RunPlan, open_folder
    from posecli.video.find import find_videos

    options = AnalyzeOptions(out_dir=out_dir, recursive=recursive)
    folder = open_folder(model, options, network)
    planned = RunPlan.of(find_videos(videos, recursive=recursive).videos, folder, options).videos
    if not output.json:
        for files in planned:
            click.echo(files.table)
    output.result({"tables": [{"video": str(files.video), "table": str(files.table)} for files in planned]})

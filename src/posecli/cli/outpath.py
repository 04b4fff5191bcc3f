"""``posecli outpath``: where a video's pose table is or will be."""

from __future__ import annotations

from pathlib import Path

import click

from posecli.cli.base import Command, make_output, output_options
from posecli.cli.model import choice_options


@click.command(cls=Command)
@click.argument("videos", nargs=-1, required=True, type=click.Path())
@click.option("-m", "--model", type=click.Path(path_type=Path), help="As for analyze.  [the built-in network]")
@click.option("-o", "--out-dir", type=click.Path(path_type=Path), help="As for analyze.  [beside each video]")
@click.option("--recursive", is_flag=True, help="Look for videos in the folders of folders too.")
@choice_options
@output_options
def outpath(
    videos: tuple[str, ...],
    model: Path | None,
    out_dir: Path | None,
    recursive: bool,
    shuffle: int,
    snapshot: int | None,
    trainset_index: int,
    *,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Print the path of the pose table that analyze makes of each of VIDEOS.

    A video that is named by itself need not exist yet. One path per line, for workflow managers and scripts.

    \b
    Examples:
        posecli outpath m1.mp4 -m project/config.yaml -o poses
        posecli filter "$(posecli outpath m1.mp4 -m my-model)"
    """
    output = make_output(as_json, quiet, verbose)
    from posecli.analysis.outputs import plan_outputs
    from posecli.model.builtin import builtin_model_path
    from posecli.model.deeplabcut import Choice
    from posecli.model.importing import open_model
    from posecli.video.find import find_videos

    folder = open_model(model or builtin_model_path(), Choice(shuffle, trainset_index, snapshot))
    found = list(find_videos(videos, recursive=recursive).videos)
    planned = plan_outputs(found, folder.description.scorer, out_dir)
    if not as_json:
        for paths in planned:
            click.echo(paths.table)
    output.result(
        {
            "tables": [
                {"video": str(video), "table": str(paths.table)} for video, paths in zip(found, planned, strict=True)
            ]
        }
    )

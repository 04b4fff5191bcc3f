"""``posecli label``: a video with its poses drawn into it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from posecli.cli.base import PATH, Command, Output, config_option, output_options
from posecli.cli.options import table_choice_options
from posecli.errors import UsageError
from posecli.options import TableChoice


@click.command(cls=Command)
@click.argument("video", type=PATH)
@click.argument("table", required=False, type=PATH)
@click.option("--compare", type=PATH, help="A second table of the video, shown on the right.")
@table_choice_options()
@table_choice_options("--compare", "compare-")
@click.option("-o", "--out", type=PATH, help="Video to make.  [<table>_labeled.mp4 at the video]")
@click.option("--pcutoff", type=float, help="Likelihood below which a point is not drawn.  [the model's own, else 0.6]")
@click.option("--trails", "trail", default=0, help="Draw the path of the last N frames.")
@click.option("--skeleton", help="Lines: pairs as snout-leftear,snout-rightear, or a DeepLabCut config.yaml.")
@click.option("--dot-radius", type=float, help="Radius of points, px of the new video.  [by the frame's size]")
@click.option("--start", default=0, help="First frame to show.")
@click.option("--end", type=int, help="Frame before which to stop.  [the end of the video]")
@click.option("--scale", default=1.0, help="Resize factor, up to 8.")
@click.option("--no-legend", is_flag=True, help="Leave out the band that names the body parts.")
@click.option("--crf", type=float, default=23, help="Quality of H.264: 0 is best, 51 worst.")
@click.option("--overwrite", is_flag=True, help="Replace a video that is there already.")
@config_option
@output_options
def label(
    *,
    video: Path,
    table: Path | None,
    compare: Path | None,
    choice: TableChoice,
    compare_choice: TableChoice,
    out: Path | None,
    skeleton: str | None,
    no_legend: bool,
    overwrite: bool,
    output: Output,
    **flags: Any,
) -> None:
    """Draw a pose TABLE into its VIDEO.

    Without TABLE the one beside the video is used. The new video has the frames of the old one, each at its own time,
    as H.264 that browsers play.

    \b
    Examples:
        posecli label video.mp4
        posecli label video.mp4 poses/videoDLC_x.h5 --trails 30 --skeleton config.yaml --start 300 --end 600
        posecli label video.mp4 rawDLC_x.h5 --compare rawDLC_x_filtered.h5 --scale 0.5 -o compared.mp4
    """
    from posecli.cli.progress import frame_progress
    from posecli.plots.labeled_video import LabelOptions, plan_labels, read_skeleton, write_labels
    from posecli.support.files import refuse_existing
    from posecli.tables.poses import find_table

    if compare is None and compare_choice != TableChoice(option="compare-"):
        raise UsageError("--compare-key and --compare-scorer belong to --compare: name the second table too")
    options = LabelOptions(legend=not no_legend, skeleton=read_skeleton(skeleton) if skeleton else (), **flags)
    first = table or find_table(video)
    tables = [first] if compare is None else [first, compare]
    job = plan_labels(video, tables, options, [choice, compare_choice][: len(tables)])
    target = out or job.default_out
    refuse_existing(target, overwrite=overwrite, instead="name with -o")
    start = time.monotonic()
    with frame_progress(output, video.name, len(job.frames)) as progress:
        frames = write_labels(job, target, overwrite=overwrite, progress=progress)
    seconds = time.monotonic() - start
    cutoffs = [job.cutoff_of(poses) for poses in job.tables]
    drawn = " and ".join(f"'{poses.path.name}'" for poses in job.tables)
    likely = " and ".join(f"{value:g}" for value in dict.fromkeys(cutoffs))
    output.say(
        f"{target}: {frames} frames in {seconds:.1f} s, {frames / seconds:.0f} fps; "
        f"points of {drawn} with a likelihood of {likely} or more"
    )
    missing = [job.info.n_frames - len(poses) for poses in job.tables]
    for poses, count in zip(job.tables, missing, strict=True):
        if count:
            output.say(f"{count} of the video's {job.info.n_frames} frames have no row in '{poses.path.name}'")
    output.result(
        {
            "video": str(video),
            "tables": [str(poses.path) for poses in job.tables],
            "labelled_video": str(target),
            "frames": frames,
            "start": job.frames.start,
            "end": job.frames.stop,
            "frames_without_row": missing,
            "pcutoffs": cutoffs,
            "bodyparts": list(job.tables[0].names),
            "seconds": seconds,
            "frames_per_second": frames / seconds,
        }
    )

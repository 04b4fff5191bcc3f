"""``posecli plot``: a pose table as figures."""

from __future__ import annotations

from pathlib import Path

import click

from posecli.cli.base import PATH, Command, Output, aligned, config_option, output_options
from posecli.cli.options import table_choice_options
from posecli.options import TableChoice


@click.command(cls=Command)
@click.argument("table", type=PATH)
@click.option("-o", "--out-dir", type=PATH, help="Folder for the figures.  [<table>-plots beside it]")
@click.option("--pcutoff", type=float, help="Likelihood below which a point is unseen.  [the model's own, else 0.6]")
@click.option("--bodyparts", help="Body parts to plot, as snout,tailbase.  [all]")
@click.option("--video", type=PATH, help="The table's video; its first frame is drawn behind the paths.")
@click.option("--jumps", default=20, help="Number of largest jumps to list.")
@table_choice_options()
@click.option("--overwrite", is_flag=True, help="Replace figures that are there already.")
@config_option
@output_options
def plot(
    *,
    table: Path,
    out_dir: Path | None,
    pcutoff: float | None,
    bodyparts: str | None,
    video: Path | None,
    jumps: int,
    choice: TableChoice,
    overwrite: bool,
    output: Output,
) -> None:
    """Draw a pose TABLE: paths, trajectories, likelihoods, jumps and occupancy.

    Each figure becomes a PNG and an SVG file; summary.json has the same in numbers, and the largest jumps.

    \b
    Examples:
        posecli plot videoDLC_x.h5
        posecli plot videoDLC_x.h5 --video video.mp4 --bodyparts snout,tailbase --pcutoff 0.8 -o figures
    """
    from posecli.plots.poses import PlotOptions, plot_table

    parts = tuple(name.strip() for name in bodyparts.split(",") if name.strip()) if bodyparts else ()
    options = PlotOptions(pcutoff, parts, video, jumps, choice)
    result = plot_table(
        table, out_dir, options, overwrite=overwrite, progress=lambda name: output.progress(f"drawing {name}")
    )
    rows = [["body part", f"p>={result.pcutoff:g}", "median p", "way px", "step p99 px", "largest px"]]
    for name, facts in result.bodyparts.items():
        figures = [facts[key] for key in ("median_likelihood", "way_px", "step_p99_px", "step_largest_px")]
        rows.append([name, f"{100 * facts['share_seen']:.1f} %", *(_number(value) for value in figures)])
    for line in aligned(rows):
        output.say(line)
    if result.jumps:
        most = result.jumps[0]
        output.say(f"largest jump: {most.bodypart} by {most.px:.1f} px, frame {most.frame - 1} to {most.frame}")
    output.say(f"{len(result.files)} files in '{result.files[0].parent}'")
    output.result(result.as_dict())


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"

"""``posecli filter``: pose tables smoothed over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.base import PATH, Command, Output, config_option, output_options
from posecli.cli.options import table_choice_options
from posecli.options import TableChoice

if TYPE_CHECKING:
    from posecli.tables.filtering import FilteredTable, FilterMethod


@click.command("filter", cls=Command)
@click.argument("tables", nargs=-1, required=True, type=PATH)
@click.option(
    "--method",
    type=click.Choice(("median", "savgol", "kalman")),
    default="median",
    help="median is DeepLabCut's own, savgol fits polynomials, kalman follows the velocity.",
)
@click.option("--window", default=5, help="Odd number of frames, for median and savgol.")
@click.option("--order", default=2, help="Degree of the polynomial, for savgol.")
@click.option("--noise", default=1.0, help="Error of found points in px, for kalman.")
@click.option("--push", default=1.0, help="Change of velocity per frame in px/frame, for kalman.")
@click.option(
    "--pcutoff", type=float, help="Likelihood below which a point counts as a gap.  [every known point counts]"
)
@click.option("--fill-gaps", "fill", default=0, help="Longest gap to fill, in frames; longer ones are NaN.")
@click.option(
    "-o", "--out-dir", type=PATH, help="Folder for the results.  [beside each table, where DeepLabCut looks for them]"
)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.option("--csv", is_flag=True, help="Write each table as CSV too.")
@table_choice_options("each table")
@config_option
@output_options
def filter_command(
    tables: tuple[Path, ...],
    out_dir: Path | None,
    overwrite: bool,
    csv: bool,
    choice: TableChoice,
    output: Output,
    **flags: Any,
) -> None:
    """Smooth pose TABLES over time.

    Each becomes a new table whose name ends in _filtered; the raw one is never altered.

    \b
    Examples:
        posecli filter videoDLC_resnet50_openfieldOct30shuffle1_4000.h5 -o filtered
        posecli filter poses/*.h5 --method savgol --window 9 --pcutoff 0.6 --fill-gaps 10 -o filtered
    """
    from posecli.tables.filtering import FilterOptions, filter_table

    options = FilterOptions(_method(**flags), flags["pcutoff"], flags["fill"])
    results: list[FilteredTable] = []
    for table in tables:
        done = filter_table(table, options, out_dir, overwrite=overwrite, csv=csv, choice=choice)
        output.say(
            f"{done.path}: {done.rows} rows, {flags['method']}; known points moved by a mean of {done.moved:.2f} px, "
            f"{done.gaps} are not known"
        )
        results.append(done)
    beside = [done for done in results if done.path.parent.resolve() == done.source.parent.resolve()]
    if beside:
        output.warn(
            f"Warning: '{beside[0].path.parent}' now holds two tables of one video: tools that read every table in a "
            "folder (keypoint-moseq does) will take both; give --out-dir a folder of its own to keep them apart"
        )
    output.result({"options": options.as_dict() | flags, "results": [done.as_dict() for done in results]})


def _method(method: str, window: int, order: int, noise: float, push: float, **_: Any) -> FilterMethod:
    """The filter, of all its flags; those of others are checked too, as far as they can be."""
    from posecli.tables.filtering import Kalman, Median, SavitzkyGolay

    others: dict[str, FilterMethod] = {"median": Median(window), "kalman": Kalman(noise, push)}
    return others[method] if method in others else SavitzkyGolay(window, order)

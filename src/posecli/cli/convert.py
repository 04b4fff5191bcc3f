"""``posecli convert``: pose tables in other formats."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from posecli.cli.base import PATH, Command, Output, config_option, output_options
from posecli.cli.options import table_choice_options
from posecli.errors import UsageError

#: As `posecli.tables.convert.FORMATS`, which imports NumPy.
FORMATS = ("csv", "parquet", "nwb")


@click.command(cls=Command)
@click.argument("tables", nargs=-1, required=True, type=PATH)
@click.option("--to", type=click.Choice(FORMATS), required=True, help="Format of the new files.")
@click.option("--tidy", is_flag=True, help="One row per frame and body part, for csv and parquet.")
@click.option("--video", type=PATH, help="Take the frames' times from this video.  [the table's own]")
@click.option("--fps", type=float, help="Frames per second, if neither table nor video tells the times.")
@click.option("--session-start", help="When the recording began, for nwb: 2026-05-17T09:30:00+02:00.")
@click.option("-o", "--out-dir", type=PATH, help="Folder for the results.  [beside each table]")
@table_choice_options("each table")
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@config_option
@output_options
def convert(
    tables: tuple[Path, ...],
    session_start: str | None,
    out_dir: Path | None,
    overwrite: bool,
    output: Output,
    **flags: Any,
) -> None:
    """Write pose TABLES in another format, with the frames' times.

    parquet and nwb need optional libraries: pip install "posecli[parquet]" or "posecli[nwb]".

    \b
    Examples:
        posecli convert videoDLC_x.h5 --to csv -o text
        posecli convert poses/*.h5 --to parquet --tidy -o tidy
        posecli convert videoDLC_x.h5 --to nwb --session-start 2026-05-17T09:30:00+02:00
    """
    from posecli.tables.convert import ConvertOptions, convert_table

    options = ConvertOptions(session_start=_moment(session_start), **flags)
    if options.video is not None and len(tables) > 1:
        raise UsageError(f"--video tells the times of one table, not of {len(tables)}: convert them one by one")
    results = []
    for table in tables:
        done = convert_table(table, options, out_dir, overwrite=overwrite)
        times = f", times from the {done.times}" if done.times else ""
        output.say(f"{done.path}: {done.rows} frames{times}")
        results.append(done)
    output.result({"to": options.to, "tidy": options.tidy, "results": [done.as_dict() for done in results]})


def _moment(text: str | None) -> datetime | None:
    """A point in time, in the machine's time zone unless it names one."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"'{text}' is not a date and time ({error}): give one as 2026-05-17T09:30:00+02:00") from error

"""``posecli verify``: whether pose tables are what their manifests and videos say."""

from __future__ import annotations

from pathlib import Path

import click

from posecli.cli.base import PATH, Command, Output, output_options
from posecli.errors import UsageError


@click.command(cls=Command)
@click.argument("path", metavar="TABLE|FOLDER", type=PATH)
@click.option("--recursive", is_flag=True, help="Look into subfolders too.")
@click.option("--video", type=PATH, help="The table's video: compare the time of every frame, and compute rows again.")
@click.option("-m", "--model", type=PATH, help="With --video: the table's model.  [the manifest's]")
@click.option("--rows", type=click.IntRange(min=1), default=64, help="With --video: rows that are computed.")
@output_options
@click.pass_context
def verify(
    ctx: click.Context,
    /,
    path: Path,
    recursive: bool,
    video: Path | None,
    model: Path | None,
    rows: int,
    output: Output,
) -> None:
    """Check a pose table, or all in a folder, against manifest and video.

    Rows and their count, columns, number type, times, likelihoods, bad frames, the video's fingerprint, and files that
    an unfinished run left. With --video also the time of every frame, rows that stand still though the pictures do
    not, and what the network says now of frames all over the video. Nothing is changed. Ends with exit code 7 if a
    table cannot be trusted.

    \b
    Examples:
        posecli verify videoDLC_resnet50_openfieldOct30shuffle1_4000.h5
        posecli verify poses --recursive --json
        posecli verify videoDLC_resnet50_openfieldOct30shuffle1_4000.h5 --video video.mp4
    """
    from posecli.analysis.verify import Recomputing
    from posecli.analysis.verify import verify as verify_tables
    from posecli.cli.progress import frame_progress
    from posecli.video.probe import probe

    if video is None and model is not None:
        raise UsageError("--model goes with --video: name the video whose rows shall be computed again")
    if video is None:
        report = verify_tables(path, recursive=recursive)
    else:  # it is read twice: once for the times, once for the rows
        wanted = Recomputing(video, model, rows)
        with frame_progress(output, video.name, 2 * probe(video).expected_frames) as progress:
            report = verify_tables(path, recursive=recursive, recomputing=wanted, progress=progress)
    for finding in report.findings:
        tell = output.warn if finding.severity == "error" else output.say
        tell(f"{finding.severity}: {finding.file}: {finding.words}")
    wrong = {finding.file for finding in report.findings if finding.severity == "error"}
    count = len(report.tables)
    output.say(f"{count} {'table' if count == 1 else 'tables'}: {count - len(wrong)} sound, {len(wrong)} not")
    output.result(report.as_dict())
    ctx.exit(report.exit_code)

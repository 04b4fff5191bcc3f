"""``posecli verify``: whether pose tables are what their manifests and videos say."""

from __future__ import annotations

from pathlib import Path

import click

from posecli.cli.base import Command, make_output, output_options


@click.command(cls=Command)
@click.argument("path", metavar="TABLE|FOLDER", type=click.Path(path_type=Path))
@click.option("--recursive", is_flag=True, help="Look into the folder's folders too.")
@output_options
@click.pass_context
def verify(ctx: click.Context, /, path: Path, recursive: bool, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Check a pose table, or all in a folder, against manifest and video.

    Rows and their count, columns, number type, times, likelihoods, bad frames, the video's fingerprint, and files that
    an unfinished run left. Nothing is changed. Ends with exit code 7 if a table cannot be trusted.

    \b
    Examples:
        posecli verify videoDLC_resnet50_openfieldOct30shuffle1_4000.h5
        posecli verify poses --recursive --json
    """
    output = make_output(as_json, quiet, verbose)
    from posecli.verify import verify as verify_tables

    report = verify_tables(path, recursive=recursive)
    for finding in report.findings:
        line = f"{finding.severity}: {finding.file}: {finding.words}"
        if finding.severity == "error":
            output.warn(line)
        else:
            output.say(line)
    wrong = {finding.file for finding in report.findings if finding.severity == "error"}
    count = len(report.tables)
    output.say(f"{count} {'table' if count == 1 else 'tables'}: {count - len(wrong)} sound, {len(wrong)} not")
    output.result(report.as_dict())
    ctx.exit(report.exit_code)

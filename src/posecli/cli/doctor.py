"""``posecli doctor``: what of this machine and installation works, and what to do about the rest."""

from __future__ import annotations

import click

from posecli.cli.base import Command, Output, output_options


@click.command(cls=Command)
@output_options
@click.pass_context
def doctor(ctx: click.Context, /, output: Output) -> None:
    """Check versions, processor, engines, decoders and disks, and say what to do.

    Works where libraries are broken: each is tried in a process of its own. Ends with exit code 6 if something that
    posecli needs does not work.

    \b
    Examples:
        posecli doctor
        posecli doctor --json
    """
    from posecli.studies.doctor import examine

    report = examine()
    for check in report.checks:
        line = f"{check.status:<4}  {check.name:<17}  {check.found}"
        if check.status == "fail":
            output.warn(line)
        else:
            output.say(line)
        if check.advice:
            (output.warn if check.status == "fail" else output.say)(f"{'':25}{check.advice}")
    output.result(report.as_dict())
    ctx.exit(report.exit_code)

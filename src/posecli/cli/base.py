"""What all commands share: how they end, what they print, and options from a file."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click

from posecli.cli.options import gathered
from posecli.errors import EXIT_INTERRUPTED, EXIT_RESUME, PoseCliError, StopRequest, UsageError
from posecli.support.textfile import NOTES
from posecli.support.yamlfile import read_yaml

#: The context's object where the process is the command's own, which may fork.
OWN_PROCESS = object()
#: An argument or option that is a file or a folder.
PATH = click.Path(path_type=Path)


@dataclass(frozen=True)
class Output:
    """What a command prints, and where.

    Results go to standard output and progress to standard error. With ``--json`` standard output holds one
    JSON object and nothing else.
    """

    json: bool
    quiet: bool
    verbose: bool

    def say(self, line: str) -> None:
        """Print a line for people."""
        if not self.quiet:
            click.echo(line, err=self.json)

    def progress(self, line: str) -> None:
        """Print a line on how far the work is."""
        if not self.quiet:
            click.echo(line, err=True)

    def warn(self, line: str) -> None:
        """Print a line that people must see."""
        click.echo(line, err=True)

    def result(self, content: dict[str, Any]) -> None:
        """Print the JSON object, if asked for; readers' notes follow the command's own."""
        if self.json:
            lines = _noted_lines()
            notes = {"notes": [*content.get("notes", []), *lines]} if lines else {}
            click.echo(json.dumps(content | notes, indent=2, ensure_ascii=False))


class _Noted(logging.Handler):
    """Prints readers' notes while a command runs, each once, even if the command is quiet."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if line not in self.lines:
            self.lines.append(line)
            click.echo(f"Note: {line}", err=True)


def _note_from_now_on(ctx: click.Context) -> None:
    """Print notes until the command ends."""
    handler = ctx.meta[NOTES.name] = _Noted()
    NOTES.handlers = [handler]
    ctx.call_on_close(lambda: NOTES.removeHandler(handler))


def _noted_lines() -> list[str]:
    context = click.get_current_context(silent=True)
    return context.meta[NOTES.name].lines if context and NOTES.name in context.meta else []


class Command(click.Command):
    """A command that ends in one line and a documented exit code instead of a traceback."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the flags; an error is printed as JSON too, if --json is among them."""
        as_json = "--json" in args
        _note_from_now_on(ctx)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if as_json:
                click.echo(json.dumps({"error": error.format_message(), "exit_code": error.exit_code}))
            raise

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PoseCliError as error:
            message, line, exit_code = str(error), f"Error: {error}", error.exit_code
        except StopRequest as request:
            message = line = f"Stopped by {request}: finished work is kept, and the same command continues."
            exit_code = EXIT_RESUME
        except KeyboardInterrupt:
            click.echo("\nInterrupted: finished work is kept.", err=True)
            ctx.exit(EXIT_INTERRUPTED)
        if ctx.params.get("as_json"):
            click.echo(json.dumps({"error": message, "exit_code": exit_code}, ensure_ascii=False))
        click.echo(line, err=True)
        raise click.exceptions.Exit(exit_code)


@contextmanager
def stop_signals() -> Iterator[None]:
    """Turn the first SIGTERM or SIGUSR1, with which schedulers end a job, into a `StopRequest`."""
    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in signals:  # a second one would only disturb the clean-up
            signal.signal(each, signal.SIG_IGN)
        raise StopRequest(signal.Signals(number).name)

    before = {each: signal.signal(each, stop) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _make_output(as_json: bool, quiet: bool, verbose: bool) -> Output:
    if quiet and verbose:
        raise UsageError("--quiet and --verbose exclude each other: give one of them")
    if verbose:
        os.environ["POSECLI_VERBOSE"] = "1"
    return Output(as_json, quiet, verbose)


#: ``-v``, ``-q`` and ``--json``; the callback takes one `Output` as ``output``.
output_options = gathered(
    "output",
    _make_output,
    ("as_json", "quiet", "verbose"),
    click.option("-v", "--verbose", is_flag=True, help="Show what libraries print."),
    click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output."),
)


def _load_config(ctx: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    try:
        values = read_yaml(path, UsageError)
        ctx.default_map = {**(ctx.default_map or {}), **_named_as_parameters(ctx.command, path, values)}
    except UsageError as error:
        raise click.UsageError(str(error), ctx) from error


def _named_as_parameters(command: click.Command, path: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Option names, in any of their long spellings, to click's parameter names."""
    spellings = {
        spelling.lstrip("-").replace("_", "-"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name not in (None, "config", "help")
        for spelling in parameter.opts
        if spelling.startswith("--")
    }
    named = {}
    for key, value in values.items():
        parameter = spellings.get(str(key).replace("_", "-"))
        if parameter is None or parameter.name is None:
            known = ", ".join(sorted(spellings))
            raise UsageError(f"'{path}' has an unknown key '{key}': '{command.name}' knows {known}")
        named[parameter.name] = _flag_value(path, str(key), parameter, value)
    return named


def _flag_value(path: Path, key: str, parameter: click.Option, value: Any) -> Any:
    """A list becomes the comma-separated text that a flag takes, unless the flag may be given several times."""
    if isinstance(value, dict):
        raise UsageError(f"'{path}' gives a mapping for '{key}': give a single value or a list")
    return ",".join(map(str, value)) if isinstance(value, list) and not parameter.multiple else value


#: ``--config FILE.yaml``: defaults for every other option of the command; flags override them.
config_option = click.option(
    "--config",
    type=PATH,
    is_eager=True,
    expose_value=False,
    callback=_load_config,
    help="YAML file with this command's options, named as here without leading dashes; flags override it.",
)


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(75), duration(4000)
    ('1 min 15 s', '1 h 06 min')
    """
    if seconds == float("inf"):
        return "unknown time"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """A table as lines of text; numbers are aligned at the right, all else at the left.

    >>> aligned([["name", "fps"], ["a", "9.5"], ["bb", "120"]])
    ['name  fps', 'a     9.5', 'bb    120']
    """
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return ["  ".join(_padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def _padded(cell: str, width: int) -> str:
    return f"{cell:>{width}}" if cell[:1].isdigit() else f"{cell:<{width}}"

"""What all commands share: how they end, what they print, and options that several of them take."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.help import write_options
from posecli.errors import EXIT_INTERRUPTED, EXIT_RESUME, PoseCliError, StopRequest, UsageError
from posecli.options import (
    ENGINES,
    PIPELINES,
    PRECISIONS,
    STATISTICS,
    TRAINING_ENGINES,
    AnalyzeOptions,
    EngineOptions,
    PipelineName,
    Precision,
    TableChoice,
)
from posecli.support.textfile import NOTES
from posecli.support.yamlfile import read_yaml

if TYPE_CHECKING:
    from posecli.model.deeplabcut import NetworkChoice

#: Adds options to a command.
Decorator = Callable[[Any], Any]

DEFAULTS = AnalyzeOptions()
#: The context's object where the process is the command's own, which may fork.
OWN_PROCESS = object()
#: An argument or option that is a file or a folder.
PATH = click.Path(path_type=Path)


@dataclass(frozen=True)
class Output:
    """What a command prints: results on standard output, or one JSON object alone, and progress on standard error."""

    json: bool
    quiet: bool
    verbose: bool = False

    def say(self, *lines: str) -> None:
        """Print lines for people."""
        if not self.quiet:
            for line in lines:
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
            context = click.get_current_context()
            lines = context.meta[NOTES.name].lines
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


def _be_verbose(ctx: click.Context) -> None:
    """Let libraries print, in the processes that this one starts too, until the command ends."""
    name, before = "POSECLI_VERBOSE", os.environ.get("POSECLI_VERBOSE")
    os.environ[name] = "1"
    ctx.call_on_close(lambda: os.environ.pop(name, None) if before is None else os.environ.update({name: before}))


class Command(click.Command):
    """A command that ends in one line and a documented exit code instead of a traceback.

    Its last options are those of every command: ``--config``, unless it is left out, and those of which the callback
    takes one `Output` as ``output``.
    """

    def __init__(self, *args: Any, config: bool = True, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.params += [
            *([click.Option(["--config"], **CONFIG)] if config else []),
            click.Option(["-v", "--verbose"], is_flag=True, help="Print more, and what libraries print."),
            click.Option(["-q", "--quiet"], is_flag=True, help="Print errors only."),
            click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object on standard output."),
        ]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write options of long lists by what they are about."""
        write_options(formatter, self.get_params(ctx), ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the flags; an error is printed as JSON too, if --json is among them. Notes are printed from now on."""
        as_json = "--json" in args
        handler = ctx.meta[NOTES.name] = _Noted()
        NOTES.handlers = [handler]
        ctx.call_on_close(lambda: NOTES.removeHandler(handler))
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if as_json:
                click.echo(json.dumps({"error": error.format_message(), "exit_code": error.exit_code}))
            raise

    def invoke(self, ctx: click.Context) -> Any:
        verbose, quiet, as_json = (ctx.params.pop(name) for name in ("verbose", "quiet", "as_json"))
        ctx.params["output"] = Output(as_json, quiet, verbose)
        try:
            if quiet and verbose:
                raise UsageError("--quiet and --verbose exclude each other: give one of them")
            if verbose:
                _be_verbose(ctx)
            return super().invoke(ctx)
        except PoseCliError as error:
            message, line, exit_code = str(error), f"Error: {error}", error.exit_code
        except StopRequest as request:
            message = line = f"Stopped by {request}: finished work is kept, and the same command continues."
            exit_code = EXIT_RESUME
        except KeyboardInterrupt:
            click.echo("\nInterrupted: finished work is kept.", err=True)
            ctx.exit(EXIT_INTERRUPTED)
        if as_json:
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
CONFIG: dict[str, Any] = {
    "type": PATH,
    "is_eager": True,
    "expose_value": False,
    "callback": _load_config,
    "help": "YAML file with this command's options, named as here without leading dashes; flags override it.",
}


# Options that several commands share: one spelling, one default and one help text wherever they occur -----------------


def all_of(*options: Any) -> Decorator:
    """Several options as one decorator, in this order in the help."""

    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def gathered(name: str, make: Callable[..., Any], parameters: Sequence[str], *options: Any) -> Decorator:
    """Several options as one decorator; the callback takes ``make(*values of the parameters)`` as one argument."""

    def add(function: Any) -> Any:
        @wraps(function)
        def with_value(*args: Any, **flags: Any) -> Any:
            value = make(*(flags.pop(parameter) for parameter in parameters))
            return function(*args, **{name: value}, **flags)

        return all_of(*options)(with_value)

    return add


def number_or(*words: str) -> dict[str, Any]:
    """Arguments of an option that takes a whole number or one of some words."""

    def value(given: int | str) -> int | str:
        try:
            return given if given in words else int(given)
        except ValueError:
            known = " or ".join(f"'{word}'" for word in words)
            raise click.BadParameter(f"'{given}' is neither a whole number nor {known}.") from None

    return {"type": value, "metavar": "|".join(("N", *words))}


def pixels(option: str) -> Callable[[str], float]:
    """Reads a length in px, with or without its unit.

    >>> pixels("within")("1px"), pixels("tolerance")("0.5")
    (1.0, 0.5)
    """

    def read(text: str) -> float:
        try:
            return float(text.strip().lower().removesuffix("px"))
        except ValueError:
            raise UsageError(f"{option} '{text}' is no length: give px, as in 1px or 0.5") from None

    return read


def batch_size_option(help_text: str, default: int | str | None, *, auto: bool) -> Decorator:
    """``--batchsize``, with its other spelling."""
    kind = number_or("auto") if auto else {"type": int}
    return click.option("-b", "--batchsize", "--batch-size", "batch_size", **kind, default=default, help=help_text)


def boxes_option(words: str = "") -> Decorator:
    """``--boxes``; the words say more of them."""
    return click.option(
        "--boxes",
        type=PATH,
        help="Bounding boxes of the animal, for a top-down network: a CSV table with frame, x, y, width and height in "
        f"px, or a folder with <video>.csv for each.{words}  [the model's detector finds them]",
    )


crop_option = click.option("--crop", help="Part of the frame to analyse: x1,x2,y1,y2 in px.")


def engine_options(
    words: str, names: Sequence[Precision] = PRECISIONS, default: Precision = DEFAULTS.engine.precision
) -> Decorator:
    """``--engine``, ``--precision``, of which the words say how it is chosen, and ``--threads``; all as ``engine``."""
    arithmetic = f"Arithmetic of the network{words}"
    return gathered(
        "engine",
        EngineOptions,
        ("engine", "precision", "threads"),
        click.option(
            "--engine", type=click.Choice(ENGINES), default=DEFAULTS.engine.engine, help="Runtime of the network."
        ),
        click.option("--precision", type=click.Choice(names), default=default, help=arithmetic),
        click.option("--threads", type=int, help="Threads for the network.  [every core this process may use]"),
    )


def pipeline_option(words: str, names: Sequence[PipelineName] = PIPELINES) -> Decorator:
    """``--pipeline``; the words say what it means for the command."""
    return click.option("--pipeline", type=click.Choice(names), default=DEFAULTS.pipeline, help=words)


def snapshot_value(value: int | str) -> int | str:
    """A whole number, or ``best``."""
    try:
        return value if value == "best" else int(value)
    except ValueError:
        raise click.BadParameter(f"'{value}' is neither a whole number nor 'best'.") from None


def _network_choice(*values: Any) -> NetworkChoice:
    from posecli.model.deeplabcut import NetworkChoice

    return NetworkChoice(*values)


#: Which network of a DeepLabCut project is meant; the callback takes it as ``network``.
project_options = gathered(
    "network",
    _network_choice,
    ("shuffle", "trainset_index", "snapshot", "dlc_engine", "detector_snapshot", "statistics"),
    click.option("--shuffle", default=1, help="Shuffle of the DeepLabCut project."),
    click.option(
        "--snapshot",
        type=snapshot_value,
        metavar="N|best",
        help="Training iteration or epoch of the snapshot.  [what config.yaml says, else the best or the last]",
    ),
    click.option("--trainset-index", default=0, help="Index into the project's TrainingFraction."),
    click.option(
        "--dlc-engine",
        type=click.Choice(TRAINING_ENGINES),
        help="Engine of DeepLabCut that trained the network.  [what the project says]",
    ),
    click.option(
        "--detector-snapshot",
        type=snapshot_value,
        metavar="N|best",
        help="Epoch of a top-down network's detector.  [as for --snapshot]",
    ),
    click.option(
        "--statistics",
        type=click.Choice(STATISTICS),
        help="What normalises a MobileNet or EfficientNet: each frame's own statistics, or the stored ones, which is "
        "faster.  [what DeepLabCut takes: the frame's for MobileNet]",
    ),
)


def table_choice_options(table: str = "TABLE", prefix: str = "") -> Decorator:
    """``--key`` and ``--scorer`` of a pose table; the callback takes ``choice: TableChoice``.

    Where a command reads two tables, a prefix such as ``truth-`` begins the options' names and the argument's.
    """
    start = prefix.replace("-", "_")
    return gathered(
        f"{start}choice",
        partial(TableChoice, option=prefix),
        (f"{start}key", f"{start}scorer"),
        click.option(f"--{prefix}key", help=f"Which pandas table of {table}, where the file holds several."),
        click.option(f"--{prefix}scorer", help=f"Whose points of {table}, where it has several scorers."),
    )


def parse_numbers(text: str) -> tuple[float, ...]:
    """Numbers separated by commas.

    >>> parse_numbers("1, 0.5")
    (1.0, 0.5)
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"'{text}' is not a list of numbers: separate them by commas, as in 1,0.5") from None


# Words ---------------------------------------------------------------------------------------------------------------


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


def percent(share: float, digits: int = 0) -> str:
    """A share in words; one that is not known is a dash.

    >>> percent(0.125, 1), percent(float("nan"))
    ('12.5 %', '-')
    """
    return "-" if math.isnan(share) else f"{100 * share:.{digits}f} %"


def rounded(value: float) -> str:
    """A number with two decimals; one that is not known is a dash."""
    return "-" if math.isnan(value) else f"{value:.2f}"

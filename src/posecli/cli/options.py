"""Options that several commands share: one spelling, one default and one help text wherever they occur.

Those that belong together reach the callback as one value: `gathered` makes it of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from posecli.errors import UsageError
from posecli.options import (
    ENGINES,
    PIPELINES,
    PRECISIONS,
    AnalyzeOptions,
    EngineOptions,
    PipelineName,
    Precision,
    TableChoice,
)

if TYPE_CHECKING:
    from posecli.model.deeplabcut import NetworkChoice

AnyCallback = TypeVar("AnyCallback", bound=Callable[..., Any])

DEFAULTS = AnalyzeOptions()


def all_of(*options: Any) -> Callable[[AnyCallback], AnyCallback]:
    """Several options as one decorator, in this order in the help."""

    def add(function: AnyCallback) -> AnyCallback:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def gathered(
    name: str, make: Callable[..., Any], parameters: Sequence[str], *options: Any
) -> Callable[[AnyCallback], AnyCallback]:
    """Several options as one decorator; the callback takes ``make(*values of the parameters)`` as one argument."""

    def add(function: AnyCallback) -> AnyCallback:
        @wraps(function)
        def with_value(*args: Any, **flags: Any) -> Any:
            value = make(*(flags.pop(parameter) for parameter in parameters))
            return function(*args, **{name: value}, **flags)

        return all_of(*options)(with_value)  # type: ignore[return-value]

    return add


def batch_size_value(value: int | str) -> int | str:
    """A whole number, or ``auto`` where the batch size can be measured."""
    try:
        return value if value == "auto" else int(value)
    except ValueError:
        raise click.BadParameter(f"'{value}' is neither a whole number nor 'auto'.") from None


def batch_size_option(help_text: str, default: int | str | None, *, auto: bool) -> Callable[[AnyCallback], AnyCallback]:
    """``--batchsize``, with its other spelling."""
    kind: dict[str, Any] = {"type": batch_size_value, "metavar": "N|auto"} if auto else {"type": int}
    return click.option("-b", "--batchsize", "--batch-size", "batch_size", **kind, default=default, help=help_text)


crop_option = click.option("--crop", help="Part of the frame to analyse: x1,x2,y1,y2 in px.")
engine_option = click.option(
    "--engine", type=click.Choice(ENGINES), default=DEFAULTS.engine.engine, help="Runtime of the network."
)
threads_option = click.option("--threads", type=int, help="Threads for the network.  [every core this process may use]")


def precision_option(
    words: str, names: Sequence[Precision] = PRECISIONS, default: Precision = DEFAULTS.engine.precision
) -> Callable[[AnyCallback], AnyCallback]:
    """``--precision``; the words say how it is chosen."""
    return click.option(
        "--precision", type=click.Choice(names), default=default, help=f"Arithmetic of the network{words}"
    )


def engine_options(
    words: str, names: Sequence[Precision] = PRECISIONS, default: Precision = DEFAULTS.engine.precision
) -> Callable[[AnyCallback], AnyCallback]:
    """``--engine``, ``--precision`` and ``--threads``; the callback takes ``engine: EngineOptions``."""
    options = (engine_option, precision_option(words, names, default), threads_option)
    return gathered("engine", EngineOptions, ("engine", "precision", "threads"), *options)


def pipeline_option(words: str, names: Sequence[PipelineName] = PIPELINES) -> Callable[[AnyCallback], AnyCallback]:
    """``--pipeline``; the words say what it means for the command."""
    return click.option("--pipeline", type=click.Choice(names), default=DEFAULTS.pipeline, help=words)


def _network_choice(shuffle: int, trainset_index: int, snapshot: int | None) -> NetworkChoice:
    from posecli.model.deeplabcut import NetworkChoice

    return NetworkChoice(shuffle, trainset_index, snapshot)


#: Which network of a DeepLabCut project is meant; the callback takes it as ``network``.
project_options = gathered(
    "network",
    _network_choice,
    ("shuffle", "trainset_index", "snapshot"),
    click.option("--shuffle", default=1, help="Shuffle of the DeepLabCut project."),
    click.option(
        "--snapshot", type=int, help="Training iteration of the snapshot.  [what config.yaml says, else the last]"
    ),
    click.option("--trainset-index", default=0, help="Index into the project's TrainingFraction."),
)


def table_choice_options(table: str = "TABLE", prefix: str = "") -> Callable[[AnyCallback], AnyCallback]:
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

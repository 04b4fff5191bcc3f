"""Options of the commands that run a network: one spelling and one default wherever they occur."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from posecli.options import ENGINES, PIPELINES, PRECISIONS, AnalyzeOptions, PipelineName, Precision

AnyCallback = TypeVar("AnyCallback", bound=Callable[..., Any])

DEFAULTS = AnalyzeOptions()


def all_of(*options: Any) -> Callable[[AnyCallback], AnyCallback]:
    """Several options as one decorator, in this order in the help."""

    def add(function: AnyCallback) -> AnyCallback:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def batch_size_value(value: int | str) -> int | str:
    """What ``--batchsize`` takes where it can be measured: a whole number, or ``auto``."""
    try:
        return value if value == "auto" else int(value)
    except ValueError:
        raise click.BadParameter(f"'{value}' is neither a whole number nor 'auto'.") from None


def batch_size_option(help_text: str, default: int | str | None, *, auto: bool) -> Callable[[AnyCallback], AnyCallback]:
    """``--batchsize``, with its other spelling."""
    kind: dict[str, Any] = {"type": batch_size_value, "metavar": "N|auto"} if auto else {"type": int}
    return click.option(
        "-b",
        "--batchsize",
        "--batch-size",
        "batch_size",
        **kind,
        default=default,
        show_default=default is not None,
        help=help_text,
    )


def crop_option() -> Callable[[AnyCallback], AnyCallback]:
    """``--crop``."""
    return click.option("--crop", help="Part of the frame to look at: x1,x2,y1,y2 in px.")


def engine_option() -> Callable[[AnyCallback], AnyCallback]:
    """``--engine``."""
    return click.option(
        "--engine",
        type=click.Choice(ENGINES),
        default=DEFAULTS.engine.engine,
        show_default=True,
        help="Runtime of the network.",
    )


def precision_option(
    words: str, names: Sequence[Precision] = PRECISIONS, default: Precision = DEFAULTS.engine.precision
) -> Callable[[AnyCallback], AnyCallback]:
    """``--precision``; the words say how it is settled."""
    return click.option(
        "--precision",
        type=click.Choice(names),
        default=default,
        show_default=True,
        help=f"Arithmetic of the network{words}",
    )


def pipeline_option(words: str, names: Sequence[PipelineName] = PIPELINES) -> Callable[[AnyCallback], AnyCallback]:
    """``--pipeline``."""
    return click.option(
        "--pipeline", type=click.Choice(names), default=DEFAULTS.pipeline, show_default=True, help=words
    )


def threads_option() -> Callable[[AnyCallback], AnyCallback]:
    """``--threads``."""
    return click.option("--threads", type=int, help="Threads for the network.  [every core this process may use]")

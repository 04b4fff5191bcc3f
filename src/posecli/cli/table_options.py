"""Which pose table of a file is meant: the same two options wherever a table is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from posecli.cli.network_options import AnyCallback, all_of
from posecli.options import TableChoice


def table_choice_options(table: str = "TABLE", start: str = "") -> Callable[[AnyCallback], AnyCallback]:
    """``--key`` and ``--scorer``, or with a word before both where a command reads two tables.

    Parameters
    ----------
    table
        How the command's help calls the table.
    start
        Of the options' names, such as ``truth-``.
    """
    return all_of(
        click.option(f"--{start}key", help=f"Which pandas table of {table}, where the file holds several."),
        click.option(f"--{start}scorer", help=f"Whose points of {table}, where it holds several scorers'."),
    )


def take_table_choice(flags: dict[str, Any], start: str = "") -> TableChoice:
    """What the options mean; they are taken out of the flags."""
    key, scorer = (flags.pop(f"{start}{name}".replace("-", "_")) for name in ("key", "scorer"))
    return TableChoice(key, scorer, start)

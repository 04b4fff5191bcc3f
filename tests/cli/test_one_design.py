"""The commands read as one: the same option has the same name, short form and kind wherever it is."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from posecli.cli import cli

#: Options of every command.
SHARED = {"--json", "--quiet", "--verbose"}
#: So many options of its own, and a command takes them from a file as well.
MANY = 4
#: Takes a file name where 'analyze' and 'filter', which know where tables go, take a flag.
OF_TWO_KINDS = {"--csv"}
#: Say where results are, or check them; they write none, and need no settings of their own.
WRITE_NOTHING = {"outpath", "verify"}


def leaves(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that is not a group, by the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command, *path, name)
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(leaves(cli))


def options(command: click.Command) -> dict[str, click.Option]:
    """A command's options by each long name."""
    return {
        name: item
        for item in command.params
        if isinstance(item, click.Option)
        for name in item.opts
        if name.startswith("--")
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_what_all_share(name: str) -> None:
    found = options(COMMANDS[name])
    assert found.keys() >= SHARED
    own = {id(item) for long, item in found.items() if long not in {*SHARED, "--config"}}
    takes_file = "--config" in found or any(item.name == "config" for item in COMMANDS[name].params)
    assert takes_file or name in WRITE_NOTHING or len(own) < MANY, "leave out config=False"
    assert all(item.help for item in found.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_flag_is_told_as_json_too(name: str) -> None:
    result = CliRunner().invoke(cli, [*name.split(), "--json", "--no-such-flag"])
    assert result.exit_code == 2
    content = json.loads(result.stdout)
    assert content["exit_code"] == 2
    assert "--no-such-flag" in content["error"]


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - WRITE_NOTHING))
def test_what_writes_somewhere_can_replace(name: str) -> None:
    found = options(COMMANDS[name])
    if "--out-dir" in found or "--out" in found:
        assert "--overwrite" in found


def test_one_name_has_one_short_form_and_one_kind() -> None:
    shorts, kinds = defaultdict(set), defaultdict(set)
    for command in COMMANDS.values():
        for long, item in options(command).items():
            shorts[long].add(next((name for name in item.opts if not name.startswith("--")), None))
            kinds[long].add(item.is_flag)
    assert {long: found for long, found in shorts.items() if len(found) > 1} == {}
    assert {long for long, found in kinds.items() if len(found) > 1} <= OF_TWO_KINDS


def test_one_short_form_means_one_thing() -> None:
    longs = defaultdict(set)
    for command in COMMANDS.values():
        for long, item in options(command).items():
            for short in set(item.opts) - {name for name in item.opts if name.startswith("--")}:
                longs[short].add(long)
    assert longs["-o"] <= {"--out", "--out-dir"}
    assert longs["-m"] == {"--model"}
    assert longs["-b"] == {"--batchsize", "--batch-size"}

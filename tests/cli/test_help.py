"""How help reads: every command in its place, whole sentences, options by what they are about, at 80 columns."""

from __future__ import annotations

import click
import pytest
from cli.test_cli import leaves
from click.testing import CliRunner

from posecli.cli import COMMANDS, cli
from posecli.cli.help import COMMAND_SECTIONS, OPTION_SECTIONS

ALL = [name for names in COMMANDS.values() for name in names]


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(cli, [*arguments, "--help"], terminal_width=80)
    assert result.exit_code == 0
    return result.output


def test_every_command_has_one_place() -> None:
    placed = [name for names in COMMAND_SECTIONS.values() for name in names]
    assert sorted(placed) == sorted(ALL)


def test_no_sentence_is_cut_off() -> None:
    text = shown()
    assert "..." not in text.partition("Find poses")[2]
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("path", leaves(cli), ids=" ".join)
def test_lines_fit_a_terminal(path: tuple[str, ...]) -> None:
    assert max(map(len, shown(*path).splitlines())) <= 80


def test_long_lists_of_options_are_in_sections() -> None:
    text = shown("analyze")
    titles = [line.removesuffix(":") for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == [
        *("Which videos", "Which network", "What the network sees", "Speed", "Results", "Every command"),
    ]
    speed = text.partition("Speed:")[2].partition("Results:")[0]
    assert speed.index("--within") < speed.index("--precision") < speed.index("--pipeline")
    every = text.partition("Every command:")[2]
    assert all(name in every for name in ("--json", "--help"))


def test_short_lists_are_one() -> None:
    text = shown("verify")
    assert not any(f"\n{title}:" in text for title in OPTION_SECTIONS)
    assert "\nOptions:" in text


def test_a_window_of_a_filter_is_not_one_of_the_frame() -> None:
    for name, section in ("analyze", "What the network sees"), ("compress-sweep", "Options"):
        assert "--window" in shown(name).partition(f"\n{section}:")[2].partition("\n\n")[0]


def test_sections_name_options_that_there_are() -> None:
    context = click.Context(cli)
    commands = [cli.get_command(context, name) for name in ALL]
    names = {parameter.name for command in commands if command is not None for parameter in command.params}
    listed = {name for section in OPTION_SECTIONS.values() for name in section} - {"help", "window in px"}
    assert listed <= names


@pytest.mark.parametrize(
    ("given", "words"),
    [("analyse", "there is no command 'analyse': did you mean 'analyze'?"), ("xyz", "'posecli --help' lists all")],
)
def test_a_command_that_there_is_not(given: str, words: str) -> None:
    result = CliRunner().invoke(cli, [given, "video.mp4"])
    assert result.exit_code == 2
    assert words in result.output

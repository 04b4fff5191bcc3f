"""The command set as a whole: help, version, start-up."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from posecli import __version__
from posecli.cli import COMMANDS, cli

HEAVY = ("tensorflow", "keras", "openvino", "pandas", "tables", "cv2", "av", "numpy", "ruamel.yaml")


def leaves(group: click.Group, *path: str) -> list[tuple[str, ...]]:
    """Every command that is not a group."""
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found += leaves(command, *path, name) if isinstance(command, click.Group) else [(*path, name)]
    return found


ALL = leaves(cli)


def test_group_lists_every_command() -> None:
    output = CliRunner().invoke(cli, ["--help"]).output
    assert all(f"  {name} " in output for names in COMMANDS.values() for name in names)
    assert "Exit codes: 0 success" in output


@pytest.mark.parametrize("path", ALL, ids=" ".join)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_has_help_with_an_example(path: tuple[str, ...], flag: str) -> None:
    result = CliRunner().invoke(cli, [*path, flag])
    assert result.exit_code == 0
    assert f"posecli {' '.join(path)} " in result.output.partition("Example")[2]
    assert "--json" in result.output
    assert f"\n      posecli {' '.join(path)} " in result.output, "examples stand on lines of their own"


def test_version() -> None:
    assert CliRunner().invoke(cli, ["--version"]).output == f"posecli, version {__version__}\n"


def test_module_runs_as_the_script_does() -> None:
    done = subprocess.run([sys.executable, "-m", "posecli", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"posecli, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["analyze", "--help"], ["model", "import", "--help"]], ids=" ".join
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom posecli.cli import cli\n"
        f"try: cli({arguments!r})\nexcept SystemExit: pass\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_import_posecli_imports_nothing_heavy() -> None:
    program = f"import sys, posecli\nprint([name for name in {(*HEAVY, 'click')!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

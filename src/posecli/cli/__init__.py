"""The command line: each command reads flags, calls one function, and prints.

To add a command, write a click command of that name in a module of this folder, and list it in `COMMANDS`.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

import click

from posecli import __version__

#: Commands by the module that has them; it is imported when one of them is called or listed.
COMMANDS = {
    "analyze": ("analyze", "classify", "outpath"),
    "benchmark": ("benchmark",),
    "evaluate": ("evaluate",),
    "machine": ("doctor", "estimate"),
    "model": ("model",),
    "rendered": ("demo", "sample"),
    "sweeps": ("compress-sweep", "recommend", "reencode", "scale-sweep"),
    "tables": ("convert", "filter", "label", "plot", "verify"),
    "train": ("distill", "train"),
}

EXIT_CODES = """\b
Exit codes: 0 success, 1 internal error, 2 wrong option or configuration,
3 video cannot be read, 4 frames missing, 5 model cannot be used, 6 engine,
7 result cannot be written, 8 another result is there already,
9 precision cannot be used, 10 labelled data cannot be used,
75 stopped by SIGTERM or SIGUSR1: the same command goes on, 130 Ctrl-C."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return sorted(name for names in COMMANDS.values() for name in names)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        for module, names in COMMANDS.items():
            if cmd_name in names:
                found = vars(import_module(f"posecli.cli.{module}")).values()
                return next(each for each in found if isinstance(each, click.Command) and each.name == cmd_name)
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names; if there is none, say which it may have been."""
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-"):
            meant = get_close_matches(args[0], names, n=1)
            hint = f": did you mean '{meant[0]}'?" if meant else "; 'posecli --help' lists all"
            ctx.fail(f"there is no command '{args[0]}'{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write them by what people want."""
        from posecli.cli.help import write_commands

        found = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        write_commands(formatter, {name: command for name, command in found.items() if command is not None})


@click.group(
    cls=LazyGroup, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(__version__, prog_name="posecli")
def cli() -> None:
    """Find the body parts of animals in video.

    \b
    First look, and a video of your own with a network trained in DeepLabCut:
        posecli demo
        posecli analyze video.mp4 --model path/to/project/config.yaml
    """


def main() -> None:
    """Entry point of the ``posecli`` script."""
    from posecli.cli.base import OWN_PROCESS

    cli(prog_name="posecli", obj=OWN_PROCESS)

"""Writes the parts of the documentation that follow from the code and from the results of the benchmarks.

    python docs/generate.py
    python docs/generate.py --check

The first writes them; the second names those that are out of date, and fails if there are any. Whole files are the
reference of the commands (``reference/``), the map of the code and the pictures of ``design.md``. Of ``index.md``,
``classify.md``, ``speed.md``, ``papers.md``, ``parity.md`` and ``other-tools.md`` only what lies between two comments
is written; the rest is by hand.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
from behaviour_tables import classify_blocks
from drawings import floors_svg, way_svg
from papers_table import papers_blocks
from parity_table import parity_blocks
from speed_tables import speed_blocks
from tools_table import tools_blocks

from posecli.cli import cli

DOCS = Path(__file__).resolve().parent
PACKAGE = DOCS.parent / "src" / "posecli"
COMMAND = "python docs/generate.py"
NOTE = f"<!-- written by '{COMMAND}': do not edit -->\n"
#: Columns of help text in the reference.
HELP_WIDTH = 100
#: Commands that are explained on a page of another name.
EXPLAINED_IN = {
    "demo": "tutorial-sample",
    "estimate": "benchmark",
    "model": "models",
    "outpath": "clusters",
    "recommend": "compress-sweep",
    "reencode": "compress-sweep",
}
#: The order of the topics in the navigation. Those that are not written yet are left out, others follow.
TOPICS = (
    "analyze",
    "windows",
    "classify",
    "clusters",
    "damaged-videos",
    "odd-videos",
    "verify",
    "models",
    "precision",
    "builtin-model",
    "train",
    "distill",
    "evaluate",
    "filter",
    "label",
    "plot",
    "convert",
    "benchmark",
    "compress-sweep",
    "scale-sweep",
    "sample",
    "doctor",
)


def explained_in(command: str) -> str:
    """The page, without its ending, that explains a command."""
    return EXPLAINED_IN.get(command, command)


def pages() -> dict[Path, str]:
    """Every file that is written, and what it should hold."""
    found = {DOCS / "reference" / f"{name}.md": text for name, text in reference_pages().items()}
    found[DOCS / "code-map.md"] = code_map()
    found[DOCS / "images" / "floors.svg"] = floors_svg()
    found[DOCS / "images" / "way-of-a-frame.svg"] = way_svg()
    written = {
        "classify": classify_blocks(),
        "speed": speed_blocks(),
        "papers": papers_blocks(),
        "parity": parity_blocks(),
        "other-tools": tools_blocks(),
        "index": {"topics": topics_block()},
    }
    for name, blocks in written.items():
        path = DOCS / f"{name}.md"
        found[path] = with_blocks(path.read_text(encoding="utf-8"), blocks)
    return found


def surplus() -> list[Path]:
    """Pages of commands that are no more."""
    return sorted(set((DOCS / "reference").glob("*.md")) - set(pages()))


def with_blocks(text: str, blocks: Mapping[str, str]) -> str:
    r"""A page with the text between its comments replaced.

    >>> with_blocks("a <!-- begin b -->old<!-- end b --> c", {"b": "new"})
    'a <!-- begin b -->\nnew\n<!-- end b --> c'
    """
    for name, block in blocks.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        head, found, rest = text.partition(begin)
        _, closed, tail = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"no '{begin}' and '{end}' in the page: put them where the block belongs")
        text = f"{head}{begin}\n{block}\n{end}{tail}"
    return text


def topics_block() -> str:
    """The navigation of the topics: every page that has no other place in it."""
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    elsewhere = set(with_blocks(index, {"topics": ""}).splitlines()) | {"index"}
    pages = sorted(
        (path.stem for path in DOCS.glob("*.md") if path.stem not in elsewhere),
        key=lambda name: (TOPICS.index(name) if name in TOPICS else len(TOPICS), name),
    )
    entries = "\n".join(pages)
    return f"```{{toctree}}\n:caption: Topics\n:maxdepth: 1\n\n{entries}\n```"


def reference_pages() -> dict[str, str]:
    """A page for each command and an index, by name."""
    root = click.Context(cli, info_name="posecli", terminal_width=HELP_WIDTH, **cli.context_settings)
    commands = {name: cli.get_command(root, name) for name in cli.list_commands(root)}
    known = {name: command for name, command in commands.items() if command is not None}
    return {
        "index": _reference_index(root, known),
        **{name: _reference_page(root, name, command) for name, command in known.items()},
    }


def _reference_index(root: click.Context, commands: Mapping[str, click.Command]) -> str:
    rows = [
        f"| [`posecli {name}`]({name}.md) | {_first_sentence(command.help or '')} | {_explanation(name)} |"
        for name, command in commands.items()
    ]
    entries = "\n".join(commands)
    return (
        f"{NOTE}# Commands\n\nEvery command prints this with `--help`. `posecli --help`:\n\n{_help_block(root)}\n\n"
        "| command | | explained in |\n|---|---|---|\n" + "\n".join(rows) + "\n\n"
        "## What all of them share\n\n"
        "`-q` prints errors only, `-v` also what libraries have to say. With `--json` standard output holds one JSON\n"
        "object and nothing else, after an error too (`error`, `exit_code`); words for people go to standard error.\n"
        "`--config FILE.yaml`, where there is one, gives defaults for the command's other options.\n\n"
        f"```{{toctree}}\n:hidden:\n\n{entries}\n```\n"
    )


def _reference_page(root: click.Context, name: str, command: click.Command) -> str:
    parts = [f"{NOTE}# posecli {name}\n\nExplained in {_explanation(name)}."]
    for path, context in _contexts(root, name, command):
        heading = f"## posecli {path}\n\n" if path != name else ""
        parts.append(heading + _help_block(context))
    return "\n\n".join(parts) + "\n"


def _explanation(command: str) -> str:
    """A link to the page that explains a command; its name alone where it is not written yet."""
    page = explained_in(command)
    return f"[{page}](../{page}.md)" if (DOCS / f"{page}.md").exists() else page


def _contexts(parent: click.Context, path: str, command: click.Command) -> Iterator[tuple[str, click.Context]]:
    """A command and, of a group, those below it."""
    context = click.Context(command, parent=parent, info_name=path.rpartition(" ")[2], **command.context_settings)
    yield path, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _contexts(context, f"{path} {name}", below)


def _help_block(context: click.Context) -> str:
    return f"```text\n{context.command.get_help(context).rstrip()}\n```"


def code_map() -> str:
    """The page that names every module with the first sentence of its docstring."""
    parts = [
        NOTE + "# Map of the code\n\nEvery module of `src/posecli`, by folder, in the words of its own first line. "
        "[Design](design.md) says how they fit together. Beside them lie `studies/prices.yaml` (what an hour of a "
        "machine costs, with date and source) and `model/built_in/` (the networks that come with posecli)."
    ]
    for folder in sorted({path.parent for path in PACKAGE.rglob("*.py")}):
        place = folder.relative_to(PACKAGE.parent).as_posix()
        rows = [
            f"| `{path.name}` | {_module_line(path)} |"
            for path in sorted(folder.glob("*.py"), key=lambda path: (path.stem != "__init__", path.stem))
        ]
        parts.append(f"## `{place}/`\n\n| file | |\n|---|---|\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _module_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if docstring is None:
        raise ValueError(f"'{path}' has no docstring: say in its first line what it is for")
    return _first_sentence(docstring).replace("``", "`").replace("|", "\\|")


def _first_sentence(text: str) -> str:
    r"""The first sentence of a docstring, in one line.

    >>> _first_sentence("What a\nthing does. And more.")
    'What a thing does.'
    >>> _first_sentence("HRNet (Sun et al. 2019). And more.")
    'HRNet (Sun et al. 2019).'
    """
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.!?])(?<! al\.)\s", paragraph)[0]


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only say what is out of date")
    check = parser.parse_args().check
    wanted, gone = pages(), surplus()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if check:
        for path in (*stale, *gone):
            print(f"'{path.relative_to(DOCS.parent)}' is out of date: run '{COMMAND}'", file=sys.stderr)
        return int(bool(stale or gone))
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
        print(path.relative_to(DOCS.parent))
    for path in gone:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())

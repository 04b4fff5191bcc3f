"""The documentation against the code: what is generated is current, and what is written by hand names what exists."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click
import pytest
import yaml

import posecli
from posecli.cli import cli

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
#: How a shell gets at the command in examples.
PREFIXES = (".venv/bin/", "")


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``docs/generate.py``."""
    monkeypatch.syspath_prepend(str(DOCS))
    return import_module("generate")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that is not a group, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


COMMANDS = dict(commands(cli))


def test_generated_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["generate", "speed_tables", "papers_table"])
def test_examples_of_the_generators(name: str, generate: ModuleType) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


def test_the_way_of_a_frame_names_modules_that_exist(generate: ModuleType) -> None:
    named = import_module("drawings").named_modules()
    assert [name for name in named if not (ROOT / "src" / "posecli" / name).exists()] == []


def test_design_names_files_that_exist() -> None:
    named = re.findall(r"`([a-z]+/[a-z0-9_/]*(?:\.py)?)`", (DOCS / "design.md").read_text(encoding="utf-8"))
    assert len(named) > 5
    assert [name for name in named if not (ROOT / "src" / "posecli" / name).exists()] == []


def test_a_page_without_a_place_for_its_block_is_an_error(generate: ModuleType) -> None:
    with pytest.raises(ValueError, match="begin ratios"):
        generate.with_blocks("# Speed", {"ratios": "a table"})


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_is_explained_on_a_page(path: tuple[str, ...], generate: ModuleType) -> None:
    page = DOCS / f"{generate.explained_in(path[0])}.md"
    assert page.is_file(), f"write {name_of(page)}, or name another page in EXPLAINED_IN of docs/generate.py"
    assert f"posecli {' '.join(path)}" in page.read_text(encoding="utf-8")


def test_code_map_names_every_module_and_no_other() -> None:
    named, folder = set(), Path()
    for line in (DOCS / "code-map.md").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"## `(.*)/`$", line):
            folder = ROOT / "src" / found[1]
        elif found := re.match(r"\| `(.*\.py)` \| .+ \|$", line):
            named.add(folder / found[1])
    assert named == set((ROOT / "src" / "posecli").rglob("*.py"))


def test_every_public_name_is_in_the_api_page() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    missing = [name for name in posecli.__all__ if not re.search(rf"auto\w+:: (posecli\.)?{name}$", text, re.MULTILINE)]
    assert missing == ["__version__"]


def test_navigation_names_every_page_and_no_other() -> None:
    listed = []
    for block in re.findall(r"```\{toctree\}\n(.*?)```", (DOCS / "index.md").read_text(encoding="utf-8"), re.DOTALL):
        listed += [line for line in block.splitlines() if line and not line.startswith(":")]
    assert len(listed) == len(set(listed))
    assert set(listed) == {path.stem for path in DOCS.glob("*.md")} - {"index"} | {"reference/index"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    inside = {target.partition("#")[0] for target in targets if "://" not in target} - {""}
    assert [target for target in inside if not (page.parent / target).exists()] == []


def command_lines(page: Path) -> list[str]:
    """Lines in fenced blocks that call posecli."""
    blocks = re.findall(r"^ *```(?:bash|sh)?\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line[len(prefix) :] for line in lines for prefix in PREFIXES if line.startswith(f"{prefix}posecli ")]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_on_a_page_exist_with_their_options(page: Path) -> None:
    for line in command_lines(page):
        words = shlex.split(line.partition(" #")[0].partition(" > ")[0])[1:]
        if words[0].startswith("-"):
            continue
        path = next((path for path in COMMANDS if path == tuple(words[: len(path)])), None)
        assert path is not None, f"no such command: {line}"
        known = {opt for item in COMMANDS[path].params for opt in (*item.opts, *item.secondary_opts)} | {"-h", "--help"}
        used = {word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
        assert used <= known, f"{sorted(used - known)} in: {line}"


def test_checks_of_command_lines_look_at_something() -> None:
    assert sum(len(command_lines(page)) for page in PAGES) > 30


def test_papers_page_says_what_was_not_measured(
    generate: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    papers, speed = import_module("papers_table"), import_module("speed_tables")
    before = "".join(papers.papers_blocks().values())
    monkeypatch.setattr(speed, "RESULTS", tmp_path)
    without = "".join(papers.papers_blocks().values())
    assert "frames/s on 2 cores" in before
    assert "frames/s on 2 cores" not in without
    assert without.count(papers.NOT_YET) > before.count(papers.NOT_YET)


def test_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == posecli.__version__
    assert citation["license"] == "MIT"


def test_container_recipe_copies_what_is_there_and_let_through() -> None:
    recipe = (DOCS / "Containerfile").read_text(encoding="utf-8")
    copied = [word for line in re.findall(r"^COPY (?!--)(.*) \S+$", recipe, re.MULTILINE) for word in line.split()]
    let_through = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert copied
    assert all((ROOT / name).exists() and f"!{name}" in let_through for name in copied)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_imports_on_pages_work(page: Path) -> None:
    found = re.findall(r"^from (posecli[\w.]*) import ([\w, ]+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    toy = ("posecli.network.toy",)  # what CONTRIBUTING.md has its reader write
    for module, names in found:
        if module not in toy:
            assert [name for name in names.split(", ") if not hasattr(import_module(module), name)] == []

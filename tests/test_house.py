"""The house as docs/design.md draws it: rooms, names and sizes, which only ever get fewer, plainer and smaller."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import posecli

PACKAGE = Path(posecli.__file__).parent
TESTS = Path(__file__).parent
MODULES = {path.relative_to(PACKAGE): ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
#: Folders of tests that belong to no room: whether other programs read the tables.
OTHER_TESTS = {"interop"}
#: As they were when the house was built: lines of a function, its parameters, and a command's, one for each flag.
LONGEST, MOST_PARAMETERS, MOST_FLAGS = 70, 8, 13


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield path, node


def test_only_public_names_lie_at_the_root() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py", "errors.py", "options.py"}


def test_no_name_stands_for_two_classes() -> None:
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for path, tree in MODULES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(path.as_posix())
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_tests_mirror_the_rooms() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    tested = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")} - {Path()}
    assert rooms <= {folder.parts[0] for folder in tested}
    strange = [folder for folder in tested if not (PACKAGE / folder / "__init__.py").is_file()]
    assert {folder.as_posix() for folder in strange} == OTHER_TESTS


def test_no_function_is_longer_than_the_longest_was() -> None:
    lengths = {f"{path}:{node.name}": (node.end_lineno or 0) - node.lineno + 1 for path, node in functions()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


@pytest.mark.parametrize("in_cli", [False, True])
def test_no_function_takes_more_than_most_did(*, in_cli: bool) -> None:
    most = MOST_FLAGS if in_cli else MOST_PARAMETERS
    counts = {
        f"{path}:{node.name}": len([*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs])
        - any(first.arg in ("self", "cls") for first in node.args.args[:1])
        for path, node in functions()
        if (path.parts[0] == "cli") is in_cli
    }
    assert {name: count for name, count in counts.items() if count > most} == {}

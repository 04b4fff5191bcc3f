"""YAML files that come from outside: plain data, bounded in size, in depth and in what references make of it."""

from __future__ import annotations

import reprlib
import stat
from pathlib import Path
from typing import Any

import yaml

from posecli.errors import PoseCliError

#: Larger than any project file seen, and small enough to parse in seconds.
LARGEST_YAML_BYTES = 2 << 20
#: Values in a file, each counted wherever it is referred to: a few lines of references to references can mean billions.
MOST_VALUES = 500_000
#: What conversion of single values raises: dates that do not exist, numbers of thousands of digits, "0b_".
_CONVERSION = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError)

_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = 80


def brief(value: Any) -> str:
    r"""A value from outside as part of a message: one line, and short whatever it is.

    >>> brief("first\nsecond"), brief(list(range(9)))
    ("'first\\nsecond'", '[0, 1, 2, 3, 4, 5, ...]')
    """
    try:
        return _BRIEF.repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        return f"a {type(value).__name__} too long to show"


def read_yaml(path: Path, failure: type[PoseCliError]) -> dict[str, Any]:
    """Read a mapping; anything else, and any tag that would make an object, raises `failure`."""
    text = _read_text(path, failure)
    try:
        content = _plain_content(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise failure(f"'{path}' is not plain YAML{where}: correct or re-export it") from error
    except _TooMuchError as error:
        raise failure(f"'{path}' {error}: check that it is the right file, or write it without references") from None
    except RecursionError as error:
        raise failure(f"'{path}' is not plain YAML (it is nested too deeply): correct or re-export it") from error
    except _CONVERSION as error:
        raise failure(f"'{path}' holds a value that cannot be ({brief(str(error))}): correct it") from error
    if not isinstance(content, dict):
        raise failure(f"'{path}' holds no settings: expected lines of the form 'key: value'")
    return content


def _read_text(path: Path, failure: type[PoseCliError]) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a device has no end, and a pipe may keep its reader waiting
            raise failure(f"'{path}' is not a file: check the path")
        if status.st_size > LARGEST_YAML_BYTES:
            raise failure(
                f"'{path}' has {status.st_size} bytes, too many for a settings file: check that it is the right file"
            )
        with path.open("rb") as stream:
            return stream.read(LARGEST_YAML_BYTES).decode("utf-8")
    except FileNotFoundError:
        raise failure(f"'{path}' does not exist: check the path") from None
    except (OSError, ValueError) as error:  # the latter: no UTF-8, or a path that no file can have
        raise failure(f"'{path}' cannot be read ({error}): check the file and its permissions") from error


class _TooMuchError(Exception):
    """The text means more than it says."""


def _plain_content(text: str) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count_values(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _count_values(node: yaml.Node, counts: dict[int, int]) -> int:
    """Values below a node, counted as often as they are referred to."""
    known = counts.get(id(node))
    if known is not None:
        if known == 0:  # still being counted
            raise _TooMuchError("refers to itself")
        return known
    counts[id(node)] = 0
    total = 1
    for child in _children(node):
        total += _count_values(child, counts)
        if total > MOST_VALUES:
            raise _TooMuchError(f"holds more than {MOST_VALUES} values, most of them by reference")
    counts[id(node)] = total
    return total


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []

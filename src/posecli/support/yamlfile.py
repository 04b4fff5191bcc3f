"""YAML files that come from outside: plain data, bounded in size, in depth and in what references make of it."""

from __future__ import annotations

import reprlib
import stat
from datetime import date
from pathlib import Path
from typing import Any

from posecli.errors import PoseCliError
from posecli.support.textfile import decoded, unreadable

#: Larger than any project file seen, and small enough to parse in seconds.
LARGEST_YAML_BYTES = 2 << 20
#: What conversion of single values raises: dates that do not exist, numbers of thousands of digits, "0b_".
_CONVERSION = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError)

_WORDS = {"yes": True, "on": True, "no": False, "off": False}

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
    """Read a mapping; `failure` if the file holds anything else. `posecli.support.yamlvalues` says what values are."""
    from posecli.support.yamlvalues import UnusableError, plain_values

    text = _read_text(path, failure)
    try:
        content = plain_values(text)
    except UnusableError as error:
        raise failure(f"'{path}' {error}") from error
    except RecursionError as error:
        raise failure(f"'{path}' is nested too deeply for a settings file: correct or re-export it") from error
    except _CONVERSION as error:
        raise failure(f"'{path}' holds an impossible value ({brief(str(error))}): correct it") from error
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
            content = stream.read(LARGEST_YAML_BYTES)
    except FileNotFoundError:
        raise failure(f"'{path}' does not exist: check the path") from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error, failure) from error
    return decoded(content, path, failure)


def name_of(value: Any) -> str:
    """A name in a file, such as a body part's; a number may be one.

    A `TypeError` if it is a boolean, nothing, or not a single value: a name that looks like one stands in quotes.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | date):
        raise TypeError(f"is {brief(value)}, not a name: put it in quotes, or correct it")
    return str(value)


def truth_of(value: Any) -> Any:
    """The boolean that a word stands for in YAML 1.1; anything else as it is.

    >>> truth_of("no"), truth_of("On"), truth_of(True), truth_of("maybe")
    (False, True, True, 'maybe')
    """
    return _WORDS.get(value.lower(), value) if isinstance(value, str) else value

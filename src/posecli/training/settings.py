"""Settings from a file as frozen values: annotations say what is allowed, and a wrong key or value is named.

A field such as ``crop: Annotated[int, within(32, 1024, "px")] = 160`` is cast when it is read from a file, and checked
whenever its class is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as type_hints

from posecli.errors import UsageError
from posecli.support.yamlfile import truth_of

Check: TypeAlias = Callable[[str, Any], None]
S = TypeVar("S", bound="Settings")
T = TypeVar("T", bound=float)


def _allow(test: Callable[[Any], bool], words: str) -> Check:
    def check(name: str, value: Any) -> None:
        if not test(value):
            raise UsageError(f"{name} {value!r} {words}")

    return check


def within(low: float, high: float, unit: str = "") -> Check:
    """Allow numbers from `low` to `high`."""
    return _allow(lambda value: low <= value <= high, f"is out of range: give {low:g} to {high:g} {unit}".rstrip())


def one_of(words: Sequence[str]) -> Check:
    """Allow these words, and none."""
    return _allow(lambda value: value is None or value in words, f"is not known: choose one of {', '.join(words)}")


def distinct(name: str, values: Sequence[str]) -> None:
    """Refuse a name that is there twice."""
    for value in values:
        if values.count(value) > 1:
            raise UsageError(f"{name} has '{value}' more than once: keep one")


Positive = Annotated[T, _allow(lambda value: value > 0, "is too small: give a number above 0")]
NotNegative = Annotated[T, _allow(lambda value: value >= 0, "is below 0: give 0 or more")]
#: A share of examples, all of them included; a share of a whole, of which something must be left.
Share = Annotated[float, _allow(lambda value: 0 <= value <= 1, "is not a probability: give 0 to 1")]
Part = Annotated[float, _allow(lambda value: 0 <= value < 1, "is out of range: give a share below 1")]
Names = Annotated[tuple[str, ...], distinct]


@dataclass(frozen=True)
class Settings:
    """Settings whose values are checked against their annotations."""

    SHORT_FOR: ClassVar[str] = ""  #: The key of an entry that is not a mapping, if it may be another.
    FOREIGN: ClassVar[dict[str, str]] = {}  #: Keys that belong elsewhere, and what is said of them.

    def __post_init__(self) -> None:
        for name, hint in _hints(type(self)).items():
            checks = (one_of(get_args(hint)),) if get_origin(hint) is Literal else getattr(hint, "__metadata__", ())
            for check in checks:
                check(name, getattr(self, name))


def _hints(kind: type[Settings]) -> dict[str, Any]:
    hints = type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind)}


def settings_of(kind: type[S], content: Any, where: str, folder: Path) -> S:
    """A mapping as settings; unknown and missing keys are named, values cast, and paths taken from `folder`."""
    if kind.SHORT_FOR and not isinstance(content, dict):
        content = {kind.SHORT_FOR: content}
    if not isinstance(content, dict):
        raise UsageError(f"{where} holds {content!r} where settings are expected: write lines of the form 'key: value'")
    hints = _hints(kind)
    given = {key: value for key, value in content.items() if value is not None}
    for key in content:
        if key in kind.FOREIGN and key in given:
            raise UsageError(kind.FOREIGN[key])
        if key not in hints:
            raise UsageError(f"{where} has an unknown key '{key}': it knows {', '.join(hints)}")
    for field in fields(kind):
        if field.default is MISSING and field.name not in given:
            raise UsageError(f"{where} lacks '{field.name}': add it")
    return kind(**{key: _cast(hints[key], key, value, folder) for key, value in given.items()})


def _cast(hint: Any, key: str, value: Any, folder: Path) -> Any:
    """The value in the type of its field; what has no type of its own in a file was made before."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated or (origin in (Union, UnionType) and arguments[1:] == (NoneType,)):
        return _cast(arguments[0], key, value, folder)
    if origin is tuple:
        return _cast_list(arguments, key, value, folder)
    if hint is Path:
        return resolved(text_of(key, value), folder)
    if _is_settings(hint) and not isinstance(value, hint):
        return settings_of(hint, value, key, folder)
    return SCALARS[hint](key, value) if hint in SCALARS else value


def _cast_list(items: tuple[Any, ...], key: str, value: Any, folder: Path) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        how = "begin each entry with '-'" if _is_settings(items[0]) else "write it as [..., ...]"
        raise UsageError(f"{key} {value!r} is not a list: {how}")
    if items[-1] is not Ellipsis and len(value) != len(items):
        raise UsageError(f"{key} {value!r} has {len(value)} entries: give {len(items)}")
    return tuple(_cast(items[0], key, item, folder) for item in value)


def _is_settings(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Settings)


def resolved(text: str, folder: Path) -> Path:
    """A path as a file in `folder` means it."""
    return folder / Path(text).expanduser()


def number_of(key: str, value: Any) -> float:
    """A finite number, or an error that names the key."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool):
        raise UsageError(f"{key} {value!r} is not a number: correct it")
    return number


def _whole_number_of(key: str, value: Any) -> int:
    number = number_of(key, value)
    if number != int(number):
        raise UsageError(f"{key} {value!r} is not a whole number: correct it")
    return int(number)


def text_of(key: str, value: Any) -> str:
    """A text; a number is read as one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{key} {value!r} is not a text: put it in quotes, or correct it")
    return str(value)


def _truth_of(key: str, value: Any) -> bool:
    truth = truth_of(value)
    if not isinstance(truth, bool):
        raise UsageError(f"{key} {value!r} is neither true nor false: correct it")
    return truth


SCALARS: dict[Any, Callable[[str, Any], Any]] = {float: number_of, int: _whole_number_of, str: text_of, bool: _truth_of}

"""What a YAML text means: plain values, by rules that hold for whichever library wrote it.

DeepLabCut writes ``config.yaml`` with ruamel.yaml, which follows YAML 1.2, and ``pose_cfg.yaml`` with PyYAML, which
follows 1.1, as posecli's own writer does; and either file may have been changed by hand or by the other library. A
writer quotes only text that its own rules would take for something else. So where either version takes an unquoted
value for text, text was meant: ``NO``, ``on`` and ``1:30`` (text in 1.2), ``08`` and ``1e4`` (text in 1.1). Numbers and
booleans are what both versions take for one.

Apart from `posecli.support.yamlfile`, because the libraries take longer to import than most files to read.
"""

from __future__ import annotations

import contextlib
import copy
import re
import warnings
from functools import lru_cache
from typing import Any

import yaml.resolver
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.resolver import VersionedResolver

#: Values in a file, counted once per reference: a few lines of references to references can mean billions.
MOST_VALUES = 500_000
_STANDARD = "tag:yaml.org,2002:"
_NAMES = "null bool int float timestamp binary str seq map set omap pairs merge"
_KNOWN = frozenset(f"{_STANDARD}{name}" for name in _NAMES.split())
_TEXT, _LIST, _MERGE, _EQUALS = (f"{_STANDARD}{name}" for name in ("str", "seq", "merge", "value"))
#: How PyYAML writes tuples; they are read as lists.
_TUPLE = f"{_STANDARD}python/tuple"
#: What one version may take for a number or a boolean and the other for text.
_DISPUTED = tuple(f"{_STANDARD}{name}" for name in ("bool", "int", "float"))
#: A line without a key or the end of one; its first letter, where an unquoted key may begin with it.
_FIRST = r"(?P<first>[^\s#'\"?|>&*!%@`\[\]{},-]|[?-](?=\S))"
_NO_KEY = re.compile(rf"(?P<indent> *){_FIRST}?(?:(?!:\s).)*\s*", re.ASCII)
_WITHOUT = "check that it is the right file, or write it without references"


class UnusableError(Exception):
    """The text is not what it should be; the message follows the file's name."""


def plain_values(text: str) -> Any:
    """Lists, mappings, texts, numbers, booleans and dates; ``None`` where there is nothing.

    An `UnusableError` if the text is not YAML, has a tag that would make an object, a key twice in one mapping, or
    refers to itself or to more than `MOST_VALUES` values.
    """
    return copy.deepcopy(_read(text))


@lru_cache(maxsize=16)  # a run reads its model's files once per video, and ruamel.yaml is slow
def _read(text: str) -> Any:
    try:
        with contextlib.suppress(YAMLError):
            return _values(text)
        return _values(with_whole_keys(text))
    except YAMLError as error:
        raise UnusableError(_not_yaml(error)) from error


def with_whole_keys(text: str) -> str:
    r"""The text with each key on one line: ruamel.yaml breaks long ones at a space, which no reader accepts.

    It does so with paths of more than 80 letters, and DeepLabCut lists its videos by path.

    >>> with_whole_keys("video_sets:\n  G:/My \n    Drive/long.mp4:\n    crop: 0, 1\n")
    'video_sets:\n  G:/My Drive/long.mp4:\n    crop: 0, 1\n'
    """
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        lines.append(line)
        if line.rstrip().endswith(":"):
            first, *others = lines[(begin := _begin_of_key(lines)) :]
            lines[begin:] = [" ".join([first.rstrip(), *map(str.strip, others)]) + "\n"]
    return "".join(lines)


def _begin_of_key(lines: list[str]) -> int:
    """Line on which the key begins that ends with the last line: it is indented less than what follows."""
    end = len(lines) - 1
    indent = len(lines[end]) - len(lines[end].lstrip(" "))
    for place in range(end - 1, -1, -1):
        begun = _NO_KEY.fullmatch(lines[place])
        if begun is None or not lines[place].strip():
            break
        if len(begun["indent"]) < indent:
            return place if begun["first"] else end
    return end


def _not_yaml(error: YAMLError) -> str:
    mark, problem = (getattr(error, name, None) for name in ("problem_mark", "problem"))
    where = f" at line {mark.line + 1}" if mark else ""
    reason = " ".join(str(problem or getattr(error, "reason", None) or "damaged").split())
    return f"is not plain YAML{where} ({reason[:200]}): correct or re-export it"


#: PyYAML's rules.
_OLDER = yaml.resolver.Resolver()


class _Resolver(VersionedResolver):
    """Takes unquoted values for text where either version of YAML does."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)
        if kind is not ScalarNode or not implicit[0]:
            return tag
        is_text = str(tag) == _EQUALS
        if str(tag) in _DISPUTED:
            is_text = _OLDER.resolve(yaml.ScalarNode, value, (True, False)) == _TEXT  # type: ignore[no-untyped-call]
        return self.DEFAULT_SCALAR_TAG if is_text else tag


class _Constructor(SafeConstructor):
    """Checks all that a text refers to before any of it is made."""

    def construct_document(self, node: Node) -> Any:
        _check(node, {})
        return super().construct_document(node)


def _values(text: str) -> Any:
    loader = YAML(typ="safe", pure=True)
    loader.Resolver = _Resolver
    loader.Constructor = _Constructor
    loader.composer.warn_double_anchors = False
    with warnings.catch_warnings():  # ruamel.yaml has opinions on how numbers should be written
        warnings.simplefilter("ignore")
        return loader.load(text)


def _check(node: Node, counts: dict[int, int]) -> int:
    """Refuse all but plain data; the number of values below a node, counted once per reference."""
    if (known := counts.get(id(node))) == 0:  # still being counted
        raise UnusableError(f"refers to itself: {_WITHOUT}")
    if known is not None:
        return known
    counts[id(node)] = 0
    _check_tag(node)
    total = 1
    for child in _children(node):
        total += _check(child, counts)
        if total > MOST_VALUES:
            raise UnusableError(f"holds more than {MOST_VALUES} values, most of them by reference: {_WITHOUT}")
    counts[id(node)] = total
    return total


def _check_tag(node: Node) -> None:
    tag = str(node.tag)
    if tag == _TUPLE and isinstance(node, SequenceNode):
        node.tag = _LIST
    elif tag not in _KNOWN:
        name = tag.replace(_STANDARD, "!!")
        raise UnusableError(
            f"has the tag '{name[:80]}' at line {node.start_mark.line + 1}, which stands for an object of a "
            "program and is not opened: write the value without it"
        )


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        _refuse_twins(node)
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


def _refuse_twins(node: MappingNode) -> None:
    """Refuse a key that is there twice: readers differ in which value they take."""
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if not isinstance(key, ScalarNode) or str(key.tag) == _MERGE:
            continue
        if (known := (str(key.tag), key.value)) in seen:
            where = f"again at line {key.start_mark.line + 1}"
            raise UnusableError(f"has the key {key.value[:80]!r} twice, {where}: keep one")
        seen.add(known)

"""Settings files: what people and libraries write is read as they meant it, and nothing else is."""

from __future__ import annotations

import io
import math
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from posecli.errors import UsageError
from posecli.support.yamlfile import name_of, read_yaml, truth_of
from posecli.support.yamlvalues import UnusableError, plain_values


def ruamel_text(content: object) -> str:
    """As DeepLabCut writes ``config.yaml``."""
    stream = io.StringIO()
    YAML().dump(content, stream)
    return stream.getvalue()


def pyyaml_text(content: object) -> str:
    """As DeepLabCut writes ``pose_cfg.yaml``, and posecli its own files."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


WRITERS = {"ruamel": ruamel_text, "pyyaml": pyyaml_text}
#: Names that one version of YAML or the other takes for something else.
ODD_NAMES = (
    *("NO", "no", "Yes", "y", "Y", "n", "on", "off", "true", "True", "null", "~", "=", "<<"),
    *(
        "1:30",
        "08",
        "010",
        "0o7",
        "0x1",
        "1e4",
        "1e-05",
        "1.0e5",
        ".5",
        "-.5",
        "1_000",
        "+1",
        "2001-01-01",
        ".inf",
        "-",
    ),
)
printable = st.characters(exclude_categories=["C", "Zl", "Zp"])
names = st.sampled_from(ODD_NAMES) | st.text(printable, max_size=20)
numbers = st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
path_words = st.text(st.sampled_from("abZ09\\/.,-_()?:é日"), min_size=1, max_size=40)


class TestWriters:
    @pytest.mark.parametrize("writer", WRITERS)
    @given(st.lists(names, max_size=5), st.dictionaries(names, names, max_size=3))
    @settings(deadline=None)
    def test_names_come_back(self, writer: str, listed: list[str], named: dict[str, str]) -> None:
        content = {"bodyparts": listed, "video_sets": named}
        assert plain_values(WRITERS[writer](content)) == content

    @pytest.mark.parametrize("writer", WRITERS)
    @given(st.lists(numbers, max_size=5))
    @settings(deadline=None)
    def test_numbers_come_back(self, writer: str, listed: list[Any]) -> None:
        """But for those that ruamel.yaml writes without a dot, which PyYAML would only write for text."""
        for value, found in zip(listed, plain_values(WRITERS[writer]({"all": listed}))["all"], strict=True):
            dotless = writer == "ruamel" and isinstance(value, float) and "." not in repr(value)
            assert (float(found) if dotless else found) == value
            assert dotless or type(found) is type(value)

    @given(st.lists(path_words, min_size=1, max_size=12).map(" ".join), st.booleans())
    @example("-0000000000000000 0 0 0 0 0 00 00000 000000 0000000000000000 000000000000000000", False)
    @example("?" + "0" * 60 + " 0 0 0 0 " + "0" * 30, True)
    @example("G:/My Drive/" + "l" * 95 + "_name.mp4", True)
    @example("/data/My Drive/#1 " + "l" * 60 + " " + "m" * 30 + " x.mp4", False)
    @example("C:\\Users\\Some One\\" + "many words " * 12 + "- 1.avi", True)
    @settings(deadline=None)
    def test_long_paths_come_back(self, path: str, stripped: bool) -> None:
        """ruamel.yaml breaks long keys at spaces, in a way that it cannot read; editors strip the ends of lines."""
        content = {"project_path": path, "video_sets": {path: {"crop": "0, 640, 0, 480"}, "b.mp4": {"crop": "0, 1"}}}
        text = ruamel_text(content)
        if stripped:
            text = "\n".join(line.rstrip() for line in text.splitlines())
        assert plain_values(text) == content


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, text) for text in ("NO", "on", "y", "1:30", "190:20:30.15", "08", "1e4", "1e-05", "0o7", "=")),
        *(("010", 10), ("0x10", 16), ("1_000", 1000), ("-7", -7), ("+7", 7)),
        *(("1.0e-05", 1e-05), ("7.2801", 7.2801), (".inf", math.inf)),
        *(("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None)),
        ("2024-11-20", date(2024, 11, 20)),
        ("'NO'", "NO"),
        ("!!str 5", "5"),
        ("!!int 08", 8),
        ("!!float 1e5", 1e5),
        ("!!python/tuple [1, a]", [1, "a"]),
    ],
)
def test_values_as_they_stand_in_a_file(text: str, value: object) -> None:
    found = plain_values(f"key: {text}\n")["key"]
    assert found == value
    assert type(found) is type(value)


def test_a_file_that_says_that_it_is_yaml_1_1() -> None:
    assert plain_values("%YAML 1.1\n---\na: [yes, 1:30, 1e5]\n") == {"a": [True, 90, "1e5"]}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: !cow moo\n", "has the tag '!cow' at line 1"),
        ("a:\n- !!python/tuple 5\n", "has the tag '!!python/tuple' at line 2"),
        ("a: {b: 1, 'b': 2}\n", "has the key 'b' twice, again at line 1: keep one"),
        ("a: b\n c: d\n", r"is not plain YAML at line 2 \(mapping values are not allowed here\)"),
        ("G:/My\n  Drive/a.mp4:\n  b: [\n", "is not plain YAML at line 3"),
    ],
)
def test_what_is_not_plain_is_named(text: str, words: str) -> None:
    with pytest.raises(UnusableError, match=words):
        plain_values(text)


def test_a_key_may_stand_over_one_that_is_merged() -> None:
    assert plain_values("a: &a {x: 1, y: 1}\nb: {<<: *a, x: 2}\n")["b"] == {"x": 2, "y": 1}


TEXT = "Task: Käfig\nbodyparts: [Öhr, NO]\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(TEXT.replace("\n", "\r\n").encode(encoding))
    assert read_yaml(path, UsageError) == {"Task": "Käfig", "bodyparts": ["Öhr", "NO"]}
    assert bool(caplog.messages) == (encoding == "cp1252")


def test_a_file_that_may_not_be_read_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be read \(File name too long\): check the path and who may read it"):
        read_yaml(tmp_path / ("x" * 5000), UsageError)


@pytest.mark.parametrize("value", [True, None, [], {}, b"a"])
def test_what_is_no_name(value: object) -> None:
    with pytest.raises(TypeError, match="not a name: put it in quotes"):
        name_of(value)
    assert name_of(7) == "7"


def test_words_for_truth_are_understood_where_truth_is_asked_for() -> None:
    assert [truth_of(value) for value in ("yes", "NO", "On", "off", True, 1, "x", None)] == [
        *(True, False, True, False, True, 1, "x", None)
    ]

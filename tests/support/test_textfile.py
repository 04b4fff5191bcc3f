"""Text from outside: encodings, separators, decimal commas."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.errors import LabelError
from posecli.support.textfile import NOTES, csv_rows, decoded, number_in, read_text, separator_of

PATH = Path("notes.txt")
text = st.text(st.characters(exclude_categories=["Cs"]))


@given(text, st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_unicode_comes_back_to_the_letter(content: str, encoding: str) -> None:
    if encoding == "utf-8":  # a mark at the beginning of a text is no letter of it
        content = content.lstrip("\ufeff")
    assert decoded(content.encode(encoding), PATH, LabelError) == content


@given(st.text(st.sampled_from("abc ,;\t\n\r0äöüßéñ€“”"), max_size=40))
def test_windows_1252_comes_back_unless_it_is_utf_8_too(content: str) -> None:
    encoded = content.encode("cp1252")
    NOTES.disabled = True
    try:
        found = decoded(encoded, PATH, LabelError)
    finally:
        NOTES.disabled = False
    assert found == content or found.encode() == encoded


def test_a_guess_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    assert decoded("Käfig".encode("cp1252"), PATH, LabelError) == "Käfig"
    (message,) = caplog.messages
    assert message.startswith("'notes.txt' is not in UTF-8 and is read as Windows-1252: ")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a\xff\0b", r"is not text in UTF-8 \(byte 1\)"),
        (b"\x81\x8d", r"is not text in UTF-8 \(byte 0\)"),
        (b"\xff\xfea", "is not text in UTF-16, as its first two bytes say"),
    ],
)
def test_what_is_no_text(content: bytes, words: str) -> None:
    with pytest.raises(LabelError, match=f"'notes.txt' {words}.*copy it again, or save it as UTF-8"):
        decoded(content, PATH, LabelError)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "Is a directory"), (tmp_path / "none", "No such file"), (Path("a\0"), "null")):
        with pytest.raises(LabelError, match=rf"cannot be read \(.*{words}"):
            read_text(path, LabelError)


cells = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6)


@given(st.sampled_from(",;\t"), st.lists(st.lists(cells, min_size=2, max_size=4), max_size=4))
def test_tables_come_back(separator: str, rows: list[list[str]]) -> None:
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator).writerows([["scorer", "a", "b"], *rows])
    assert separator_of(stream.getvalue()) == separator
    found = csv_rows(stream.getvalue(), PATH, LabelError)
    assert found[0] == (1, ["scorer", "a", "b"])
    assert [row for _, row in found[1:]] == [row for row in rows if any(cell.strip() for cell in row)]


def test_lines_keep_their_numbers() -> None:
    assert csv_rows("a,b\n\n,\n1,2\n", PATH, LabelError) == [(1, ["a", "b"]), (4, ["1", "2"])]
    assert csv_rows('"a;;;;b",c\r"1,2",3\r', PATH, LabelError) == [(1, ["a;;;;b", "c"]), (2, ["1,2", "3"])]
    with pytest.raises(LabelError, match="line 1 of"):
        csv_rows("x" * 200_000, PATH, LabelError)
    with pytest.raises(LabelError, match=r"line 2 of 'notes\.txt' is not a line of a table"):
        csv_rows("a,b\n" + "x" * 200_000, PATH, LabelError)


@given(st.floats(allow_infinity=False))
def test_numbers_with_either_point(number: float) -> None:
    for written in (repr(number), repr(number).replace(".", ","), f" {number!r} "):
        assert number_in(written) == number or math.isnan(number)


@pytest.mark.parametrize("cell", ["", " ", "NaN", "nan", "NA", "#N/A"])
def test_cells_without_a_number(cell: str) -> None:
    assert math.isnan(number_in(cell))


@pytest.mark.parametrize("cell", ["left", "1.234,5", "1 2", "1,2,3"])
def test_cells_with_something_else(cell: str) -> None:
    with pytest.raises(ValueError, match="could not convert"):
        number_in(cell)

"""Text that comes from outside, in the encoding and with the separators of the program that wrote it.

UTF-8 and UTF-16 can be told from their bytes. What is neither is most likely Windows-1252: programs that write text "as
the system does", as DeepLabCut does its ``config.yaml``, leave it on Windows. That is a guess, so it is noted.
"""

from __future__ import annotations

import codecs
import csv
import io
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from posecli.errors import PoseCliError

#: Remarks of readers that go on, a line each. Commands print them after ``Note:``.
NOTES = logging.getLogger("posecli.notes")
#: Cells that hold no number.
_NOTHING = ("", "na", "n/a", "#n/a")
#: Control characters that text may hold: tab and the ends of lines.
_WHITE = frozenset(b"\t\n\x0b\x0c\r")
#: What spreadsheets put between cells: a semicolon where the comma is the decimal point.
_SEPARATORS = ",;\t"
_QUOTED = re.compile('"[^"]*"')


def read_text(path: Path, failure: type[PoseCliError]) -> str:
    """The text of a file; `failure` if it cannot be read or is not text."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise unreadable(path, error, failure) from None
    return decoded(content, path, failure)


def unreadable(path: Path, error: OSError | ValueError, failure: type[PoseCliError]) -> PoseCliError:
    """The error of a file that the system does not open; a `ValueError` is that of a path that no file can have."""
    reason = getattr(error, "strerror", None) or error
    return failure(f"'{path}' cannot be read ({reason}): check the path and who may read it")


def csv_rows(text: str, path: Path, failure: type[PoseCliError]) -> list[tuple[int, list[str]]]:
    """Number and cells of each line of a CSV table that is not empty; `failure` if quotes do not close."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator_of(text))
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise failure(f"line {reader.line_num} of '{path}' is not a line of a table ({error}): correct it") from None
    return [(line, cells) for line, cells in rows if any(cell.strip() for cell in cells)]


def separator_of(text: str) -> str:
    r"""The separator of a CSV table: the one that its first line holds most often.

    >>> separator_of("scorer;me;me\n"), separator_of("scorer,me,me\n")
    (';', ',')
    """
    first = _QUOTED.sub("", io.StringIO(text, newline="").readline())
    return max(_SEPARATORS, key=first.count)


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    r"""A tidy table as CSV, a line per row; what is in no column is left out.

    >>> csv_text(["a", "b"], [{"a": 1, "b": None}])
    'a,b\n1,\n'
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def number_in(cell: str) -> float:
    """A number as spreadsheets write it, also with a decimal comma; NaN for an empty cell, else a `ValueError`.

    >>> number_in("12,5"), number_in(""), number_in("3e-05")
    (12.5, nan, 3e-05)
    """
    text = cell.strip()
    return float("nan") if text.casefold() in _NOTHING else float(text.replace(",", "."))


def decoded(content: bytes, path: Path, failure: type[PoseCliError]) -> str:
    """The text that these bytes of a file are; `failure` if they are not text.

    >>> decoded("\N{BYTE ORDER MARK}Käfig".encode("utf-16-le"), Path("notes.txt"), PoseCliError)
    'Käfig'
    """
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        text = None if is_utf_16 else _windows_1252(content)
        if text is None:
            name = "UTF-16, as its first two bytes say" if is_utf_16 else "UTF-8"
            raise failure(
                f"'{path}' is not text in {name} (byte {error.start}): copy it again, or save it as UTF-8"
            ) from None
    NOTES.warning("'%s' is not in UTF-8 and is read as Windows-1252: save it as UTF-8 if letters come out wrong", path)
    return text


def _windows_1252(content: bytes) -> str | None:
    """The text, or ``None`` where these are not the bytes of one."""
    if any(byte < 0x20 and byte not in _WHITE for byte in set(content)):
        return None
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return None

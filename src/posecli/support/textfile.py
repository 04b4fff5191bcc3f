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
from pathlib import Path

from posecli.errors import PoseCliError

#: Takes what readers have to say though they go on, a line each. Commands print it, after ``Note:``.
NOTES = logging.getLogger("posecli.notes")
#: Cells that hold no number.
_NOTHING = ("", "na", "n/a", "#n/a")
#: What text of any encoding has below the space: tab and the ends of lines.
_WHITE = frozenset(b"\t\n\x0b\x0c\r")


#: What spreadsheets put between the cells of a line: a semicolon where the comma is that of decimals.
_SEPARATORS = ",;\t"
_QUOTED = re.compile('"[^"]*"')


def read_text(path: Path, failure: type[PoseCliError]) -> str:
    """The text of a file; `failure` if it cannot be read, or is no text."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # the latter: a path that no file can have
        reason = getattr(error, "strerror", None) or error
        raise failure(f"'{path}' cannot be read ({reason}): check the path and who may read it") from None
    return decoded(content, path, failure)


def separator_of(text: str) -> str:
    r"""What stands between the cells of a CSV table: whatever parts its first line most often.

    >>> separator_of("scorer;me;me\n"), separator_of("scorer,me,me\n")
    (';', ',')
    """
    first = _QUOTED.sub("", io.StringIO(text, newline="").readline())
    return max(_SEPARATORS, key=first.count)


def csv_rows(text: str, path: Path, failure: type[PoseCliError]) -> list[tuple[int, list[str]]]:
    """Lines of a CSV table in which anything stands: the number of each, and its cells.

    Raises
    ------
    PoseCliError
        `failure`, if quotes do not close or a cell has no end.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator_of(text))
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise failure(f"line {reader.line_num} of '{path}' is no line of a table ({error}): correct it") from None
    return [(line, cells) for line, cells in rows if any(cell.strip() for cell in cells)]


def number_in(cell: str) -> float:
    """A number as spreadsheets write it, also with a decimal comma; NaN for an empty cell.

    Raises
    ------
    ValueError
        If it is none.

    >>> number_in("12,5"), number_in(""), number_in("3e-05")
    (12.5, nan, 3e-05)
    """
    text = cell.strip()
    return float("nan") if text.casefold() in _NOTHING else float(text.replace(",", "."))


def decoded(content: bytes, path: Path, failure: type[PoseCliError]) -> str:
    """The text of a file.

    Parameters
    ----------
    content
        Its bytes.
    path
        The file, for messages.
    failure
        Error to raise.

    Raises
    ------
    PoseCliError
        `failure`, if the bytes are no text.

    Examples
    --------
    >>> decoded("\N{BYTE ORDER MARK}Käfig".encode("utf-16-le"), Path("notes.txt"), PoseCliError)
    'Käfig'
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding, name = "utf-16", "UTF-16, as its first two bytes say"
    else:
        encoding, name = "utf-8-sig", "UTF-8"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        text = _windows_1252(content) if encoding == "utf-8-sig" else None
        if text is None:
            raise failure(
                f"'{path}' is no text in {name} (byte {error.start}): copy it again, or save it as UTF-8"
            ) from None
    NOTES.warning("'%s' is not in UTF-8 and is read as Windows-1252: save it as UTF-8 if letters come out wrong", path)
    return text


def _windows_1252(content: bytes) -> str | None:
    """``None`` where these are no bytes of a text."""
    if any(byte < 0x20 and byte not in _WHITE for byte in set(content)):
        return None
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return None

"""One JSON object per line, each on the disk before the next is begun: a kill costs the one that was being made."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from posecli.errors import OutputError
from posecli.support.files import write_whole

Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """Every whole line; a torn last one is cut off the file, so that the next row begins a line of its own."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    rows, whole = [], 0
    for line in content.splitlines(keepends=True):
        try:
            row = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:
            row = None
        if not isinstance(row, dict):
            break
        rows.append(row)
        whole += len(line)
    if whole < len(content):
        os.truncate(path, whole)
    return rows


def append_row(path: Path, row: Row) -> None:
    """Add a line.

    Raises
    ------
    OutputError
        If the disk refuses.
    """
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise OutputError(
            f"'{path}' cannot be written ({error.strerror or error}): check its folder and disk"
        ) from error


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_whole(path, text.encode())


def read_json(path: Path) -> Any:
    """What a JSON file holds; ``None`` where there is none.

    Raises
    ------
    OutputError
        If it is damaged.
    """
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"'{path}' cannot be read ({error}): pass --overwrite to begin anew") from error

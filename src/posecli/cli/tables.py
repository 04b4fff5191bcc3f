"""Tables for terminals."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """A table as lines of text; columns of numbers, but for their head, end at the same place.

    >>> aligned([["name", "fps"], ["a", "9.5"], ["bb", "120"]])
    ['name  fps', 'a     9.5', 'bb    120']
    """
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return ["  ".join(_padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def _padded(cell: str, width: int) -> str:
    return f"{cell:>{width}}" if cell[:1].isdigit() else f"{cell:<{width}}"

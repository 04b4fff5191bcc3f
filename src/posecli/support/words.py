"""Numbers in words, so that small ones keep their digits and one of a thing is one."""

from __future__ import annotations

import math

_BYTES = ("bytes", "kB", "MB", "GB", "TB")
#: Digits that people read of a number that was measured.
DIGITS = 3


def counted(number: float, what: str, several: str | None = None) -> str:
    """How many of a thing; its plural ends in s unless it is given.

    >>> counted(1, "day"), counted(2.5, "day"), counted(12000, "frame"), counted(0, "box", "boxes")
    ('1 day', '2.5 days', '12,000 frames', '0 boxes')
    """
    return f"{readable(number)} {what if number == 1 else several or f'{what}s'}"


def readable(number: float) -> str:
    """A number with three digits that count, and all of those before the point; whole ones as they are.

    >>> [readable(each) for each in (1234, 0, 0.04567, 12.345, 98765.4, -0.0)]
    ['1,234', '0', '0.0457', '12.3', '98,765', '0']
    """
    if number == 0 or not math.isfinite(number):
        return f"{abs(number) if number == 0 else number:g}"
    if number == int(number):
        return f"{int(number):,}"
    decimals = max(0, DIGITS - 1 - math.floor(math.log10(abs(number))))
    text = f"{number:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def byte_size(size: float) -> str:
    """So many bytes, in units of a thousand.

    >>> byte_size(48_200), byte_size(1.5e9), byte_size(12)
    ('48.2 kB', '1.5 GB', '12 bytes')
    """
    place = 0
    while size >= 999.5 and place < len(_BYTES) - 1:
        size, place = size / 1000, place + 1
    return f"{readable(size)} {_BYTES[place]}"


def large(number: float) -> str:
    """A count that may be in the millions.

    >>> large(18_000), large(2_160_000), large(311e6)
    ('18,000', '2.16 million', '311 million')
    """
    return f"{readable(number / 1e6)} million" if number >= 1e6 else readable(round(number))

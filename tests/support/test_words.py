"""Numbers in words keep the digits that count."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.support.words import byte_size, counted, large, readable


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_three_digits_are_right(number: float) -> None:
    read = float(readable(number).replace(",", ""))
    assert math.isclose(read, number, rel_tol=0.0051)
    assert math.isclose(float(readable(-number).replace(",", "")), -number, rel_tol=0.0051)


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 bytes"), (1, "1 bytes"), (999, "999 bytes"), (999_499, "999 kB"), (999_600, "1 MB")]
)
def test_sizes(size: float, words: str) -> None:
    assert byte_size(size) == words


def test_one_of_a_thing_is_one() -> None:
    assert counted(1.0, "machine") == "1 machine"
    assert counted(1.01, "machine") == "1.01 machines"


def test_what_is_not_known() -> None:
    assert (readable(math.nan), readable(math.inf)) == ("nan", "inf")


def test_large_counts() -> None:
    assert (large(999_999), large(1e6)) == ("999,999", "1 million")

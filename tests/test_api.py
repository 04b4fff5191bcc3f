"""The public names."""

from __future__ import annotations

import pytest

import posecli


def test_every_public_name_is_there() -> None:
    assert sorted(posecli.__all__) == posecli.__all__
    for name in posecli.__all__:
        assert getattr(posecli, name) is not None


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        posecli.analyse  # noqa: B018

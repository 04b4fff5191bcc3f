"""Every error has an exit code of its own, and the drawn tree is the real one."""

from __future__ import annotations

import inspect

from posecli import errors
from posecli.errors import PoseCliError


def _tree() -> dict[str, type[PoseCliError]]:
    members = inspect.getmembers(errors, inspect.isclass)
    return {name: member for name, member in members if issubclass(member, PoseCliError)}


def test_exit_codes_are_distinct() -> None:
    codes = [error.exit_code for error in _tree().values()]
    assert len(set(codes)) == len(codes)
    assert 0 not in codes


def test_drawn_tree_names_every_error_with_its_code() -> None:
    lines = (errors.__doc__ or "").splitlines()
    for name, error in _tree().items():
        drawn = [line for line in lines if name in line.split()]
        assert len(drawn) == 1, name
        assert str(error.exit_code) in drawn[0].split(), name

"""TensorFlow's start-up notices: kept from the terminal, unless something goes wrong."""

from __future__ import annotations

import os

import pytest

from posecli.support.tensorflow import muted_stderr


def test_notices_written_to_the_file_descriptor_are_swallowed(capfd: pytest.CaptureFixture[str]) -> None:
    with muted_stderr():
        os.write(2, b"a notice from C++\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"


def test_notices_are_shown_after_a_failure(capfd: pytest.CaptureFixture[str]) -> None:
    def failing_import() -> None:
        with muted_stderr():
            os.write(2, b"the reason\n")
            raise ImportError

    with pytest.raises(ImportError):
        failing_import()
    assert capfd.readouterr().err == "the reason\n"


def test_notices_are_shown_when_asked_for(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECLI_VERBOSE", "1")
    with muted_stderr():
        os.write(2, b"a notice\n")
    assert capfd.readouterr().err == "a notice\n"

"""Plain progress lines and how times are said."""

from __future__ import annotations

import pytest

from posecli.cli.base import duration
from posecli.cli.progress import PlainProgress


def test_plain_lines_tell_frames_speed_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 5.0, 10.0, 20.0])
    monkeypatch.setattr("posecli.cli.progress.time.monotonic", lambda: next(clock))
    line = PlainProgress("m1.mp4", 1000)
    for _ in range(3):
        line.update(100)
    assert capsys.readouterr().err.splitlines() == [
        "m1.mp4: 200 of 1000 frames, 20.0 fps, 40 s left",
        "m1.mp4: 300 of 1000 frames, 10.0 fps, 1 min 10 s left",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (3599, "59 min 59 s"), (7265, "2 h 01 min"), (float("inf"), "unknown time")],
)
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words

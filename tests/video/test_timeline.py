"""The frame clock: decoded frames find their place by time, by count where there is no time, and never twice."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.video.probe import VideoInfo
from posecli.video.timeline import FrameClock


def info_with(pts: list[int], has_timestamps: bool = True) -> VideoInfo:
    return VideoInfo(
        path=Path("clip.mp4"),
        codec="h264",
        pixel_format="yuv420p",
        width=160,
        height=120,
        rotation=0,
        frame_rate=25.0,
        promised_frames=None,
        discarded_packets=0,
        pts=np.asarray(pts, np.int64),
        has_timestamps=has_timestamps,
        time_base=Fraction(1, 1000),
    )


@st.composite
def timelines(draw: st.DrawFn) -> list[int]:
    """Timestamps in ms: constant or variable rate, starting anywhere."""
    gaps = draw(st.lists(st.integers(10, 100), min_size=1, max_size=40) | st.lists(st.just(40), max_size=40))
    start = draw(st.integers(-500, 5000))
    return [int(time) for time in np.cumsum([start, *gaps])]


@given(timelines(), st.data())
def test_decoded_frames_find_their_places(pts: list[int], data: st.DataObject) -> None:
    """Whichever frames are left out, and with times off by less than half of the smallest gap."""
    chosen = data.draw(st.sets(st.integers(0, len(pts) - 1)).map(sorted))
    jitter = data.draw(st.lists(st.floats(-4.9, 4.9), min_size=len(pts), max_size=len(pts)))
    clock = FrameClock(info_with(pts))
    assert [clock.place((pts[index] + jitter[index]) / 1000) for index in chosen] == chosen


@given(timelines(), st.integers(1, 10))
def test_frames_without_times_are_counted(pts: list[int], count: int) -> None:
    clock = FrameClock(info_with(pts))
    assert [clock.place(None) for _ in range(count)] == list(range(count))


@given(timelines(), st.data())
def test_one_frame_without_a_time_is_the_one_due(pts: list[int], data: st.DataObject) -> None:
    timeless = data.draw(st.sets(st.integers(0, len(pts) - 1)))
    clock = FrameClock(info_with(pts))
    placed = [clock.place(None if index in timeless else pts[index] / 1000) for index in range(len(pts))]
    assert placed == list(range(len(pts)))


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=20))
def test_without_timestamps_in_the_file_times_mean_nothing(seconds: list[float]) -> None:
    clock = FrameClock(info_with([0, 40, 80], has_timestamps=False))
    assert [clock.place(time) for time in seconds] == list(range(len(seconds)))


@given(timelines(), st.lists(st.floats(-1, 10) | st.none(), max_size=60))
def test_places_only_go_up(pts: list[int], seconds: list[float | None]) -> None:
    clock = FrameClock(info_with(pts))
    placed = [place for time in seconds if (place := clock.place(time)) is not None]
    assert placed == sorted(set(placed))


def test_frame_that_comes_late_has_lost_its_place() -> None:
    clock = FrameClock(info_with([0, 40, 80, 120, 160]))
    assert [clock.place(time) for time in (0.0, 0.12, 0.04, 0.16)] == [0, 3, None, 4]


def test_clock_that_lags_is_not_late() -> None:
    clock = FrameClock(info_with([0, 40, 80, 120]))
    assert [clock.place(time) for time in (-0.04, 0.0, 0.04, 0.08)] == [0, 1, 2, 3]


@pytest.mark.parametrize("seconds", [0.06, -5.0, 99.0])
def test_time_that_no_packet_has_is_the_due_frames(seconds: float) -> None:
    clock = FrameClock(info_with([0, 40, 120]))
    clock.place(0.0)
    assert clock.place(seconds) == 1


def test_after_a_seek_any_frame_may_come() -> None:
    clock = FrameClock(info_with([0, 40, 80, 120]))
    clock.expected = None
    assert [clock.place(0.08), clock.place(0.12)] == [2, 3]

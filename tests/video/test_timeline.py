"""Times of rows: as the packets say where that can be believed, as the decoder puts pictures out elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import clips

from posecli.video.probe import probe
from posecli.video.timeline import Timeline

times = st.lists(st.integers(-1000, 1000), max_size=30)


@given(times)
def test_rows_where_the_clock_does_not_rise(pts: list[int]) -> None:
    rows = Timeline.of(pts).falls_back_at
    assert rows == [row for row in range(1, len(pts)) if pts[row] <= pts[row - 1]]


@given(st.integers(1, 1000), st.integers(0, 50), st.integers(-500, 500))
def test_one_gap_throughout_is_a_constant_rate(gap: int, count: int, start: int) -> None:
    assert not Timeline.of(range(start, start + gap * count, gap)).is_variable


def test_rounded_times_are_a_constant_rate_and_a_pause_is_not() -> None:
    assert not Timeline.of([0, 33, 67, 100, 133, 167, 200]).is_variable
    assert Timeline.of([0, 33, 67, 200, 233, 267, 300]).is_variable
    assert not Timeline.of([0, 33, 67, 200, 233], from_file=False).is_variable


@given(times)
def test_equal_if_times_and_source_are(pts: list[int]) -> None:
    assert Timeline.of(pts) == Timeline.of(list(pts))
    assert Timeline.of(pts) != Timeline.of([*pts, 0])
    assert Timeline.of(pts) != Timeline.of(pts, from_file=False)
    np.testing.assert_array_equal(Timeline.of(pts).seconds(0.5), np.array(pts) * 0.5)


B_FRAMES = ("-c:v", "libx264", "-x264-params", "b-adapt=0:bframes=3", "-pix_fmt", "yuv420p")


@pytest.mark.parametrize("name", ["plain.mp4", "plain.mkv", "plain.mov", "plain.ts"])
def test_ordinary_files_announce_their_rows(name: str, tmp_path: Path) -> None:
    info = probe(clips.encode(tmp_path / name, clips.numbered_frames(30), *B_FRAMES))
    assert info.announced is not None
    assert info.announced == Timeline.by_decoding(info.path)


@pytest.mark.parametrize("name", ["bare.h264", "out of order.avi"])
def test_files_without_times_of_their_own_announce_nothing(name: str, tmp_path: Path) -> None:
    info = probe(clips.encode(tmp_path / name, clips.numbered_frames(30), *B_FRAMES))
    assert info.announced is None
    assert (info.n_frames, info.expected_frames) == (30, 30)
    assert np.allclose(np.diff(info.seconds()), 1 / 25)
    assert info.timeline.from_file is (name != "bare.h264")


@given(st.integers(2, 100), st.integers(20, 60), st.data())
def test_missing_frames_are_seen_by_their_times(gap: int, count: int, data: st.DataObject) -> None:
    lost = data.draw(st.sets(st.integers(1, count - 2), max_size=2))
    kept = [frame for frame in range(count) if frame not in lost]
    jumps = Timeline.of([gap * frame for frame in kept]).jumps_at
    assert jumps == [row for row in range(1, len(kept)) if kept[row] > kept[row - 1] + 1]


def test_a_rate_that_varies_all_the_time_misses_nothing() -> None:
    assert Timeline.of([0, 30, 90, 100, 180, 200, 290, 300]).jumps_at == []

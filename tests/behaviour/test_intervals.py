"""Labelled intervals: the table and back, frames and back, and what is refused."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posecli.behaviour.intervals import Interval, frame_labels, intervals_csv, intervals_of_labels, read_intervals
from posecli.errors import LabelError

NAMES = ("rest", "walk", "eat, by hand")
HEAD = "video,start,end,label\n"
VIDEO = Path("cage.mp4")

labels = st.lists(st.integers(-1, len(NAMES) - 1), max_size=60)


@given(labels)
def test_frames_come_back_from_their_intervals(numbers: list[int]) -> None:
    intervals = intervals_of_labels(numbers, NAMES, VIDEO)
    back = frame_labels(intervals, NAMES, len(numbers))
    assert back.dtype == np.int64
    assert back.tolist() == numbers


@given(labels)
def test_intervals_come_back_from_their_frames(numbers: list[int]) -> None:
    intervals = intervals_of_labels(numbers, NAMES, VIDEO)
    assert intervals_of_labels(frame_labels(intervals, NAMES, len(numbers)), NAMES, VIDEO) == intervals
    assert sum(interval.end - interval.start for interval in intervals) == sum(number >= 0 for number in numbers)
    for before, after in pairwise(intervals):
        assert before.end < after.start or before.label != after.label


@settings(max_examples=30)
@given(st.lists(labels.filter(lambda numbers: max(numbers, default=-1) >= 0), min_size=1, max_size=3))
def test_a_table_comes_back_as_it_was(videos: list[list[int]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        intervals = [
            interval
            for number, numbers in enumerate(videos)
            for interval in intervals_of_labels(numbers, NAMES, folder / "day 1" / f"m{number}.mp4")
        ]
        (folder / "labels.csv").write_bytes(intervals_csv(folder / "labels.csv", intervals))
        assert read_intervals(folder / "labels.csv") == intervals
        assert [path.name for path in folder.iterdir()] == ["labels.csv"]


def test_videos_are_named_relative_to_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    table = Path("sub/labels.csv")
    table.write_bytes(
        intervals_csv(table, [Interval(Path("sub/a.mp4"), 0, 5, "rest"), Interval(Path("b.mp4"), 0, 5, "walk")])
    )
    assert table.read_text() == f"{HEAD}a.mp4,0,5,rest\n{(tmp_path / 'b.mp4').as_posix()},0,5,walk\n"
    assert [interval.video for interval in read_intervals(table)] == [Path("sub/a.mp4"), tmp_path / "b.mp4"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_what_spreadsheets_write_is_read(tmp_path: Path, separator: str, encoding: str) -> None:
    table = tmp_path / "labels.csv"
    text = "label,who,video,start,end,\r\n walk ,me,a.mp4, 3 ,9,\r\n,,,,,\r\nrest,me,a.mp4,0,3,\r\n"
    table.write_bytes(text.replace(",", separator).encode(encoding))
    assert read_intervals(table) == [
        Interval(tmp_path / "a.mp4", 3, 9, "walk"),
        Interval(tmp_path / "a.mp4", 0, 3, "rest"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: column video, start, end, label is missing: the first line must be video,start,end,label"),
        ("video,start,label\na.mp4,0,rest\n", "line 1: column end is missing"),
        (HEAD, "holds no interval: give it at least one row below video,start,end,label"),
        (f"{HEAD}a.mp4,0,5,rest\na.mp4,9,9,walk\n", "line 3: the interval from 9 to 9 holds no frame"),
        (f"{HEAD}a.mp4,9,5,rest\n", "line 2: the interval from 9 to 5 holds no frame"),
        (f"{HEAD}a.mp4,-1,5,rest\n", "line 2: start '-1' is not a frame number: give a whole number of 0 or more"),
        (f"{HEAD}a.mp4,0,5.0,rest\n", "line 2: end '5.0' is not a frame number"),
        (f"{HEAD}a.mp4,0,,rest\n", "line 2: end '' is not a frame number"),
        (f"{HEAD}a.mp4,0\n", "line 2: end '' is not a frame number"),
        (f"{HEAD}a.mp4,0,5, \n", "line 2: the interval from 0 to 5 has no label: give the behaviour's name"),
        (f"{HEAD},0,5,rest\n", "line 2: the row has no video"),
        (
            f"{HEAD}a.mp4,10,20,rest\nb.mp4,0,15,rest\na.mp4,0,11,walk\n",
            r"line 4: the interval from 0 to 11 overlaps another of '.*a.mp4': a frame can have only one label",
        ),
        (f"{HEAD}a.mp4,0,50,rest\na.mp4,10,20,walk\n", "line 3: the interval from 10 to 20 overlaps"),
    ],
)
def test_tables_that_cannot_be(tmp_path: Path, text: str, words: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(text)
    with pytest.raises(LabelError, match=rf"'.*labels\.csv'.*{words}"):
        read_intervals(table)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"none\.csv' cannot be read \(No such file"):
        read_intervals(tmp_path / "none.csv")
    (tmp_path / "labels.csv").write_bytes(b"video,start,end,label\n\xff\0,0,5,rest\n")
    with pytest.raises(LabelError, match="is not text in UTF-8"):
        read_intervals(tmp_path / "labels.csv")


def test_tables_that_cannot_be_written(tmp_path: Path) -> None:
    rest = Interval(VIDEO, 0, 5, "rest")
    with pytest.raises(LabelError, match="no interval to write to"):
        intervals_csv(tmp_path / "a.csv", [])
    with pytest.raises(LabelError, match=r"the interval from 4 to 6 overlaps another of 'cage\.mp4'"):
        intervals_csv(tmp_path / "a.csv", [rest, Interval(VIDEO, 4, 6, "walk")])


@pytest.mark.parametrize(
    ("intervals", "words"),
    [
        ([Interval(VIDEO, 0, 5, "fly")], r"label 'fly' of 'cage\.mp4' is not known: use one of rest, walk"),
        ([Interval(VIDEO, 5, 11, "rest")], r"from 5 to 11 ends after 'cage\.mp4', which has 10 frames"),
        ([Interval(VIDEO, 0, 5, "rest"), Interval(VIDEO, 4, 6, "rest")], "from 4 to 6 overlaps another"),
    ],
)
def test_intervals_that_do_not_fit_their_video(intervals: list[Interval], words: str) -> None:
    with pytest.raises(LabelError, match=words):
        frame_labels(intervals, NAMES, 10)


@pytest.mark.parametrize("number", [-2, 3])
def test_numbers_without_a_name(number: int) -> None:
    with pytest.raises(LabelError, match=f"label {number} has no name: give numbers from 0 to 2, or -1 for none"):
        intervals_of_labels([0, number], NAMES, VIDEO)


def test_an_interval_begins_in_its_video() -> None:
    with pytest.raises(LabelError, match="start -3 is negative"):
        Interval(VIDEO, -3, 5, "rest")

"""Labelled intervals: which behaviour a video shows from which frame to which, as a CSV table.

::

    video,start,end,label
    cage.mp4,0,90,rest
    cage.mp4,90,212,walk

`start` and `end` are numbers of frames, the first frame being 0; `end` is not part of the interval. A
video's path is relative to the table's folder, or absolute. Frames that no interval covers are not labelled.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.errors import LabelError
from posecli.support.textfile import csv_rows, read_text
from posecli.video.probe import probe

COLUMNS = ("video", "start", "end", "label")
#: Index of a frame without a label.
UNLABELLED = -1


@dataclass(frozen=True)
class Interval:
    """A stretch of a video that shows one behaviour; `LabelError` if it holds no frame or has no label."""

    video: Path
    start: int
    end: int  # one past its last frame
    label: str

    def __post_init__(self) -> None:
        if self.start < 0:
            raise LabelError(f"start {self.start} is negative: frames are counted from 0")
        if self.start >= self.end:
            raise LabelError(
                f"the interval from {self.start} to {self.end} holds no frame: its end must be greater than its start"
            )
        if not self.label.strip():
            raise LabelError(f"the interval from {self.start} to {self.end} has no label: give the behaviour's name")


def read_intervals(csv_path: str | Path) -> list[Interval]:
    """Read a table of intervals, UTF-8, and check every row of it; other columns are ignored.

    Intervals are in the table's order, and a video's path is joined to the table's folder. `LabelError` names the line
    that is wrong.
    """
    path = Path(csv_path)
    rows = list(_rows(path))
    if not rows:
        raise LabelError(f"'{path}' holds no interval: give it at least one row below {','.join(COLUMNS)}")
    _refuse_overlaps([interval for _, interval in rows], [f"'{path}', line {line}: " for line, _ in rows])
    return [interval for _, interval in rows]


def intervals_csv(csv_path: Path, intervals: Sequence[Interval]) -> bytes:
    r"""A table of at least one interval; videos in its folder, or below, are named relative to it.

    >>> intervals_csv(Path("a.csv"), [Interval(Path("cage.mp4"), 0, 90, "rest")])
    b'video,start,end,label\ncage.mp4,0,90,rest\n'
    """
    if not intervals:
        raise LabelError(f"no interval to write to '{csv_path}': give at least one")
    _refuse_overlaps(intervals, [""] * len(intervals))
    folder = csv_path.absolute().parent
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for item in intervals:
        video = item.video.absolute()
        named = (video.relative_to(folder) if video.is_relative_to(folder) else video).as_posix()
        writer.writerow([named, item.start, item.end, item.label])
    return stream.getvalue().encode()


def intervals_of_labels(labels: npt.ArrayLike, names: Sequence[str], video: str | Path) -> list[Interval]:
    """The fewest intervals with these frame labels, each an index into `names`, or -1 for none.

    >>> intervals_of_labels([1, 1, -1, 0], ["rest", "walk"], "cage.mp4")  # doctest: +ELLIPSIS
    [Interval(video=...('cage.mp4'), start=0, end=2, label='walk'), Interval(..., start=3, end=4, label='rest')]
    """
    numbers = np.asarray(labels, np.int64)
    unknown = numbers[(numbers < UNLABELLED) | (numbers >= len(names))]
    if unknown.size:
        raise LabelError(f"label {unknown[0]} has no name: give numbers from 0 to {len(names) - 1}, or -1 for none")
    starts = np.flatnonzero(np.diff(numbers, prepend=UNLABELLED - 1))
    stops = np.append(starts, len(numbers))[1:]
    return [
        Interval(Path(video), int(start), int(stop), names[numbers[start]])
        for start, stop in zip(starts, stops, strict=True)
        if numbers[start] != UNLABELLED
    ]


def frame_labels(intervals: Iterable[Interval], names: Sequence[str], n_frames: int) -> npt.NDArray[np.int64]:
    """``(n_frames,)`` int64 labels of a video's frames, indices into `names` or -1: undoes `intervals_of_labels`.

    >>> frame_labels([Interval(Path("cage.mp4"), 1, 3, "walk")], ["rest", "walk"], 4).tolist()
    [-1, 1, 1, -1]
    """
    number_of = {name: number for number, name in enumerate(names)}
    labels = np.full(n_frames, UNLABELLED, np.int64)
    for item in intervals:
        if item.label not in number_of:
            raise LabelError(f"label '{item.label}' of '{item.video}' is not known: use one of {', '.join(names)}")
        if item.end > n_frames:
            raise LabelError(
                f"the interval from {item.start} to {item.end} ends after '{item.video}', which has {n_frames} "
                f"frames: its end can be at most {n_frames}"
            )
        if (labels[item.start : item.end] != UNLABELLED).any():
            raise LabelError(_overlap(item))
        labels[item.start : item.end] = number_of[item.label]
    return labels


def true_labels(table: Path, classes: Sequence[str], video: Path | None = None) -> dict[Path, npt.NDArray[np.int64]]:
    """Labels of the frames of the videos that a table of intervals names, or of one of them, in the table's order.

    By video, as `frame_labels` has them. `LabelError` if the table cannot be used or does not name the video, or a
    label is no class or lies behind its video's end.
    """
    by_video: dict[Path, list[Interval]] = defaultdict(list)
    for interval in read_intervals(table):
        by_video[interval.video.resolve()].append(interval)
    wanted = list(by_video) if video is None else [video.resolve()]
    if wanted[0] not in by_video:
        raise LabelError(
            f"'{table}' labels no frame of '{video}', but '{next(iter(by_video))}': correct its column 'video'"
        )
    found = {by_video[place][0].video: by_video[place] for place in wanted}
    return {file: frame_labels(intervals, classes, probe(file).n_frames) for file, intervals in found.items()}


def _rows(path: Path) -> Iterator[tuple[int, Interval]]:
    """Each interval of a table, and its line."""
    rows = csv_rows(read_text(path, LabelError), path, LabelError)
    names = [name.strip() for name in rows[0][1]] if rows else []
    if missing := [name for name in COLUMNS if name not in names]:
        raise LabelError(
            f"'{path}', line 1: column {', '.join(missing)} is missing: the first line must be {','.join(COLUMNS)}"
        )
    for line, cells in rows[1:]:
        yield line, _interval(dict(zip_longest(names, cells[: len(names)], fillvalue="")), path, line)


def _interval(row: dict[str, str], path: Path, line: int) -> Interval:
    texts = {name: row[name].strip() for name in COLUMNS}
    try:
        if not texts["video"]:
            raise LabelError("the row has no video: give its path")
        for name in ("start", "end"):
            if not texts[name].isdecimal():
                raise LabelError(f"{name} '{texts[name]}' is not a frame number: give a whole number of 0 or more")
        return Interval(path.parent / texts["video"], int(texts["start"]), int(texts["end"]), texts["label"])
    except LabelError as error:
        raise LabelError(f"'{path}', line {line}: {error}") from None


def _refuse_overlaps(intervals: Sequence[Interval], where: Sequence[str]) -> None:
    """Refuse two labels for one frame; `where` begins the message about each interval."""
    by_video: dict[Path, list[int]] = defaultdict(list)
    for number, interval in enumerate(intervals):
        by_video[interval.video].append(number)
    for numbers in by_video.values():
        numbers.sort(key=lambda number: intervals[number].start)
        for before, number in pairwise(numbers):
            if intervals[number].start < intervals[before].end:
                later = max(before, number)
                raise LabelError(where[later] + _overlap(intervals[later]))


def _overlap(item: Interval) -> str:
    return (
        f"the interval from {item.start} to {item.end} overlaps another of '{item.video}': a frame can have only "
        "one label"
    )

"""Videos with labelled intervals, put beside the behaviour tables that were made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.behaviour.agreement import UNKNOWN, ComparedVideo, Pairs
from posecli.behaviour.intervals import UNLABELLED, Interval, frame_labels, read_intervals
from posecli.behaviour.table import CHUNKS, read_behaviours
from posecli.errors import LabelError, UsageError
from posecli.video.probe import probe

Labels = npt.NDArray[np.int64]


def true_labels(table: Path, classes: Sequence[str], video: Path | None = None) -> dict[Path, Labels]:
    """Labels of the frames of the videos that a table of intervals names.

    Parameters
    ----------
    table
        As `posecli.behaviour.intervals.read_intervals` takes it.
    classes
        Names of the behaviours.
    video
        Only this one; by default all, in the table's order.

    Returns
    -------
    dict
        By video, ``(n_frames,)`` int64: index in `classes`, -1 where nothing is labelled.

    Raises
    ------
    LabelError
        If the table cannot be used, does not name the video, or a label is no class or lies behind its video's end.
    VideoError
        If a video is missing or cannot be read.
    """
    by_video: dict[Path, list[Interval]] = {}
    for interval in read_intervals(table):
        by_video.setdefault(interval.video.resolve(), []).append(interval)
    if video is not None and video.resolve() not in by_video:
        raise LabelError(
            f"'{table}' labels no frame of '{video}', but '{next(iter(by_video))}': correct its column 'video'"
        )
    wanted = by_video if video is None else {video.resolve(): by_video[video.resolve()]}
    found = {}
    for intervals in wanted.values():
        file = intervals[0].video
        found[file] = frame_labels(intervals, classes, probe(file).n_frames)
    return found


def compare_video(video: Path, truth: Labels, table: Path, classes: Sequence[str]) -> ComparedVideo:
    """Put a video's labels beside its behaviour table.

    Parameters
    ----------
    video
        The file.
    truth
        Of its frames, as `true_labels` has them.
    table
        What `posecli classify` made of it.
    classes
        Names of the behaviours.

    Raises
    ------
    UsageError
        If the table is none, or has a label that is no class.
    """
    frames, chunks = read_behaviours(table), read_behaviours(table, CHUNKS)
    # A damaged video can end before or after the last frame that its container promised.
    predicted = np.full(len(truth), UNKNOWN, np.int64)
    said = _numbers(frames["label"].tolist(), classes, table)[: len(truth)]
    predicted[: len(said)] = said
    spans = zip(chunks["first_frame"].tolist(), chunks["end_frame"].tolist(), strict=True)
    of_chunks = np.array([_only_label(truth[first:end]) for first, end in spans], np.int64)
    by_chunk = _numbers(chunks["label"].tolist(), classes, table)
    return ComparedVideo(video, Pairs(truth, predicted), Pairs(of_chunks, by_chunk))


def _numbers(labels: Sequence[str], classes: Sequence[str], table: Path) -> Labels:
    """Names to numbers; an empty one is unknown."""
    number_of = {name: number for number, name in enumerate(classes)} | {"": UNKNOWN}
    if strange := sorted(set(labels) - set(number_of)):
        raise UsageError(
            f"'{table}' has label '{strange[0]}', which is none of {', '.join(classes)}: use its own model"
        )
    return np.array([number_of[label] for label in labels], np.int64)


def _only_label(labels: Labels) -> int:
    """The label that all of some frames have; -1 where there is no such label.

    >>> _only_label(np.array([2, 2])), _only_label(np.array([2, 1])), _only_label(np.array([2, -1]))
    (2, -1, -1)
    """
    return int(labels[0]) if len(labels) and (labels == labels[0]).all() else UNLABELLED

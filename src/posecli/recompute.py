"""Rows of a pose table held against its video: their times, and what the network says of some of their frames now.

>>> findings = list(compare_with_video(table, probe(video), model, geometry))  # doctest: +SKIP
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from posecli.geometry import Geometry
from posecli.poses import PCUTOFF, PoseData
from posecli.predictor import PoseModel
from posecli.video.pictures import Picture
from posecli.video.probe import VideoInfo
from posecli.video.reader import VideoReader

Floats = npt.NDArray[np.float64]

#: Rows that are computed again, where nobody says otherwise.
ROWS = 64
#: px by which a row may differ where another processor or another version computed it.
LIMIT_PX = 1.0
#: A row is a neighbouring frame's if that fits so many times better, and its own is off by at least so many px.
FITS_BETTER, OFF_PX = 4.0, 0.05
#: Seconds by which a time may differ by rounding.
TIME_TOLERANCE = 1e-6
#: Every so many rows of pixels tell one picture from another.
SPARSE = 16


@dataclass(frozen=True)
class _Suspicion:
    """What reading the whole video has shown of a table.

    Attributes
    ----------
    frames
        How many the video has.
    late
        Rows whose time is not their frame's.
    repeated
        Rows that repeat the row before to the bit, though the picture is another.
    invented
        Rows with a pose though there is no picture.
    """

    frames: int
    late: tuple[int, ...]
    repeated: tuple[int, ...]
    invented: tuple[int, ...]


def compare_with_video(
    table: PoseData,
    info: VideoInfo,
    model: PoseModel,
    geometry: Geometry,
    *,
    rows: int = ROWS,
    progress: Callable[[int], object] = lambda _count: None,
) -> Iterator[str]:
    """What of a table is not its video's, in words.

    All times are compared. Of the poses, rows all over the table are computed again, and all stretches that stand
    still while the pictures do not, at most `rows` of each.

    Parameters
    ----------
    table
        With a row for each frame.
    info
        The video that it should be of.
    model
        The network that it was made with, in the same precision.
    geometry
        What was done to each frame.
    rows
        How many rows are computed again.
    progress
        Is told how many more frames are read; the video is read twice.
    """
    seen = _read_through(table, info, progress)
    if seen.frames != len(table):
        yield f"it has {len(table)} rows, and the video {seen.frames} frames: analyse again"
    for words, wrong in (("another time than their frame", seen.late), ("a pose without a picture", seen.invented)):
        if wrong:
            yield f"{len(wrong)} rows have {words} (first row {wrong[0]}): analyse again"
    chosen = _spread(range(len(table)), rows) | set(_spread(seen.repeated, rows))
    yield from _differences(table, info, model, geometry, sorted(chosen), progress)


def _read_through(table: PoseData, info: VideoInfo, progress: Callable[[int], object]) -> _Suspicion:
    late, repeated, invented = [], [], []
    digest: bytes | None = None
    count = 0
    for number, picture in VideoReader(info).rows():
        count += 1
        progress(1)
        if number >= len(table):
            continue
        if (
            table.seconds is not None
            and abs(table.seconds[number] - picture.pts * float(info.time_base)) > TIME_TOLERANCE
        ):
            late.append(number)
        known = bool(np.isfinite(table.points[number, :, :2]).any())
        if picture.frame is None and known:
            invented.append(number)
        before, digest = digest, _digest(picture)
        if known and number and digest != before and np.array_equal(table.points[number], table.points[number - 1]):
            repeated.append(number)
    return _Suspicion(count, tuple(late), tuple(repeated), tuple(invented))


def _digest(picture: Picture) -> bytes | None:
    """Enough of a picture to tell it from the next one."""
    if picture.frame is None:
        return None
    plane = picture.frame.planes[0]
    return bytes(memoryview(plane))[:: SPARSE * 3 + 1]


def _spread(rows: Sequence[int], count: int) -> set[int]:
    """At most so many of them, from the first to the last."""
    if not rows:
        return set()
    return {rows[place] for place in np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)}


def _differences(
    table: PoseData,
    info: VideoInfo,
    model: PoseModel,
    geometry: Geometry,
    chosen: Sequence[int],
    progress: Callable[[int], object],
) -> Iterator[str]:
    wrong: list[tuple[int, str]] = []
    looked_at = 0
    for row, poses in _computed(info, model, geometry, chosen, progress):
        own = _distance(table.points[row], poses.get(row))
        if own is None:
            continue
        looked_at += 1
        others = ((_distance(table.points[row], pose), other) for other, pose in poses.items() if other != row)
        fits, nearest = min(((apart, other) for apart, other in others if apart is not None), default=(np.inf, row))
        if own > OFF_PX and fits * FITS_BETTER < own:
            wrong.append((row, f"fits frame {nearest}"))
        elif own > LIMIT_PX:
            wrong.append((row, f"is {own:.1f} px off"))
    if wrong:
        row, words = wrong[0]
        yield (
            f"{len(wrong)} of {looked_at} rows that were computed again are not what the network says of their frames "
            f"(first row {row}, which {words}): analyse again"
        )


def _computed(
    info: VideoInfo,
    model: PoseModel,
    geometry: Geometry,
    chosen: Sequence[int],
    progress: Callable[[int], object],
) -> Iterator[tuple[int, dict[int, Floats]]]:
    """Each chosen row with the poses of its frame and of the frames beside it, ``(K, 3)`` in px of the full frame."""
    reader = VideoReader(info, geometry)
    waiting = deque(chosen)
    needed = set(chain.from_iterable((row - 1, row, row + 1) for row in chosen))
    poses: dict[int, Floats] = {}
    for number, picture in _with_end(reader.rows()):
        progress(picture is not None)
        while waiting and (number > waiting[0] + 1 or picture is None):
            row = waiting.popleft()
            yield row, {place: poses[place] for place in (row - 1, row, row + 1) if place in poses}
        poses = {place: pose for place, pose in poses.items() if place > number - 4}
        if number in needed and picture is not None and picture.frame is not None:
            image = reader.new_buffer(1)
            reader.prepare_row(number, picture, image[0])
            pose = model.predict(image)[0]
            pose[:, :2] = geometry.to_frame(pose[:, :2])
            poses[number] = pose


def _with_end(rows: Iterable[tuple[int, Picture]]) -> Iterator[tuple[int, Picture | None]]:
    number = -1
    for number, picture in rows:
        yield number, picture
    yield number + 1, None


def _distance(row: Floats, pose: Floats | None) -> float | None:
    """Median px between points that either is sure of, or else between all; ``None`` where nothing is known."""
    if pose is None:
        return None
    apart = np.hypot(*(row[:, :2] - pose[:, :2]).T)
    sure = np.isfinite(apart) & ((row[:, 2] >= PCUTOFF) | (pose[:, 2] >= PCUTOFF))
    used = apart[sure] if sure.any() else apart[np.isfinite(apart)]
    return float(np.median(used)) if len(used) else None

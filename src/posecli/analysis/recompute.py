"""Rows of a pose table held against its video: their times, and what the network says of some of their frames now.

>>> findings = list(compare_with_video(table, VideoReader(probe(video), geometry), Looking(model)))  # doctest: +SKIP
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain, groupby, pairwise

import numpy as np
import numpy.typing as npt

from posecli.inference.predictor import PoseModel
from posecli.inference.sources import Still
from posecli.inference.step import Values
from posecli.inference.teacher import DoubtRule, TeacherStep
from posecli.inference.windows import Windows, WindowStep
from posecli.tables.poses import PCUTOFF, PoseData
from posecli.video.batch import Batch
from posecli.video.decoding import Picture
from posecli.video.reader import VideoReader

Floats = npt.NDArray[np.float64]

#: Rows that are computed again by default.
ROWS = 64
#: px by which a row may differ where another processor or version computed it: at most, and where most rows agree;
#: and by how many times what most rows differ by.
LIMIT_PX, LEAST_PX, TIMES_USUAL = 1.0, 0.05, 8.0
#: By how much a likelihood may differ.
LIMIT_LIKELIHOOD = 0.1
#: Part of the rows in which one point may be elsewhere in reduced precision.
MOST_STRAY = 0.2
#: A row is a neighbouring frame's if that fits so many times better, and its own is off by at least so many px.
FITS_BETTER, OFF_PX = 4.0, 0.05
#: Seconds by which a time may differ by rounding.
TIME_TOLERANCE = 1e-6
#: Every so many rows of pixels tell one picture from another.
SPARSE = 16


@dataclass(frozen=True)
class Looking:
    """How a table was made: by a network, in windows or not, and by its teacher where a rule says so."""

    model: PoseModel
    windows: Windows | None = None
    rule: DoubtRule | None = None
    teacher: PoseModel | None = None

    @property
    def group(self) -> int:
        """Frames that are looked at together."""
        return 1 if self.rule is None else self.rule.group

    def at(self, frames: Batch, poses: Values, background: Callable[[int], Still]) -> Values:
        """Where the body parts are in a group of frames, by the poses ``(N, K, 1, 3)`` of the whole table."""
        shape, first = frames.images.shape[1:], int(frames.indices[0])
        step = self.model.step(shape)
        if self.windows is not None:
            step = self.model.window_step(shape, self.windows, background=background)
        if self.rule is not None and self.teacher is not None:
            step = TeacherStep(self.rule, step, self.teacher.step(shape))
            step.resume(first, poses[max(0, first - self.group) : first])
        elif isinstance(step, WindowStep):
            step.resume_within(first, poses)
        return step(frames)


def compare_with_video(
    table: PoseData,
    reader: VideoReader,
    looking: Looking,
    *,
    rows: int = ROWS,
    progress: Callable[[int], object] = lambda _count: None,
) -> Iterator[str]:
    """How a table differs from its video, in words.

    All times are compared. Of the poses, rows all over the table are computed again, and all stretches that stand
    still while the pictures do not, at most `rows` of each, with the network, the precision and the windows that the
    table was made with. The video is read twice, the second time by the `reader`, which prepares frames as they were
    for the table; `progress` is told how many more frames are read.
    """
    seen = _Seen()
    for number, picture in VideoReader(reader.info).rows():
        progress(1)
        seen.take_in(number, picture, table, float(reader.info.time_base))
    if seen.frames != len(table):
        yield f"it has {len(table)} rows, and the video {seen.frames} frames: analyse again"
    for words, wrong in (("another time than their frame", seen.late), ("a pose without a picture", seen.invented)):
        if wrong:
            yield f"{len(wrong)} rows have {words} (first row {wrong[0]}): analyse again"
    chosen = _spread(range(len(table)), rows) | set(_spread(seen.repeated, rows))
    found = [
        _Compared.of(row, table.points[row], poses)
        for row, poses in _computed(reader, looking, table.points[:, :, None], sorted(chosen), progress)
        if row in poses and np.isfinite(table.points[row, :, :2]).any()
    ]
    if found:
        yield from _differences(found, is_exact=looking.model.options.fixed_precision == "fp32")


@dataclass
class _Seen:
    """What reading the whole video has shown of a table: how many frames there are, and odd rows."""

    frames: int = 0
    #: Their time is not their frame's.
    late: list[int] = field(default_factory=list)
    #: They repeat the row before to the bit, though the picture is another.
    repeated: list[int] = field(default_factory=list)
    #: They have a pose though there is no picture.
    invented: list[int] = field(default_factory=list)
    _digest: bytes | None = None

    def take_in(self, number: int, picture: Picture, table: PoseData, time_base: float) -> None:
        self.frames += 1
        if number >= len(table):
            return
        if table.seconds is not None and abs(table.seconds[number] - picture.pts * time_base) > TIME_TOLERANCE:
            self.late.append(number)
        before = self._digest  # enough of a picture to tell it from the next one
        self._digest = None if picture.frame is None else bytes(memoryview(picture.frame.planes[0]))[:: SPARSE * 3 + 1]
        points = table.points
        if not np.isfinite(points[number, :, :2]).any():
            return
        if picture.frame is None:
            self.invented.append(number)
        if number and self._digest != before and np.array_equal(points[number], points[number - 1]):
            self.repeated.append(number)


def _spread(rows: Sequence[int], count: int) -> set[int]:
    """At most so many of them, one at random from each of as many equal parts: nobody can know which."""
    edges = np.linspace(0, len(rows), min(count, len(rows)) + 1).astype(int)
    draw = np.random.default_rng().integers
    return {rows[int(draw(start, stop))] for start, stop in pairwise(edges.tolist())}


@dataclass(frozen=True)
class _Compared:
    """A row beside what the network says of its frame."""

    row: int
    apart: Floats  #: ``(K,)`` px by which each point is off; NaN where neither is sure of it.
    likelihood: float  #: Largest difference of the likelihoods.
    better: int | None  #: A frame beside it that the row fits far better.

    @classmethod
    def of(cls, row: int, points: Floats, poses: dict[int, Floats]) -> _Compared:
        """A row's points beside the poses of its frame and of those beside it."""
        own = _apart(points, poses[row])
        others = {other: _median(_apart(points, pose)) for other, pose in poses.items()}
        off = others.pop(row)
        nearest = min(others, key=lambda other: others[other], default=row)
        better = nearest if others and off > OFF_PX and others[nearest] * FITS_BETTER < off else None
        return cls(row, own, float(np.abs(points[:, 2] - poses[row][:, 2]).max()), better)

    def __str__(self) -> str:
        if self.better is not None:
            return f"{self.row}, which fits frame {self.better}"
        return f"{self.row}, off by {np.nanmax(self.apart):.2f} px, in likelihood by {self.likelihood:.2f}"


def _differences(found: Sequence[_Compared], *, is_exact: bool) -> Iterator[str]:
    apart = np.array([each.apart for each in found])
    usual = 0.0 if is_exact else _median(apart)
    limit = min(LIMIT_PX, max(LEAST_PX, TIMES_USUAL * usual))
    is_off = apart > limit
    # In reduced precision single points may take another peak on another processor; a point that mostly does is wrong.
    strays = is_off.mean(axis=0) > MOST_STRAY
    wrong = [
        each
        for each, off in zip(found, is_off, strict=True)
        if each.better is not None
        or each.likelihood > LIMIT_LIKELIHOOD
        or (off.any() if is_exact else off[strays].any() or _median(each.apart) > limit)
    ]
    if wrong:
        yield (
            f"{len(wrong)} of {len(found)} rows that were computed again are not what the network says of their "
            f"frames (first row {wrong[0]}): analyse again"
        )


def _median(apart: Floats) -> float:
    """Of what is known; 0 where nothing is."""
    known = apart[np.isfinite(apart)]
    return float(np.median(known)) if len(known) else 0.0


def _computed(
    reader: VideoReader, looking: Looking, table: Values, chosen: Sequence[int], progress: Callable[[int], object]
) -> Iterator[tuple[int, dict[int, Floats]]]:
    """Each chosen row with the poses of its frame and of the frames beside it, ``(K, 3)`` in px of the full frame."""
    waiting, group = deque(chosen), looking.group
    needed = {place // group for row in chosen for place in (row - 1, row, row + 1)}
    background = cache(partial(Still.of_video, reader.info, reader.geometry))
    poses: dict[int, Floats] = {}
    last: tuple[None, None] = None, None
    for number, frames in chain(_groups(reader, group, needed, progress), [last]):
        if frames is not None and frames.valid.any():
            found = looking.at(frames, table, background)[frames.valid, :, 0]
            poses |= zip(frames.indices[frames.valid].tolist(), found, strict=True)
        while waiting and (number is None or number > (waiting[0] + 1) // group):
            row = waiting.popleft()
            yield row, {place: poses[place] for place in (row - 1, row, row + 1) if place in poses}


def _groups(
    reader: VideoReader, size: int, needed: Container[int], progress: Callable[[int], object]
) -> Iterator[tuple[int, Batch | None]]:
    """Numbers of groups of so many frames, and the frames of those that are needed."""
    for number, rows in groupby(reader.rows(), lambda row: row[0] // size):
        images = reader.new_buffer(size)
        indices: list[int] = []
        valid: list[bool] = []
        for place, picture in rows:
            progress(1)
            if number not in needed:
                continue
            if picture.frame is None:
                images[len(indices)] = 0
            else:
                reader.prepare_row(place, picture, images[len(indices)])
            indices.append(place)
            valid.append(picture.frame is not None)
        yield number, reader.batch(images[: len(indices)], np.array(indices), valid=np.array(valid)) if valid else None


def _apart(row: Floats, pose: Floats) -> Floats:
    """``(K,)`` px between points; NaN where neither is sure, unless neither is sure of any."""
    apart = np.hypot(*(row[:, :2] - pose[:, :2]).T)
    sure = (row[:, 2] >= PCUTOFF) | (pose[:, 2] >= PCUTOFF)
    return np.asarray(np.where(sure | ~sure.any(), apart, np.nan), np.float64)

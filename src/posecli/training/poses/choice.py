"""Which frames of videos a student learns from, and which are held out: stretches, and of many videos whole ones.

Frames to learn from are chosen by what they look like, from all over the videos: each next one is that which looks
least like those before (Gonzalez 1985), so that a long sleep counts little and a rare scene is there.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.errors import UsageError
from posecli.model.student import Stretch
from posecli.video.find import evenly_chosen
from posecli.video.opencv import import_cv2
from posecli.video.probe import VideoInfo, probe
from posecli.video.reader import VideoReader

cv2 = import_cv2()

Places = npt.NDArray[np.int64]
#: Frames to learn from, and frames that students are measured on, at most; of all videos together.
FRAMES, HELD_OUT_FRAMES = 1500, 600
#: Bytes that the pictures may take on the disk: 640x480 px take 0.9 MB each.
MOST_BYTES = 3 << 30
#: Share of these bytes for frames to learn from where there is no room for all; fewest frames that are worth a student.
LEARNED_SHARE, LEAST_FRAMES = 0.7, 20
#: Share of each video that is held out, in how many stretches where there is one video, and seconds on both sides of a
#: stretch that are left out too, because frames there look like those in it.
HELD_OUT_SHARE, STRETCHES, GUARD = 0.1, 3, 1.0
#: From so many videos on every so many-th is held out as a whole.
WHOLE_VIDEOS = 4
#: Frames that are looked at to choose one.
CANDIDATES = 4
#: Size of the pictures by which frames are compared, px.
THUMBNAIL = (32, 24)


@dataclass(frozen=True)
class ChosenFrames:
    """Numbers of frames of one video, each rising."""

    video: Path
    learned: Places  #: To learn from.
    measured: Places  #: Held out, and looked at to measure students.

    def __len__(self) -> int:
        return len(self.learned) + len(self.measured)

    @property
    def places(self) -> Places:
        """All of them: to learn from, then held out."""
        return np.concatenate([self.learned, self.measured])


@dataclass(frozen=True)
class Openings:
    """What may be learned from, and what is held out, before any frame is looked at."""

    infos: tuple[VideoInfo, ...]
    stretches: tuple[tuple[Stretch, ...], ...]  #: Held out of each video.
    places: tuple[Places, ...]  #: Frames of each video that may be learned from.
    learned: int  #: Frames to learn from, at most.
    measured: int  #: Frames to measure students on, at most.

    @classmethod
    def of(cls, videos: Sequence[Path], held_out: Sequence[str] = (), frames: int = FRAMES) -> Openings:
        """Of videos, by what packets tell; for parameters and errors see `choose_frames`."""
        infos = [probe(video) for video in videos]
        stretches = _named(held_out, infos) if held_out else _stretches(infos)
        places = [_outside(info, own) for info, own in zip(infos, stretches, strict=True)]
        total = sum(map(len, places))
        if not total:
            raise UsageError("what is held out leaves no frame to learn from: hold out less, or give more videos")
        largest = max(infos, key=lambda info: info.width * info.height)
        room = MOST_BYTES // (3 * largest.width * largest.height)
        learned = min(frames, max(room - HELD_OUT_FRAMES, int(LEARNED_SHARE * room)))
        if learned < min(frames, total, LEAST_FRAMES):
            raise UsageError(
                f"frames of {largest.width}x{largest.height} px are so large that only {learned} of them could be "
                "learned from: scale the videos down first"
            )
        measured = min(HELD_OUT_FRAMES, max(1, room - learned))
        return cls(tuple(infos), tuple(map(tuple, stretches)), tuple(places), learned, measured)


def choose_frames(
    videos: Sequence[Path], held_out: Sequence[str] = (), frames: int = FRAMES
) -> tuple[list[ChosenFrames], list[Stretch]]:
    """The frames of each video, and what is held out; `held_out` has names or paths, or ``NAME:FIRST-LAST``.

    A `UsageError` if one of these is not there or means several videos, if nothing is left to learn from, or if frames
    are so large that there is room for too few.
    """
    found = Openings.of(videos, held_out, frames)
    learned: Sequence[Places] = found.places
    if sum(map(len, learned)) > found.learned:
        learned = _most_different(found.infos, found.places, found.learned)
    measured = _measured(found)
    chosen = [ChosenFrames(*each) for each in zip(videos, learned, measured, strict=True)]
    return chosen, [each for own in found.stretches for each in own]


def names_of(videos: Sequence[Path]) -> list[str]:
    """The name of each video's file, with as many of its folders as tell it from others of that name.

    >>> names_of([Path("day1/cam1.mp4"), Path("day2/cam1.mp4"), Path("day2/cam2.mp4")])
    ['day1/cam1.mp4', 'day2/cam1.mp4', 'cam2.mp4']
    """
    parts = [_parts(video) for video in videos]
    lengths = [1] * len(parts)
    for length in range(1, max(map(len, parts), default=0)):
        tails = Counter(own[-length:] for own in parts)
        lengths = [
            length + 1 if kept == length and tails[own[-length:]] > 1 else kept
            for own, kept in zip(parts, lengths, strict=True)
        ]
    return ["/".join(own[-length:]) for own, length in zip(parts, lengths, strict=True)]


def _parts(path: Path) -> tuple[str, ...]:
    return Path(os.path.abspath(path)).parts  # noqa: PTH100  # links keep the names that people know


def _stretches(infos: Sequence[VideoInfo]) -> list[list[Stretch]]:
    """What is held out of each video where nobody says."""
    paths = [info.path for info in infos]
    whole = set(evenly_chosen(paths, len(infos) // WHOLE_VIDEOS))
    each = STRETCHES if len(infos) == 1 else 1
    found = []
    for info, name in zip(infos, names_of(paths), strict=True):
        count = info.expected_frames
        if info.path in whole:
            found.append([Stretch(name, 0, count - 1)])
            continue
        length = max(1, round(count * HELD_OUT_SHARE / each))
        # The last one at the end: what comes after all that was learned is the hardest to foresee.
        starts = [round((part + 1) * count / each) - length for part in range(each)]
        found.append([Stretch(name, start, start + length - 1) for start in starts])
    return found


def _named(texts: Sequence[str], infos: Sequence[VideoInfo]) -> list[list[Stretch]]:
    names = names_of([info.path for info in infos])
    found: list[list[Stretch]] = [[] for _ in infos]
    for text in texts:
        name, _, numbers = text.rpartition(":") if re.search(r":\d+-\d+$", text) else (text, "", "")
        place = _place(text, name, infos, names)
        count = infos[place].expected_frames
        first, last = map(int, numbers.split("-")) if numbers else (0, count - 1)
        if not first <= last < count:
            raise UsageError(f"'{text}' is to be held out, but '{names[place]}' has frames 0-{count - 1}: correct it")
        found[place].append(Stretch(names[place], first, last))
    return found


def _place(text: str, name: str, infos: Sequence[VideoInfo], names: Sequence[str]) -> int:
    """Which video a name or path means: the end of its path, or the whole."""
    asked = Path(name).parts
    meant = [
        place
        for place, parts in enumerate(_parts(info.path) for info in infos)
        if parts[-len(asked) :] == asked or parts == _parts(Path(name))
    ]
    if not meant:
        raise UsageError(
            f"'{text}' is to be held out, but the videos are {', '.join(names)}: give the name of one, or "
            "NAME:FIRST-LAST"
        )
    if len(meant) > 1:
        raise UsageError(
            f"'{text}' is to be held out, but {len(meant)} videos have that name: give one of "
            f"{', '.join(names[place] for place in meant)}"
        )
    return meant[0]


def _outside(info: VideoInfo, stretches: Sequence[Stretch]) -> Places:
    """Frames that are in no stretch, nor next to one."""
    is_open = np.ones(info.expected_frames, np.bool_)
    guard = round(GUARD * info.frame_rate)
    for each in stretches:
        is_open[max(0, each.first - guard) : each.last + 1 + guard] = False
    return np.flatnonzero(is_open)


def _measured(found: Openings) -> list[Places]:
    """Frames by which students are measured: from the middle of each stretch, one after the other."""
    share = max(1, found.measured // sum(map(len, found.stretches)))
    left, measured = found.measured, []
    for stretches in found.stretches:
        places: set[int] = set()
        for each in stretches:
            count = min(len(each), share, left)
            left -= count
            first = each.first + (len(each) - count) // 2
            places.update(range(first, first + count))
        measured.append(np.array(sorted(places), np.int64))
    return measured


def _most_different(infos: Sequence[VideoInfo], places: Sequence[Places], wanted: int) -> list[Places]:
    total = sum(map(len, places))
    looked_at = [
        each[np.unique(np.linspace(0, len(each) - 1, max(1, CANDIDATES * wanted * len(each) // total)).astype(int))]
        if len(each)
        else each
        for each in places
    ]
    thumbnails = [_thumbnails(info, each) for info, each in zip(infos, looked_at, strict=True)]
    chosen = farthest_first(np.concatenate(thumbnails), wanted)
    ends = np.cumsum([len(each) for each in looked_at])
    of_video = np.searchsorted(ends, chosen, side="right")
    starts = ends - [len(each) for each in looked_at]
    return [np.sort(each[chosen[of_video == number] - starts[number]]) for number, each in enumerate(looked_at)]


def _thumbnails(info: VideoInfo, places: Places) -> npt.NDArray[np.float32]:
    """Small grey pictures of frames, one row each; one that cannot be decoded is black."""
    found = np.zeros((len(places), THUMBNAIL[0] * THUMBNAIL[1]), np.float32)
    if not len(places):
        return found
    with closing(VideoReader(info, places=places.tolist())) as reader:
        for row, frame in zip(found, reader.decoded(), strict=False):
            if frame.image is not None:
                small = cv2.resize(frame.image, THUMBNAIL, interpolation=cv2.INTER_AREA)
                row[:] = small.mean(axis=-1).ravel()
    return found


def farthest_first(points: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.intp]:
    """Rows of ``(N, D)`` points, each as far from those before as can be; the first is that closest to the middle.

    >>> farthest_first(np.array([[0.0], [1.0], [9.0], [10.0], [5.2]], np.float32), 3).tolist()
    [4, 0, 3]
    """
    squares = (points**2).sum(axis=1)
    middle = points.mean(axis=0)
    chosen = [int(np.argmin(squares - 2 * points @ middle))]
    nearest = np.full(len(points), np.inf, np.float32)
    while len(chosen) < min(count, len(points)):
        last = chosen[-1]
        nearest = np.minimum(nearest, squares - 2 * points @ points[last] + squares[last])
        nearest[last] = -np.inf
        chosen.append(int(np.argmax(nearest)))
    return np.array(chosen)

"""Which frames of videos a student learns from, and which are held out: stretches, and of many videos whole ones.

Frames to learn from are chosen by what they look like, from all over the videos: each next one is that which looks
least like those before (Gonzalez 1985), so that a long sleep counts little and a rare scene is there.
"""

from __future__ import annotations

import re
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
#: Share of each video that is held out, in how many stretches where there is one video, and frames on both sides of a
#: stretch that are left out too, because they look like those in it.
HELD_OUT_SHARE, STRETCHES, GUARD = 0.1, 3, 30
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


def choose_frames(
    videos: Sequence[Path], held_out: Sequence[str] = (), frames: int = FRAMES
) -> tuple[list[ChosenFrames], list[Stretch]]:
    """The frames of each video, and what is held out; `held_out` has names of videos, or ``NAME:FIRST-LAST``.

    A `UsageError` if one of these is not there, or nothing is left to learn from.
    """
    infos = [probe(video) for video in videos]
    stretches = _named(held_out, infos) if held_out else _stretches(infos)
    room = MOST_BYTES // max(3 * info.width * info.height for info in infos)
    wanted = min(frames, room - HELD_OUT_FRAMES)
    open_places = [_outside(info, [each for each in stretches if each.video == info.path.name]) for info in infos]
    total = sum(map(len, open_places))
    if not total:
        raise UsageError("what is held out leaves no frame to learn from: hold out less, or give more videos")
    learned = _most_different(infos, open_places, wanted) if total > wanted else open_places
    measured = _measured(infos, stretches)
    return [ChosenFrames(*each) for each in zip(videos, learned, measured, strict=True)], stretches


def _stretches(infos: Sequence[VideoInfo]) -> list[Stretch]:
    """What is held out where nobody says."""
    whole = set(evenly_chosen([info.path for info in infos], len(infos) // WHOLE_VIDEOS))
    each = STRETCHES if len(infos) == 1 else 1
    found = []
    for info in infos:
        count = info.expected_frames
        if info.path in whole:
            found.append(Stretch(info.path.name, 0, count - 1))
            continue
        length = max(1, round(count * HELD_OUT_SHARE / each))
        # The last one at the end: what comes after all that was learned is the hardest to foresee.
        starts = [round((part + 1) * count / each) - length for part in range(each)]
        found += [Stretch(info.path.name, start, start + length - 1) for start in starts]
    return found


def _named(texts: Sequence[str], infos: Sequence[VideoInfo]) -> list[Stretch]:
    counts = {info.path.name: info.expected_frames for info in infos}
    found = []
    for text in texts:
        name, _, numbers = text.rpartition(":") if re.search(r":\d+-\d+$", text) else (text, "", "")
        if name not in counts:
            raise UsageError(
                f"'{text}' is to be held out, but the videos are {', '.join(counts)}: give the name of one, or "
                "NAME:FIRST-LAST"
            )
        first, last = map(int, numbers.split("-")) if numbers else (0, counts[name] - 1)
        if not first <= last < counts[name]:
            raise UsageError(f"'{text}' is to be held out, but '{name}' has frames 0-{counts[name] - 1}: correct it")
        found.append(Stretch(name, first, last))
    return found


def _outside(info: VideoInfo, stretches: Sequence[Stretch]) -> Places:
    """Frames that are in no stretch, nor next to one."""
    is_open = np.ones(info.expected_frames, np.bool_)
    for each in stretches:
        is_open[max(0, each.first - GUARD) : each.last + 1 + GUARD] = False
    return np.flatnonzero(is_open)


def _measured(infos: Sequence[VideoInfo], stretches: Sequence[Stretch]) -> list[Places]:
    """Frames by which students are measured: from the middle of each stretch, one after the other."""
    share = max(1, HELD_OUT_FRAMES // len(stretches))
    places: dict[str, set[int]] = {info.path.name: set() for info in infos}
    for each in stretches:
        count = min(len(each), share)
        first = each.first + (len(each) - count) // 2
        places[each.video].update(range(first, first + count))
    return [np.array(sorted(places[info.path.name]), np.int64) for info in infos]


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

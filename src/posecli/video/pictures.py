"""Which pictures a video has, in which order, and when each is shown: FFmpeg's decoder decides, nothing else does.

Packets, counts in headers and sorted times only hint at it: a packet may hold a picture that is never shown, or one
field of two; clocks jump; edit lists leave out and repeat.

Reading begins *quickly*, on all processors, where an error may surface several packets late. That is good enough as
long as each packet's picture comes out whole and in its turn. At the first doubt the file is decoded again from its
start *carefully*, on one processor, where an error belongs to the packet that was given; pictures that were handed out
before are the same ones and are skipped.
"""

from __future__ import annotations

import heapq
from array import array
from collections import deque
from collections.abc import Callable, Container, Generator, Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av

from posecli.errors import VideoError
from posecli.video.container import demux, has_places, keeps_times, open_container, video_stream
from posecli.video.decoding import DecodedPacket, DoubtError, Picture, decoded_packets, fast_threads
from posecli.video.orientation import UPRIGHT, Orientation

#: Pictures that may be shown before one that was decoded before them; some demuxers seek by the latter's time.
DEEPEST_REORDERING = 16
#: Packets within which a packet's picture comes out, if it does: two fields make a picture.
LOOK_AHEAD = 2 * DEEPEST_REORDERING + 2
#: Codecs whose packets tell the pictures' order even where the container does not.
OWN_ORDER = ("mpeg1video", "mpeg2video", "mpeg4")
#: Codecs without hidden pictures: a packet that gives none is a field, or is lost.
OPEN = ("h264", "hevc", "mpeg1video", "mpeg2video")
BROADCASTS = ("mpegts", "mpeg")  #: Formats whose recordings are cut anywhere.
#: Codecs whose recordings are cut anywhere: what cannot be decoded before the first key frame is not lost.
CUT_ANYWHERE = (*OPEN, "mpeg4", "vvc", "vc1", "vp8", "vp9", "av1", "libdav1d", "libaom-av1")


class Pictures:
    """All pictures of a video file, as often as one iterates."""

    def __init__(self, path: Path) -> None:
        self.path = path
        #: Whether there was a doubt.
        self.is_careful = False
        #: Whether the file says when pictures are shown; otherwise they are spaced by the frame rate.
        self.times_from_file = True
        #: Rows whose picture the decoder found damaged and patched up.
        self.concealed: list[int] = []

    def __iter__(self) -> Generator[Picture]:
        given = array("q")
        with closing(self._quickly()) as quick:
            try:
                for picture in quick:
                    given.append(picture.pts)
                    yield picture
                return
            except DoubtError:
                self.is_careful = True
        with closing(self._carefully()) as careful:
            for pts, picture in zip(given, careful, strict=False):
                if picture.frame is None or picture.pts != pts:
                    raise VideoError(
                        f"'{self.path}' is damaged in a way that shows only after pictures were handed out: copy it "
                        "again, or repair it, for example by encoding it anew"
                    )
            yield from careful

    def _quickly(self) -> Generator[Picture]:
        """On all processors, as long as every packet gives its picture in its turn."""
        with open_container(self.path) as container:
            stream = video_stream(container, self.path)
            # FFmpeg decodes several pictures at once only when asked; slices alone leave most codecs on one processor.
            stream.thread_type = fast_threads(stream)
            clock = Clock(container, stream)
            turns = _Turns(are_timed=clock.are_own_times)
            yield from self._shown(_in_turn(decoded_packets(container, stream), turns), clock)

    def _carefully(self) -> Generator[Picture]:
        """On one processor, with a row for each picture that could not be decoded."""
        self.concealed = []
        are_in_order = _are_in_order(self.path)
        with open_container(self.path) as container:
            stream = video_stream(container, self.path)
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            stands_alone = keeps_times(container) and container.format.name not in BROADCASTS
            lost = _Lost(stream.codec_context.name, are_in_order=are_in_order, stands_alone=stands_alone)
            yield from self._shown(_with_lost(decoded_packets(container, stream), lost), Clock(container, stream))

    def _shown(self, rows: Iterable[_Row], clock: Clock) -> Generator[Picture]:
        orientation = UPRIGHT
        for number, (pts, dts, frame) in enumerate(rows):
            duration = 0
            if frame is not None:
                duration = frame.duration or 0
                orientation = Orientation.of(frame) or orientation
                if frame.is_corrupt:
                    self.concealed.append(number)
            yield Picture(clock.time_of(pts, dts, duration), frame, orientation)
            self.times_from_file = clock.from_file


class _Turns:
    """Times of packets whose picture has not come out: each picture must be the earliest of them.

    Where the times are made up, each packet must have its picture.
    """

    def __init__(self, *, are_timed: bool) -> None:
        self._are_timed = are_timed
        self._has_begun = False
        self._depth = 0
        self._due: list[int] = []
        self._untimed = 0

    def follow(self, step: DecodedPacket) -> None:
        """Note a packet and what it brought out, all of which must have come where times are made up."""
        packet, frames, _, depth = step
        if packet is not None and not packet.is_discard:
            if not self._are_timed or packet.pts is None:
                self._untimed += 1
            else:
                heapq.heappush(self._due, packet.pts)
        if self._are_timed:
            return
        if packet is not None and depth > self._depth and not frames:  # one more is held back from now on
            self._depth = depth
            return
        self._depth = max(self._depth, depth)
        # The decoder reports no error after the first of several pictures, nor that it leaves one out.
        due = {self._untimed} if packet is None else {1} if self._has_begun else {0, 1}
        if len(frames) not in due:
            raise DoubtError

    def taken_by(self, frame: av.VideoFrame) -> None:
        """Check a picture that is handed out."""
        if frame.is_corrupt:
            raise DoubtError
        self._has_begun = True
        if not self._are_timed:
            self._untimed -= 1
        elif frame.pts is None or not self._due or heapq.heappop(self._due) != frame.pts:
            raise DoubtError

    def refuse_left_over(self) -> None:
        """Check the end. A packet without a time among others that have one is the second field of a picture."""
        if self._due:
            raise DoubtError


class _Row(NamedTuple):
    pts: int | None
    dts: int | None
    frame: av.VideoFrame | None


def _in_turn(steps: Iterable[DecodedPacket], turns: _Turns) -> Iterator[_Row]:
    """Pictures, as long as all goes well."""
    for step in steps:
        if step.has_failed:
            raise DoubtError
        turns.follow(step)
        for frame in step.frames:
            turns.taken_by(frame)
            yield _Row(frame.pts, frame.dts, frame)
    turns.refuse_left_over()


def _with_lost(steps: Iterable[DecodedPacket], lost: _Lost) -> Iterator[_Row]:
    """What a decoder on one processor puts out, and in between what it should have."""
    for step, shown in _with_outcome(steps):
        lost.follow(step, shown)
        for frame in step.frames:
            yield from lost.before(frame)
            yield _Row(frame.pts, frame.dts, frame)
        yield from lost.at_once()
    yield from lost.rest()


def _with_outcome(steps: Iterable[DecodedPacket]) -> Iterator[tuple[DecodedPacket, Container[int]]]:
    """Each step, late enough to know the times of all pictures that it may have brought out."""
    waiting: deque[DecodedPacket] = deque()
    shown: deque[int] = deque(maxlen=4 * LOOK_AHEAD)
    for step in steps:
        waiting.append(step)
        shown.extend(frame.pts for frame in step.frames if frame.pts is not None)
        if len(waiting) > LOOK_AHEAD:
            yield waiting.popleft(), shown
    for step in waiting:
        yield step, shown


class _Waiting(NamedTuple):
    """A packet whose picture has not come, or cannot."""

    pts: int
    dts: int | None
    has_failed: bool


class _Lost:
    """Packets whose picture cannot come, until it is their turn to be a row.

    These are packets that could not be decoded, and those whose picture the decoder silently leaves out because it
    lacks what the picture refers to: after a failure and up to the next key frame, or anywhere if the codec hides no
    pictures. Elsewhere a packet without a picture is a hidden one, or a field. What comes before the first picture is
    not a row: there a recording was cut.

    `are_in_order` is whether the packets' times tell which picture is due: a clock that never falls back, each packet
    with a time. A file that `stands_alone` begins with all that is needed: a failure at its start does not mean a cut.
    """

    def __init__(self, codec: str, *, are_in_order: bool, stands_alone: bool) -> None:
        self._are_in_order = are_in_order
        self._hides_none = codec in OPEN
        self._may_be_cut = codec in CUT_ANYWHERE and not stands_alone
        self._first_key: int | None = None
        self._waiting: list[_Waiting] = []
        self._untimed: list[_Row] = []
        self._follower: dict[int, int] = {}
        self._previous: int | None = None
        self._is_timed = self._has_begun = self._is_behind_failure = self._has_shown = self._reorders = False

    def follow(self, step: DecodedPacket, shown: Container[int]) -> None:
        """Note a packet that went to the decoder, given the times of pictures that come out then and soon after."""
        packet, _, has_failed, depth = step
        if packet is None or packet.is_discard:
            return
        if packet.is_keyframe and self._may_be_cut and not (has_failed or self._has_begun):
            self._waiting, self._untimed = [], []
        self._has_begun |= packet.is_keyframe or not has_failed
        self._is_behind_failure = has_failed or (self._is_behind_failure and not packet.is_keyframe)
        self._reorders = depth > 0
        self._is_timed |= packet.pts is not None
        if packet.is_keyframe and self._first_key is None:
            self._first_key = packet.pts
            # What was left out before it is where the recording was cut.
            self._forget(lambda each: not each.has_failed)
        # A packet's own place means nothing where pictures are reordered.
        dts = None if self._reorders else packet.dts
        if packet.pts is None:
            if has_failed and not self._is_timed:  # else it is the second field of a picture
                self._untimed.append(_Row(None, dts, None))
        elif packet.pts not in shown and (
            has_failed or (self._are_in_order and (self._is_behind_failure or self._hides_none))
        ):
            heapq.heappush(self._waiting, _Waiting(packet.pts, dts, has_failed))
            if self._previous is not None and not has_failed:
                self._follower[self._previous] = packet.pts
        self._previous = packet.pts

    def before(self, frame: av.VideoFrame) -> Iterator[_Row]:
        """Lost pictures whose turn is before this one, which is not lost, nor is its second field."""
        yield from self._take_untimed()
        if frame.pts is None:
            return
        pts = frame.pts
        if not self._has_shown:
            # After a lost key frame the next one is shown first; a gradual refresh begins in between.
            start = min(pts, self._first_key) if frame.key_frame and self._first_key is not None else pts
            was_cut = self._may_be_cut and self._first_key is None
            self._forget(lambda each: (was_cut or not each.has_failed) and each.pts < start)
            self._has_shown = True
        second = self._follower.pop(pts, None)
        if frame.interlaced_frame and second is not None:
            self._forget(lambda each: not each.has_failed and each.pts == second)
        while self._waiting and self._waiting[0].pts <= pts:
            each = heapq.heappop(self._waiting)
            if each.pts < pts:
                yield _Row(each.pts, each.dts, None)

    def at_once(self) -> Iterator[_Row]:
        """Lost pictures that their times cannot put in order, where pictures come out as they are decoded."""
        if self._has_begun and not (self._are_in_order or self._reorders):
            yield from self.rest()

    def rest(self) -> Iterator[_Row]:
        """Lost pictures that are left."""
        yield from self._take_untimed()
        waiting, self._waiting = sorted(self._waiting), []
        yield from (_Row(each.pts, each.dts, None) for each in waiting)

    def _forget(self, is_meant: Callable[[_Waiting], bool]) -> None:
        self._waiting = [each for each in self._waiting if not is_meant(each)]
        heapq.heapify(self._waiting)

    def _take_untimed(self) -> Iterator[_Row]:
        rows, self._untimed = self._untimed, []
        yield from rows


def _are_in_order(path: Path) -> bool:
    """Whether the packets' times tell which picture is due."""
    with open_container(path) as container:
        stream = video_stream(container, path)
        if not keeps_times(container) or (has_places(container) and stream.codec_context.name not in OWN_ORDER):
            return False
        latest, are_told_apart = -(1 << 63), not stream.codec_context.has_b_frames
        for packet in demux(container, stream):
            if packet.dts is None:  # Matroska does not tell the first ones
                continue
            if packet.dts < latest:
                return False
            latest = packet.dts
            are_told_apart |= packet.pts not in (None, packet.dts)
    # Where pictures are reordered, times that only go up are those of decoding.
    return are_told_apart


class Clock:
    """When a picture is shown, by FFmpeg's rules.

    A decoder gives a presentation and a decoding time, either of which may be missing or wrong; the one that has run
    backwards less often is believed, as in FFmpeg's ``best_effort_timestamp``. Without either, a picture follows the
    one before by its duration. An AVI file has places instead of times: a picture takes that of the packet which
    brings it out.

    `from_file` is whether the file says when any picture is shown, `are_own_times` whether packets carry the times of
    their pictures.
    """

    def __init__(self, container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> None:
        rate = stream.codec_context.framerate or stream.average_rate or stream.guessed_rate
        self._step = max(1, round(1 / (rate * (stream.time_base or Fraction(1, 1000))))) if rate else 1
        self._is_timed = keeps_times(container)
        self._has_places = has_places(container)
        self.are_own_times = self._is_timed and not self._has_places
        self.from_file = False
        self._last_pts = self._last_dts = -(1 << 63)
        self._faults_pts = self._faults_dts = 0
        self._last: int | None = None
        self._duration = self._step

    def time_of(self, pts: int | None, dts: int | None, duration: int) -> int:
        """Time of the next picture, in units of the time base."""
        believed = self._believed(pts, dts) if self._is_timed else None
        self.from_file |= believed is not None
        last = self._last
        time = believed if believed is not None else 0 if last is None else last + self._duration
        since = 0 if last is None else time - last
        self._duration = self._lasts(duration, since)
        self._last = time
        return time

    def _lasts(self, duration: int, since: int) -> int:
        """How long a picture is shown, given the duration that it claims and the time since the one before."""
        if not self._is_timed:
            return self._step
        if duration > 0 and not (duration == 1 and since > 2):
            return duration
        return since if since > 0 else self._step

    def _believed(self, pts: int | None, dts: int | None) -> int | None:
        if self._has_places:
            return dts
        if dts is not None:
            self._faults_dts += dts <= self._last_dts
            self._last_dts = dts
        elif pts is not None:
            self._last_dts = pts
        if pts is not None:
            self._faults_pts += pts <= self._last_pts
            self._last_pts = pts
        elif dts is not None:
            self._last_pts = dts
        if pts is not None and (dts is None or self._faults_pts <= self._faults_dts):
            return pts
        return dts

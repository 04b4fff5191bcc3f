"""Which pictures a video has, in which order, and when each is shown: FFmpeg's decoder decides, nothing else does.

Packets, counts in headers and sorted times only hint at it: a packet may hold a picture that is never shown, or one
field of two; clocks jump; edit lists leave out and repeat.

Reading begins *quickly*, on all processors, where an error may surface several packets late. That is good enough
as long as each packet's picture comes out whole and in its turn. At the first doubt the file is decoded again from its
start *carefully*, on one processor, where an error belongs to the packet that was given; the pictures that were handed
out already are the same ones, and are passed over.

>>> for pts, frame in Pictures(Path("mouse.mp4")):  # doctest: +SKIP
...     print(pts, frame.width, frame.height)
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from posecli.errors import VideoError
from posecli.video.container import Packet, demux, has_places, keeps_times, open_container, video_stream
from posecli.video.orientation import UPRIGHT, Orientation

#: Pictures that may be shown before one that was decoded before them; some demuxers seek by the latter's time.
DEEPEST_REORDERING = 16
#: Codecs whose packets tell the pictures' order even where the container does not.
OWN_ORDER = ("mpeg1video", "mpeg2video", "mpeg4")
#: Codecs that hide no pictures: a packet without one is a field, or is lost.
OPEN = ("h264", "hevc", "mpeg1video", "mpeg2video")
#: Formats that are cut anywhere.
BROADCASTS = ("mpegts", "mpeg")
#: Codecs of broadcasts and cameras that are cut anywhere: what cannot be decoded before the first key frame is no loss.
CUT_ANYWHERE = (*OPEN, "mpeg4", "vvc", "vc1", "vp8", "vp9", "av1", "libdav1d", "libaom-av1")


class Picture(NamedTuple):
    """One row of a video.

    Attributes
    ----------
    pts
        When it is shown, in units of the stream's time base.
    frame
        As FFmpeg decoded it; ``None`` where a packet that should hold a picture could not be decoded.
    orientation
        How it is turned for display.
    """

    pts: int
    frame: av.VideoFrame | None
    orientation: Orientation = UPRIGHT


class Pictures:
    """All pictures of a video, as often as one iterates.

    Parameters
    ----------
    path
        The file.

    Attributes
    ----------
    times_from_file
        Whether the file says when they are shown; otherwise they are spaced by the frame rate.
    concealed
        Rows whose picture the decoder holds for damaged, and patched up.
    is_careful
        Whether there was a doubt.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_careful = False
        self.times_from_file = True
        self.concealed: list[int] = []

    def __iter__(self) -> Generator[Picture]:
        given = array("q")
        with closing(self._quickly()) as quick:
            try:
                for picture in quick:
                    given.append(picture.pts)
                    yield picture
                return
            except _DoubtError:
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
            stream.thread_type = _fast_threads(stream)
            clock = Clock(container, stream)
            turns = _Turns(are_timed=clock.are_own_times)
            orientation = UPRIGHT
            for frame in _decoded(demux(container, stream), stream, turns):
                turns.taken_by(frame)
                orientation = Orientation.of(frame) or orientation
                yield Picture(clock.time_of(frame.pts, frame.dts, frame.duration or 0), frame, orientation)
                self.times_from_file = clock.from_file
            turns.refuse_left_over()

    def _carefully(self) -> Generator[Picture]:
        """On one processor, with a row for each picture that could not be decoded."""
        self.concealed = []
        never = _never_shown(self.path)
        are_in_order = _are_in_order(self.path)
        with open_container(self.path) as container:
            stream = video_stream(container, self.path)
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            stands_alone = keeps_times(container) and container.format.name not in BROADCASTS
            lost = _Lost(stream.codec_context.name, never, are_in_order=are_in_order, stands_alone=stands_alone)
            clock = Clock(container, stream)
            rows = _with_lost(demux(container, stream), stream, lost)
            orientation = UPRIGHT
            for row, (pts, dts, frame) in enumerate(rows):
                if frame is None:
                    yield Picture(clock.time_of(pts, dts, 0), None)
                else:
                    if frame.is_corrupt:
                        self.concealed.append(row)
                    orientation = Orientation.of(frame) or orientation
                    yield Picture(clock.time_of(pts, dts, frame.duration or 0), frame, orientation)
                self.times_from_file = clock.from_file


def pictures_from(path: Path, pts: int, orientation: Orientation = UPRIGHT) -> Generator[Picture]:
    """Pictures from one on that is found by its time; ends without a word where anything is in doubt.

    What lies before is not looked at, so these are rows of a table only if each picture's time is known beforehand and
    is compared.
    """
    with open_container(path) as container:
        stream = video_stream(container, path)
        stream.thread_type = _fast_threads(stream)
        # The first packet may hold what all others are decoded by: x264 notes its version there, and 4:4:4 video of
        # old versions turns to noise without it.
        packets = demux(container, stream)
        first = next(packets, None)
        try:
            if first is None or first.size == 0 or has_places(container):
                return
            stream.decode(first)
            container.seek(pts, stream=stream, backward=True, any_frame=False)
            is_whole = False
            for frame in _decoded(demux(container, stream), stream):
                # What comes before the first key frame lacks what it builds on.
                is_whole |= frame.key_frame
                if frame.pts is None or frame.is_corrupt or (frame.pts >= pts and not is_whole):
                    return
                orientation = Orientation.of(frame) or orientation
                if frame.pts >= pts:
                    yield Picture(frame.pts, frame, orientation)
        except (_DoubtError, av.FFmpegError):
            return


def _fast_threads(stream: av.video.stream.VideoStream) -> str:
    """How to decode on all processors. FFmpeg's MPEG-4 decoder spoils fields when it decodes several at once."""
    return "SLICE" if stream.codec_context.name == "mpeg4" else "AUTO"


class _DoubtError(Exception):
    """A picture may be missing, and only careful decoding tells which."""


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

    def given(self, packet: Packet) -> None:
        """A packet goes to the decoder."""
        if packet.is_discard:
            return
        if not self._are_timed or packet.pts is None:
            self._untimed += 1
        else:
            heapq.heappush(self._due, packet.pts)

    def come(self, frames: Sequence[av.VideoFrame], depth: int, *, is_end: bool) -> None:
        """What a packet has brought out of a decoder that holds so many back; nothing can hide behind it."""
        if self._are_timed:
            return
        if not is_end and depth > self._depth and not frames:  # it has learnt to hold one back more
            self._depth = depth
            return
        self._depth = max(self._depth, depth)
        # An error behind the first of several pictures goes unsaid, and so does a picture that is left out.
        due = {self._untimed} if is_end else {1} if self._has_begun else {0, 1}
        if len(frames) not in due:
            raise _DoubtError

    def taken_by(self, frame: av.VideoFrame) -> None:
        """A picture is handed out."""
        if frame.is_corrupt:
            raise _DoubtError
        self._has_begun = True
        if not self._are_timed:
            self._untimed -= 1
        elif frame.pts is None or not self._due or heapq.heappop(self._due) != frame.pts:
            raise _DoubtError

    def refuse_left_over(self) -> None:
        """All pictures are out. A packet without a time among others that have one is the second field of a picture."""
        if self._due:
            raise _DoubtError


def _decoded(
    packets: Iterable[Packet], stream: av.video.stream.VideoStream, turns: _Turns | None = None
) -> Iterator[av.VideoFrame]:
    """Pictures of packets, and those that the decoder has held back until the end."""
    # An empty packet stands for a picture that a recorder dropped; a decoder would take it for the end.
    whole = (packet for packet in packets if packet.size)
    for packet in chain(whole, [None]):
        if turns is not None and packet is not None:
            turns.given(packet)
        try:
            frames = stream.decode(packet)
        except av.FFmpegError as error:
            raise _DoubtError from error
        if turns is not None:
            turns.come(frames, stream.codec_context.reorder_depth, is_end=packet is None)
        yield from frames


class _Row(NamedTuple):
    pts: int | None
    dts: int | None
    frame: av.VideoFrame | None


def _with_lost(packets: Iterable[Packet], stream: av.video.stream.VideoStream, lost: _Lost) -> Iterator[_Row]:
    """What a decoder on one processor puts out, and in between what it should have."""
    for packet in chain((packet for packet in packets if packet.size), [None]):
        try:
            frames = stream.decode(packet)
            has_failed = False
        except av.FFmpegError:
            frames, has_failed = [], True
        if packet is not None and not packet.is_discard:
            lost.given(packet, has_failed=has_failed, reorders=bool(stream.codec_context.has_b_frames))
        for frame in frames:
            yield from lost.before(frame)
            yield _Row(frame.pts, frame.dts, frame)
        yield from lost.at_once()
    yield from lost.rest()


class _Waiting(NamedTuple):
    """A packet whose picture has not come, or cannot."""

    pts: int
    dts: int | None
    has_failed: bool


class _Lost:
    """Packets whose picture cannot come, until it is their turn to be a row.

    These are packets that could not be decoded, and those whose picture the decoder leaves out without a word because
    it lacks what it builds on: behind a failure and up to the next key frame, or anywhere if the codec hides no
    pictures. Elsewhere a packet without a picture is a hidden one, or a field. What comes before the first picture is
    no row: there a recording was cut.

    Parameters
    ----------
    codec
        As FFmpeg names it.
    never
        Times of packets at which no picture is ever shown.
    are_in_order
        Whether the packets' times tell which picture is due: a clock that never falls back, each packet with a time.
    stands_alone
        Whether such files begin with all that is needed: what fails at their start is no sign of a cut.
    """

    def __init__(self, codec: str, never: frozenset[int], *, are_in_order: bool, stands_alone: bool) -> None:
        self._never = never
        self._are_in_order = are_in_order
        self._hides_none = codec in OPEN
        self._may_be_cut = codec in CUT_ANYWHERE and not stands_alone
        self._first_key: int | None = None
        self._waiting: list[_Waiting] = []
        self._untimed: list[_Row] = []
        self._follower: dict[int, int] = {}
        self._previous: int | None = None
        self._is_timed = self._has_begun = self._is_behind_failure = self._has_shown = self._reorders = False

    def given(self, packet: Packet, *, has_failed: bool, reorders: bool) -> None:
        """Note a packet that went to the decoder."""
        if packet.is_keyframe and self._may_be_cut and not (has_failed or self._has_begun):
            self._waiting, self._untimed = [], []
        self._has_begun |= packet.is_keyframe or not has_failed
        self._is_behind_failure = has_failed or (self._is_behind_failure and not packet.is_keyframe)
        self._reorders = reorders
        self._is_timed |= packet.pts is not None
        if packet.is_keyframe and self._first_key is None:
            self._first_key = packet.pts
            # What was left out before it is where the recording was cut.
            self._forget(lambda each: not each.has_failed)
        # A packet's own place tells nothing where pictures change places.
        dts = None if reorders else packet.dts
        if packet.pts is None:
            if has_failed and not self._is_timed:  # else it is the second field of a picture
                self._untimed.append(_Row(None, dts, None))
        elif packet.pts in self._never and (
            has_failed or (self._are_in_order and (self._is_behind_failure or self._hides_none))
        ):
            heapq.heappush(self._waiting, _Waiting(packet.pts, dts, has_failed))
            if self._previous is not None and not has_failed:
                self._follower[self._previous] = packet.pts
        self._previous = packet.pts

    def before(self, frame: av.VideoFrame) -> Iterator[_Row]:
        """Those whose turn is before a picture's; that picture is not lost, nor is its second field."""
        yield from self._take_untimed()
        if frame.pts is None:
            return
        pts = frame.pts
        if not self._has_shown:
            # Behind a key frame that was lost the next one is shown first; a gradual refresh begins in between.
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
        """Those that cannot be put in order by their times, where pictures come out as they are decoded."""
        if self._has_begun and not (self._are_in_order or self._reorders):
            yield from self.rest()

    def rest(self) -> Iterator[_Row]:
        """All that are left."""
        yield from self._take_untimed()
        waiting, self._waiting = sorted(self._waiting), []
        yield from (_Row(each.pts, each.dts, None) for each in waiting)

    def _forget(self, is_meant: Callable[[_Waiting], bool]) -> None:
        self._waiting = [each for each in self._waiting if not is_meant(each)]
        heapq.heapify(self._waiting)

    def _take_untimed(self) -> Iterator[_Row]:
        rows, self._untimed = self._untimed, []
        yield from rows


def _never_shown(path: Path) -> frozenset[int]:
    """Times of packets at which no picture is shown, by decoding all of it on one processor."""
    given, shown = array("q"), array("q")
    with open_container(path) as container:
        stream = video_stream(container, path)
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        for packet in chain((packet for packet in demux(container, stream) if packet.size), [None]):
            if packet is not None and packet.pts is not None:
                given.append(packet.pts)
            with suppress(av.FFmpegError):
                shown.extend(frame.pts for frame in stream.decode(packet) if frame.pts is not None)
    return frozenset(np.setdiff1d(np.array(given, np.int64), np.array(shown, np.int64)).tolist())


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
    # Where pictures change places, times that only go up are those of decoding.
    return are_told_apart


class Clock:
    """When a picture is shown: as FFmpeg's program has it.

    A decoder gives a presentation and a decoding time, either of which may be missing or wrong; the one is believed
    that has run backwards less often, as FFmpeg's ``best_effort_timestamp``. Where there is neither, a picture
    follows the one before by its duration. An AVI file has places instead of times: a picture takes that of the packet
    which brings it out.

    Attributes
    ----------
    from_file
        Whether the file says when any picture is shown.
    are_own_times
        Whether packets carry the times of their pictures.
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
        """Of the next picture, in units of the time base."""
        believed = self._known(pts, dts)
        self.from_file |= believed is not None
        last = self._last
        time = believed if believed is not None else 0 if last is None else last + self._duration
        since = 0 if last is None else time - last
        self._duration = self._lasts(duration, since)
        self._last = time
        return time

    def _lasts(self, duration: int, since: int) -> int:
        """How long a picture is shown, given what it says of itself and the time since the one before."""
        if not self._is_timed:
            return self._step
        if duration > 0 and not (duration == 1 and since > 2):
            return duration
        return since if since > 0 else self._step

    def _known(self, pts: int | None, dts: int | None) -> int | None:
        if not self._is_timed:
            return None
        return dts if self._has_places else self._believed(pts, dts)

    def _believed(self, pts: int | None, dts: int | None) -> int | None:
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

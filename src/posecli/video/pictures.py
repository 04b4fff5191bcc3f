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
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import av

from posecli.video.container import Packet, demux, has_places, keeps_times, open_container, video_stream
from posecli.video.orientation import UPRIGHT, Orientation

#: Pictures that may be shown before one that was decoded before them; some demuxers seek by the latter's time.
DEEPEST_REORDERING = 16
#: Codecs whose packets tell the pictures' order even where the container does not.
OWN_ORDER = ("mpeg1video", "mpeg2video", "mpeg4")


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
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.times_from_file = True
        self.concealed: list[int] = []

    def __iter__(self) -> Generator[Picture]:
        count = 0
        with closing(self._quickly()) as quick:
            try:
                for picture in quick:
                    yield picture
                    count += 1
                return
            except _DoubtError:
                pass
        with closing(self._carefully()) as careful:
            yield from islice(careful, count, None)

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
        with open_container(self.path) as container:
            stream = video_stream(container, self.path)
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            clock = Clock(container, stream)
            rows = _with_lost(demux(container, stream), stream, are_own_times=clock.are_own_times)
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
            if first is None or first.size == 0:
                return
            stream.decode(first)
            container.seek(pts, stream=stream, backward=True, any_frame=False)
            for frame in _decoded(demux(container, stream), stream):
                if frame.pts is None or frame.is_corrupt:
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

    def come(self, frames: Sequence[av.VideoFrame], *, is_end: bool) -> None:
        """What a packet has brought out of the decoder; nothing can hide behind it."""
        if self._are_timed:
            return
        # An error behind the first of several pictures goes unsaid.
        if (is_end and len(frames) != self._untimed) or (not is_end and len(frames) > 1):
            raise _DoubtError

    def taken_by(self, frame: av.VideoFrame) -> None:
        """A picture is handed out."""
        if frame.is_corrupt:
            raise _DoubtError
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
            turns.come(frames, is_end=packet is None)
        yield from frames


class _Row(NamedTuple):
    pts: int | None
    dts: int | None
    frame: av.VideoFrame | None


def _with_lost(
    packets: Iterable[Packet], stream: av.video.stream.VideoStream, *, are_own_times: bool
) -> Iterator[_Row]:
    """What a decoder on one processor puts out, and in between what it should have."""
    lost = _Lost(sees_silence=are_own_times or stream.codec_context.name in OWN_ORDER)
    for packet in chain((packet for packet in packets if packet.size), [None]):
        try:
            frames = stream.decode(packet)
            has_failed = False
        except av.FFmpegError:
            frames, has_failed = [], True
        reorders = bool(stream.codec_context.has_b_frames)
        if packet is not None and not packet.is_discard:
            # A packet's own place tells nothing where pictures change places.
            lost.given(packet, None if reorders else packet.dts, has_failed=has_failed)
        for frame in frames:
            yield from lost.before(frame.pts)
            yield _Row(frame.pts, frame.dts, frame)
        if lost.has_begun and not reorders:  # pictures come out as they are decoded, whatever their times
            yield from lost.rest()
    yield from lost.rest()


class _Lost:
    """Packets whose picture cannot come, until it is their turn to be a row.

    These are packets that could not be decoded and, behind one of them and up to the next key frame, those whose
    picture the decoder leaves out without a word because it lacks what it builds on. Elsewhere a packet without a
    picture is hidden, or a field. What fails before the first key frame is no row: there a recording was cut.

    Parameters
    ----------
    sees_silence
        Whether packets carry times by which a picture that is left out can be told from one that is late.

    Attributes
    ----------
    has_begun
        Whether there was anything to begin with.
    """

    def __init__(self, *, sees_silence: bool) -> None:
        self._sees_silence = sees_silence
        self.has_begun = False
        self._is_behind_failure = False
        self._rows: list[tuple[int, int | None]] = []
        self._untimed: list[_Row] = []
        self._timed = False
        self._latest = -(1 << 63)

    def given(self, packet: Packet, dts: int | None, *, has_failed: bool) -> None:
        """Note a packet that went to the decoder."""
        if not has_failed and not self.has_begun and packet.is_keyframe:
            self._rows, self._untimed = [], []
        self.has_begun |= packet.is_keyframe or not has_failed
        self._is_behind_failure = has_failed or (self._is_behind_failure and not packet.is_keyframe)
        self._timed |= packet.pts is not None
        if packet.pts is not None and (has_failed or (self._is_behind_failure and self._sees_silence)):
            heapq.heappush(self._rows, (packet.pts, dts))
        elif has_failed and not self._timed:  # else it is the second field of a picture
            self._untimed.append(_Row(None, dts, None))

    def before(self, pts: int | None) -> Iterator[_Row]:
        """Those whose turn is before a picture's; that picture is not lost."""
        yield from self._take_untimed()
        if pts is None:
            return
        if pts < self._latest:  # the clock was set back: what was lost before has no other place
            yield from self.rest()
        self._latest = pts
        while self._rows and self._rows[0][0] <= pts:
            time, dts = heapq.heappop(self._rows)
            if time < pts:
                yield _Row(time, dts, None)

    def rest(self) -> Iterator[_Row]:
        """All that are left."""
        yield from self._take_untimed()
        rows, self._rows = sorted(self._rows, key=lambda row: row[0]), []
        yield from (_Row(pts, dts, None) for pts, dts in rows)

    def _take_untimed(self) -> Iterator[_Row]:
        rows, self._untimed = self._untimed, []
        yield from rows


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

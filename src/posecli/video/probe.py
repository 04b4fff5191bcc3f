"""What a video file says about itself and what it holds, without decoding more than its first pictures.

What the container says (counts, durations) is a promise. The packets are counted by reading through the file once
(milliseconds for thousands of frames). Where they are plainly one picture each, their times are the rows' times;
otherwise only decoding tells, and is asked when somebody wants to know.
"""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from posecli.errors import VideoError
from posecli.video.avi import is_cut_off, lost_chunks
from posecli.video.container import Packet, demux, keeps_times, open_container, video_stream
from posecli.video.orientation import UPRIGHT, Orientation
from posecli.video.timeline import Timeline

#: Packets that are decoded at most in search of a first picture, which knows how it is turned.
PACKETS_FOR_FIRST_FRAME = 300
#: Packets at the start that are decoded to see whether each is a picture.
PACKETS_TRIED = 8
#: Formats whose header tells how long the pictures last; and those that tell how long the whole file is.
TIMED_STREAMS = ("mov,mp4,m4a,3gp,3g2,mj2", "avi")
TIMED_FILES = ("matroska,webm", "flv", "asf")
#: In a VP8 packet's first byte: whether the picture is shown.
VP8_SHOWN = 0x10
#: Stands for a time that a packet does not have, as in FFmpeg.
NO_TIME = -(1 << 63)
_SAMPLE_BYTES = 1 << 20


@dataclass(frozen=True)
class CutOff:
    """Signs that the end of a file is missing.

    Attributes
    ----------
    frames
        About how many frames are missing, at least 1.
    evidence
        What tells, for people.
    """

    frames: int
    evidence: str


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before its frames are read.

    Attributes
    ----------
    path
        The file.
    codec, pixel_format
        As FFmpeg names them.
    width, height
        The displayed frame, px: turned as the file says.
    frame_rate
        Average frames per second.
    time_base
        Seconds per unit of the times.
    expected_frames
        About how many frames there are, by packets.
    orientation
        How decoded pictures are turned for display.
    promised_frames
        The container's own count; ``None`` where it has none.
    empty_places
        Places in the file without a picture: frames that the recorder dropped.
    unshown_at_start
        Packets before the first picture that can be shown: the recording was cut there.
    cut_off
        Signs that the end is missing.
    announced
        When each row is shown, where the packets tell; ``None`` where only decoding does.
    """

    path: Path
    codec: str
    pixel_format: str
    width: int
    height: int
    frame_rate: float
    time_base: Fraction
    expected_frames: int
    orientation: Orientation = UPRIGHT
    promised_frames: int | None = None
    empty_places: int = 0
    unshown_at_start: int = 0
    cut_off: CutOff | None = None
    announced: Timeline | None = field(default=None, repr=False, compare=False)

    @cached_property
    def timeline(self) -> Timeline:
        """When each row is shown; where packets do not tell, the video is decoded for it."""
        return self.announced or Timeline.by_decoding(self.path)

    def with_timeline(self, timeline: Timeline) -> VideoInfo:
        """The same, with what reading it has shown."""
        return replace(self, announced=timeline)

    @property
    def n_frames(self) -> int:
        """Rows of the video."""
        return len(self.timeline)

    @property
    def pts(self) -> npt.NDArray[np.int64]:
        """``(n,)`` presentation times of the rows in units of `time_base`."""
        return self.timeline.pts

    def seconds(self) -> npt.NDArray[np.float64]:
        """``(n,)`` presentation times in seconds, on the container's own clock; not to be written to."""
        return self._seconds

    @cached_property
    def _seconds(self) -> npt.NDArray[np.float64]:
        """Kept, since all who read a long video would have an array of their own."""
        return self.timeline.seconds(float(self.time_base))


def probe(path: Path) -> VideoInfo:
    """Read through a file's packets.

    Raises
    ------
    VideoError
        If the file is missing, is no video, or holds no frame.
    """
    with open_container(path) as container:
        stream = video_stream(container, path)
        codec = stream.codec_context.name
        packets = _Packets.read(container, stream)
        is_avi = container.format.name == "avi"
        lost = lost_chunks(path, stream.index_entries, packets.places) if is_avi else 0
        cut_off = _cut_off(path, container, stream, packets, lost)
        frame_rate = float(stream.average_rate or stream.guessed_rate or 0)
        time_base = stream.time_base or Fraction(1, 1000)
        promised = stream.frames or None
        is_timed = keeps_times(container)
    if not packets.shown:
        raise VideoError(f"'{path}' holds no video frame: check that the recording was finished and copied whole")
    start = _Start.of(path)
    width, height = start.orientation.size(start.width, start.height)
    return VideoInfo(
        path=path,
        codec=codec,
        pixel_format=start.pixel_format,
        width=width,
        height=height,
        frame_rate=frame_rate,
        time_base=time_base,
        expected_frames=packets.shown,
        orientation=start.orientation,
        promised_frames=promised,
        empty_places=packets.empty + (packets.skipped_slots if is_avi else 0),
        unshown_at_start=packets.before(start.pts),
        cut_off=cut_off,
        announced=packets.timeline(start) if is_timed else None,
    )


def content_fingerprint(path: Path) -> str:
    """Hash of a file's size and of a mebibyte each from its start, middle and end.

    Enough to tell one recording from another, and the same wherever the file is copied to, without reading
    hours of video. An edit that keeps the size and touches none of the three samples goes unseen.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as stream:
        for start in sorted({0, max(0, size // 2 - _SAMPLE_BYTES // 2), max(0, size - _SAMPLE_BYTES)}):
            stream.seek(start)
            digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()


@dataclass
class _Packets:
    """All packets of one stream, in file order: how many there are, and when they are shown.

    Attributes
    ----------
    pts
        Of those that are to be shown.
    shown, empty
        How many should be pictures, and how many hold nothing.
    end
        When the last one's time is over, whether it is shown or not.
    """

    pts: array[int] = field(default_factory=lambda: array("q"))
    places: array[int] = field(default_factory=lambda: array("q"))
    shown: int = 0
    empty: int = 0
    end: int = NO_TIME
    ends_broken: bool = False
    rises: bool = True
    hides: bool = False
    last_dts: int = NO_TIME

    @classmethod
    def read(cls, container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> _Packets:
        packets = cls()
        is_vp8 = stream.codec_context.name == "vp8"
        for packet in demux(container, stream):
            packets._add(packet, is_vp8)
        return packets

    def _add(self, packet: Packet, is_vp8: bool) -> None:
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None:
            self.end = max(self.end, time + (packet.duration or 0))
        if packet.size == 0:
            self.empty += 1
            return
        self.places.append(-1 if packet.pos is None else packet.pos)
        self.ends_broken = packet.is_corrupt
        if packet.dts is not None:
            self.rises &= packet.dts >= self.last_dts
            self.last_dts = packet.dts
        if packet.is_discard:
            return
        self.shown += 1
        self.pts.append(NO_TIME if packet.pts is None else packet.pts)
        self.hides |= is_vp8 and not memoryview(packet)[0] & VP8_SHOWN

    @cached_property
    def times(self) -> npt.NDArray[np.int64]:
        """Those that are known, each once, in order."""
        times: npt.NDArray[np.int64] = np.unique(np.array(self.pts, np.int64))
        return np.asarray(times[times != NO_TIME], np.int64)

    @property
    def usual_gap(self) -> float:
        """Between two pictures, in units of the time base; 0 where it is not known."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.0

    @property
    def skipped_slots(self) -> int:
        """Of a format that gives every place the same time: how many places are passed over between two pictures."""
        if len(self.times) != self.shown or not self.usual_gap:
            return 0
        return int(np.sum(np.round(np.diff(self.times) / self.usual_gap) - 1))

    def before(self, pts: int | None) -> int:
        """How many should be shown before a picture."""
        return 0 if pts is None or not self.rises else int(np.searchsorted(self.times, pts))

    def timeline(self, start: _Start) -> Timeline | None:
        """The rows' times, if each packet is plainly one picture, shown at a time of its own."""
        is_plain = self.rises and not self.hides and len(self.times) == self.shown
        if not is_plain or not start.is_packet_by_packet or start.pts != self.times[0]:
            return None
        return Timeline(self.times)


@dataclass(frozen=True)
class _Start:
    """The first picture, and whether the first packets are a picture each."""

    width: int
    height: int
    orientation: Orientation
    pixel_format: str
    pts: int | None
    is_packet_by_packet: bool

    @classmethod
    def of(cls, path: Path) -> _Start:
        with open_container(path) as container:
            stream = video_stream(container, path)
            tried, frames, failed = 0, list[av.VideoFrame](), False
            for number, packet in enumerate(demux(container, stream)):
                if (frames and tried >= PACKETS_TRIED) or number > PACKETS_FOR_FIRST_FRAME:
                    break
                if packet.size:
                    tried += not packet.is_discard
                    failed |= not _decode(stream, packet, frames)
            failed |= not _decode(stream, None, frames)
            if not frames:
                raise VideoError(f"no frame of '{path}' can be decoded: check that it plays, or re-encode it")
            first = frames[0]
            try:
                orientation = Orientation.of(first)
            except VideoError as error:
                raise VideoError(f"'{path}': {error}") from None
            is_plain = not failed and len(frames) == tried
            return cls(first.width, first.height, orientation, first.format.name, first.pts, is_plain)


def _decode(stream: av.video.stream.VideoStream, packet: Packet | None, frames: list[av.VideoFrame]) -> bool:
    """Add what a packet gives, or what the decoder still has; whether it could be decoded."""
    try:
        frames += stream.decode(packet)
    except av.FFmpegError:
        return False
    return True


def _cut_off(
    path: Path,
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    packets: _Packets,
    lost: int,
) -> CutOff | None:
    """Signs that the end is missing: by time, by a packet that breaks off, or by an index that lists more."""
    if not packets.shown:
        return None
    missing = _missing_units(path, container, stream, packets)
    gap = packets.usual_gap
    if missing > gap / 2 and gap:
        unit = float(stream.time_base or Fraction(1, 1000))
        promised, held = ((packets.end + extra) * unit for extra in (missing, 0.0))
        frames = max(1, round(missing / gap))
        return CutOff(frames, f"by its header it lasts until {promised:.2f} s, and what it holds ends at {held:.2f} s")
    if lost:
        return CutOff(lost, f"its index lists {lost} more frames at its end")
    return CutOff(1, "its last packet breaks off") if packets.ends_broken else None


def _missing_units(
    path: Path, container: av.container.InputContainer, stream: av.video.stream.VideoStream, packets: _Packets
) -> float:
    """By how much what is held ends before it should, in units of the time base."""
    time_base = stream.time_base or Fraction(1, 1000)
    gap = packets.usual_gap
    held = max(packets.end, float(packets.times[-1]) + gap) if len(packets.times) else float(packets.end)
    if container.format.name in TIMED_STREAMS:
        # What an AVI file calls its duration is a count, also of frames that were dropped.
        if not stream.duration or (container.format.name == "avi" and not is_cut_off(path)):
            return 0.0
        return (stream.start_time or 0) + stream.duration - held
    if container.format.name in TIMED_FILES and container.duration and len(container.streams) == 1:
        # Some count from zero, whenever the first frame comes; and it is rounded: one frame less tells nothing.
        return float(Fraction(container.duration, av.time_base) / time_base) - held - gap
    return 0.0

"""What a video file says about itself and what it holds, without decoding more than its first pictures.

What the container says (counts, durations) is a promise. Packets are counted by reading through the file once
(milliseconds for thousands of frames). Where each is plainly one picture, their times are the rows' times; otherwise
only decoding tells, which happens when somebody wants to know.
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
from posecli.video.container import (
    Packet,
    breaks_off,
    demux,
    has_places,
    keeps_times,
    lost_chunks,
    open_container,
    video_stream,
)
from posecli.video.orientation import UPRIGHT, Orientation, exif_mirrors
from posecli.video.pictures import DEEPEST_REORDERING, Clock
from posecli.video.timeline import Timeline

#: Most packets that are decoded to find a first picture, which tells how it is turned.
PACKETS_FOR_FIRST_FRAME = 300
PACKETS_TRIED = 8  #: Packets at the start that are decoded to see whether each is a picture.
MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
#: Formats whose header tells the file's duration, and by how many frames that may be too long.
ROUNDING = {"matroska,webm": 1.0, "flv": 1.0, "asf": 1.0}
VP8_SHOWN = 0x10  #: In a VP8 packet's first byte: whether the picture is shown.
MPEG4_NOT_CODED = 20  #: An MPEG-4 packet of fewer bytes may only say that nothing changes.
NO_TIME = -(1 << 63)  #: A time that a packet does not have, as in FFmpeg.
_SAMPLE_BYTES = 1 << 20


@dataclass(frozen=True)
class CutOff:
    """A sign that the end of a file is missing: about how many frames, at least 1, and the evidence in words."""

    frames: int
    evidence: str


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before its frames are read."""

    path: Path
    codec: str  #: As FFmpeg names it.
    pixel_format: str  #: As FFmpeg names it.
    width: int  #: Of the displayed frame, px, turned as the file says.
    height: int  #: Likewise.
    frame_rate: float  #: Average frames per second.
    time_base: Fraction  #: Seconds per unit of the times.
    expected_frames: int  #: About how many frames there are, by packets.
    orientation: Orientation = UPRIGHT  #: How decoded pictures are turned for display.
    promised_frames: int | None = None  #: The container's own count; ``None`` where it has none.
    empty_places: int = 0  #: Places in the file without a picture: frames that the recorder dropped.
    #: Packets before the first picture that can be shown, where the recording was cut.
    unshown_at_start: int = 0
    cut_off: CutOff | None = None  #: Signs that the end is missing.
    #: When each row is shown, where the packets tell; ``None`` where only decoding does.
    announced: Timeline | None = field(default=None, repr=False, compare=False)

    @cached_property
    def timeline(self) -> Timeline:
        """When each row is shown; decodes the video where packets do not tell."""
        return self.announced or Timeline.by_decoding(self.path)

    def with_timeline(self, timeline: Timeline) -> VideoInfo:
        """The same with a timeline that reading has shown."""
        return replace(self, announced=timeline)

    @property
    def n_frames(self) -> int:
        """Number of rows of the video."""
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
        """Kept once: for a long video it is a large array."""
        return self.timeline.seconds(float(self.time_base))


def probe(path: Path) -> VideoInfo:
    """Read through a file's packets; a `VideoError` if it is missing, is not a video, or holds no frame."""
    with open_container(path) as container:
        stream = video_stream(container, path)
        packets = _Packets.read(container, stream)
        if not packets.shown:
            raise VideoError(f"'{path}' holds no video frame: check that the recording was finished and copied whole")
        cut_off = _End(path, container, stream, packets).sign()
        start = _Start.of(path)
        width, height = start.orientation.size(start.width, start.height)
        are_places = has_places(container)
        return VideoInfo(
            path=path,
            codec=stream.codec_context.name,
            pixel_format=start.pixel_format,
            width=width,
            height=height,
            frame_rate=float(stream.average_rate or stream.guessed_rate or 0),
            time_base=stream.time_base or Fraction(1, 1000),
            expected_frames=packets.shown,
            orientation=start.orientation,
            promised_frames=stream.frames or None,
            empty_places=packets.empty + (packets.passed_over if are_places else 0),
            unshown_at_start=0 if are_places else packets.before(start),
            cut_off=cut_off,
            announced=packets.timeline(start) if keeps_times(container) else None,
        )


def content_fingerprint(path: Path) -> str:
    """Hash of a file's size and of a mebibyte each from its start, middle and end.

    It tells recordings apart without reading hours of video. An edit that keeps the size and touches none of the three
    samples goes unseen.
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
    """All packets of one stream, in file order: how many there are, and when they are shown."""

    codec: str
    are_places: bool
    #: Times of those that are to be shown, and in a format that counts places where packets begin.
    times: array[int] = field(default_factory=lambda: array("q"))
    places: array[int] = field(default_factory=lambda: array("q"))
    held: int = 0  #: How many hold something, should be pictures, and hold nothing.
    shown: int = 0
    empty: int = 0
    end: int = NO_TIME  #: When the last one's time is over, whether it is shown or not.
    ends_broken: bool = False
    first_key: int | None = None
    rises: bool = True
    hides: bool = False
    last_dts: int = NO_TIME

    @classmethod
    def read(cls, container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> _Packets:
        packets = cls(stream.codec_context.name, has_places(container))
        for packet in demux(container, stream):
            packets._add(packet)
        return packets

    def _add(self, packet: Packet) -> None:
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None:
            self.end = max(self.end, time + (packet.duration or 0))
        if packet.size == 0:
            self.empty += 1
            return
        self.held += 1
        if self.are_places:
            self.places.append(-1 if packet.pos is None else packet.pos)
        self.ends_broken = packet.is_corrupt
        if packet.dts is not None:
            self.rises &= packet.dts >= self.last_dts
            self.last_dts = packet.dts
        if packet.is_discard:
            return
        self.shown += 1
        own = packet.dts if self.are_places else packet.pts
        self.times.append(NO_TIME if own is None else own)
        if packet.is_keyframe and self.first_key is None:
            self.first_key = own
        self.hides |= self._may_hide(packet)

    def _may_hide(self, packet: Packet) -> bool:
        """Whether a packet may hold no picture to show: MPEG-4 says in few bytes that nothing changes."""
        if self.codec == "vp8":
            return not memoryview(packet)[0] & VP8_SHOWN
        return self.codec == "mpeg4" and packet.size < MPEG4_NOT_CODED

    @cached_property
    def in_order(self) -> npt.NDArray[np.int64]:
        """Known times, rising, each once."""
        times: npt.NDArray[np.int64] = np.unique(np.array(self.times, np.int64))
        return np.asarray(times[times != NO_TIME], np.int64)

    @property
    def usual_gap(self) -> float:
        """Usual time between two pictures, in units of the time base; 0 where it is not known."""
        return float(np.median(np.diff(self.in_order))) if len(self.in_order) > 1 else 0.0

    @property
    def passed_over(self) -> int:
        """Number of places without a picture, where places stand for times."""
        gaps = np.diff(self.in_order)
        if len(self.in_order) != self.shown or not len(gaps):
            return 0
        # Most recorders drop few frames; the shorter gaps are those between neighbours.
        return int(np.maximum(np.round(gaps / np.percentile(gaps, 25)) - 1, 0).sum())

    def before(self, start: _Start) -> int:
        """Number of packets that should be shown before the first picture, but for those of a lost key frame."""
        time = start.times[0]
        if start.is_key and self.first_key is not None:
            time = min(time, self.first_key)
        return int(np.searchsorted(self.in_order, time)) if self.rises else 0

    def timeline(self, start: _Start) -> Timeline | None:
        """The rows' times, if each packet is plainly one picture, shown at its own time."""
        is_plain = self.rises and not self.hides and len(self.in_order) == self.shown and self._can_be_reordered()
        return Timeline(self.in_order) if is_plain and start.is_packet_by_packet(self.in_order) else None

    def _can_be_reordered(self) -> bool:
        """Whether no picture is due before one that is decoded much earlier, as where a clock is set back."""
        times = np.array(self.times, np.int64)
        earliest_to_come = np.minimum.accumulate(times[::-1])[::-1]
        return bool((earliest_to_come[DEEPEST_REORDERING + 1 :] > times[: -DEEPEST_REORDERING - 1]).all())


@dataclass(frozen=True)
class _Start:
    """The first picture, and the times of those that the first packets give."""

    width: int
    height: int
    orientation: Orientation
    pixel_format: str
    times: tuple[int, ...]
    packets: int
    failed: bool
    is_key: bool

    @classmethod
    def of(cls, path: Path) -> _Start:
        with open_container(path) as container:
            stream = video_stream(container, path)
            clock = Clock(container, stream)
            frames: list[av.VideoFrame] = []
            shown, failed = 0, False
            for number, packet in enumerate(demux(container, stream)):
                if (frames and shown >= PACKETS_TRIED) or number > PACKETS_FOR_FIRST_FRAME:
                    break
                if packet.size:
                    _refuse_mirrors(path, stream, packet)
                    shown += not packet.is_discard
                    failed |= not _decode(stream, packet, frames)
            failed |= not _decode(stream, None, frames)
            if not frames:
                raise VideoError(f"no frame of '{path}' can be decoded: check that it plays, or re-encode it")
            times = tuple(clock.time_of(frame.pts, frame.dts, frame.duration or 0) for frame in frames)
        first = frames[0]
        try:
            orientation = Orientation.of(first) or UPRIGHT
        except VideoError as error:
            raise VideoError(f"'{path}': {error}") from None
        return cls(first.width, first.height, orientation, first.format.name, times, shown, failed, first.key_frame)

    def is_packet_by_packet(self, times: npt.NDArray[np.int64]) -> bool:
        """Whether each of the first packets gave its picture, at the first of these times that go up."""
        if self.failed or len(self.times) != self.packets:
            return False
        # The last ones may have to wait for others that were not decoded.
        sure = max(1, self.packets - DEEPEST_REORDERING // 4)
        return self.times[:sure] == tuple(times[:sure].tolist())


def _refuse_mirrors(path: Path, stream: av.video.stream.VideoStream, packet: Packet) -> None:
    if stream.codec_context.name == "mjpeg" and exif_mirrors(bytes(packet)):
        raise VideoError(
            f"'{path}' has pictures that are mirrored by their Exif orientation: re-encode the video with FFmpeg, which"
            " mirrors them, or remove their Exif data"
        )


def _decode(stream: av.video.stream.VideoStream, packet: Packet | None, frames: list[av.VideoFrame]) -> bool:
    """Add what a packet gives, or what the decoder still has; whether it could be decoded."""
    try:
        frames += stream.decode(packet)
    except av.FFmpegError:
        return False
    return True


@dataclass(frozen=True)
class _End:
    """What tells whether the end of a file is missing."""

    path: Path
    container: av.container.InputContainer
    stream: av.video.stream.VideoStream
    packets: _Packets

    def sign(self) -> CutOff | None:
        """An index that lists more, a time that is not reached, or a packet that breaks off."""
        stream, packets, are_places = self.stream, self.packets, has_places(self.container)
        if are_places:
            missing = lost_chunks(self.path, stream.index_entries, packets.places)
        else:
            # The index of an MP4 file is what is left when edit lists have been followed.
            missing = len(stream.index_entries) - packets.held if stream.frames else 0
        if missing > 0:
            return CutOff(missing, f"its index lists {missing} more frames at its end")
        if late := self._late():
            return late
        if packets.ends_broken:
            return CutOff(1, "its last packet breaks off")
        # Where all pictures are there by index or by time, what is missing is not theirs.
        promised = self._promised(alone=False)
        is_reached = promised is not None and packets.end + packets.usual_gap >= promised
        if not (are_places or stream.frames or is_reached) and breaks_off(self.path, self.container.format.name):
            return CutOff(1, "the file is shorter than it says")
        return None

    def _late(self) -> CutOff | None:
        """A sign if the packets end before the header says."""
        packets, gap, promised = self.packets, self.packets.usual_gap, self._promised()
        if promised is None or not gap or not packets.rises:
            return None
        held = max(packets.end, float(packets.in_order[-1]) + gap)
        # Durations are rounded, and some count from zero, whenever the first frame comes: half a frame means nothing.
        frames = round((promised - held) / gap - ROUNDING.get(self.container.format.name, 0))
        if frames < 1:
            return None
        unit = float(self.stream.time_base or Fraction(1, 1000))
        return CutOff(
            frames, f"by its header it lasts until {promised * unit:.2f} s, but its frames end at {held * unit:.2f} s"
        )

    def _promised(self, *, alone: bool = True) -> float | None:
        """When the last picture should end, in units of the time base; ``None`` where the format does not tell.

        A file's duration is the video's only if there is no other stream; unless `alone` it is taken in any case.
        """
        container, stream = self.container, self.stream
        if has_places(container):
            # A count of places, also of those of frames that were dropped.
            return float(stream.frames) if stream.frames and breaks_off(self.path, "avi") else None
        if container.format.name == MP4:
            return float(stream.duration) if stream.duration and not stream.frames else None
        if container.format.name in ROUNDING and container.duration and (len(container.streams) == 1 or not alone):
            return float(Fraction(container.duration, av.time_base) / (stream.time_base or Fraction(1, 1000)))
        return None

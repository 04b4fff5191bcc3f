"""What a video file says about itself and what it holds, without decoding it.

The container's own frame count is a promise. The packets are counted by reading through the file once
(milliseconds for thousands of frames), and their presentation timestamps, sorted, say which frame is which.
"""

from __future__ import annotations

import errno
import hashlib
import stat
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from posecli.errors import VideoError

#: A frame gap that differs from the usual one by more than this part of it makes the frame rate variable.
#: (Containers round timestamps: Matroska to whole milliseconds, 3 % of a frame at 30 frames/s.)
GAP_TOLERANCE = 0.1
#: Packets that are decoded at most in search of a first frame, which knows the rotation.
PACKETS_FOR_FIRST_FRAME = 300
#: Pixels of the largest frame that is decoded: 16384x8192, a gigabyte for a few frames on their way.
LARGEST_FRAME = 1 << 27
#: The only formats that are opened. FFmpeg knows others that hold no pictures but name further files or addresses to
#: read (playlists, concatenations, numbered pictures), or that take any text for a picture; a file that comes from
#: outside must not choose those.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,asf_o,wtv,rm,ogg,nut,mxf,gxf,lxf,"
    "dv,dhav,cine,mlv,r3d,nsv,nuv,pva,swf,yuv4mpegpipe,ivf,obu,av1,h261,h263,h264,hevc,vvc,evc,m4v,vc1,dirac,cavsvideo,"
    "avs2,avs3,mjpeg,mjpeg_2000,smjpeg,mpjpeg,ingenient,flic,gif,apng,webp,jpegxl_anim,bmp_pipe,dpx_pipe,exr_pipe,"
    "gif_pipe,j2k_pipe,jpeg_pipe,jpegls_pipe,jpegxl_pipe,pam_pipe,pbm_pipe,pgm_pipe,png_pipe,ppm_pipe,qoi_pipe,tiff_pipe,"
    "webp_pipe"
)
#: Bytes of a name and a length before what a chunk of an AVI file holds.
AVI_CHUNK_HEADER = 8
#: Stands for a timestamp that a packet does not have, as in FFmpeg.
NO_STAMP = -(1 << 63)
_SAMPLE_BYTES = 1 << 20


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
        The displayed frame, px: rotation applied.
    rotation
        Degrees by which decoded frames are turned counter-clockwise for display: 0, 90, 180 or 270.
    frame_rate
        Average frames per second.
    promised_frames
        The container's own count; ``None`` where it has none.
    discarded_packets
        Packets that the container marks as not for display (before an edit-list start).
    pts
        ``(n,)`` int64, sorted presentation timestamps of the packets in units of `time_base`: one per frame.
    has_timestamps
        Whether the file gave them; otherwise they are spaced by the frame rate.
    time_base
        Seconds per timestamp unit.
    first_seconds
        Presentation time of the first frame that can be decoded; ``None`` if it has none.
    opencv_fails
        Why OpenCV would show wrong pictures without a word; ``None`` where it can be trusted.
    can_seek
        Whether times stay the same when reading starts midway.
    """

    path: Path
    codec: str
    pixel_format: str
    width: int
    height: int
    rotation: int
    frame_rate: float
    promised_frames: int | None
    discarded_packets: int
    pts: npt.NDArray[np.int64] = field(repr=False, compare=False)
    has_timestamps: bool
    time_base: Fraction
    first_seconds: float | None = None
    opencv_fails: str | None = None
    can_seek: bool = True

    @property
    def n_frames(self) -> int:
        """Frames in the file, counted by packets."""
        return len(self.pts)

    @property
    def missing_packets(self) -> int:
        """Frames that the container promises and the file does not hold."""
        return max(0, (self.promised_frames or 0) - self.n_frames - self.discarded_packets)

    @property
    def variable_frame_rate(self) -> bool:
        """Whether gaps between frames differ by more than the container's rounding."""
        gaps = np.diff(self.pts)
        if not self.has_timestamps or len(gaps) < 2:
            return False
        usual = np.median(gaps)
        return bool(np.any(np.abs(gaps - usual) > max(1.0, GAP_TOLERANCE * usual)))

    def seconds(self) -> npt.NDArray[np.float64]:
        """``(n,)`` presentation times in seconds, on the container's own clock; not to be written to."""
        return self._seconds

    def row_seconds(self, rows: int) -> npt.NDArray[np.float64]:
        """``(rows,)`` presentation times; NaN for frames that no packet announced."""
        known = self._seconds[:rows]
        unknown = rows - len(known)
        return np.concatenate([known, np.full(unknown, np.nan)]) if unknown else known

    @cached_property
    def _seconds(self) -> npt.NDArray[np.float64]:
        """Kept, since all who read a long video would have an array of their own."""
        seconds = self.pts.astype(np.float64)
        seconds *= float(self.time_base)
        seconds.flags.writeable = False
        return seconds


def probe(path: Path) -> VideoInfo:
    """Read through a file's packets.

    Raises
    ------
    VideoError
        If the file is missing, is no video, or holds no frame.
    """
    with open_container(path) as container:
        stream = video_stream(container, path)
        packets = _Packets.read(container, stream, path)
        frame_rate = float(stream.average_rate or stream.guessed_rate or 0)
        promised = _promised_frames(container, stream, packets.constant_rate)
        time_base = stream.time_base or Fraction(1, 1000)
        is_first_stream = stream is container.streams.video[0]
        last_size = packets.last_size(stream)
        lost = packets.lost_before_others(stream)
    if not packets.pts:
        raise VideoError(f"'{path}' holds no video frame: check that the recording was finished and copied whole")
    if lost:
        raise VideoError(
            f"'{path}' lost {lost} frames before its end, and since an AVI file keeps no times, nothing tells which "
            "frame the others are: copy it again, or cut it where it is whole"
        )
    pts, has_timestamps = packets.timeline(frame_rate, time_base)
    first = _first_frame(path)
    turned = first.rotation in (90, 270)
    return VideoInfo(
        path=path,
        codec=packets.codec,
        pixel_format=first.pixel_format,
        width=first.height if turned else first.width,
        height=first.width if turned else first.height,
        rotation=first.rotation,
        frame_rate=frame_rate,
        promised_frames=promised,
        discarded_packets=packets.discarded,
        pts=pts,
        has_timestamps=has_timestamps,
        time_base=time_base,
        first_seconds=None if first.pts is None else first.pts * float(time_base),
        opencv_fails=_opencv_fails(first, is_first_stream, last_size),
        can_seek=has_timestamps and not packets.reorders_in_avi,
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


@contextmanager
def open_container(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a file with FFmpeg's demuxer; whatever it says against the file becomes a `VideoError`."""
    if not path.exists():
        raise VideoError(f"video '{path}' does not exist: check the path")
    if path.is_dir():
        raise VideoError(f"'{path}' is a folder, not a video: give the files in it")
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe may keep its reader waiting for ever
        raise VideoError(f"'{path}' is a pipe or a device, not a video: record it to a file first")
    try:
        # A local path goes through FFmpeg's file protocol by name, so that no file name is taken for a URL.
        limits = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
        with av.open(f"file:{path}", mode="r", options=limits, metadata_errors="replace") as container:
            yield container
    except (av.FFmpegError, OSError) as error:
        reason = "no kind of file that is known here" if error.errno == errno.EINVAL else error.strerror or str(error)
        raise VideoError(
            f"'{path}' cannot be read as a video ({reason}): check that the recording was finished and copied whole"
        ) from error


def video_stream(container: av.container.InputContainer, path: Path) -> av.video.stream.VideoStream:
    """The video stream that FFmpeg holds for the main one."""
    stream = container.streams.best("video")
    if stream is None:
        raise VideoError(f"'{path}' holds no video stream: check that it is the right file")
    assert isinstance(stream, av.video.stream.VideoStream)
    if stream.codec_context is not None:
        _check_frame_size(path, stream.codec_context.width, stream.codec_context.height)
        # Pictures have headers of their own, which may claim another size.
        stream.codec_context.options = {"max_pixels": str(LARGEST_FRAME)}
    return stream


def _check_frame_size(path: Path, width: int, height: int) -> None:
    if width * height > LARGEST_FRAME:
        raise VideoError(
            f"'{path}' claims frames of {width}x{height} px, more than any camera's (at most {LARGEST_FRAME} px are "
            "read): check that it is the right file, or re-encode it smaller"
        )


def demux(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream
) -> Iterator[av.Packet[av.video.stream.VideoStream]]:
    """Packets of one stream, in file order.

    Damage can make a stream seem to begin midway; PyAV stumbles over its packets and goes on when it is asked again.
    """
    while True:
        try:
            yield from container.demux(stream)
        except IndexError:
            continue
        return


@dataclass
class _Packets:
    """Timestamps of all packets of one stream, in file order."""

    codec: str
    is_avi: bool
    reorders_in_avi: bool
    # Arrays of numbers: a list of them takes 40 bytes for each, which a million frames make felt.
    pts: array[int] = field(default_factory=lambda: array("q"))
    dts: array[int] = field(default_factory=lambda: array("q"))
    unshown: array[int] = field(default_factory=lambda: array("q"))
    places: array[int] = field(default_factory=lambda: array("q"))
    last_key: av.Packet[av.video.stream.VideoStream] | None = None

    @classmethod
    def read(cls, container: av.container.InputContainer, stream: av.video.stream.VideoStream, path: Path) -> _Packets:
        if stream.codec_context is None:
            raise VideoError(f"'{path}' uses a codec that cannot be decoded here: re-encode it, for example to H.264")
        is_avi = container.format.name == "avi"
        packets = cls(stream.codec_context.name, is_avi, _reorders_in_avi(container, stream))
        for packet in demux(container, stream):
            if packet.size == 0:
                continue
            if packet.is_discard:
                packets.unshown.append(_stamp(packet.pts))
                continue
            packets.pts.append(_stamp(packet.pts))
            packets.dts.append(_stamp(packet.dts))
            if is_avi:
                packets.places.append(-1 if packet.pos is None else packet.pos)
            if packet.is_keyframe:
                packets.last_key = packet
        return packets

    def last_size(self, stream: av.video.stream.VideoStream) -> tuple[int, int] | None:
        """Width and height of the last key frame; ``None`` if it cannot be decoded by itself."""
        try:
            frames = [*stream.decode(self.last_key), *stream.decode(None)] if self.last_key else []
        except av.FFmpegError:
            return None
        return (frames[-1].width, frames[-1].height) if frames else None

    def lost_before_others(self, stream: av.video.stream.VideoStream) -> int:
        """Packets of an AVI file that its index lists and that are not there, though later ones are."""
        index = stream.index_entries
        if not self.is_avi or not index:
            return 0
        places = set(self.places)
        held = [entry.pos in places or entry.pos + AVI_CHUNK_HEADER in places for entry in index]
        return held[: len(held) - held[::-1].index(True)].count(False) if any(held) else 0

    @property
    def discarded(self) -> int:
        """Packets before the first or behind the last one that is shown; others are not cut away but lost."""
        shown, unshown = _known(self.pts), np.array(self.unshown, np.int64)
        if not len(shown) or len(np.unique(shown)) < len(shown):  # its times cannot be believed
            return 0
        return int(np.count_nonzero((unshown < shown.min()) | (unshown > shown.max())))

    @property
    def constant_rate(self) -> bool:
        known = np.sort(_known(self.pts))
        return len(known) == len(self.pts) and len(np.unique(np.diff(known))) <= 2

    @property
    def pts_follow_file(self) -> bool:
        known = _known(self.pts)
        return bool((known[1:] >= known[:-1]).all())

    def timeline(self, frame_rate: float, time_base: Fraction) -> tuple[npt.NDArray[np.int64], bool]:
        """Sorted timestamps, and whether they are the file's own."""
        guessed = self.reorders_in_avi and self.pts_follow_file
        for stamps in () if guessed else (self.pts, self.dts):
            known = np.unique(_known(stamps))
            if len(known) == len(stamps):
                return known, True
        step = 1.0 / (frame_rate * float(time_base)) if frame_rate > 0 else 1.0
        return np.round(np.arange(len(self.pts)) * step).astype(np.int64), False


def _stamp(stamp: int | None) -> int:
    return NO_STAMP if stamp is None else stamp


def _known(stamps: array[int]) -> npt.NDArray[np.int64]:
    """Those that are timestamps, in the same order."""
    values: npt.NDArray[np.int64] = np.array(stamps, np.int64)
    known: npt.NDArray[np.int64] = values[values != NO_STAMP]
    return known


def _reorders_in_avi(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> bool:
    """Whether frames come out in another order than their packets, in a format that has no times for them."""
    return container.format.name == "avi" and bool(stream.codec_context.has_b_frames)


def _promised_frames(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, constant_rate: bool
) -> int | None:
    """The container's count, or what its duration amounts to where nothing but this stream determines it."""
    if stream.frames:
        return stream.frames
    rate = stream.average_rate
    if container.duration and rate and constant_rate and len(container.streams) == 1:
        # Some containers count their duration from zero, whenever the first frame comes. One frame less: it is rounded.
        duration = container.duration - max(0, container.start_time or 0)
        return max(0, int(duration * Fraction(rate) / av.time_base) - 1) or None
    return None


@dataclass(frozen=True)
class _FirstFrame:
    width: int
    height: int
    rotation: int
    pixel_format: str
    pts: int | None
    interlaced: bool

    @classmethod
    def of(cls, frame: av.VideoFrame) -> _FirstFrame:
        rotation = round(frame.rotation) % 360
        # Players turn pictures by right angles only; OpenCV shows anything else as it is.
        rotation = rotation if rotation in (90, 180, 270) else 0
        return cls(frame.width, frame.height, rotation, frame.format.name, frame.pts, frame.interlaced_frame)


def _opencv_fails(first: _FirstFrame, is_first_stream: bool, last_size: tuple[int, int] | None) -> str | None:
    if not is_first_stream:
        return "its main video stream is not the first one, which OpenCV would read"
    if first.interlaced:
        return "its frames are interlaced, which OpenCV 5.0 shows black"
    if last_size and last_size != (first.width, first.height):
        return "its frame size changes, and OpenCV would stretch every frame to the first one's size"
    return None


def _first_frame(path: Path) -> _FirstFrame:
    with open_container(path) as container:
        stream = video_stream(container, path)
        for number, packet in enumerate(demux(container, stream)):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                frames = []
            for frame in frames:
                assert isinstance(frame, av.VideoFrame)
                return _FirstFrame.of(frame)
            if number > PACKETS_FOR_FIRST_FRAME:
                break
    raise VideoError(f"no frame of '{path}' can be decoded: check that it plays, or re-encode it")

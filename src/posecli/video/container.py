"""A video file's container, opened by FFmpeg: the packets of its main stream, and whether its bytes are all there."""

from __future__ import annotations

import errno
import stat
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import av
from av.codec.context import Flags
from av.stream import Disposition

from posecli.errors import VideoError

Packet: TypeAlias = "av.Packet[av.video.stream.VideoStream]"

#: Pixels of the largest frame that is decoded, 16384x8192: a few of them take a gigabyte.
LARGEST_FRAME = 1 << 27
#: A stream that is marked as the default counts as so many pixels larger.
DEFAULT_PIXELS = 5_000_000
THEORA_HEADER = 0x80  #: In a Theora packet's first byte: that it is not a picture.
#: FFmpeg's flag of formats without times (AVFMT_NOTIMESTAMPS), whose packets have made-up ones.
WITHOUT_TIMES = 0x80
#: The only formats that are opened. FFmpeg knows others that name further files or addresses to read (playlists,
#: concatenations, numbered pictures) or take any text for a picture; a file from outside must not choose those.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,asf_o,wtv,rm,ogg,nut,mxf,gxf,lxf,"
    "dv,dhav,cine,mlv,r3d,nsv,nuv,pva,swf,yuv4mpegpipe,ivf,obu,av1,h261,h263,h264,hevc,vvc,evc,m4v,vc1,dirac,cavsvideo,"
    "avs2,avs3,mjpeg,mjpeg_2000,smjpeg,mpjpeg,ingenient,flic,gif,apng,webp,jpegxl_anim,bmp_pipe,dpx_pipe,exr_pipe,"
    "gif_pipe,j2k_pipe,jpeg_pipe,jpegls_pipe,jpegxl_pipe,pam_pipe,pbm_pipe,pgm_pipe,png_pipe,ppm_pipe,qoi_pipe,tiff_pipe,"
    "webp_pipe"
)
CHUNK_HEADER = 8  #: Bytes of an AVI chunk's name and length, before its content.
#: Matroska's numbers of its header and of the element that holds everything else.
EBML, SEGMENT = 0x1A45DFA3, 0x18538067


@contextmanager
def open_container(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a file with FFmpeg's demuxer; whatever is wrong with it becomes a `VideoError`."""
    if not path.exists():
        raise VideoError(f"video '{path}' does not exist: check the path")
    if path.is_dir():
        raise VideoError(f"'{path}' is a folder, not a video: give the files in it")
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe may keep its reader waiting for ever
        raise VideoError(f"'{path}' is a pipe or a device, not a video: record it to a file first")
    try:
        # With the protocol's name, so that no file name is taken for a URL.
        limits = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
        with av.open(f"file:{path}", mode="r", options=limits, metadata_errors="replace") as container:
            yield container
    except (av.FFmpegError, OSError) as error:
        reason = "not a known kind of file" if error.errno == errno.EINVAL else error.strerror or str(error)
        raise VideoError(
            f"'{path}' cannot be read as a video ({reason}): check that the recording was finished and copied whole"
        ) from error


def keeps_times(container: av.container.InputContainer) -> bool:
    """Whether the format says when pictures are shown; bare streams do not."""
    return not container.format.flags & WITHOUT_TIMES


def has_places(container: av.container.InputContainer) -> bool:
    """Whether the format counts places instead of keeping times; those of pictures out of order are made up."""
    return container.format.name == "avi"


def video_stream(container: av.container.InputContainer, path: Path) -> av.video.stream.VideoStream:
    """The video stream that FFmpeg's program takes: the largest, with a head start for the default one."""
    stream = max(container.streams.video, key=_rank, default=None)
    if stream is None:
        raise VideoError(f"'{path}' holds no video stream: check that it is the right file")
    codec = stream.codec_context
    if codec is None:
        raise VideoError(f"'{path}' uses a codec that cannot be decoded here: re-encode it, for example to H.264")
    refuse_large_frames(path, codec.width, codec.height)
    # Pictures have headers of their own, which may claim another size.
    codec.options = {"max_pixels": str(LARGEST_FRAME)}
    # Else a picture that is cropped at its left would be cropped where memory is aligned.
    codec.flags |= Flags.unaligned
    return stream


def _rank(stream: av.video.stream.VideoStream) -> tuple[bool, int]:
    marks = stream.disposition
    pixels = stream.codec_context.width * stream.codec_context.height if stream.codec_context else 0
    return Disposition.attached_pic not in marks, pixels + DEFAULT_PIXELS * (Disposition.default in marks)


def refuse_large_frames(path: Path, width: int, height: int) -> None:
    """Refuse a video whose container claims frames of more than `LARGEST_FRAME` px."""
    if width * height > LARGEST_FRAME:
        raise VideoError(
            f"'{path}' claims frames of {width}x{height} px, more than any camera's (at most {LARGEST_FRAME} px are "
            "read): check that it is the right file, or re-encode it smaller"
        )


def demux(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> Iterator[Packet]:
    """Packets of one stream in file order, with empty ones, but without the one that PyAV adds at the end.

    Headers of a second recording in an Ogg file are left out too. Where damage makes a stream seem to begin midway,
    PyAV fails on its packets and goes on when it is asked again.
    """
    is_theora = stream.codec_context.name == "theora"
    while True:
        try:
            for packet in container.demux(stream):
                is_last = not packet.size and packet.pts is None and packet.dts is None
                if not (is_last or (is_theora and packet.size and memoryview(packet)[0] & THEORA_HEADER)):
                    yield packet
        except IndexError:
            continue
        return


def breaks_off(path: Path, format_name: str) -> bool:
    """Whether the outermost parts of a file reach beyond its end, as in a broken-off copy; not all formats tell."""
    check = _CHECKS.get(format_name)
    return check is not None and check(path)


def lost_chunks(path: Path, index: Iterable[Any] | None, places: Sequence[int]) -> int:
    """Number of frames at the end of an AVI file's index that are not in the file, given where the others begin.

    A `VideoError` if frames are lost before others.
    """
    known = set(places)
    held = [entry.pos in known or entry.pos + CHUNK_HEADER in known for entry in index or ()]
    if not any(held):
        return 0
    last = len(held) - held[::-1].index(True)
    if lost := held[:last].count(False):
        raise VideoError(
            f"'{path}' lost {lost} frames before its end, and since an AVI file keeps no times, nothing tells which "
            "frame the others are: copy it again, or cut it where it is whole"
        )
    return len(held) - last


def _avi_breaks_off(path: Path) -> bool:
    """A recorder that never finished the file leaves no length."""
    size, place = path.stat().st_size, 0
    with path.open("rb") as file:
        while place + CHUNK_HEADER <= size:
            file.seek(place)
            name, length = struct.unpack("<4sI", file.read(CHUNK_HEADER))
            if name != b"RIFF":
                return False
            place += CHUNK_HEADER + length + length % 2
    return place > size + 1


def _mp4_breaks_off(path: Path) -> bool:
    size, place = path.stat().st_size, 0
    with path.open("rb") as file:
        while place + 8 <= size:
            file.seek(place)
            length, name = struct.unpack(">I4s", file.read(8))
            if length == 1:
                length = int.from_bytes(file.read(8))
            if length < 8 or not name.isascii():  # 0: to the end of the file, however long that is
                return False
            place += length
    return place > size


def _matroska_breaks_off(path: Path) -> bool:
    """A recorder that was killed, or writes to a pipe, leaves the length open."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header, length = _element(file)
        if header != EBML or length is None:
            return False
        file.seek(length, 1)
        segment, length = _element(file)
        return segment == SEGMENT and length is not None and file.tell() + length > size


def _element(file: BinaryIO) -> tuple[int, int | None]:
    """Number and length of an element of Matroska; ``None`` for a length that was left open."""
    return _number(file, keeps_mark=True) or 0, _number(file, keeps_mark=False)


def _number(file: BinaryIO, *, keeps_mark: bool) -> int | None:
    """A number whose first byte tells its length by the place of its first bit, the mark."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    extra = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(extra))
    if keeps_mark:
        return value
    largest = (1 << 7 * (extra + 1)) - 1
    return None if value & largest == largest else value & largest


_CHECKS: dict[str, Callable[[Path], bool]] = {
    "avi": _avi_breaks_off,
    "mov,mp4,m4a,3gp,3g2,mj2": _mp4_breaks_off,
    "matroska,webm": _matroska_breaks_off,
}

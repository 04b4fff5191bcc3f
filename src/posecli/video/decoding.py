"""Packets of a video stream on their way through FFmpeg's decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import av

from posecli.video.container import Packet, demux
from posecli.video.orientation import UPRIGHT, Orientation

#: Codecs that mark each picture that no other refers to. (In HEVC's layers in time the mark says less.)
MARKS_UNREFERRED = ("h264",)


class Picture(NamedTuple):
    """One row of a video: its time, in units of the stream's time base, and how it is turned for display."""

    pts: int
    #: As FFmpeg decoded it; ``None`` where a packet that should hold a picture could not be decoded.
    frame: av.VideoFrame | None
    orientation: Orientation = UPRIGHT


class DoubtError(Exception):
    """A picture may be missing, and only careful decoding tells which."""


class DecodedPacket(NamedTuple):
    """A packet that went to the decoder, ``None`` at the end, and the pictures that it brought out.

    `depth` is the number of pictures that the decoder holds back.
    """

    packet: Packet | None
    frames: Sequence[av.VideoFrame]
    has_failed: bool
    depth: int


def decoded_packets(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    is_wanted: Callable[[int], bool] | None = None,
) -> Iterator[DecodedPacket]:
    """Decode all packets. An empty one is a frame that a recorder dropped; a decoder would take it for the end.

    Pictures whose time is not wanted may be left out, if no other refers to them.
    """
    whole = (packet for packet in demux(container, stream) if packet.size)
    codec = stream.codec_context
    is_wanted = is_wanted if codec.name in MARKS_UNREFERRED else None
    for packet in chain(whole, [None]):
        if is_wanted is not None:
            may_be_left_out = packet is not None and packet.pts is not None and not is_wanted(packet.pts)
            codec.skip_frame = "NONREF" if may_be_left_out else "DEFAULT"
        try:
            frames: Sequence[av.VideoFrame] = stream.decode(packet)
            has_failed = False
        except av.FFmpegError:
            frames, has_failed = (), True
        yield DecodedPacket(packet, frames, has_failed, stream.codec_context.reorder_depth)


def fast_threads(stream: av.video.stream.VideoStream) -> str:
    """How to decode on all processors; FFmpeg's MPEG-4 decoder spoils fields when it decodes several at once."""
    return "SLICE" if stream.codec_context.name == "mpeg4" else "AUTO"

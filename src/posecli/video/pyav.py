"""Frames decoded by PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt

from posecli.errors import VideoError
from posecli.video.probe import demux, open_container, video_stream
from posecli.video.timeline import Decoded, FrameClock

if TYPE_CHECKING:
    from posecli.video.probe import VideoInfo

#: Frames by which a key frame may be shown later than it is decoded; some demuxers seek by the latter.
DEEPEST_REORDERING = 16


def decode_pyav(info: VideoInfo, first: int = 0) -> Iterator[Decoded]:
    """Decode sequentially, from the key frame before index `first` on; values as `decode_opencv` yields them."""
    start = max(0, first - DEEPEST_REORDERING) if info.can_seek else 0
    frames = _placed(info, start)
    head = next(frames, None)
    if start and (head is None or head[0] > first):
        # Some demuxers land behind the key frame that was meant: only from the very start is nothing left out.
        frames = _placed(info, 0)
    elif head is not None:
        frames = chain([head], frames)
    for index, frame in frames:
        if index >= first:
            yield index, _to_bgr(frame)


def _placed(info: VideoInfo, start: int) -> Iterator[tuple[int, av.VideoFrame]]:
    """Frames and their places, from about index `start` on."""
    with open_container(info.path) as container:
        stream = video_stream(container, info.path)
        # FFmpeg decodes several frames at once only when asked; slices alone leave most codecs single-threaded.
        stream.thread_type = "AUTO"
        clock = FrameClock(info)
        if start:
            # The first packet may hold what all others are decoded by: x264 notes its version there, and 4:4:4 video of
            # old versions turns to noise without it.
            next(_decode(container, stream), None)
            container.seek(int(info.pts[start]), stream=stream, backward=True, any_frame=False)
            clock.expected = None
        for frame in _decode(container, stream):
            index = clock.place(None if frame.pts is None else frame.pts * float(info.time_base))
            if index is not None:
                yield index, frame


def _decode(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> Iterator[av.VideoFrame]:
    """Every frame that can be decoded; a packet that cannot be is passed over."""
    for packet in demux(container, stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        for frame in frames:
            assert isinstance(frame, av.VideoFrame)
            yield frame


def _to_bgr(frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
    """Convert as OpenCV does: bicubic, the matrix the file names (BT.601 if none), to BGR (RGB rounds otherwise)."""
    try:
        converted = frame.reformat(format="bgr24", interpolation="BICUBIC")
    except (av.FFmpegError, ValueError) as error:
        raise VideoError(
            f"frames of pixel format '{frame.format.name}' cannot be converted ({error}): re-encode it to yuv420p"
        ) from error
    return converted.to_ndarray().astype(np.uint8, copy=False)

"""Pictures at some places of a video, found by time: rows of a table only where their times are known beforehand."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import av

from posecli.video.container import Packet, demux, has_places, open_container, video_stream
from posecli.video.decoding import DecodedPacket, DoubtError, Picture, decoded_packets, fast_threads
from posecli.video.orientation import UPRIGHT, Orientation


def pictures_from(path: Path, pts: int, orientation: Orientation = UPRIGHT) -> Generator[Picture]:
    """Pictures from the one at a time on; ends silently where anything is in doubt.

    What lies before is not looked at, so these are rows of a table only if each picture's time is known beforehand and
    compared.
    """

    def is_wanted(time: int) -> bool:
        return time >= pts

    with open_container(path) as container, suppress(av.FFmpegError, DoubtError):
        stream = video_stream(container, path)
        if _can_be_sought(container, stream):
            container.seek(pts, stream=stream, backward=True, any_frame=False)
            for picture, _ in _wanted(decoded_packets(container, stream, is_wanted), is_wanted, orientation):
                yield picture


def pictures_at(
    path: Path, times: Sequence[int], sought: Sequence[int], orientation: Orientation = UPRIGHT
) -> Generator[Picture]:
    """Pictures at `times` that go up, as `pictures_from` gives them; each is sought by another time, before its own.

    Nothing is sought where decoding comes past no key frame on the way.
    """
    is_wanted, found = frozenset(times).__contains__, 0
    with open_container(path) as container, suppress(av.FFmpegError, DoubtError):
        stream = video_stream(container, path)
        has_more = _can_be_sought(container, stream)
        while has_more and found < len(times):
            container.seek(sought[found], stream=stream, backward=True, any_frame=False)
            has_more = False
            for picture, packet in _wanted(decoded_packets(container, stream, is_wanted), is_wanted, orientation):
                yield picture
                found += 1
                if found < len(times) and packet is not None and _pays_seeking(stream, sought[found], packet):
                    has_more = True
                    break


def _can_be_sought(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> bool:
    """Make the decoder ready to begin anywhere, if the file keeps times.

    It may need the first packet: x264 notes its version there, and 4:4:4 video of old versions turns to noise without.
    """
    stream.thread_type = fast_threads(stream)
    first = next(demux(container, stream), None)
    if first is None or first.size == 0 or has_places(container):
        return False
    stream.decode(first)
    return True


def _pays_seeking(stream: av.video.stream.VideoStream, time: int, packet: Packet) -> bool:
    """Whether a time is sought behind a packet that was decoded, or might be, where no index tells."""
    entries = stream.index_entries
    if packet.dts is None or not len(entries) or entries[len(entries) - 1].timestamp < time:
        return True
    place = entries.search_timestamp(time, backward=True, any_frame=False)
    return place < 0 or entries[place].timestamp > packet.dts


def _wanted(
    steps: Iterable[DecodedPacket], is_wanted: Callable[[int], bool], orientation: Orientation
) -> Iterator[tuple[Picture, Packet | None]]:
    """Pictures whose time is wanted, each with the packet that brought it out, as long as nothing is in doubt."""
    is_whole = False
    for step in steps:
        if step.has_failed:
            raise DoubtError
        for frame in step.frames:
            # What comes before the first key frame lacks what it refers to.
            is_whole |= frame.key_frame
            if frame.pts is None or frame.is_corrupt or (is_wanted(frame.pts) and not is_whole):
                raise DoubtError
            orientation = Orientation.of(frame) or orientation
            if is_wanted(frame.pts):
                yield Picture(frame.pts, frame, orientation), step.packet

"""A video as batches of frames, one row per frame of the video, whatever happens.

Frames are read in order and never sought by number. Where the first decoder leaves a frame out, the other
decoder is asked for it; a frame that neither can decode is in its batch all the same, marked as not valid.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from posecli.errors import VideoError
from posecli.geometry import Geometry
from posecli.options import VideoBackend
from posecli.video.opencv import decode_opencv
from posecli.video.prepare import prepare
from posecli.video.probe import VideoInfo
from posecli.video.pyav import decode_pyav
from posecli.video.timeline import Decoded

Decode: TypeAlias = Callable[[VideoInfo, int], Iterator[Decoded]]

#: Decoder that reads a video, and the one that is asked for what it leaves out.
DECODE_ORDER: dict[VideoBackend, tuple[Decode, Decode]] = {
    "auto": (decode_opencv, decode_pyav),
    "opencv": (decode_opencv, decode_pyav),
    "pyav": (decode_pyav, decode_opencv),
}


@dataclass(frozen=True)
class FrameBatch:
    """Consecutive frames of a video.

    Attributes
    ----------
    images
        ``(B, H, W, 3)`` uint8 RGB, as the network sees them; black where not valid.
    indices
        ``(B,)`` int64, places in the video.
    seconds
        ``(B,)`` float64 presentation times; NaN for a frame beyond the packets.
    valid
        ``(B,)`` bool, whether the frame could be decoded.
    """

    images: npt.NDArray[np.uint8]
    indices: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    valid: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.indices) == len(self.seconds) == len(self.valid):
            raise ValueError(f"fields of a batch differ in length: {self}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def frames(self) -> int:
        """Frames of the video in the batch."""
        return len(self.images)

    def frames_of_last(self, count: int) -> int:
        """Frames of the video among the last so many items: a frame is an item."""
        return count

    def __repr__(self) -> str:
        span = f"{self.indices[0]}..{self.indices[-1]}" if len(self) else "none"
        return f"FrameBatch(images={self.images.shape} {self.images.dtype}, frames {span}, valid={self.valid.sum()})"


class VideoReader:
    """Reads a video once, from its first frame to its last.

    Parameters
    ----------
    info
        From `posecli.video.probe.probe`.
    geometry
        What is done to each frame; the whole frame as it is by default.
    backend
        The decoder that is asked first.
    first
        Index of the first frame to give.

    Examples
    --------
    >>> reader = VideoReader(probe(path))  # doctest: +SKIP
    >>> for batch in reader.batches(64):  # doctest: +SKIP
    ...     print(batch)
    FrameBatch(images=(64, 480, 640, 3) uint8, frames 0..63, valid=64)
    """

    def __init__(
        self, info: VideoInfo, geometry: Geometry | None = None, backend: VideoBackend = "auto", first: int = 0
    ) -> None:
        self.info = info
        self.geometry = geometry or Geometry.plan(info.width, info.height)
        self._seconds = info.seconds()
        self._backend = backend
        self._frames = self._merged(first)

    def __len__(self) -> int:
        return self.info.n_frames

    def close(self) -> None:
        """Stop reading and let the decoders go."""
        self._frames.close()

    def skip(self, count: int) -> None:
        """Pass over the next frames; they are decoded all the same, so that what follows comes as it would have."""
        for _ in range(count):
            next(self._frames, None)

    def new_buffer(self, batch_size: int) -> npt.NDArray[np.uint8]:
        """An array for `read_into`: ``(batch_size, H, W, 3)`` uint8."""
        return np.empty((batch_size, self.geometry.height, self.geometry.width, 3), np.uint8)

    def read_into(self, buffer: npt.NDArray[np.uint8], pool: Executor | None = None) -> FrameBatch | None:
        """Fill a caller's buffer with the next frames.

        Parameters
        ----------
        buffer
            ``(n, H, W, 3)`` uint8, as `new_buffer` makes them.
        pool
            Prepares frames side by side; decoding stays one after the other.

        Returns
        -------
        FrameBatch or None
            A batch whose images are a view of the buffer, shorter than it at the end of the video;
            ``None`` when there are no frames left.
        """
        indices: list[int] = []
        valid = np.zeros(len(buffer), np.bool_)
        jobs: list[Future[None]] = []
        for slot in buffer:
            index, image = next(self._frames, (None, None))
            if index is None:
                break
            if image is None:
                slot[:] = 0
            else:
                valid[len(indices)] = True
                if pool is None:
                    prepare(image, self.info.rotation, self.geometry, slot)
                else:  # the decoder's own picture is overwritten by the next one
                    jobs.append(pool.submit(prepare, image.copy(), self.info.rotation, self.geometry, slot))
            indices.append(index)
        for job in jobs:
            job.result()
        count = len(indices)
        if count == 0:
            return None
        places = np.asarray(indices, np.int64)
        return FrameBatch(buffer[:count], places, self.seconds_at(places), valid[:count])

    def decoded(self) -> Iterator[tuple[int, npt.NDArray[np.uint8] | None]]:
        """The next frames as the decoder gives them, not prepared.

        Yields
        ------
        int
            Place in the video.
        ndarray or None
            ``(coded height, coded width, 3)`` uint8 BGR, overwritten by the next one; ``None`` where the frame could
            not be decoded.
        """
        yield from self._frames

    def batches(self, batch_size: int) -> Iterator[FrameBatch]:
        """Batches until the end, all in one buffer: a batch is overwritten by the next."""
        buffer = self.new_buffer(batch_size)
        while (batch := self.read_into(buffer)) is not None:
            yield batch

    def seconds_at(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Presentation times of frames; NaN for those beyond the packets."""
        known = indices < len(self._seconds)
        return np.where(known, self._seconds[np.where(known, indices, 0)], np.nan)

    def _merged(self, start: int) -> Generator[tuple[int, npt.NDArray[np.uint8] | None]]:
        """Every index once, in order, with the picture of whichever decoder has it."""
        first, second = DECODE_ORDER[self._backend]
        due = start
        for index, image in _checked(first, self.info, start):
            yield from self._recovered(second, due, index)
            yield index, image
            due = index + 1
        yield from self._recovered(second, due, self.info.n_frames)

    def _recovered(self, decode: Decode, start: int, stop: int) -> Iterator[tuple[int, npt.NDArray[np.uint8] | None]]:
        """Indices ``start`` to ``stop``, decoded once more; ``None`` where that fails too."""
        if start >= stop:
            return
        due = start
        for index, image in _checked(decode, self.info, start):
            if index >= stop:
                break
            yield from ((missing, None) for missing in range(due, index))
            yield index, image
            due = index + 1
        yield from ((missing, None) for missing in range(due, stop))


def _checked(decode: Decode, info: VideoInfo, first: int) -> Iterator[Decoded]:
    """A decoder's frames; one that cannot open the file has none, and a frame of another size is an error."""
    coded = (info.width, info.height) if info.rotation in (90, 270) else (info.height, info.width)
    try:
        for index, image in decode(info, first):
            if image.shape[:2] != coded:
                raise FrameSizeError(
                    f"frame {index} of '{info.path}' has {image.shape[1]}x{image.shape[0]} px instead of "
                    f"{coded[1]}x{coded[0]}: split the video where its frame size changes, or re-encode it"
                )
            yield index, image
    except FrameSizeError:
        raise
    except VideoError:
        return


class FrameSizeError(VideoError):
    """The frame size changes within a video."""

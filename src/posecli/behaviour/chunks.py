"""A video as chunks of frames, which may overlap; every frame is decoded once.

Chunk number k begins at frame k times the stride. The last one would run beyond the end of most videos: it is moved
back so far that it ends with the video's last frame, and none is made up. Only a video that is shorter than one chunk
has its last frame repeated.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from posecli.video.batch import Batch, prepare
from posecli.video.reader import VideoReader

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ChunkPlan:
    """How a video is cut into chunks.

    >>> ChunkPlan(length=64, stride=64).starts(150)
    array([ 0, 64, 86])
    """

    length: int  # frames that the network sees in a chunk
    stride: int  # frames of the video from the start of one chunk to the start of the next
    frame_step: int = 1  # a chunk holds every n-th frame of the video

    @property
    def span(self) -> int:
        """Frames of the video that a chunk stands for."""
        return self.length * self.frame_step

    def starts(self, n_frames: int) -> npt.NDArray[np.int64]:
        """First frame of each chunk of a video of so many frames."""
        if n_frames <= 0:
            return np.empty(0, np.int64)
        starts = np.arange(0, max(n_frames - self.span, 0) + 1, self.stride, dtype=np.int64)
        # Frames are left after the last whole chunk, where another would begin: they get one more.
        if starts[-1] + max(self.span, self.stride) < n_frames:
            starts = np.append(starts, n_frames - self.span)
        return starts


class ClipReader:
    """Reads a video once, as chunks."""

    def __init__(self, reader: VideoReader, plan: ChunkPlan) -> None:
        self.video = reader
        self.plan = plan
        #: Frames read so far, and which of them could not be decoded.
        self.frames = 0
        self.lost: list[int] = []
        self._decoded = reader.decoded()
        self._chunks = 0
        self._ended = False
        shape = (reader.geometry.height, reader.geometry.width, 3)
        # The last frames of the video so far, as many as a chunk spans: frame i is at i modulo that.
        self._ring = np.zeros((plan.span, *shape), np.uint8)
        self._valid = np.zeros(plan.span, np.bool_)

    def close(self) -> None:
        self.video.close()

    def skip(self, count: int) -> None:
        """Skip the next chunks; their frames are decoded all the same."""
        for _ in range(count):
            if self._next_chunk(None) is None:
                return

    def new_buffer(self, batch_size: int) -> Images:
        """An array for `read_into`: ``(batch_size, T, H, W, 3)`` uint8."""
        return np.empty((batch_size, self.plan.length, *self._ring.shape[1:]), np.uint8)

    def read_into(self, buffer: Images, pool: Executor | None = None) -> Batch | None:
        """Fill a buffer, ``(n, T, H, W, 3)`` uint8, with the next chunks; ``None`` when there are none left.

        The batch's images are a view of the buffer, shorter at the end of the video. A pool prepares frames in
        parallel; decoding stays sequential.
        """
        first = self._chunks
        valid: list[bool] = []
        fresh: list[int] = []
        for slot in buffer:
            read = self._next_chunk(pool)
            if read is None:
                break
            seen = self._places()
            np.take(self._ring, seen, axis=0, out=slot)
            valid.append(bool(self._valid[seen].all()))
            fresh.append(read)
        if not valid:
            return None
        numbers = np.arange(first, first + len(valid), dtype=np.int64)
        known = {"indices": numbers, "valid": np.asarray(valid), "fresh": np.asarray(fresh, np.int64)}
        return Batch.of(buffer[: len(valid)], self.video.geometry, **known)

    def _places(self) -> npt.NDArray[np.int64]:
        """Indices into the ring of the frames of the chunk that ends with the last frame read, in order."""
        start = max(0, self.frames - self.plan.span)
        places = (start + np.arange(0, self.plan.span, self.plan.frame_step)) % self.plan.span
        # A video shorter than a chunk has its last frame repeated.
        return np.minimum(places, self.frames - 1) if self.frames < self.plan.span else places

    def _next_chunk(self, pool: Executor | None) -> int | None:
        """Read to the end of the next chunk; the number of frames that took, ``None`` if there is no such chunk."""
        if self._ended:
            return None
        is_first = self._chunks == 0
        wanted = self.plan.span if is_first else self.plan.stride
        between = 0 if is_first else max(0, self.plan.stride - self.plan.span)
        read = self._read(wanted, pool)
        self._ended = read < wanted
        if read <= between:
            return None
        self._chunks += 1
        return read

    def _read(self, count: int, pool: Executor | None) -> int:
        """Read so many frames into the ring, or as many as there are; how many that were."""
        before = self.frames
        jobs: dict[int, Future[None]] = {}
        for index, _, image in islice(self._decoded, count):
            place = self.frames % self.plan.span
            if place in jobs:
                jobs.pop(place).result()  # nothing is overwritten while it is being prepared
            self._valid[place] = image is not None
            if image is None:
                self.lost.append(index)
                self._ring[place] = 0
            elif pool is None:
                prepare(image, self.video.geometry, self._ring[place])
            else:
                jobs[place] = pool.submit(prepare, image, self.video.geometry, self._ring[place])
            self.frames += 1
        for job in jobs.values():
            job.result()
        return self.frames - before

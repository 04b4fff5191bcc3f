"""Readers of the first part of a clip, frame by frame or chunk by chunk, whose work is noted."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.behaviour.chunks import ChunkPlan, ClipReader
from posecli.options import InputSize
from posecli.studies.benchmark.recorder import NotedPool, Recorder
from posecli.video.batch import Batch
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, probe
from posecli.video.reader import Frame, VideoReader

Images = npt.NDArray[np.uint8]


class FirstFrames(VideoReader):
    """The first frames of a video, noted as ``read``.

    Parameters
    ----------
    clip
        The video.
    frames
        How many, at most those of the clip.
    recorder
        Takes the notes.
    size
        To which frames are brought; their own by default.
    seconds
        After which no more frames are given, from the first one on.
    """

    def __init__(
        self,
        clip: Path,
        frames: int,
        recorder: Recorder,
        size: InputSize | None = None,
        seconds: float = math.inf,
    ) -> None:
        info = probe(clip)
        super().__init__(info, _geometry(info, size))
        self._left = min(frames, info.expected_frames)
        self._recorder = recorder
        self._seconds_left = seconds
        self._deadline: float | None = None

    def read_into(self, buffer: Images, pool: Executor | None = None) -> Batch | None:
        """Fill a buffer, until as many frames as wanted have been given."""
        if self._is_over():
            return None
        noted = None if pool is None else NotedPool(pool, self._recorder)
        with self._recorder.span("read"):
            batch = super().read_into(buffer[: self._left], noted)
        self._left -= 0 if batch is None else len(batch)
        return batch

    def decoded(self) -> Iterator[Frame]:
        """The next frames, not prepared: what `tf.data` and chunks ask for."""
        frames = super().decoded()
        while not self._is_over():
            with self._recorder.span("read"):
                item = next(frames, None)
            if item is None:
                return
            self._left -= 1
            yield item

    def _is_over(self) -> bool:
        now = time.perf_counter()
        if self._deadline is None:
            self._deadline = now + self._seconds_left
        return self._left == 0 or now >= self._deadline


def _geometry(info: VideoInfo, size: InputSize | None) -> Geometry:
    whole = Geometry.plan(info.width, info.height)
    return whole if size is None else whole.brought_to(size.width, size.height)


class FirstChunks(ClipReader):
    """The first frames of a video as chunks; reading one is noted as ``read``."""

    def __init__(self, frames: FirstFrames, plan: ChunkPlan, recorder: Recorder) -> None:
        super().__init__(frames, plan)
        self._recorder = recorder

    def read_into(self, buffer: Images, pool: Executor | None = None) -> Batch | None:
        """Fill a buffer with the next chunks."""
        noted = None if pool is None else NotedPool(pool, self._recorder)
        with self._recorder.span("read"):
            return super().read_into(buffer, noted)

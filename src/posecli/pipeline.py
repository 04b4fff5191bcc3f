"""Reading, network and decoding laid one after the other, with a clock on each stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from posecli.decode import Pose
from posecli.engine import Engine, NetworkOutput
from posecli.video.reader import FrameBatch, VideoReader

STAGES = ("read", "network", "decode", "write")

#: Takes a batch's frames and their pose ``(B, K, N, 3)`` in network pixels.
Sink: TypeAlias = Callable[[FrameBatch, Pose], None]


@dataclass
class StageClock:
    """Seconds that each stage was busy."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time spent inside for one stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


def run_sync(
    reader: VideoReader,
    engine: Engine,
    decode: Callable[[NetworkOutput], Pose],
    sink: Sink,
    batch_size: int,
) -> StageClock:
    """Take a whole video through the network, one batch after another.

    Frames that could not be decoded reach the sink as NaN, NaN, 0.

    Returns
    -------
    StageClock
        How long each stage was busy.
    """
    clock = StageClock()
    buffer = reader.new_buffer(batch_size)
    while True:
        with clock.stage("read"):
            batch = reader.read_into(buffer)
        if batch is None:
            return clock
        with clock.stage("network"):
            output = engine(batch.images)
        with clock.stage("decode"):
            pose = decode(output)
            blank_invalid(pose, batch)
        with clock.stage("write"):
            sink(batch, pose)


def blank_invalid(pose: Pose, batch: FrameBatch) -> None:
    """Set the pose of frames that could not be decoded to NaN, NaN, 0."""
    pose[~batch.valid] = (np.nan, np.nan, 0.0)

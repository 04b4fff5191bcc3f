"""The network over one version of a video: poses in memory, and where the time went."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import islice

import numpy as np
import numpy.typing as npt

from posecli.decode import Pose
from posecli.engine.kinds import NetworkOutput
from posecli.geometry import Geometry
from posecli.hardware import usable_cores
from posecli.options import VideoBackend
from posecli.pipeline import Line, run_pipeline
from posecli.predictor import PoseModel
from posecli.results import StageReport
from posecli.sweep.observer import Progress
from posecli.sweep.options import SweepOptions
from posecli.video.probe import VideoInfo
from posecli.video.reader import FrameBatch, VideoReader


class FirstFrames(VideoReader):
    """Reads a video up to a number of frames."""

    def __init__(self, info: VideoInfo, geometry: Geometry, frames: int, backend: VideoBackend = "auto") -> None:
        super().__init__(info, geometry, backend)
        self._left = min(frames, info.n_frames)
        self._length = self._left

    def __len__(self) -> int:
        return self._length

    def read_into(self, buffer: npt.NDArray[np.uint8], pool: Executor | None = None) -> FrameBatch | None:
        """As `VideoReader` does, until the last frame that is wanted."""
        if self._left == 0:
            return None
        batch = super().read_into(buffer[: self._left], pool)
        self._left -= 0 if batch is None else len(batch)
        return batch

    def decoded(self) -> Iterator[tuple[int, npt.NDArray[np.uint8] | None]]:
        """As `VideoReader` does, until the last frame that is wanted."""
        yield from islice(super().decoded(), self._left)


def find_poses(
    model: PoseModel, info: VideoInfo, geometry: Geometry, frames: int, options: SweepOptions, progress: Progress
) -> tuple[Pose, StageReport]:
    """Poses of the first frames.

    Parameters
    ----------
    model
        In the precision of the sweep.
    info, geometry
        The version, and what is done to its frames.
    frames
        How many.
    options
        Batch size and pipeline.
    progress
        Is told how many more frames have a pose.

    Returns
    -------
    pose
        ``(N, K, 3)`` float64 in px of the full frame; NaN, NaN, 0 where a frame could not be decoded.
    stages
        Of the run, the network's warm-up left out.
    """
    engine = model.engine(geometry.height, geometry.width)
    engine.warm_up(min(options.batch_size, frames))
    reader = FirstFrames(info, geometry, frames, options.analysis.video_backend)
    poses: list[Pose] = []

    def decode(output: NetworkOutput) -> Pose:
        return model.decode(output, options.analysis.decoder)

    def sink(batch: FrameBatch, pose: Pose) -> None:
        pose[..., :2] = geometry.to_frame(pose[..., :2])
        poses.append(pose[:, :, 0].copy())
        progress(len(batch))

    try:
        line = Line(reader, engine, decode, sink, options.batch_size, usable_cores())
        stages = run_pipeline(options.analysis.pipeline, line)
    finally:
        reader.close()
    return np.concatenate(poses), stages


def frame_seconds(model: PoseModel, info: VideoInfo, geometry: Geometry, options: SweepOptions) -> float:
    """What a frame takes the network, by one batch after the warm-up."""
    engine = model.engine(geometry.height, geometry.width)
    count = min(options.batch_size, info.n_frames)
    engine.warm_up(count)
    _, stages = find_poses(model, info, geometry, count, options, lambda _count: None)
    return stages.seconds / count

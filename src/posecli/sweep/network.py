"""The network over one version of a video: poses in memory, and where the time went."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TypeAlias

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

Frame: TypeAlias = tuple[int, npt.NDArray[np.uint8] | None]


class Stretches(VideoReader):
    """Reads stretches of a video; the frames between them are decoded and passed over."""

    def __init__(
        self, info: VideoInfo, geometry: Geometry, stretches: Sequence[range], backend: VideoBackend = "auto"
    ) -> None:
        super().__init__(info, geometry, backend)
        self._length = sum(map(len, stretches))
        self._frames = _only(self._frames, stretches)

    def __len__(self) -> int:
        return self._length


def _only(frames: Generator[Frame], stretches: Sequence[range]) -> Generator[Frame]:
    with closing(frames):
        left = deque(stretches)
        for index, image in frames:
            if index in left[0]:
                yield index, image
            if index >= left[0].stop - 1:
                left.popleft()
            if not left:
                return


def find_poses(
    model: PoseModel,
    info: VideoInfo,
    geometry: Geometry,
    stretches: Sequence[range],
    options: SweepOptions,
    progress: Progress,
) -> tuple[Pose, StageReport]:
    """Poses of stretches of a video.

    Parameters
    ----------
    model
        In the precision of the sweep.
    info, geometry
        The version, and what is done to its frames.
    stretches
        Which frames, in order.
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
    reader = Stretches(info, geometry, stretches, options.analysis.video_backend)
    engine.warm_up(min(options.batch_size, len(reader)))
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
    _, stages = find_poses(model, info, geometry, [range(count)], options, lambda _count: None)
    return stages.seconds / count

"""The network over one version of a video: poses in memory, and where the time went."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import islice, pairwise

import numpy as np

from posecli.errors import VideoError
from posecli.inference.decode import Pose
from posecli.inference.pipeline import Line, run_pipeline
from posecli.inference.predictor import PoseModel
from posecli.options import VideoBackend
from posecli.studies.sweep.options import Progress, SweepOptions
from posecli.support.hardware import usable_cores
from posecli.support.results import StageReport
from posecli.video.batch import Batch
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo
from posecli.video.reader import Row, VideoReader

#: Frames between two stretches from which on they are sought over: key frames are often 250 apart, and it is decoded
#: from the one before.
WORTH_SEEKING = 1000


class Stretches(VideoReader):
    """Reads stretches of a video; frames between them are decoded and dropped, or skipped by seeking over long gaps."""

    def __init__(
        self, info: VideoInfo, geometry: Geometry, stretches: Sequence[range], backend: VideoBackend = "auto"
    ) -> None:
        sought = are_sought(info, stretches)
        super().__init__(info, geometry, "auto" if sought else backend)
        self._length = sum(map(len, stretches))
        self._rows = self._each(stretches) if sought else self._only(self._rows, stretches)

    def __len__(self) -> int:
        return self._length

    def _each(self, stretches: Sequence[range]) -> Generator[Row]:
        for stretch in stretches:
            with closing(self._from(stretch.start)) as rows:
                yield from islice(rows, len(stretch))

    def _only(self, rows: Generator[Row], stretches: Sequence[range]) -> Generator[Row]:
        with closing(rows):
            left = deque(stretches)
            for index, picture in rows:
                if index in left[0]:
                    yield index, picture
                else:
                    self.pass_over(picture)
                if index >= left[0].stop - 1:
                    left.popleft()
                if not left:
                    return


def are_sought(info: VideoInfo, stretches: Sequence[range]) -> bool:
    """Whether seeking to each stretch is cheaper than decoding everything between them."""
    gaps = [after.start - before.stop for before, after in pairwise(stretches)]
    return info.announced is not None and bool(gaps) and min(gaps) >= WORTH_SEEKING


def find_poses(
    model: PoseModel,
    info: VideoInfo,
    geometry: Geometry,
    stretches: Sequence[range],
    options: SweepOptions,
    progress: Progress,
) -> tuple[Pose, StageReport]:
    """Find the poses in stretches of a video, in order; `geometry` is what is done to its frames.

    Returns ``(N, K, 3)`` float64 in px of the full frame, NaN, NaN, 0 where a frame could not be decoded; and where the
    time went, the network's warm-up left out. It is a `VideoError` if fewer frames came than were asked for.
    """
    step = model.step((geometry.height, geometry.width, 3), options.analysis.decoder)
    reader = Stretches(info, geometry, stretches, options.analysis.video_backend)
    step.warm_up(min(options.batch_size, len(reader)))
    poses: list[Pose] = []

    def sink(batch: Batch, pose: Pose) -> None:
        poses.append(pose[:, :, 0].copy())
        progress(len(batch))

    with closing(reader):
        line = Line(reader, step, sink, options.batch_size, usable_cores())
        stages = run_pipeline(options.analysis.pipeline, line)
    found = np.concatenate(poses)
    if len(found) != len(reader):
        raise VideoError(
            f"'{info.path}' gave {len(found)} of the {len(reader)} frames that were asked for: check that it "
            "plays to its end, and give the same command again"
        )
    return found, stages


def frame_seconds(model: PoseModel, info: VideoInfo, geometry: Geometry, options: SweepOptions) -> float:
    """Seconds per frame, measured on one batch after the warm-up."""
    count = min(options.batch_size, info.n_frames)
    _, stages = find_poses(model, info, geometry, [range(count)], options, lambda _count: None)
    return stages.seconds / count

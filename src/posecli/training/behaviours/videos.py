"""Videos whose frames have behaviours: recorded ones, decoded once, and synthetic ones, rendered when they are needed.

Frames are kept in memory at the size at which the network sees them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from posecli.behaviour.intervals import UNLABELLED, Interval, frame_labels, read_intervals
from posecli.synthetic import SceneOptions, open_scene
from posecli.training.behaviours.config import ClipOptions
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, probe
from posecli.video.reader import VideoReader

Images = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

#: Frames of a scene that are rendered together: it works their shapes out together too.
RENDERED_TOGETHER = 32
#: Frames of a video that are decoded at a time.
DECODED_TOGETHER = 64


class LabeledVideo(ABC):
    """Frames in order, and what each shows: the number of a class, or -1.

    Frames that `near` says an example may show are kept, at a size of height and width.
    """

    def __init__(self, name: str, labels: Numbers, near: npt.NDArray[np.bool_], size: tuple[int, int]) -> None:
        self.name = name
        self.labels = labels
        #: Where each frame is kept; -1 where it is not.
        self._places = np.where(near, np.cumsum(near) - 1, -1)
        self._shape = int(near.sum()), *size, 3

    @property
    def kept_bytes(self) -> int:
        """Memory that its frames will take."""
        return int(np.prod(self._shape))

    def frames(self, indices: Numbers) -> Images:
        """``(N, H, W, 3)`` uint8 RGB of the frames of these numbers."""
        self._fill(indices)
        return self._kept[self._places[indices]]

    @cached_property
    def _kept(self) -> Images:
        return np.empty(self._shape, np.uint8)

    @abstractmethod
    def _fill(self, indices: Numbers) -> None:
        """See that these frames are in `_kept`."""


class RecordedVideo(LabeledVideo):
    """A video file, decoded when a frame is first asked for; frames too far from every label are not kept."""

    def __init__(self, name: str, info: VideoInfo, labels: Numbers, clips: ClipOptions) -> None:
        labeled = (labels != UNLABELLED).astype(np.uint8)
        near = maximum_filter1d(labeled, 2 * clips.span + 1, mode="constant") > 0
        super().__init__(name, labels, near, (clips.height, clips.width))
        self._info: VideoInfo | None = info

    def _fill(self, indices: Numbers) -> None:  # noqa: ARG002  # all at once
        if self._info is None:
            return
        _, height, width, _ = self._shape
        whole = Geometry.plan(self._info.width, self._info.height)
        for batch in VideoReader(self._info, whole.brought_to(width, height)).batches(DECODED_TOGETHER):
            places = self._places[batch.indices]
            self._kept[places[places >= 0]] = batch.images[places >= 0]
        self._info = None


class SyntheticVideo(LabeledVideo):
    """A scene at the size at which the network sees it, rendered some frames at a time.

    Behaviours that are not among the classes have no label.
    """

    def __init__(self, options: SceneOptions, classes: Sequence[str]) -> None:
        self._scene = open_scene(options)
        numbers = [classes.index(name) if name in classes else UNLABELLED for name in self._scene.behaviours]
        labels = np.array(numbers, np.int64)[self._scene.labels()]
        everywhere = np.ones(len(labels), np.bool_)
        name = f"{options.scene}, seed {options.seed}"
        super().__init__(name, labels, everywhere, (self._scene.height, self._scene.width))
        self._rendered = np.zeros(-(-len(labels) // RENDERED_TOGETHER), np.bool_)

    def _fill(self, indices: Numbers) -> None:
        for block in np.unique(indices // RENDERED_TOGETHER):
            if not self._rendered[block]:
                first = int(block) * RENDERED_TOGETHER
                for index in range(first, min(first + RENDERED_TOGETHER, len(self.labels))):
                    self._kept[index] = self._scene.frame(index).image
                self._rendered[block] = True


def read_videos(path: Path, classes: Sequence[str], clips: ClipOptions) -> list[LabeledVideo]:
    """The videos that a file of intervals names, with its labels; errors are those of reading the two."""
    by_video: dict[Path, list[Interval]] = {}
    for interval in read_intervals(path):
        by_video.setdefault(interval.video, []).append(interval)
    videos: list[LabeledVideo] = []
    for file, intervals in by_video.items():
        info = probe(file)
        name = file.relative_to(path.parent).as_posix() if file.is_relative_to(path.parent) else str(file)
        videos.append(RecordedVideo(name, info, frame_labels(intervals, classes, info.n_frames), clips))
    return videos

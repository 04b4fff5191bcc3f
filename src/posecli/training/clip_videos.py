"""Videos whose frames have behaviours: recorded ones, decoded once, and synthetic ones, rendered when they are needed.

Frames are kept in memory at the size at which the network sees them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from posecli.behaviour.intervals import UNLABELLED, Interval, frame_labels, read_intervals
from posecli.synthetic import SceneOptions, open_scene
from posecli.training.clip_config import ClipOptions
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, probe
from posecli.video.reader import VideoReader

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

#: Frames of a scene that are rendered together: it works their shapes out together too.
RENDERED_TOGETHER = 32
#: Frames of a video that are decoded at a time.
DECODED_TOGETHER = 64


class ClipVideo(Protocol):
    """Frames in order, and what each shows."""

    name: str
    labels: Labels

    def frames(self, indices: npt.NDArray[np.int64]) -> Images:
        """``(N, H, W, 3)`` uint8 RGB of the frames of these numbers."""

    @property
    def kept_bytes(self) -> int:
        """Memory that its frames will take."""


class RecordedVideo:
    """A video file.

    Parameters
    ----------
    info
        The video.
    labels
        ``(n_frames,)`` numbers of the classes, -1 where there is none.
    clips
        What an example is; frames too far from every label to be in one are not kept.
    """

    def __init__(self, name: str, info: VideoInfo, labels: Labels, clips: ClipOptions) -> None:
        self.name = name
        self.labels = labels
        self._info = info
        self._size = clips.height, clips.width
        near = _near(labels != UNLABELLED, clips.span)
        #: Where each frame is kept; -1 where it is not.
        self._places = np.where(near, np.cumsum(near) - 1, -1)

    @property
    def kept_bytes(self) -> int:
        """Memory that its frames will take."""
        return int((self._places >= 0).sum()) * _frame_bytes(self._size)

    def frames(self, indices: npt.NDArray[np.int64]) -> Images:
        """``(N, H, W, 3)`` uint8 RGB; the video is decoded when it is first asked for."""
        return self._kept[self._places[indices]]

    @cached_property
    def _kept(self) -> Images:
        height, width = self._size
        whole = Geometry.plan(self._info.width, self._info.height)
        reader = VideoReader(self._info, whole.brought_to(width, height))
        kept = np.empty((int((self._places >= 0).sum()), height, width, 3), np.uint8)
        for batch in reader.batches(DECODED_TOGETHER):
            places = self._places[batch.indices]
            kept[places[places >= 0]] = batch.images[places >= 0]
        return kept


class SyntheticVideo:
    """A scene; its frames are rendered some at a time when they are first asked for.

    Parameters
    ----------
    options
        The scene, at the size at which the network sees it.
    classes
        Behaviours that are told apart; frames of others have no label.
    """

    def __init__(self, options: SceneOptions, classes: Sequence[str]) -> None:
        self.name = f"{options.scene}, seed {options.seed}"
        self._scene = open_scene(options)
        names = self._scene.behaviours
        shown = self._scene.labels()
        numbers = [classes.index(name) if name in classes else UNLABELLED for name in names]
        self.labels: Labels = np.array(numbers, np.int64)[shown]
        self._rendered = np.zeros(-(-len(self.labels) // RENDERED_TOGETHER), np.bool_)

    @property
    def kept_bytes(self) -> int:
        """Memory that its frames will take."""
        return len(self.labels) * _frame_bytes((self._scene.height, self._scene.width))

    @cached_property
    def _kept(self) -> Images:
        return np.empty((len(self.labels), self._scene.height, self._scene.width, 3), np.uint8)

    def frames(self, indices: npt.NDArray[np.int64]) -> Images:
        """``(N, H, W, 3)`` uint8 RGB."""
        for block in np.unique(indices // RENDERED_TOGETHER):
            if not self._rendered[block]:
                first = int(block) * RENDERED_TOGETHER
                for index in range(first, min(first + RENDERED_TOGETHER, len(self.labels))):
                    self._kept[index] = self._scene.frame(index).image
                self._rendered[block] = True
        return self._kept[indices]


def read_videos(path: Path, classes: Sequence[str], clips: ClipOptions) -> list[RecordedVideo]:
    """The videos that a file of intervals names, with its labels.

    Raises
    ------
    LabelError
        If the file cannot be used, a label is not among the classes, or an interval ends beyond its video.
    VideoError
        If a video is missing or cannot be read.
    """
    by_video: dict[Path, list[Interval]] = {}
    for interval in read_intervals(path):
        by_video.setdefault(interval.video, []).append(interval)
    videos = []
    for file, intervals in by_video.items():
        info = probe(file)
        labels = frame_labels(intervals, classes, info.n_frames)
        videos.append(RecordedVideo(_name(file, path.parent), info, labels, clips))
    return videos


def _name(file: Path, folder: Path) -> str:
    """A video as the table in the folder names it."""
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)


def _near(labelled: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    """Which frames have a labelled one within so many frames.

    >>> _near(np.array([False, False, False, True, False]), 1).tolist()
    [False, False, True, True, True]
    """
    frames, count = np.arange(len(labelled)), np.concatenate([[0], np.cumsum(labelled)])
    near: npt.NDArray[np.bool_] = (
        count[np.minimum(frames + reach + 1, len(labelled))] > count[np.maximum(frames - reach, 0)]
    )
    return near


def _frame_bytes(size: tuple[int, int]) -> int:
    return 3 * size[0] * size[1]

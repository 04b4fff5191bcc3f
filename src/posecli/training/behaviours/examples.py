"""Labelled videos, the examples in them, and batches of these.

Videos are recorded ones, decoded once, and synthetic ones, rendered when needed; their frames are kept in memory at the
size at which the network sees them. An example is a clip about a place in a video whose label is known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from posecli.behaviour.intervals import UNLABELLED, Interval, frame_labels, read_intervals
from posecli.errors import LabelError, UsageError
from posecli.synthetic import SceneOptions, open_scene
from posecli.training.augment import Viewport, add_noise, change_light, show
from posecli.training.config import BehaviourConfig, ClipAugment, ClipOptions, IntervalSource, Phase
from posecli.training.objective import FIRST_TRAINING_SEED, HELD_OUT_SEED, TrainingBatch
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, probe
from posecli.video.reader import VideoReader

Images = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

#: Frames of a scene that are rendered together: it works their shapes out together too.
RENDERED_TOGETHER = 32
#: Frames of a video that are decoded at a time.
DECODED_TOGETHER = 64
#: Frames that are kept in memory, bytes: half an hour at 30 frames/s and 160x160 px.
MOST_BYTES = 4 << 30
NOWHERE = np.empty((0, 2))


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
        size = self._scene.height, self._scene.width
        super().__init__(f"{options.scene}, seed {options.seed}", labels, np.ones(len(labels), np.bool_), size)
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


def frame_numbers(centre: int, clips: ClipOptions, n_frames: int, speed: float = 1.0) -> Numbers:
    """The frames of an example about `centre`, the later of two middle ones, within a video of so many frames.

    `speed` is a factor on the frame step, and less where the video ends.

    >>> frame_numbers(40, ClipOptions(9, 2, 32, 32), 100).tolist()
    [32, 34, 36, 38, 40, 42, 44, 46, 48]
    """
    if clips.still:
        return np.full(clips.length, centre)
    offsets = (np.arange(clips.length) - clips.length // 2) * clips.frame_step
    room = min(centre / -offsets[0], (n_frames - 1 - centre) / offsets[-1])
    numbers: Numbers = centre + np.rint(offsets * min(speed, room)).astype(np.int64)
    return numbers


@dataclass(frozen=True)
class Examples:
    """All examples of one source."""

    name: str
    videos: tuple[LabeledVideo, ...]
    places: Numbers  #: ``(N, 2)``: number of the video, and of the middle frame in it.
    labels: Numbers  #: ``(N,)``: numbers of the classes.

    @classmethod
    def of(cls, name: str, videos: Sequence[LabeledVideo], clips: ClipOptions) -> Examples:
        """Every labelled frame about which an example fits into its video."""
        places, labels = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
        before = clips.length // 2 * clips.frame_step
        after = (clips.length - 1 - clips.length // 2) * clips.frame_step
        for number, video in enumerate(videos):
            frames = np.flatnonzero(video.labels != UNLABELLED)
            frames = frames[(frames >= before) & (frames < len(video.labels) - after)]
            places.append(np.stack([np.full(len(frames), number), frames], axis=1))
            labels.append(video.labels[frames])
        return cls(name, tuple(videos), np.concatenate(places), np.concatenate(labels))

    def clip(self, number: int, clips: ClipOptions, speed: float = 1.0) -> Images:
        """``(T, H, W, 3)`` uint8 RGB of an example."""
        place, centre = self.places[number]
        video = self.videos[int(place)]
        return video.frames(frame_numbers(int(centre), clips, len(video.labels), speed))


@dataclass(frozen=True)
class BehaviourTrainingData:
    """All sources of a run, what is drawn from and what is measured on; `weights` say how often each is drawn."""

    classes: tuple[str, ...]
    train: tuple[Examples, ...]
    test: tuple[Examples, ...]
    weights: npt.NDArray[np.float64]

    @property
    def fingerprint(self) -> str:
        """Hash of the labels and their roles."""
        digest = sha256(repr(self.classes).encode())
        for examples in (*self.train, *self.test):
            digest.update(repr([video.name for video in examples.videos]).encode())
            digest.update(examples.places.tobytes() + examples.labels.tobytes())
        return digest.hexdigest()

    def draw(self, rng: np.random.Generator, label: int | None) -> tuple[Examples, int]:
        """Draw a training example, of this class if one is given: its source, and its number there."""
        has = np.array([label is None or bool((examples.labels == label).any()) for examples in self.train])
        weights = self.weights * has
        examples = self.train[rng.choice(len(self.train), p=weights / weights.sum())]
        if label is None:
            return examples, int(rng.integers(len(examples.labels)))
        return examples, int(rng.choice(np.flatnonzero(examples.labels == label)))


def open_sources(config: BehaviourConfig) -> BehaviourTrainingData:
    """Read all labels and settle which videos are held out; a `LabelError` or `UsageError` says what does not fit."""
    videos = [_videos(source, config) for source in config.data]
    train, test = (
        tuple(Examples.of(source.name, own, config.clips) for source, own in zip(config.data, role, strict=True))
        for role in zip(*videos, strict=True)
    )
    _check(config, train, test)
    weights = np.array([source.weight for source in config.data]) * [len(examples.labels) > 0 for examples in train]
    kept = tuple(examples for examples in test if len(examples.labels))
    return BehaviourTrainingData(config.classes, train, kept, weights / weights.sum())


def _videos(source: IntervalSource, config: BehaviourConfig) -> tuple[list[LabeledVideo], list[LabeledVideo]]:
    """Videos to train on, and those held out."""
    if source.intervals is not None:
        videos = read_videos(source.intervals, config.classes, config.clips)
        held_out = set(config.held_out_videos)
        return [v for v in videos if v.name not in held_out], [v for v in videos if v.name in held_out]
    assert source.scene is not None
    options = SceneOptions(source.scene, config.clips.width, config.clips.height, source.frames)

    def rendered(first: int, count: int) -> list[LabeledVideo]:
        return [SyntheticVideo(replace(options, seed=first + n), config.classes) for n in range(count)]

    return rendered(FIRST_TRAINING_SEED, source.seeds), rendered(HELD_OUT_SEED, source.held_out_seeds)


def _check(config: BehaviourConfig, train: Sequence[Examples], test: Sequence[Examples]) -> None:
    known = {video.name for examples in test for video in examples.videos}
    for name in config.held_out_videos:
        if name not in known:
            raise UsageError(
                f"'{name}' is to be held out but no interval names that video: write it as the table of intervals does"
            )
    needed = sum(video.kept_bytes for examples in (*train, *test) for video in examples.videos)
    if needed > MOST_BYTES:
        raise UsageError(
            f"the frames of all examples would take {needed / 2**30:.1f} GiB of memory, more than "
            f"{MOST_BYTES / 2**30:.0f}: choose a smaller height and width under 'clips', fewer videos, or fewer seeds"
        )
    for label, name in enumerate(config.classes):
        if not any((examples.labels == label).any() for examples in train):
            raise LabelError(
                f"no training example of {config.clips.span} frames shows '{name}': label some, or take it out of "
                "'classes'"
            )


@dataclass(frozen=True)
class ClipBatchMaker:
    """Makes the batches of one phase."""

    data: BehaviourTrainingData
    config: BehaviourConfig
    phase: Phase

    def __call__(self, rng: np.random.Generator) -> TrainingBatch:
        """Clips ``(B, T, H, W, 3)``; targets ``(B, n_classes)`` float32, 1 at the class of each."""
        clips, labels = zip(*(self._item(rng) for _ in range(self.phase.batch_size)), strict=True)
        return TrainingBatch(np.stack(clips), np.eye(len(self.config.classes), dtype=np.float32)[list(labels)])

    def _item(self, rng: np.random.Generator) -> tuple[Images, int]:
        config, reach = self.config, self.config.augment.speed
        label = int(rng.integers(len(config.classes))) if config.class_balance else None
        examples, number = self.data.draw(rng, label)
        clip = examples.clip(number, config.clips, float(rng.uniform(1 - reach, 1 + reach)))
        return augment_clip(rng, clip, config.augment), int(examples.labels[number])


def augment_clip(rng: np.random.Generator, clip: Images, options: ClipAugment) -> Images:
    """Change an example ``(T, H, W, 3)``: view and light are those of all frames, noise is every frame's own."""
    length, height, width = clip.shape[:3]
    scale = float(rng.uniform(1 - options.zoom, 1 + options.zoom))
    moved = rng.uniform(-options.zoom / 2, options.zoom / 2, 2) * (width, height)
    mirrored, middle = bool(rng.random() < options.mirror), np.array([width, height]) / 2
    view = Viewport(height, width, scale, 0.0, mirrored, middle, middle + moved)
    seen = np.stack([show(frame, NOWHERE, view)[0] for frame in clip])
    # One tall picture: what is drawn once holds for all frames.
    tall = change_light(rng, seen.reshape(length * height, width, 3), options.light)
    if rng.random() < options.noise:
        tall = add_noise(rng, tall)
    return tall.reshape(clip.shape)

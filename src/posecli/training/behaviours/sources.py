"""Examples of behaviours: places in videos whose label is known, and the frames about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from posecli.behaviour.intervals import UNLABELLED
from posecli.errors import LabelError, UsageError
from posecli.synthetic import SceneOptions
from posecli.training.behaviours.config import BehaviourConfig, ClipOptions, IntervalSource
from posecli.training.behaviours.videos import Images, LabeledVideo, Numbers, SyntheticVideo, read_videos
from posecli.training.examples import FIRST_TRAINING_SEED, HELD_OUT_SEED

#: Frames that are kept in memory, bytes: half an hour at 30 frames/s and 160x160 px.
MOST_BYTES = 4 << 30


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
    #: ``(N, 2)``: number of the video, and of the middle frame in it.
    places: Numbers
    #: ``(N,)``: numbers of the classes.
    labels: Numbers

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

    def with_label(self, label: int) -> Numbers:
        """Numbers of the examples of a class."""
        return np.flatnonzero(self.labels == label)


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
        return examples, int(rng.choice(examples.with_label(label)))


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
    return _synthetic(source, FIRST_TRAINING_SEED, source.seeds, config), _synthetic(
        source, HELD_OUT_SEED, source.held_out_seeds, config
    )


def _synthetic(source: IntervalSource, first: int, count: int, config: BehaviourConfig) -> list[LabeledVideo]:
    assert source.scene is not None
    width, height = config.clips.width, config.clips.height
    return [
        SyntheticVideo(SceneOptions(source.scene, width, height, source.frames, seed=seed), config.classes)
        for seed in range(first, first + count)
    ]


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

"""Images with known body parts: labelled by people, or rendered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from posecli.errors import UsageError
from posecli.labels import LabeledData, LabeledFrame, image_size, read_image, read_labeled_data, split_frames
from posecli.synthetic import Scene, SceneOptions, open_scene
from posecli.training.config import AugmentOptions, PoseConfig, PoseSource
from posecli.training.objective import FIRST_TRAINING_SEED

#: Decoded images of a source kept in memory, bytes: 640x480 px take 0.9 MB each.
IMAGE_BYTES_KEPT = 400 << 20
SCENES_KEPT = 64


@dataclass(frozen=True)
class Example:
    """An image and its body parts, in the order of the network's scoremaps."""

    #: ``(H, W, 3)`` RGB.
    image: npt.NDArray[np.uint8]
    #: ``(K, 2)`` x, y px; NaN where a body part is not in the image.
    points: npt.NDArray[np.float64]
    #: ``(K,)``: whether this source knows the body part at all.
    known: npt.NDArray[np.bool_]
    #: ``(K,)``: whether the body part is in the image, but behind something.
    hidden: npt.NDArray[np.bool_]

    def seen(self) -> npt.NDArray[np.float64]:
        """The points; NaN also where a body part is hidden."""
        return np.where(self.hidden[:, None], np.nan, self.points)


#: Gives any example of a source.
Draw: TypeAlias = Callable[[np.random.Generator], Example]


class LabeledSource:
    """Labelled images of a DeepLabCut project, in the order of the body parts of the network."""

    def __init__(self, data: LabeledData, bodyparts: tuple[str, ...]) -> None:
        self._data = data
        self._bodyparts = bodyparts
        width, height = image_size(data.frames[0].image)
        self._read = lru_cache(max(1, IMAGE_BYTES_KEPT // (3 * width * height)))(read_image)

    def draw(self, rng: np.random.Generator) -> Example:
        """Draw one of the images."""
        return self.example(self._data.frames[int(rng.integers(len(self._data)))])

    def example(self, frame: LabeledFrame) -> Example:
        """A labelled image as an example."""
        points, known = _arranged(frame.points, self._data.bodyparts, self._bodyparts)
        # Nobody labels where a hidden body part would be.
        return Example(self._read(frame.image), points, known, np.zeros_like(known))


def scene_source(source: PoseSource, bodyparts: tuple[str, ...]) -> Draw:
    """Frames of many synthetic videos."""
    options = SceneOptions(scene=str(source.scene), occlusion=source.occlusion)
    opened = lru_cache(SCENES_KEPT)(lambda seed: open_scene(replace(options, seed=seed)))

    def draw(rng: np.random.Generator) -> Example:
        scene = opened(FIRST_TRAINING_SEED + int(rng.integers(source.seeds)))
        return scene_example(scene, int(rng.integers(scene.n_frames)), bodyparts)

    return draw


def scene_example(scene: Scene, index: int, bodyparts: tuple[str, ...]) -> Example:
    """One frame of a synthetic video."""
    frame = scene.frame(index)
    on_frame = frame.visible | frame.hidden
    points, known = _arranged(np.where(on_frame[:, None], frame.points, np.nan), scene.bodyparts, bodyparts)
    hidden = dict(zip(scene.bodyparts, frame.hidden.tolist(), strict=True))
    return Example(frame.image, points, known, np.array([hidden.get(part, False) for part in bodyparts]))


def _arranged(
    points: npt.NDArray[np.float64], have: tuple[str, ...], want: tuple[str, ...]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Points in the network's order, and which of its body parts the source knows."""
    arranged = np.full((len(want), 2), np.nan)
    known = np.array([part in have for part in want])
    arranged[known] = points[[have.index(part) for part in want if part in have]]
    return arranged, known


@dataclass(frozen=True)
class PoseTrainingData:
    """All sources of a run: what to draw from, how often, what is done to it, and the labelled images by role."""

    bodyparts: tuple[str, ...]
    sources: tuple[Draw, ...]
    weights: npt.NDArray[np.float64]
    augments: tuple[AugmentOptions, ...]
    train: tuple[LabeledData, ...]
    test: tuple[LabeledData, ...]

    @property
    def fingerprint(self) -> str:
        """Hash of the labels and their roles."""
        digest = sha256(repr(self.bodyparts).encode())
        for data in (*self.train, *self.test):
            digest.update(repr(data.names).encode() + data.points.tobytes())
        return digest.hexdigest()

    def draw(self, rng: np.random.Generator) -> tuple[Example, AugmentOptions]:
        """Draw an example from any source, and say how it is to be augmented."""
        number = int(rng.choice(len(self.sources), p=self.weights))
        return self.sources[number](rng), self.augments[number]


def open_sources(config: PoseConfig) -> PoseTrainingData:
    """Read all labels and settle which images are held out; a `LabelError` or `UsageError` says what does not fit."""
    labeled = [read_labeled_data(source.labels) if source.labels else None for source in config.data]
    offered = [
        data.bodyparts if data is not None else open_scene(SceneOptions(scene=str(source.scene))).bodyparts
        for data, source in zip(labeled, config.data, strict=True)
    ]
    bodyparts = config.bodyparts or offered[0]
    _check_bodyparts(bodyparts, offered, config)
    splits = _apart(_splits([data for data in labeled if data is not None], config))
    trains = iter(train for train, _ in splits)
    weights = np.array([source.weight for source in config.data])
    return PoseTrainingData(
        bodyparts,
        tuple(
            LabeledSource(next(trains), bodyparts).draw if data is not None else scene_source(source, bodyparts)
            for data, source in zip(labeled, config.data, strict=True)
        ),
        weights / weights.sum(),
        tuple(source.augment or config.augment for source in config.data),
        tuple(train for train, _ in splits),
        tuple(test for _, test in splits if test.frames),
    )


def _check_bodyparts(bodyparts: tuple[str, ...], offered: Sequence[tuple[str, ...]], config: PoseConfig) -> None:
    known = dict.fromkeys(part for parts in offered for part in parts)
    for part in bodyparts:
        if part not in known:
            raise UsageError(f"bodyparts has '{part}', but the data have {', '.join(known)}: correct the name")
    for part in (part for pair in config.mirror_pairs for part in pair):
        if part not in bodyparts:
            raise UsageError(f"mirror_pairs has '{part}', but the network has {', '.join(bodyparts)}: correct the name")
    for source, parts in zip(config.data, offered, strict=True):
        if not set(parts) & set(bodyparts):
            raise UsageError(
                f"'{source.labels or source.scene}' has {', '.join(parts)} and none of the body parts "
                f"{', '.join(bodyparts)}: take it out of the data, or list its body parts too"
            )


def _splits(labeled: Sequence[LabeledData], config: PoseConfig) -> list[tuple[LabeledData, LabeledData]]:
    """Each table's training and held-out images."""
    if not isinstance(config.held_out, tuple):
        return [split_frames(data, config.held_out or (), config.seed) for data in labeled]
    names = {frame.name for data in labeled for frame in data.frames}
    for name in config.held_out:
        if name not in names:
            raise UsageError(
                f"'{name}' is to be held out but is not a labelled image: use names such as '{min(names, default='')}'"
            )
    return [
        split_frames(data, [name for name in config.held_out if name in data.names], config.seed) for data in labeled
    ]


def _apart(splits: Sequence[tuple[LabeledData, LabeledData]]) -> list[tuple[LabeledData, LabeledData]]:
    """What one source holds out no other trains on, and where two share their labels it is measured once."""
    place = cache(Path.resolve)
    held = {place(frame.image) for _, test in splits for frame in test.frames}
    measured: set[tuple[Path, tuple[str, ...]]] = set()
    apart = []
    for train, test in splits:
        kept = [frame.name for frame in train.frames if place(frame.image) not in held]
        if not kept:
            raise UsageError(
                f"one source holds out every frame that another would train on, such as '{train.names[0]}': "
                "hold out fewer"
            )
        new = [frame for frame in test.frames if (place(frame.image), test.bodyparts) not in measured]
        measured.update((place(frame.image), test.bodyparts) for frame in new)
        apart.append((train.select(kept), test.select(frame.name for frame in new)))
    return apart

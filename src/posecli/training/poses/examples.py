"""Images with known body parts, labelled by people or rendered, and batches of views of them with their targets.

A cell of the scoremap whose centre lies within a radius of a body part should be 1, others 0. The location target
there is the way from the cell's centre to the body part in units of the location standard deviation (Insafutdinov et
al. 2016, as in DeepLabCut). The radius shrinks with the scale of the example, as the animal does, but never below
`SMALLEST_RADIUS`: half a cell's diagonal is 5.7 px, so that at least one cell remains at every scale. With the radius
left to shrink, as in the original, small animals would have no cell at all.

Around a body part that is known to be hidden, nothing is asked of its scoremap. To teach 0 there, as the original does
where a label is missing, is to teach that a head half behind a bar is no head, and the best cell is then one far away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from posecli.errors import UsageError
from posecli.labels.data import LabeledData, LabeledFrame, image_size, read_image, split_frames
from posecli.labels.reading import read_labeled_data
from posecli.network.network import Network, PoseHead
from posecli.synthetic import Scene, SceneOptions, open_scene
from posecli.training.augment import Image, Points, Viewport, choose_view, disturb, show, strew, swap_sides
from posecli.training.config import AugmentOptions, PoseConfig, PosePhase, PoseSource
from posecli.training.objective import FIRST_TRAINING_SEED, TrainingBatch, spread
from posecli.training.poses.taught import TaughtFrames, TaughtVideo

#: Decoded images of a source kept in memory, bytes: 640x480 px take 0.9 MB each.
IMAGE_BYTES_KEPT = 400 << 20
SCENES_KEPT = 64
#: Px of the network's input at scale 1, as DeepLabCut's ``pos_dist_thresh``.
RADIUS = 17.0
SMALLEST_RADIUS = 6.0
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
#: Sides of whole-frame batches are multiples of this, so that few different shapes occur.
SIDE_STEP = 16
#: Small frames come in batches at most so many times the phase's.
MOST_FRAMES = 4
#: A pose is rare by how far so many-th others lie; differences below this are none, px squared.
NEAREST, TINY = 8, 1e-3
#: An image, and the targets of both heads.
Item: TypeAlias = tuple[Image, Floats, Floats]


@dataclass(frozen=True)
class Example:
    """An image and its body parts, in the order of the network's scoremaps."""

    image: npt.NDArray[np.uint8]  #: ``(H, W, 3)`` RGB.
    points: Points  #: ``(K, 2)`` x, y px; NaN where a body part is not in the image.
    known: Flags  #: ``(K,)``: whether this source knows the body part at all.
    hidden: Flags  #: ``(K,)``: whether the body part is in the image, but behind something.
    said: Said | None = None  #: What a teacher says of the image, where the points are a teacher's.


@dataclass(frozen=True)
class Said:
    """A teacher's word on an image: more than places."""

    likelihood: Floats  #: ``(K,)``
    scores: npt.NDArray[np.floating[Any]] | None  #: ``(h, w, K)`` its scoremap; ``None`` where a student learns none.
    stride: float  #: px of the image for each cell of it.


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


class TaughtSource:
    """Frames that a teacher has looked at, in the order of the body parts of the network.

    Those of a pose that is unlike others are drawn more often, and those where the teacher is neither sure that a body
    part is there nor that it is not.
    """

    def __init__(self, taught: TaughtFrames, bodyparts: tuple[str, ...]) -> None:
        self.taught = taught
        self._bodyparts = bodyparts
        self._frames = [(video, int(row)) for video in taught.videos for row in video.usable]
        if not self._frames:
            raise UsageError(f"in '{taught.path}' the teacher sees nothing in any frame: give other videos")
        weights = drawn_often(np.stack([video.poses[row] for video, row in self._frames]))
        self._ends = np.cumsum(weights / weights.sum())

    def draw(self, rng: np.random.Generator) -> Example:
        return self._example(*self._frames[min(int(np.searchsorted(self._ends, rng.random())), len(self._frames) - 1)])

    def held_out(self, most: int) -> list[Example]:
        """Examples that none is drawn of, with the points that the teacher is sure of."""
        frames = [(video, row) for video in self.taught.videos for row in range(video.learned, len(video.images))]
        examples = [self._example(*frame) for frame in spread(frames, most)]
        for each in examples:
            assert each.said is not None
            each.points[~(each.said.likelihood >= self.taught.cutoff)] = np.nan
        return examples

    def _example(self, video: TaughtVideo, row: int) -> Example:
        pose, have = video.poses[row], self.taught.bodyparts
        points, known = _arranged(pose[:, :2], have, self._bodyparts)
        likelihood = np.zeros(len(known), np.float32)
        places = [have.index(part) for part in self._bodyparts if part in have]
        likelihood[known] = pose[places, 2]
        scores = None
        if video.scores is not None:
            scores = np.zeros((*video.scores.shape[1:3], len(known)), np.float16)
            scores[..., known] = video.scores[row][..., places]
        said = Said(likelihood, scores, self.taught.stride)
        return Example(np.asarray(video.images[row]), points, known, np.zeros_like(known), said)


def drawn_often(poses: Points) -> npt.NDArray[np.float64]:
    """How often each of ``(N, K, 3)`` poses is drawn: once, and twice or three times what is rare or unsure.

    Rare is the quarter whose nearest others lie farthest, by where body parts are about their middle.

    >>> sure, unsure = np.full((4, 1, 3), 0.95), np.full((1, 1, 3), 0.5)
    >>> drawn_often(np.concatenate([sure, unsure])).tolist()
    [1.0, 1.0, 1.0, 1.0, 2.0]
    """
    unsure = ((poses[..., 2] > 0.1) & (poses[..., 2] < 0.9)).any(axis=1)
    about = poses[..., :2] - np.nanmean(poses[..., :2], axis=1, keepdims=True)
    shapes = np.nan_to_num(about).reshape(len(poses), -1)
    squares = (shapes**2).sum(axis=1)
    rank = min(NEAREST, len(poses) - 1)
    apart = np.array([np.partition(squares - 2 * shapes @ one + one @ one, rank)[rank] for one in shapes])
    rare = apart > max(np.quantile(apart, 0.75), TINY)
    weights: npt.NDArray[np.float64] = 1.0 + unsure + rare
    return weights


def _arranged(points: Points, have: tuple[str, ...], want: tuple[str, ...]) -> tuple[Points, Flags]:
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
    taught: tuple[TaughtSource, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Hash of the labels and their roles."""
        digest = sha256(repr(self.bodyparts).encode())
        for data in (*self.train, *self.test):
            digest.update(repr(data.names).encode() + data.points.tobytes())
        for source in self.taught:
            digest.update(source.taught.fingerprint)
        return digest.hexdigest()

    def draw(self, rng: np.random.Generator) -> tuple[Example, AugmentOptions]:
        """Draw an example from any source, and say how it is to be augmented."""
        number = int(rng.choice(len(self.sources), p=self.weights))
        return self.sources[number](rng), self.augments[number]


def open_sources(config: PoseConfig) -> PoseTrainingData:
    """Read all labels and settle which images are held out; a `LabelError` or `UsageError` says what does not fit."""
    labeled = [read_labeled_data(source.labels) if source.labels else None for source in config.data]
    taught = [TaughtFrames.read(source.taught) if source.taught else None for source in config.data]
    offered = [
        frames.bodyparts if (frames := data or of_teacher) is not None else scene_bodyparts(source)
        for data, of_teacher, source in zip(labeled, taught, config.data, strict=True)
    ]
    bodyparts = config.bodyparts or offered[0]
    _check_bodyparts(bodyparts, offered, config)
    splits = _apart(_splits([data for data in labeled if data is not None], config))
    trains = iter(train for train, _ in splits)
    weights = np.array([source.weight for source in config.data])
    lessons = [None if frames is None else TaughtSource(frames, bodyparts) for frames in taught]
    return PoseTrainingData(
        bodyparts,
        tuple(
            lesson.draw
            if lesson is not None
            else LabeledSource(next(trains), bodyparts).draw
            if data is not None
            else scene_source(source, bodyparts)
            for data, lesson, source in zip(labeled, lessons, config.data, strict=True)
        ),
        weights / weights.sum(),
        tuple(source.augment or config.augment for source in config.data),
        tuple(train for train, _ in splits),
        tuple(test for _, test in splits if test.frames),
        tuple(lesson for lesson in lessons if lesson is not None),
    )


def scene_bodyparts(source: PoseSource) -> tuple[str, ...]:
    """What a scene shows."""
    return open_scene(SceneOptions(scene=str(source.scene))).bodyparts


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
                f"'{source.name}' has {', '.join(parts)} and none of the body parts "
                f"{', '.join(bodyparts)}: take it out of the data, or list its body parts too"
            )


def _splits(labeled: Sequence[LabeledData], config: PoseConfig) -> list[tuple[LabeledData, LabeledData]]:
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


@dataclass(frozen=True)
class Grid:
    """The cells of a scoremap: how many there are, px of the example per cell, and px per unit of location targets."""

    rows: int
    columns: int
    stride: float
    locref_stdev: float


@lru_cache
def grid_of(network: Network, height: int, width: int) -> Grid:
    """The cells that a network has for examples of a size."""
    assert isinstance(network.head, PoseHead)
    rows, columns, _ = network.shapes((height, width))[network.head.scoremap]
    assert rows is not None
    assert columns is not None
    return Grid(rows, columns, network.stride, network.head.locref_stdev)


def make_targets(points: Points, known: Flags, hidden: Flags, grid: Grid, scale: float) -> tuple[Floats, Floats]:
    """Targets of one example, whose `scale` is its px per px of the labelled image.

    Of ``(K, 2)`` points those that are not in it are NaN; the source knows nothing of those that are not `known`, and
    `hidden` are those behind something. Targets are ``(h, w, K, 2)``: 0 or 1, and weight; and ``(h, w, K, 3)``: x and y
    in units of the location standard deviation, and 1 where they count.

    >>> grid, points, yes, no = Grid(4, 4, 8, 7.2801), np.array([[20.0, 12.0]]), np.array([True]), np.array([False])
    >>> np.argwhere(make_targets(points, yes, no, grid, scale=0.125)[0][..., 0, 0]).tolist()
    [[1, 2]]
    >>> scoremap, _ = make_targets(points, yes, yes, grid, scale=0.125)
    >>> int(scoremap[..., 0].sum()), np.argwhere(scoremap[..., 0, 1] == 0).tolist()
    (0, [[1, 2]])
    """
    radius = max(RADIUS * scale, SMALLEST_RADIUS)
    rows = (np.arange(grid.rows) + 0.5) * grid.stride
    columns = (np.arange(grid.columns) + 0.5) * grid.stride
    offset_x = points[:, 0] - columns[None, :, None]
    offset_y = points[:, 1] - rows[:, None, None]
    near = np.hypot(offset_x, offset_y) <= radius  # never true of NaN
    seen = near & ~hidden
    offsets = [np.where(seen, offset / grid.locref_stdev, 0.0) for offset in (offset_x, offset_y)]
    scoremap = np.stack([seen, ~(near & hidden) & known], axis=-1)
    return scoremap.astype(np.float32), np.stack([*offsets, seen], axis=-1).astype(np.float32)


@dataclass(frozen=True)
class PoseBatchMaker:
    """Makes the batches of one phase for a network."""

    data: PoseTrainingData
    config: PoseConfig
    phase: PosePhase
    network: Network

    def __call__(self, rng: np.random.Generator) -> TrainingBatch:
        """Square crops of all scales, or whole frames of one.

        Its inputs are ``(B, H, W, 3)``, its targets ``scoremap`` ``(B, h, w, K, 2)``: target, weight; and ``locref``
        ``(B, h, w, K, 3)``: x, y, mask.
        """
        make = self._crops if self.phase.framing == "crops" else self._whole_frames
        images, scoremaps, locrefs = zip(*make(rng), strict=True)
        return TrainingBatch(np.stack(images), {"scoremap": np.stack(scoremaps), "locref": np.stack(locrefs)})

    def _crops(self, rng: np.random.Generator) -> list[Item]:
        size = self.phase.crop, self.phase.crop
        return [self._item(rng, *self.data.draw(rng), self._scale(rng), size) for _ in range(self.phase.batch_size)]

    def _whole_frames(self, rng: np.random.Generator) -> list[Item]:
        scale, first = self._scale(rng), self.data.draw(rng)
        sides = (SIDE_STEP * round(side * scale / SIDE_STEP) for side in first[0].image.shape[:2])
        height, width = (min(self.phase.crop, max(32, side)) for side in sides)
        pixels = self.phase.batch_size * self.phase.crop**2
        count = int(np.clip(round(pixels / (height * width)), 1, MOST_FRAMES * self.phase.batch_size))
        drawn = [first, *(self.data.draw(rng) for _ in range(count - 1))]
        return [self._item(rng, *one, scale, (height, width)) for one in drawn]

    def _scale(self, rng: np.random.Generator) -> float:
        augment = self.config.augment
        jitter = np.log(augment.scale_jitter)
        return float(rng.choice(augment.scales) * np.exp(rng.uniform(-jitter, jitter)))

    def _item(
        self, rng: np.random.Generator, example: Example, augment: AugmentOptions, scale: float, size: tuple[int, int]
    ) -> Item:
        if not self.phase.turned:
            augment = replace(augment, rotation=0.0, mirror=0.0)
        view = choose_view(rng, example.image.shape[:2], example.points, scale, size, augment)
        # Drawn only where asked for, so that a run without it sees what it saw before there was clutter.
        cluttered = augment.clutter > 0 and rng.random() < augment.clutter
        image, points = show(strew(rng, example.image) if cluttered else example.image, example.points, view)
        known, hidden = example.known, example.hidden
        if view.mirrored:
            bodyparts, pairs = self.data.bodyparts, self.config.mirror_pairs
            points = swap_sides(points, bodyparts, pairs)
            known, hidden = swap_sides(known, bodyparts, pairs), swap_sides(hidden, bodyparts, pairs)
        grid = grid_of(self.network, *size)
        scoremap, locref = make_targets(points, known, hidden, grid, scale)
        if example.said is not None:
            self._soften(scoremap, locref, example.said, view, grid)
        return disturb(rng, image, augment), scoremap, locref

    def _soften(self, scoremap: Floats, locref: Floats, said: Said, view: Viewport, grid: Grid) -> None:
        """Put a teacher's scores in the place of 0 and 1, by which its places count too: the best cell is decoded."""
        likelihood, scores = said.likelihood, None
        if said.scores is not None:
            scores = seen_scores(said.scores, said.stride, view, grid)
        if view.mirrored:
            bodyparts, pairs = self.data.bodyparts, self.config.mirror_pairs
            likelihood = swap_sides(likelihood, bodyparts, pairs)
            if scores is not None:
                scores = np.moveaxis(swap_sides(np.moveaxis(scores, -1, 0), bodyparts, pairs), 0, -1)
        if scores is not None:
            scoremap[..., 0] = scores
        locref[..., 2] *= likelihood if scores is None else scores


def seen_scores(scores: npt.NDArray[np.floating[Any]], stride: float, view: Viewport, grid: Grid) -> Floats:
    """A teacher's scoremap ``(h, w, K)`` of an image, at the cells of a view of that: ``(rows, columns, K)``.

    Linear between the centres of its cells, and 0 beyond the image.

    >>> middle = np.array([16.0, 16.0])
    >>> whole, grid = Viewport(32, 32, 1.0, 0.0, False, middle, middle), Grid(4, 4, 8, 7.2801)
    >>> scores = np.arange(16.0).reshape(4, 4, 1)
    >>> bool((seen_scores(scores, 8, whole, grid) == scores).all())
    True
    """
    inverse = np.linalg.inv(np.vstack([view.matrix(), (0.0, 0.0, 1.0)]))[:2]
    x, y = (np.arange(count) * grid.stride + grid.stride / 2 for count in (grid.columns, grid.rows))
    centers = np.stack([*np.meshgrid(x, y), np.ones((grid.rows, grid.columns))], axis=-1)
    # Cells of a frame of zeros about the map, in whole cells from its corner.
    place = centers @ inverse.T / stride - 0.5 + 1
    framed = np.pad(scores.astype(np.float32), ((1, 2), (1, 2), (0, 0)))
    limits = np.array(framed.shape[1::-1]) - 2
    place = np.clip(place, 0, limits)
    column, row = np.floor(place).astype(np.intp).transpose(2, 0, 1)
    right, down = np.moveaxis(place - np.floor(place), -1, 0)[..., None].astype(np.float32)
    upper = framed[row, column] * (1 - right) + framed[row, column + 1] * right
    lower = framed[row + 1, column] * (1 - right) + framed[row + 1, column + 1] * right
    seen: Floats = upper * (1 - down) + lower * down
    return seen

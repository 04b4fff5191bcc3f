"""The parity gate: how far a faster precision changes what a network says of a user's own videos.

Samples are drawn from all over the videos, and go through the network in fp32 and in the faster precision. Of the
points whose likelihood in fp32 is at least the cut-off, the shift is measured in px of the full frame. A chunk's change
is that of the probability that changes most.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.behaviour.chunks import ChunkPlan, ClipReader
from posecli.errors import PoseCliError, PrecisionError, VideoError
from posecli.inference.decode import Pose
from posecli.inference.predictor import Model
from posecli.inference.step import Values
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions, ClassifyOptions, FixedPrecision
from posecli.tables.boxes import boxes_of
from posecli.video.batch import Batch, rescaled
from posecli.video.find import evenly_chosen
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, probe
from posecli.video.reader import VideoReader

Images = npt.NDArray[np.uint8]

#: Faster precisions that ``auto`` tries, the fastest first.
CANDIDATES: tuple[FixedPrecision, ...] = ("int8", "bf16")
#: What a pixel costs in each precision, in that of fp32, on a processor that has them all.
WORK: dict[FixedPrecision, float] = {"fp32": 1.0, "bf16": 0.5, "fp16": 0.5, "int8": 0.28}
#: Videos that samples come from at most.
SAMPLE_VIDEOS = 4
#: Pixels in a sample of frames. Small frames cost little, and each has few points to go by.
SAMPLE_PIXELS = 32 * 640 * 480
#: Fewest and most frames in a sample.
SAMPLE_FRAMES = (32, 256)
#: Places in the videos where frames are read.
SAMPLE_PLACES = 32
#: Frames from one to the next at a place: they should differ, but those between them must be decoded too.
SAMPLE_STEP = 3
#: Chunks in a sample.
SAMPLE_CHUNKS = 16
#: With fewer points above the cut-off a 99th percentile says nothing, nor does a 95th with fewer chunks.
FEWEST_POINTS, FEWEST_CHUNKS = 30, 4
#: Likelihood cut-off of a model that names none: DeepLabCut's own default.
DEFAULT_CUTOFF = 0.6

ModelT = TypeVar("ModelT", bound=Model[Any, Any])
#: Is told of each video before it is opened, and of ``None`` when all are closed.
Opens = Callable[[Path | None], object]


@dataclass(frozen=True)
class Figures(ABC):
    """How far a faster precision changes values; each kind of network has its own measure."""

    precision: FixedPrecision

    @property
    @abstractmethod
    def judged(self) -> bool:
        """Whether enough was seen to judge by."""

    @property
    @abstractmethod
    def passed(self) -> bool:
        """Whether enough was seen, and it changed little enough."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for manifests."""
        return asdict(self) | {"passed": self.passed}


class Sample(NamedTuple):
    """Items of one video, as a run will show them to the network."""

    items: Batch
    earlier: Batch | None = None  #: For each of them a frame that comes somewhat before.
    beside: tuple[Batch, Batch] | None = None  #: For each of them the frame before and the frame after.


class Evidence:
    """Samples of a run's own videos, and what a network says of them in each precision; all is looked at once."""

    def __init__(
        self, samples: Callable[[], Iterable[Sample]], batch_size: int, reference: Evidence | None = None
    ) -> None:
        self._drawn = samples
        self._batch_size = batch_size  # items per call of the network
        self._values: dict[FixedPrecision, list[Values]] = {}
        self._scaled: dict[Fraction, Evidence] = {}
        self.reference = reference or self  #: The same at full scale.

    @cached_property
    def samples(self) -> list[Sample]:
        return list(self._drawn())

    def scaled(self, scale: Fraction) -> Evidence:
        """The same frames, resized for the network by a factor."""
        if scale == 1:
            return self
        if scale not in self._scaled:
            samples = partial(map, partial(_rescaled, scale=scale), self.samples)
            self._scaled[scale] = Evidence(samples, self._batch_size, self)
        return self._scaled[scale]

    def values(self, model: Model[Any, Any]) -> list[Values]:
        """What a network says of the items of each sample."""
        precision = model.options.fixed_precision
        if precision not in self._values:
            self._values[precision] = [self.values_of(model, sample.items) for sample in self.samples]
        return self._values[precision]

    def joined(self, model: Model[Any, Any]) -> Values:
        """What a network says of all items."""
        return np.concatenate([np.empty((0, *model.values_shape)), *self.values(model)])

    def values_of(self, model: Model[Any, Any], items: Batch) -> Values:
        """What a network says of some items."""
        return model.values_of(items.split(self._batch_size))


def _rescaled(sample: Sample, scale: Fraction) -> Sample:
    earlier = None if sample.earlier is None else rescaled(sample.earlier, scale)
    beside = None if sample.beside is None else (rescaled(sample.beside[0], scale), rescaled(sample.beside[1], scale))
    return sample._replace(items=rescaled(sample.items, scale), earlier=earlier, beside=beside)


@dataclass(frozen=True)
class Gate:
    """What compares a faster precision with fp32 on samples of a run's own videos."""

    limit_option: str  # by which a user allows more
    evidence: Evidence
    measure: Callable[[Model[Any, Any], Values, Values], Figures]  # a faster model, its values, those of fp32


def choose_precision(model: ModelT, gate: Gate) -> tuple[ModelT, list[Figures]]:
    """The model in the precision for a run, and what was measured to choose it.

    ``auto`` takes the fastest precision that this engine and processor have and that passes the gate, else fp32.
    `PrecisionError` if a faster precision was asked for by name and does not pass, or cannot run.
    """
    wanted = model.options.precision
    if wanted == "fp32" or model.options.engine == "tensorflow":
        return model.with_precision(model.options.fixed_precision), []
    if wanted != "auto" and (obstacle := model.obstacle(wanted)) is not None:
        raise PrecisionError(obstacle)
    candidates = [name for name in CANDIDATES if model.obstacle(name) is None] if wanted == "auto" else [wanted]
    exact = model.with_precision("fp32")
    if not candidates:
        return exact, []
    expected = gate.evidence.joined(exact)
    figures: list[Figures] = []
    for name in candidates:
        fast = model.with_precision(name)
        figures.append(gate.measure(fast, gate.evidence.joined(fast), expected))
        if figures[-1].passed:
            return fast, figures
    if wanted != "auto":
        more = f", or allow more with {gate.limit_option}" if figures[-1].judged else ""
        raise PrecisionError(f"{figures[-1]}: choose --precision auto or fp32{more}")
    return exact, figures


@dataclass(frozen=True)
class GateFigures(Figures):
    """How far a precision moves points against fp32, in px of the full frame; `limit_px` is for `p99_px`.

    Points count whose likelihood in fp32 is at least the cut-off.
    """

    frames: int
    points: int
    cutoff: float
    median_px: float
    p99_px: float
    largest_px: float
    largest_likelihood_change: float
    limit_px: float

    @property
    def setting(self) -> str:
        """How frames were looked at, in words."""
        return self.precision

    @property
    def frame_work(self) -> float:
        """What a frame costs so, in what the full one costs in fp32."""
        return WORK[self.precision]

    @property
    def judged(self) -> bool:
        return self.points >= FEWEST_POINTS

    @property
    def limit_words(self) -> str:
        """What it must stay within, for people."""
        return f"limit {self.limit_px:g} px"

    @property
    def passed(self) -> bool:
        return self.judged and self.p99_px <= self.limit_px

    def __str__(self) -> str:
        if not self.judged:
            return (
                f"{self.precision} could not be judged: only {self.points} points of {self.frames} frames are above "
                f"the likelihood cut-off {self.cutoff:g}, {FEWEST_POINTS} are needed"
            )
        return (
            f"{self.precision} moves points by a median of {self.median_px:.3f} px, 99th percentile {self.p99_px:.3f}, "
            f"largest {self.largest_px:.3f}, likelihood by up to {self.largest_likelihood_change:.4f} "
            f"({self.points} points of {self.frames} frames; {self.limit_words})"
        )


def pose_gate(
    videos: Sequence[Path],
    options: AnalyzeOptions,
    opens: Opens = lambda _video: None,
    lag: int = 0,
    frames: int | None = None,
    *,
    beside: bool = False,
) -> Gate:
    """How far points move on frames of a run's videos, which come with those `lag` frames before them, if any.

    With a lag they may come with those `beside` them too. Of so many `frames` together each video has some; by default
    as many as a run looks at, of some of the videos.
    """

    def measure(model: Model[Any, Any], found: Values, expected: Values) -> GateFigures:
        precision, cutoff = model.options.fixed_precision, model_cutoff(model.folder)
        return compare_poses(precision, found[:, :, 0], expected[:, :, 0], cutoff, options.limit)

    most_videos = SAMPLE_VIDEOS if frames is None else frames
    samples = partial(sampled_moments, videos, options, frames, opens, most_videos, lag, beside=beside)
    return Gate("--max-shift", Evidence(samples, 8), measure)


def model_cutoff(folder: ModelFolder, asked: float | None = None) -> float:
    """Likelihood at which a point counts as seen: the one asked for, or the model's own."""
    return next(cutoff for cutoff in (asked, folder.description.pcutoff, DEFAULT_CUTOFF) if cutoff is not None)


def compare_poses(
    precision: FixedPrecision, found: Pose, expected: Pose, seen_from: float, limit_px: float
) -> GateFigures:
    """Measure the shift between two poses ``(N, K, 3)`` of the same frames.

    >>> exact = np.zeros((40, 1, 3)) + (10, 20, 0.9)
    >>> figures = compare_poses("bf16", exact + (0.3, 0.4, 0.01), exact, seen_from=0.6, limit_px=1.5)
    >>> round(figures.median_px, 6), figures.passed
    (0.5, True)
    """
    seen = expected[..., 2] >= seen_from
    shift = np.linalg.norm(found[..., :2] - expected[..., :2], axis=-1)[seen]
    change = np.abs(found[..., 2] - expected[..., 2])[seen]
    if not len(shift):
        shift = change = np.zeros(1)  # nothing was seen to move; `passed` asks for more points than none
    median, p99, largest = map(float, (np.median(shift), np.quantile(shift, 0.99), shift.max()))
    seen_count, likelihood = int(seen.sum()), float(change.max())
    return GateFigures(precision, len(expected), seen_count, seen_from, median, p99, largest, likelihood, limit_px)


@dataclass(frozen=True)
class ClipGateFigures(Figures):
    """How far a precision changes probabilities against fp32; `limit` is for `p95_change`.

    A chunk's label, its most probable class, may change too.
    """

    chunks: int
    median_change: float
    p95_change: float
    largest_change: float
    changed_labels: int
    limit: float

    @property
    def judged(self) -> bool:
        return self.chunks >= FEWEST_CHUNKS

    @property
    def passed(self) -> bool:
        return self.judged and self.p95_change <= self.limit

    def __str__(self) -> str:
        if not self.judged:
            return f"{self.precision} could not be judged: {self.chunks} chunks were seen, {FEWEST_CHUNKS} are needed"
        return (
            f"{self.precision} changes probabilities by a median of {self.median_change:.4f}, 95th percentile "
            f"{self.p95_change:.4f}, largest {self.largest_change:.4f}, and {self.changed_labels} of {self.chunks} "
            f"labels (limit {self.limit:g})"
        )


def clip_gate(
    videos: Sequence[Path],
    plan: ChunkPlan,
    geometry: Callable[[VideoInfo], Geometry],
    options: ClassifyOptions,
    opens: Opens,
) -> Gate:
    """How far the probabilities of chunks of a run's videos change; `geometry` is what the run does to a video."""

    def samples() -> Iterator[Sample]:
        for info, count in sampled_videos(videos, opens, SAMPLE_VIDEOS):
            try:
                prepared = geometry(info)
                sample = Sample(Batch.of(sample_chunks(info, prepared, plan, SAMPLE_CHUNKS // count), prepared))
            except PoseCliError:  # which is reported when its turn comes
                continue
            yield sample

    def measure(model: Model[Any, Any], found: Values, expected: Values) -> ClipGateFigures:
        return compare_probabilities(model.options.fixed_precision, found, expected, options.max_change)

    return Gate("--max-change", Evidence(samples, 1), measure)


def compare_probabilities(precision: FixedPrecision, found: Values, expected: Values, limit: float) -> ClipGateFigures:
    """Measure the change between two ``(N, C)`` probabilities of the same chunks.

    >>> exact = np.tile([0.9, 0.1], (8, 1))
    >>> figures = compare_probabilities("int8", exact + [-0.02, 0.02], exact, limit=0.1)
    >>> round(figures.median_change, 6), figures.changed_labels, figures.passed
    (0.02, 0, True)
    """
    change = np.abs(found - expected).max(axis=1) if len(expected) else np.zeros(1)
    median, p95, largest = map(float, (np.median(change), np.quantile(change, 0.95), change.max()))
    changed_labels = int((found.argmax(axis=1) != expected.argmax(axis=1)).sum())
    return ClipGateFigures(precision, len(expected), median, p95, largest, changed_labels, limit)


def sampled_videos(videos: Sequence[Path], opens: Opens, most: int) -> Iterator[tuple[VideoInfo, int]]:
    """Some of the videos, and how many were chosen; a broken one is passed over: it is reported when its turn comes."""
    chosen = evenly_chosen(videos, most)
    for path in chosen:
        opens(path)
        try:
            status = path.stat()
            info = _probed(path, status.st_size, status.st_mtime_ns)
        except (OSError, VideoError):
            continue
        yield info, len(chosen)
    opens(None)


@lru_cache(maxsize=SAMPLE_VIDEOS)
def _probed(path: Path, *_stamp: int) -> VideoInfo:  # a file that was changed is another one
    """What a video is; all of its packets are read for that, and a run asks more than once."""
    return probe(path)


def sample_frames(
    videos: Sequence[Path],
    options: AnalyzeOptions,
    frames: int | None = None,
    opens: Opens = lambda _video: None,
    most_videos: int = SAMPLE_VIDEOS,
) -> Iterator[Batch]:
    """Frames from all over the videos, a batch of each, as a run with these options shows them to the network.

    So many `frames` are taken of all videos together, by default as many as the parity gate needs for their size; from
    `most_videos` at most, evenly chosen. Frames that cannot be decoded are left out.
    """
    return (sample.items for sample in sampled_moments(videos, options, frames, opens, most_videos))


def sampled_moments(
    videos: Sequence[Path],
    options: AnalyzeOptions,
    frames: int | None = None,
    opens: Opens = lambda _video: None,
    most_videos: int = SAMPLE_VIDEOS,
    lag: int = 0,
    *,
    beside: bool = False,
) -> Iterator[Sample]:
    """Frames as `sample_frames` gives them; with a `lag`, each with the frame so many before it, or those `beside` it.

    A video that is too short gives frames without others.
    """
    for info, count in sampled_videos(videos, opens, most_videos):
        try:
            sample = _moments_of(info, options, frames, count, lag, beside=beside)
        except PoseCliError:  # which is reported when its turn comes
            continue
        yield sample


def _moments_of(
    info: VideoInfo, options: AnalyzeOptions, frames: int | None, videos: int, lag: int, *, beside: bool
) -> Sample:
    """One of so many videos' part of `sampled_moments`."""
    geometry = Geometry.plan(info.width, info.height, options.crop, options.exact_scale)
    wanted = max(1, (frames or sample_size(geometry)) // videos)
    back, ahead = (lag, int(beside)) if info.expected_frames > lag + beside else (0, 0)
    known = info.expected_frames - back - ahead
    stretches = _stretches(known, wanted, wanted if frames else SAMPLE_PLACES // videos)
    places = np.concatenate([np.array(stretch) for stretch in stretches])
    moments = np.add.outer(places, [0, back, *((back - 1, back + 1) if ahead else ())])
    read = np.unique(moments).tolist()
    found = _found(VideoReader(info, geometry, boxes=boxes_of(options.boxes, info.path), places=read))
    moments = moments[np.isin(moments, found.indices).all(axis=1)]
    earlier, items, *others = (found[np.searchsorted(found.indices, each)] for each in moments.T)
    return Sample(items, earlier if back else None, (others[0], others[1]) if ahead else None)


def sample_size(geometry: Geometry) -> int:
    """Frames that the parity gate looks at, if the videos have as many.

    >>> sample_size(Geometry.plan(640, 480)), sample_size(Geometry.plan(160, 120))
    (32, 256)
    """
    return int(np.clip(SAMPLE_PIXELS // (geometry.width * geometry.height), *SAMPLE_FRAMES))


def _found(reader: VideoReader) -> Batch:
    """All frames of a reader that can be decoded."""
    with closing(reader):
        buffer = reader.new_buffer(len(reader))
        batch = reader.read_into(buffer)
    return reader.batch(buffer[:0], np.empty(0, np.int64)) if batch is None else batch[batch.valid]


def _stretches(n_frames: int, count: int, places: int) -> list[range]:
    """Up to `count` frames of a video: some from the middle of each of its `places` equal parts."""
    parts = min(places, count, n_frames)
    length = n_frames // parts
    each = min(-(-count // parts), length)
    step = min(SAMPLE_STEP, length // each)
    margin = (length - 1 - (each - 1) * step) // 2
    starts = [part * n_frames // parts + margin for part in range(parts)]
    return [range(start, start + each * step, step) for start in starts]


def sample_chunks(info: VideoInfo, geometry: Geometry, plan: ChunkPlan, count: int) -> Images:
    """Up to `count` chunks from all over a video, ``(n, T, H, W, 3)``, all of whose frames can be decoded."""
    starts = plan.starts(info.expected_frames)
    chosen = starts[np.unique(np.linspace(0, len(starts) - 1, min(count, len(starts))).round().astype(int))]
    found = [np.empty((0, plan.length, geometry.height, geometry.width, 3), np.uint8)]
    for start in chosen:
        with closing(ClipReader(VideoReader(info, geometry, first=int(start)), plan)) as reader:
            batch = reader.read_into(reader.new_buffer(1))
        found += [] if batch is None else [batch.images[batch.valid]]
    return np.concatenate(found)

"""The parity gate: how far a faster precision moves the points of a user's own videos.

Frames are drawn from all over the videos, and go through the network in fp32 and in the faster precision. Of the points
whose likelihood in fp32 is above the cut-off, the shift is measured in px of the full frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from posecli.errors import PrecisionError, VideoError
from posecli.inference.decode import Pose
from posecli.inference.predictor import Model, PoseModel
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions, FixedPrecision
from posecli.video.find import evenly_chosen
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, probe
from posecli.video.reader import VideoReader

#: Faster precisions that ``auto`` tries, the fastest first.
CANDIDATES: tuple[FixedPrecision, ...] = ("int8", "bf16")
#: Pixels in a sample: those of 32 frames of 640x480. Small frames cost little, and have few points each to go by.
SAMPLE_PIXELS = 32 * 640 * 480
#: Fewest and most frames in a sample, and videos that they come from at most.
SAMPLE_FRAMES = (32, 256)
SAMPLE_VIDEOS = 4
#: A video is sought in at as many places, and read on from each.
SAMPLE_PLACES = 32
#: From one frame to the next at a place: they should differ, but those between them are decoded too.
SAMPLE_STEP = 3
#: With fewer points above the cut-off a 99th percentile says nothing.
FEWEST_POINTS = 30
#: Likelihood cut-off of a model that names none: DeepLabCut's own default.
DEFAULT_CUTOFF = 0.6


@dataclass(frozen=True)
class GateFigures:
    """How far a precision moves points against fp32.

    Attributes
    ----------
    precision
        What was measured.
    frames, points
        Frames sampled, and points on them above the cut-off.
    cutoff
        Likelihood in fp32 from which on a point counts.
    median_px, p99_px, largest_px
        Shift in px of the full frame.
    largest_likelihood_change
        Over the same points.
    limit_px
        What `p99_px` may be at most.
    """

    precision: FixedPrecision
    frames: int
    points: int
    cutoff: float
    median_px: float
    p99_px: float
    largest_px: float
    largest_likelihood_change: float
    limit_px: float

    @property
    def judged(self) -> bool:
        """Whether enough points were seen."""
        return self.points >= FEWEST_POINTS

    @property
    def passed(self) -> bool:
        """Whether enough points were seen, and they moved little enough."""
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
            f"({self.points} points of {self.frames} frames; limit {self.limit_px:g} px)"
        )

    def as_plain(self) -> dict[str, Any]:
        """Its fields as plain values."""
        return asdict(self)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for manifests."""
        return self.as_plain() | {"passed": self.passed}


@dataclass(frozen=True)
class Sample:
    """Frames of one video as the network sees them: ``(N, H, W, 3)`` uint8 RGB."""

    images: npt.NDArray[np.uint8]
    geometry: Geometry


class Figures(Protocol):
    """What was measured of a faster precision, in whatever a network's results are measured in."""

    @property
    def precision(self) -> FixedPrecision:
        """What was measured."""

    @property
    def judged(self) -> bool:
        """Whether enough was seen."""

    @property
    def passed(self) -> bool:
        """Whether enough was seen, and it changed little enough."""

    def as_plain(self) -> dict[str, Any]:
        """Its fields as plain values, from which it can be made again."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for manifests."""


ModelT = TypeVar("ModelT", bound=Model[Any, Any])
ModelT_contra = TypeVar("ModelT_contra", bound=Model[Any, Any], contravariant=True)


class Gate(Protocol[ModelT_contra]):
    """Compares a faster precision with fp32 on samples of a run's own videos."""

    #: The option by which a user allows more.
    limit_option: str

    def compare(self, fast: ModelT_contra, exact: ModelT_contra) -> Figures:
        """Measure; samples are drawn when they are first needed."""


@dataclass(frozen=True)
class Choice(Generic[ModelT]):
    """The precision of a run, and what was measured to choose it."""

    model: ModelT
    figures: tuple[Figures, ...]


def choose_precision(model: ModelT, gate: Gate[ModelT]) -> Choice[ModelT]:
    """Settle the precision for a run.

    ``auto`` takes the fastest precision that this engine and processor have and that passes the gate, else fp32.

    Raises
    ------
    PrecisionError
        If a faster precision was asked for by name and does not pass, or cannot run.
    """
    wanted = model.options.precision
    if wanted == "fp32" or model.options.engine == "tensorflow":
        return Choice(model.with_precision(model.options.fixed_precision), ())
    if wanted != "auto" and (obstacle := model.obstacle(wanted)) is not None:
        raise PrecisionError(obstacle)
    candidates = [name for name in CANDIDATES if model.obstacle(name) is None] if wanted == "auto" else [wanted]
    exact = model.with_precision("fp32")
    figures: list[Figures] = []
    for name in candidates:
        fast = model.with_precision(name)
        figures.append(gate.compare(fast, exact))
        if figures[-1].passed:
            return Choice(fast, tuple(figures))
    if wanted != "auto":
        more = f", or allow more with {gate.limit_option}" if figures[-1].judged else ""
        raise PrecisionError(f"{figures[-1]}: choose --precision auto or fp32{more}")
    return Choice(exact, tuple(figures))


class PoseGate:
    """The gate for pose networks: how far points move on frames of the videos.

    Parameters
    ----------
    videos
        The run's videos.
    options
        Crop, scale, decoder of the video, and the limit.
    opens
        Is told of each video before it is opened, and of ``None`` when all are closed.
    """

    limit_option = "--max-shift"

    def __init__(
        self,
        videos: Sequence[Path],
        options: AnalyzeOptions,
        opens: Callable[[Path | None], object] = lambda _video: None,
    ) -> None:
        self._videos = videos
        self._options = options
        self._opens = opens
        self._samples: list[Sample] | None = None
        self._expected: Pose | None = None

    def compare(self, fast: PoseModel, exact: PoseModel) -> GateFigures:
        """Measure how far the faster model's points lie from the exact one's."""
        if self._samples is None or self._expected is None:
            self._samples = list(sample_frames(self._videos, self._options, opens=self._opens))
            self._opens(None)
            self._expected = predict_all(exact, self._samples)
        found = predict_all(fast, self._samples)
        seen_from = model_cutoff(exact.folder)
        return compare(fast.options.fixed_precision, found, self._expected, seen_from, self._options.max_shift)


def model_cutoff(folder: ModelFolder) -> float:
    """Likelihood from which on a point counts as seen."""
    pcutoff = folder.description.pcutoff
    return DEFAULT_CUTOFF if pcutoff is None else pcutoff


def compare(precision: FixedPrecision, found: Pose, expected: Pose, seen_from: float, limit_px: float) -> GateFigures:
    """Measure the shift between two poses ``(N, K, 3)`` of the same frames.

    >>> exact = np.zeros((40, 1, 3)) + (10, 20, 0.9)
    >>> figures = compare("bf16", exact + (0.3, 0.4, 0.01), exact, seen_from=0.6, limit_px=1.5)
    >>> round(figures.median_px, 6), figures.passed
    (0.5, True)
    """
    seen = expected[..., 2] >= seen_from
    shift = np.linalg.norm(found[..., :2] - expected[..., :2], axis=-1)[seen]
    change = np.abs(found[..., 2] - expected[..., 2])[seen]
    if not len(shift):
        shift = change = np.zeros(1)  # nothing was seen to move; `passed` asks for more points than none
    return GateFigures(
        precision,
        len(expected),
        int(seen.sum()),
        seen_from,
        float(np.median(shift)),
        float(np.quantile(shift, 0.99)),
        float(shift.max()),
        float(change.max()),
        limit_px,
    )


def sample_frames(
    videos: Sequence[Path],
    options: AnalyzeOptions,
    frames: int | None = None,
    opens: Callable[[Path], object] = lambda _video: None,
    most_videos: int = SAMPLE_VIDEOS,
) -> Iterator[Sample]:
    """Frames from all over the videos, as the run will show them to the network; broken videos are passed over.

    Parameters
    ----------
    videos
        The run's videos.
    options
        Crop, scale and decoder of the video.
    frames
        How many to take, as far as there are so many; by default as many as the parity gate needs for their size.
    opens
        Is told of each video before it is opened.
    most_videos
        From how many videos frames are taken, evenly chosen among them.
    """
    chosen = evenly_chosen(videos, most_videos)
    count = len(chosen)
    for path in chosen:
        opens(path)
        try:
            info = probe(path)
        except VideoError:
            continue  # it will be reported when its turn comes
        geometry = Geometry.plan(info.width, info.height, options.crop, options.exact_scale)
        wanted = max(1, (frames or gate_frames(geometry)) // count)
        stretches = _stretches(info.expected_frames, wanted, wanted if frames else SAMPLE_PLACES // count)
        yield Sample(_frames_at(info, geometry, stretches), geometry)


def gate_frames(geometry: Geometry) -> int:
    """Frames that the gate looks at, given their size.

    >>> gate_frames(Geometry.plan(640, 480)), gate_frames(Geometry.plan(320, 240)), gate_frames(Geometry.plan(80, 60))
    (32, 128, 256)
    """
    fewest, most = SAMPLE_FRAMES
    return min(max(SAMPLE_PIXELS // (geometry.width * geometry.height), fewest), most)


def _stretches(n_frames: int, count: int, places: int) -> list[range]:
    """Up to `count` frames of a video: some from the middle of each of so many equal parts of it."""
    parts = min(places, count, n_frames)
    length = n_frames // parts
    each = min(-(-count // parts), length)
    step = min(SAMPLE_STEP, length // each)
    margin = (length - 1 - (each - 1) * step) // 2
    starts = [part * n_frames // parts + margin for part in range(parts)]
    return [range(start, start + each * step, step) for start in starts]


def _frames_at(info: VideoInfo, geometry: Geometry, stretches: Sequence[range]) -> npt.NDArray[np.uint8]:
    """Those of the frames that can be decoded, ``(N, H, W, 3)``."""
    images = [np.empty((0, geometry.height, geometry.width, 3), np.uint8)]
    for stretch in stretches:
        reader = VideoReader(info, geometry, first=stretch.start)
        batch = reader.read_into(reader.new_buffer(stretch[-1] + 1 - stretch.start))
        reader.close()
        if batch is not None:
            images.append(batch.images[:: stretch.step][batch.valid[:: stretch.step]])
    return np.concatenate(images)


def predict_all(model: PoseModel, samples: Sequence[Sample]) -> Pose:
    """Poses of all samples together, ``(N, K, 3)`` in px of the full frame."""
    poses = []
    for sample in samples:
        pose = model.predict(sample.images)
        pose[..., :2] = sample.geometry.to_frame(pose[..., :2])
        poses.append(pose)
    return np.concatenate(poses) if poses else np.empty((0, len(model.description.bodyparts), 3))

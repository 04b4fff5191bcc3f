"""How far a faster precision moves the points of a user's own videos.

Of the points whose likelihood in fp32 is above the cut-off, the shift is measured in px of the full frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.inference.decode import Pose
from posecli.inference.predictor import Model
from posecli.inference.step import Values
from posecli.model.folder import ModelFolder
from posecli.options import AnalyzeOptions, FixedPrecision
from posecli.precision.gate import SAMPLE_VIDEOS, Figures, Gate, Opens, sampled_videos
from posecli.video.batch import Batch
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo
from posecli.video.reader import VideoReader

#: Pixels in a sample. Small frames cost little, and each has few points to go by.
SAMPLE_PIXELS = 32 * 640 * 480
#: Fewest and most frames in a sample.
SAMPLE_FRAMES = (32, 256)
#: Places in the videos where frames are read.
SAMPLE_PLACES = 32
#: Frames from one to the next at a place: they should differ, but those between them must be decoded too.
SAMPLE_STEP = 3
#: With fewer points above the cut-off a 99th percentile says nothing.
FEWEST_POINTS = 30
#: Likelihood cut-off of a model that names none: DeepLabCut's own default.
DEFAULT_CUTOFF = 0.6


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


class PoseGate(Gate):
    """How far points move on frames of a run's videos."""

    limit_option = "--max-shift"
    batch_size = 8

    def __init__(self, videos: Sequence[Path], options: AnalyzeOptions, opens: Opens = lambda _video: None) -> None:
        super().__init__(opens)
        self._videos = videos
        self._options = options

    def samples(self) -> Iterator[Batch]:
        """Frames from all over the videos."""
        return sample_frames(self._videos, self._options, opens=self._opens)

    def measure(self, model: Model[Any, Any], found: Values, expected: Values) -> GateFigures:
        """The shift of points that are seen in fp32."""
        limit_px, precision = self._options.max_shift, model.options.fixed_precision
        return compare(precision, found[:, :, 0], expected[:, :, 0], model_cutoff(model.folder), limit_px)


def model_cutoff(folder: ModelFolder) -> float:
    """Likelihood at which a point counts as seen."""
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
) -> Iterator[Batch]:
    """Frames from all over the videos, a batch of each, as a run with these options shows them to the network.

    So many `frames` are taken of all videos together, by default as many as the parity gate needs for their size; from
    `most_videos` at most, evenly chosen.
    """
    for info, count in sampled_videos(videos, opens, most_videos):
        geometry = Geometry.plan(info.width, info.height, options.crop, options.exact_scale)
        wanted = max(1, (frames or gate_frames(geometry)) // count)
        stretches = _stretches(info.expected_frames, wanted, wanted if frames else SAMPLE_PLACES // count)
        yield Batch.of(_frames_at(info, geometry, stretches), geometry)


def gate_frames(geometry: Geometry) -> int:
    """How many frames of this size the gate looks at.

    >>> gate_frames(Geometry.plan(640, 480)), gate_frames(Geometry.plan(320, 240)), gate_frames(Geometry.plan(80, 60))
    (32, 128, 256)
    """
    fewest, most = SAMPLE_FRAMES
    return min(max(SAMPLE_PIXELS // (geometry.width * geometry.height), fewest), most)


def _stretches(n_frames: int, count: int, places: int) -> list[range]:
    """Up to `count` frames of a video: some from the middle of each of its `places` equal parts."""
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

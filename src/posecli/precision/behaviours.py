"""How far a faster precision changes the probabilities of a user's own videos.

A chunk's change is that of the probability that changes most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.behaviour.chunks import ChunkPlan, ClipReader
from posecli.inference.predictor import Model
from posecli.inference.step import Values
from posecli.options import ClassifyOptions, FixedPrecision
from posecli.precision.gate import Figures, Gate, Opens, sampled_videos
from posecli.video.batch import Batch
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo
from posecli.video.reader import VideoReader

Chunks = npt.NDArray[np.uint8]

#: Chunks in a sample.
SAMPLE_CHUNKS = 16
#: With fewer chunks a 95th percentile says nothing.
FEWEST_CHUNKS = 4


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
        """Whether enough chunks were seen."""
        return self.chunks >= FEWEST_CHUNKS

    @property
    def passed(self) -> bool:
        """Whether enough chunks were seen, and they changed little enough."""
        return self.judged and self.p95_change <= self.limit

    def __str__(self) -> str:
        if not self.judged:
            return f"{self.precision} could not be judged: {self.chunks} chunks were seen, {FEWEST_CHUNKS} are needed"
        return (
            f"{self.precision} changes probabilities by a median of {self.median_change:.4f}, 95th percentile "
            f"{self.p95_change:.4f}, largest {self.largest_change:.4f}, and {self.changed_labels} of {self.chunks} "
            f"labels (limit {self.limit:g})"
        )


def compare_probabilities(precision: FixedPrecision, found: Values, expected: Values, limit: float) -> ClipGateFigures:
    """Measure the change between two ``(N, C)`` probabilities of the same chunks.

    >>> exact = np.tile([0.9, 0.1], (8, 1))
    >>> figures = compare_probabilities("int8", exact + [-0.02, 0.02], exact, limit=0.1)
    >>> round(figures.median_change, 6), figures.changed_labels, figures.passed
    (0.02, 0, True)
    """
    change = np.abs(found - expected).max(axis=1) if len(expected) else np.zeros(1)
    return ClipGateFigures(
        precision,
        len(expected),
        float(np.median(change)),
        float(np.quantile(change, 0.95)),
        float(change.max()),
        int((found.argmax(axis=1) != expected.argmax(axis=1)).sum()),
        limit,
    )


class ClipGate(Gate):
    """How far the probabilities of chunks of a run's videos change; `geometry` is what the run does to a video."""

    limit_option = "--max-change"
    batch_size = 1

    def __init__(
        self,
        videos: Sequence[Path],
        plan: ChunkPlan,
        geometry: Callable[[VideoInfo], Geometry],
        options: ClassifyOptions,
        opens: Opens = lambda _video: None,
    ) -> None:
        super().__init__(opens)
        self._videos = videos
        self._plan = plan
        self._geometry = geometry
        self._options = options

    def samples(self) -> Iterator[Batch]:
        """Chunks from all over some of the videos."""
        for info, count in sampled_videos(self._videos, self._opens):
            geometry = self._geometry(info)
            yield Batch.of(sample_chunks(info, geometry, self._plan, SAMPLE_CHUNKS // count), geometry)

    def measure(self, model: Model[Any, Any], found: Values, expected: Values) -> ClipGateFigures:
        """The change of each chunk's probabilities."""
        return compare_probabilities(model.options.fixed_precision, found, expected, self._options.max_change)


def sample_chunks(info: VideoInfo, geometry: Geometry, plan: ChunkPlan, count: int) -> Chunks:
    """Up to `count` chunks from all over a video, ``(n, T, H, W, 3)``, all of whose frames can be decoded."""
    starts = plan.starts(info.expected_frames)
    chosen = starts[np.unique(np.linspace(0, len(starts) - 1, min(count, len(starts))).round().astype(int))]
    found = [np.empty((0, plan.length, geometry.height, geometry.width, 3), np.uint8)]
    for start in chosen:
        frames = VideoReader(info, geometry, first=int(start))
        reader = ClipReader(frames, plan)
        batch = reader.read_into(reader.new_buffer(1))
        reader.close()
        if batch is not None and batch.valid[0]:
            found.append(batch.images)
    return np.concatenate(found)

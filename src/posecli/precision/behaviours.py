"""The parity gate for behaviours: how far a faster precision changes the probabilities of a user's own videos.

Chunks are drawn from all over the videos, and go through the network in fp32 and in the faster precision. A chunk's
change is the largest of those of its probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.behaviour.chunks import ChunkPlan, ClipReader
from posecli.errors import VideoError
from posecli.inference.predictor import ClipModel
from posecli.options import ClassifyOptions, FixedPrecision
from posecli.video.find import evenly_chosen
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, probe
from posecli.video.reader import VideoReader

Chunks = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

#: Chunks in a sample, and videos that they come from at most.
SAMPLE_CHUNKS, SAMPLE_VIDEOS = 16, 4
#: With fewer chunks a 95th percentile says nothing.
FEWEST_CHUNKS = 4


@dataclass(frozen=True)
class ClipGateFigures:
    """How far a precision changes probabilities against fp32.

    Attributes
    ----------
    precision
        What was measured.
    chunks
        How many were sampled.
    median_change, p95_change, largest_change
        Of a chunk's probabilities, the one that changes most.
    changed_labels
        Chunks whose most probable class is another one.
    limit
        What `p95_change` may be at most.
    """

    precision: FixedPrecision
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

    def as_plain(self) -> dict[str, Any]:
        """Its fields as plain values."""
        return asdict(self)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for manifests."""
        return self.as_plain() | {"passed": self.passed}


def compare_probabilities(precision: FixedPrecision, found: Floats, expected: Floats, limit: float) -> ClipGateFigures:
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


class ClipGate:
    """The gate for behaviours.

    Parameters
    ----------
    videos
        The run's videos.
    plan
        How they are cut into chunks.
    geometry
        What is done to the frames of a video.
    options
        Decoder of the video, and the limit.
    opens
        Is told of each video before it is opened, and of ``None`` when all are closed.
    """

    limit_option = "--max-change"

    def __init__(
        self,
        videos: Sequence[Path],
        plan: ChunkPlan,
        geometry: Callable[[VideoInfo], Geometry],
        options: ClassifyOptions,
        opens: Callable[[Path | None], object] = lambda _video: None,
    ) -> None:
        self._videos = videos
        self._plan = plan
        self._geometry = geometry
        self._options = options
        self._opens = opens
        self._chunks: list[Chunks] | None = None
        self._expected: Floats | None = None

    def compare(self, fast: ClipModel, exact: ClipModel) -> ClipGateFigures:
        """Measure how far the faster model's probabilities differ from the exact one's."""
        if self._chunks is None or self._expected is None:
            self._chunks = self._sampled()
            self._opens(None)
            self._expected = _predicted(exact, self._chunks)
        found = _predicted(fast, self._chunks)
        return compare_probabilities(fast.options.fixed_precision, found, self._expected, self._options.max_change)

    def _sampled(self) -> list[Chunks]:
        """Chunks of some of the videos, ``(n, T, H, W, 3)`` each; broken videos are passed over."""
        chosen = evenly_chosen(self._videos, SAMPLE_VIDEOS)
        sampled = []
        for path in chosen:
            self._opens(path)
            try:
                info = probe(path)
            except VideoError:
                continue  # it will be reported when its turn comes
            sampled.append(sample_chunks(info, self._geometry(info), self._plan, SAMPLE_CHUNKS // len(chosen)))
        return [chunks for chunks in sampled if len(chunks)]


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


def _predicted(model: ClipModel, sampled: Sequence[Chunks]) -> Floats:
    return np.concatenate([np.empty((0, len(model.description.classes))), *(model.predict(part) for part in sampled)])

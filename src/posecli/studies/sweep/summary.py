"""What the versions of a sweep come to, over all videos and for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.evaluation import ALL
from posecli.inference.decode import Pose
from posecli.studies.sweep.material import SweepVideo
from posecli.studies.sweep.measures import RAW, Comparison, PartMeasures, Trajectories
from posecli.studies.sweep.resampling import Resampling, block_length
from posecli.studies.sweep.study import Sweep
from posecli.studies.sweep.trained import trained_scales
from posecli.studies.sweep.versions import Version

#: Columns of a version, in files.
VERSION_COLUMNS = (
    "codec",
    "crf",
    "crf_asked",
    "lossless",
    "preset",
    "pix_fmt",
    "gop",
    "scale",
    "precision",
    "network_width",
    "network_height",
    "frames",
    "looked_at",
    "bytes",
    "bit_rate",
    "bytes_per_hour",
    "raw_compression",
    "given_compression",
    "encode_fps",
    "read_fps",
    "network_fps",
    "analysis_fps",
    "psnr",
    "worst_psnr",
    "problem",
)
#: Of several videos these add up.
ADDED = ("frames", "looked_at", "bytes")
#: And these are frames over the sum of seconds.
SPEEDS = ("encode_fps", "read_fps", "network_fps", "analysis_fps")


@dataclass(frozen=True)
class SweepSummary:
    """A finished sweep, with its measures.

    Attributes
    ----------
    study
        What was made.
    """

    study: Sweep

    @property
    def bodyparts(self) -> tuple[str, ...]:
        """Names, in the network's order."""
        return self.study.model.description.bodyparts

    @property
    def reference(self) -> Version:
        """What the others are compared with."""
        return self.study.versions[0]

    @property
    def compared(self) -> tuple[Version, ...]:
        """The others, as far as they can be compared."""
        return self.study.usable[1:]

    @cached_property
    def measures(self) -> dict[str, list[PartMeasures]]:
        """Of each usable version, over all videos."""
        return self._measures(self.study.sources)

    @cached_property
    def by_video(self) -> dict[str, dict[str, list[PartMeasures]]]:
        """Of each video by itself, where there are several."""
        sources = self.study.sources
        return {source.name: self._measures([source]) for source in sources} if len(sources) > 1 else {}

    def measure(self, version: Version, bodypart: str = ALL, filtering: str = RAW) -> PartMeasures:
        """One body part of one version, over all videos."""
        return next(
            item for item in self.measures[version.name] if item.bodypart == bodypart and item.filtering == filtering
        )

    def worst(self, version: Version, filtering: str = RAW) -> PartMeasures:
        """The body part whose mean error may be largest."""
        parts = [self.measure(version, name, filtering) for name in self.bodyparts]
        return max(parts, key=lambda item: -1.0 if np.isnan(item.mean.high) else item.mean.high)

    @cached_property
    def resampling(self) -> Resampling:
        """Over all videos."""
        return self._resampling(self.study.sources)

    @cached_property
    def original(self) -> Trajectories:
        """Of the reference, over all videos."""
        return self._trajectories(self.study.sources, self.reference)

    @cached_property
    def seen(self) -> npt.NDArray[np.bool_]:
        """``(N, K)``: the points that count."""
        return np.asarray(self.original.poses[..., 2] >= self.study.cutoff)

    @property
    def trained_scales(self) -> tuple[float, float] | None:
        """Smallest and largest scale that the network was trained on; ``None`` where it does not say."""
        return trained_scales(self.study.model.description.source)

    @property
    def sampled(self) -> bool:
        """Whether the network looked at a part of the frames only."""
        return any(source.looked_at < source.frames for source in self.study.sources)

    @property
    def has_truth(self) -> bool:
        """Whether true points are known."""
        return any(truth is not None for truth in self.study.truths)

    def totals(self, version: Version) -> dict[str, Any]:
        """A version's sizes and speeds, over all videos."""
        return total([self.study.row(source, version) for source in self.study.sources], self.study.sources)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The tidy table: video (or all), version, body part (or all), filtering."""
        sources = self.study.sources
        groups: list[tuple[str, Sequence[SweepVideo], dict[str, list[PartMeasures]]]] = [
            (ALL if len(sources) > 1 else sources[0].name, sources, self.measures)
        ]
        groups += [(source.name, [source], self.by_video[source.name]) for source in sources if len(sources) > 1]
        for name, chosen, measures in groups:
            for version in self.study.versions:
                values = total([self.study.row(source, version) for source in chosen], chosen)
                head = {"video": name, "version": version.name} | {key: values.get(key) for key in VERSION_COLUMNS}
                yield from (head | item.as_dict() for item in measures.get(version.name, []))

    def _measures(self, sources: Sequence[SweepVideo]) -> dict[str, list[PartMeasures]]:
        truth = self._truth(sources)
        original = self._trajectories(sources, self.reference)
        comparison = Comparison(self.bodyparts, self.study.cutoff, self.study.options.window, self._resampling(sources))
        return {
            version.name: comparison.measure(self._trajectories(sources, version), original, truth)
            for version in self.study.usable
        }

    def _trajectories(self, sources: Sequence[SweepVideo], version: Version) -> Trajectories:
        """Each stretch is a trajectory of its own."""
        return Trajectories.of([part for source in sources for part in self._parts(source, version)])

    def _parts(self, source: SweepVideo, version: Version) -> list[Pose]:
        ends = np.cumsum([len(part) for part in source.stretches])[:-1]
        return np.split(self.study.poses(source, version), ends)

    def _truth(self, sources: Sequence[SweepVideo]) -> npt.NDArray[np.float64] | None:
        if not self.has_truth:
            return None
        known = dict(zip((source.name for source in self.study.sources), self.study.truths, strict=True))
        empty = (len(self.bodyparts), 2)
        return np.concatenate(
            [
                np.full((source.looked_at, *empty), np.nan) if known[source.name] is None else known[source.name]
                for source in sources
            ]
        )

    def _resampling(self, sources: Sequence[SweepVideo]) -> Resampling:
        blocks = tuple(block_length(source.looked_at, source.info.frame_rate) for source in sources)
        options = self.study.options
        return Resampling(tuple(source.looked_at for source in sources), blocks, options.resamples, options.seed)


def total(rows: Sequence[dict[str, Any]], sources: Sequence[SweepVideo]) -> dict[str, Any]:
    """One version of several videos as one."""
    merged = dict(rows[0])
    if len(rows) == 1:
        return merged
    frames = sum(row["frames"] for row in rows)
    merged |= {name: sum(row[name] for row in rows) for name in ADDED}
    for name in SPEEDS:
        known = [row for row in rows if row.get(name)]
        merged[name] = (
            sum(row["frames"] for row in known) / sum(row["frames"] / row[name] for row in known) if known else None
        )
    seconds = sum(source.seconds for source in sources)
    merged["bit_rate"] = 8 * merged["bytes"] / seconds
    merged["bytes_per_hour"] = 3600 * merged["bytes"] / seconds
    merged["raw_compression"] = sum(source.raw_bytes for source in sources) / merged["bytes"]
    merged["given_compression"] = sum(source.given_bytes for source in sources) / merged["bytes"]
    if rows[0].get("psnr") is not None:
        merged["psnr"] = sum(row["psnr"] * row["frames"] for row in rows) / frames
        merged["worst_psnr"] = min(row["worst_psnr"] for row in rows)
    merged["problem"] = next((row["problem"] for row in rows if row["problem"]), None)
    return merged

"""A sweep on the disk: what identifies it, what was found of every version, and the measures that follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.evaluation import ALL
from posecli.inference.decode import Pose
from posecli.inference.predictor import PoseModel
from posecli.studies.common.folder import Row, StudyKind
from posecli.studies.sweep.material import Floats, SweepVideo
from posecli.studies.sweep.measures import RAW, Comparison, PartMeasures, Resampling, Trajectories, block_length
from posecli.studies.sweep.options import SweepOptions
from posecli.studies.sweep.versions import Version
from posecli.tables.boxes import boxes_path, boxes_sha256
from posecli.video.probe import content_fingerprint

POSES_FOLDER, FRAMES_FOLDER, VIDEOS_FOLDER, SCENE_FOLDER = "poses", "frames", "videos", "scene"
SWEEP = StudyKind("sweep", "versions.jsonl", (POSES_FOLDER, FRAMES_FOLDER, VIDEOS_FOLDER, SCENE_FOLDER))
#: Columns of a version, in files.
VERSION_COLUMNS = (
    *("codec", "crf", "crf_asked", "lossless", "preset", "pix_fmt", "gop", "scale", "precision"),
    *("network_width", "network_height", "frames", "looked_at"),
    *("bytes", "bit_rate", "bytes_per_hour", "raw_compression", "given_compression"),
    *("encode_fps", "read_fps", "network_fps", "analysis_fps", "psnr", "worst_psnr", "problem"),
)
#: Of several videos these add up.
ADDED = ("frames", "looked_at", "bytes")
#: And these are frames over the sum of seconds.
SPEEDS = ("encode_fps", "read_fps", "network_fps", "analysis_fps")
#: By what DeepLabCut multiplies its global scale, unless a project says otherwise.
DEEPLABCUT_JITTER = (0.5, 1.25)


@dataclass(frozen=True)
class Sweep:
    """A finished sweep; its measures are computed when they are asked for."""

    folder: Path
    options: SweepOptions
    versions: tuple[Version, ...]  # the reference first
    videos: tuple[SweepVideo, ...]
    model: PoseModel  # in the precision of the sweep
    cutoff: float  # likelihood from which on a point counts as seen
    truths: tuple[Floats | None, ...]  # of each video ``(N, K, 2)`` px
    design: dict[str, Any]  # what ``design.json`` says
    rows: dict[tuple[str, str], Row]  # by video and version

    def poses(self, video: SweepVideo, version: Version) -> Pose:
        """Poses of a version of a video, ``(N, K, 3)`` float64."""
        return np.asarray(np.load(poses_path(self.folder, video, version), allow_pickle=False), np.float64)

    @property
    def usable(self) -> tuple[Version, ...]:
        """The versions whose frames match the original's in every video."""
        return tuple(version for version in self.versions if self.totals(version)["problem"] is None)

    @property
    def bodyparts(self) -> tuple[str, ...]:
        return self.model.description.bodyparts

    @property
    def reference(self) -> Version:
        """The version that the others are compared with."""
        return self.versions[0]

    @property
    def compared(self) -> tuple[Version, ...]:
        """The other versions, as far as they can be compared."""
        return self.usable[1:]

    @property
    def codecs(self) -> dict[str | None, list[Version]]:
        names = dict.fromkeys(version.codec for version in self.compared)
        return {name: [version for version in self.compared if version.codec == name] for name in names}

    @property
    def encoded(self) -> bool:
        """Whether versions differ in encoding, and not in scale or precision alone."""
        return any(version.encode is not None for version in self.versions)

    @cached_property
    def measures(self) -> dict[str, list[PartMeasures]]:
        """Measures of each usable version, over all videos."""
        unknown = [np.full((video.looked_at, len(self.bodyparts), 2), np.nan) for video in self.videos]
        truths = zip(self.truths, unknown, strict=True)
        truth = np.concatenate([nothing if points is None else points for points, nothing in truths])
        comparison = Comparison(self.bodyparts, self.cutoff, self.options.window, self.resampling)
        return {
            version.name: comparison.measure(self._trajectories(version), self.original, truth)
            for version in self.usable
        }

    def measure(self, version: Version, bodypart: str = ALL, filtering: str = RAW) -> PartMeasures:
        """One body part of one version, over all videos."""
        wanted = bodypart, filtering
        return next(item for item in self.measures[version.name] if (item.bodypart, item.filtering) == wanted)

    def worst(self, version: Version) -> PartMeasures:
        """The body part whose mean error may be largest."""
        parts = [self.measure(version, name) for name in self.bodyparts]
        return max(parts, key=lambda item: -1.0 if np.isnan(item.mean.high) else item.mean.high)

    @cached_property
    def resampling(self) -> Resampling:
        lengths = tuple(video.looked_at for video in self.videos)
        blocks = tuple(block_length(video.looked_at, video.info.frame_rate) for video in self.videos)
        return Resampling(lengths, blocks, self.options.resamples, self.options.seed)

    @cached_property
    def original(self) -> Trajectories:
        return self._trajectories(self.reference)

    @cached_property
    def seen(self) -> npt.NDArray[np.bool_]:
        """``(N, K)``: the points that count."""
        return np.asarray(self.original.poses[..., 2] >= self.cutoff)

    @property
    def trained_scales(self) -> tuple[float, float] | None:
        """Smallest and largest scale that the network was trained on; ``None`` where it does not say."""
        return trained_scales(self.model.description.source)

    @property
    def sampled(self) -> bool:
        """Whether the network looked at a part of the frames only."""
        return any(video.looked_at < video.frames for video in self.videos)

    @property
    def has_truth(self) -> bool:
        return any(truth is not None for truth in self.truths)

    def totals(self, version: Version) -> dict[str, Any]:
        """A version's sizes and speeds, over all videos."""
        return total([self.rows[video.name, version.name] for video in self.videos], self.videos)

    def tidy_rows(self) -> Iterator[dict[str, Any]]:
        """The tidy table: video (or all), version, body part (or all), filtering."""
        several = len(self.videos) > 1
        yield from self._tidy_rows(ALL if several else self.videos[0].name)
        for video, truth in zip(self.videos, self.truths, strict=True) if several else ():
            alone = replace(self, versions=self.usable, videos=(video,), truths=(truth,))
            yield from alone._tidy_rows(video.name)

    def _tidy_rows(self, name: str) -> Iterator[dict[str, Any]]:
        for version in self.usable:
            values = self.totals(version)
            head = {"video": name, "version": version.name} | {key: values.get(key) for key in VERSION_COLUMNS}
            yield from (head | item.as_dict() for item in self.measures[version.name])

    def _trajectories(self, version: Version) -> Trajectories:
        """Each stretch is a trajectory of its own."""
        parts: list[Floats] = []
        for video in self.videos:
            ends = np.cumsum([len(part) for part in video.stretches])[:-1]
            parts += np.split(self.poses(video, version), ends)
        return Trajectories.of(parts)


def identity_fields(
    kind: str, options: SweepOptions, versions: Sequence[Version], given: Sequence[SweepVideo], model: PoseModel
) -> dict[str, Any]:
    """What two sweeps must share for one to continue the other."""
    analysis = options.analysis
    boxes = {}
    if analysis.boxes is not None:
        tables = {video.name: boxes_path(analysis.boxes, video.info.path) for video in given}
        boxes = {"boxes": {name: boxes_sha256(table) for name, table in tables.items()}}
    return boxes | {
        "kind": kind,
        "videos": {video.name: content_fingerprint(video.info.path) for video in given} or "scene",
        "frames": options.frames,
        "sample": options.sample,
        "scene_seed": None if given else options.seed,
        "model": model.folder.identity,
        "engine": analysis.engine.engine,
        "precision": analysis.engine.precision,
        "crop": None if analysis.crop is None else str(analysis.crop),
        "scale": float(analysis.exact_scale),
        "versions": [
            {name: asdict(version)[name] for name in ("name", "encode", "scale", "precision")} for version in versions
        ],
    }


def poses_path(folder: Path, video: SweepVideo, version: Version) -> Path:
    """Poses ``(N, K, 3)`` of a version of a video, as `numpy.save` writes them."""
    return folder / POSES_FOLDER / f"{video.name}-{version.name}.npy"


def frame_path(folder: Path, video: SweepVideo, version: Version) -> Path:
    """First frame of a version of a video, as PNG."""
    return folder / FRAMES_FOLDER / f"{video.name}-{version.name}.png"


def sizes(size: float, seconds: float, raw: float, given: float) -> Row:
    """What follows from the bytes of a version, of its raw pixels, and of the given file."""
    return {
        "bytes": size,
        "bit_rate": 8 * size / seconds,
        "bytes_per_hour": 3600 * size / seconds,
        "raw_compression": raw / size,
        "given_compression": given / size,
    }


def total(rows: Sequence[dict[str, Any]], videos: Sequence[SweepVideo]) -> dict[str, Any]:
    """One version of several videos as one."""
    merged = dict(rows[0])
    if len(rows) == 1:
        return merged
    merged |= {name: sum(row[name] for row in rows) for name in ADDED}
    for name in SPEEDS:
        known = [row for row in rows if row.get(name)]
        seconds = sum(row["frames"] / row[name] for row in known)
        merged[name] = sum(row["frames"] for row in known) / seconds if known else None
    seconds = sum(video.seconds for video in videos)
    raw, given = sum(video.raw_bytes for video in videos), sum(video.given_bytes for video in videos)
    merged |= sizes(merged["bytes"], seconds, raw, given)
    if rows[0].get("psnr") is not None:
        merged["psnr"] = sum(row["psnr"] * row["frames"] for row in rows) / merged["frames"]
        merged["worst_psnr"] = min(row["worst_psnr"] for row in rows)
    merged["problem"] = next((row["problem"] for row in rows if row["problem"]), None)
    return merged


def trained_scales(source: Mapping[str, Any]) -> tuple[float, float] | None:
    """Smallest and largest scale of the frame that a network was trained on; ``None`` where nothing is known.

    The source is that of a model folder: trained here, averaged of several, or imported from DeepLabCut.

    >>> trained_scales({"global_scale": 0.8})
    (0.4, 1.0)
    >>> trained_scales({"config": {"augment": {"scales": [1.0, 0.25], "scale_jitter": 2.0}}})
    (0.125, 2.0)
    >>> trained_scales({"of": [{"global_scale": 0.8}, {"global_scale": 0.4}]})
    (0.2, 1.0)
    """
    try:
        if "of" in source:
            known = [scales for part in source["of"] if (scales := trained_scales(part)) is not None]
            return min(low for low, _ in known), max(high for _, high in known)
        if "config" in source:
            seen = source["config"]["augment"]
            return min(seen["scales"]) / seen["scale_jitter"], max(seen["scales"]) * seen["scale_jitter"]
        low, high = (float(source["global_scale"]) * factor for factor in DEEPLABCUT_JITTER)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return low, high

"""A pose table looked at: paths, trajectories, likelihoods, jumps and occupancy as figures, and in numbers.

Every figure is a PNG and an SVG file; numbers go to ``summary.json``. (No ``.csv``: tools that read poses take every
such file in a folder or below for a table.)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posecli.errors import OutputError, UsageError, VideoError
from posecli.options import TableChoice, at_least, check_pcutoff
from posecli.plots.figures import draw_jumps, draw_likelihoods, draw_occupancy, draw_paths, draw_trajectories
from posecli.support.figures import save_figure
from posecli.support.files import refuse_existing, write_whole
from posecli.tables.manifest import read_manifest
from posecli.tables.poses import PoseData, model_pcutoff, read_poses
from posecli.video.probe import probe
from posecli.video.reader import VideoReader

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

SUMMARY_NAME = "summary.json"
#: Cut-offs at which the share of points is reported.
CUTOFFS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class PlotOptions:
    """What is drawn; a `UsageError` if a value is out of range."""

    #: Likelihood below which a point counts as unseen; ``None`` is the model's own, or 0.6 where it is not known.
    pcutoff: float | None = None
    #: The body parts to draw; empty for all.
    bodyparts: tuple[str, ...] = ()
    #: The video: its first frame is drawn behind the paths, and it has the frames' times.
    video: Path | None = None
    #: How many of the largest jumps are listed.
    jumps: int = 20
    #: Which table of a file with several, and whose points.
    choice: TableChoice = TableChoice()

    def __post_init__(self) -> None:
        check_pcutoff(self.pcutoff)
        at_least(0, jumps=self.jumps)


@dataclass(frozen=True)
class Jump:
    """A step from one frame to the next; frames that the table lacks are never stepped over."""

    bodypart: str
    frame: int  # the one after the jump
    seconds: float | None  # its time, where that is known
    px: float  # how far
    x: float  # where to, px
    y: float
    likelihood: float  # the lower one of both frames


@dataclass(frozen=True)
class PlottedTable:
    """What was drawn of a table."""

    table: Path
    files: tuple[Path, ...]  #: Everything that was written.
    frames: int  #: Rows of the table.
    pcutoff: float  #: The cut-off that was used.
    #: Of each body part: ``share_seen``, ``median_likelihood``, ``share_at_cutoff`` (share of frames at or above each
    #: of `CUTOFFS`), ``way_px``, and ``step_median_px``, ``step_p99_px`` and ``step_largest_px`` of frame to frame.
    #: ``None`` where nothing is known.
    bodyparts: dict[str, dict[str, Any]] = field(repr=False)
    #: The largest steps, the largest first.
    jumps: tuple[Jump, ...] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"table": str(self.table), "files": [str(path) for path in self.files]}


def plot_table(
    table: Path,
    folder: Path | None = None,
    options: PlotOptions = PlotOptions(),
    *,
    overwrite: bool = False,
    progress: Callable[[str], object] = lambda _name: None,
) -> PlottedTable:
    """Draw a pose table into a folder.

    Parameters
    ----------
    table
        Posecli's or DeepLabCut's.
    folder
        Where the files go; by default ``<table>-plots`` beside it.
    options
        What is drawn.
    overwrite
        Whether files of earlier figures may be replaced.
    progress
        Called with the name of each figure before it is drawn.

    Raises
    ------
    UsageError
        If the table cannot be used, or lacks a body part.
    VideoError
        If the video cannot be read or is not the table's.
    OutputExistsError
        If there are such files already.
    OutputError
        If the folder cannot be written to.
    """
    poses = chosen(read_poses(table, options.choice), options.bodyparts)
    pcutoff = model_pcutoff(table) if options.pcutoff is None else options.pcutoff
    target = folder or table.with_name(f"{table.stem}-plots")
    size, background, seconds = _frame_of(poses, options.video)
    poses = replace(poses, seconds=seconds)
    broken = poses.broken_at_gaps()
    steps = step_lengths(broken.shown(pcutoff))
    drawings: dict[str, Callable[[], Figure]] = {
        "paths": lambda: draw_paths(broken.shown(pcutoff), poses.names, size, background),
        "trajectories": lambda: draw_trajectories(
            broken.points, poses.names, broken.seconds, pcutoff, frames=broken.frames
        ),
        "likelihoods": lambda: draw_likelihoods(poses.points[..., 2], poses.names, pcutoff),
        "jumps": lambda: draw_jumps(steps, poses.names),
        "occupancy": lambda: draw_occupancy(_centers(poses, pcutoff), _frame_seconds(poses), size),
    }
    if target.exists() and not target.is_dir():
        raise OutputError(f"'{target}' is a file: name a folder with --out-dir")
    for name in (*(f"{name}.{kind}" for name in drawings for kind in ("png", "svg")), SUMMARY_NAME):
        refuse_existing(target / name, overwrite=overwrite)
    files: list[Path] = []
    for name, draw in drawings.items():
        progress(name)
        files += save_figure(draw(), target / name)
    summary = target / SUMMARY_NAME
    parts = {name: _summary(poses, part, pcutoff, steps) for part, name in enumerate(poses.names)}
    jumps = largest_jumps(broken, steps, options.jumps)
    result = PlottedTable(table, (*files, summary), len(poses), pcutoff, parts, jumps)
    write_whole(summary, (json.dumps(result.as_dict(), indent=2, ensure_ascii=False) + "\n").encode())
    return result


def chosen(poses: PoseData, bodyparts: tuple[str, ...]) -> PoseData:
    """Some body parts of a table, of every animal that has them; all of them where none is named."""
    for part in bodyparts:
        if part not in poses.bodyparts:
            known = ", ".join(dict.fromkeys(poses.bodyparts))
            raise UsageError(f"body part '{part}' is not in '{poses.path}': it has {known}")
    if not bodyparts:
        return poses
    places = [place for place, part in enumerate(poses.bodyparts) if part in bodyparts]
    return poses.select(places)


def step_lengths(shown: Floats) -> Floats:
    """Distances from each frame to the next, ``(N - 1, K)`` px of ``(N, K, 2)``; NaN where either is not known.

    >>> step_lengths(np.array([[[0.0, 0.0]], [[3.0, 4.0]], [[np.nan, 1.0]]]))
    array([[ 5.],
           [nan]])
    """
    return np.asarray(np.hypot(*np.moveaxis(np.diff(shown, axis=0), -1, 0)), np.float64)


def largest_jumps(poses: PoseData, steps: Floats, count: int) -> tuple[Jump, ...]:
    """The largest steps from row to row of all body parts, the largest first."""
    known = np.flatnonzero(np.isfinite(steps.ravel()))
    order = known[np.argsort(-steps.ravel()[known], kind="stable")][:count]
    jumps = []
    for row, part in zip(*np.unravel_index(order, steps.shape), strict=True):
        x, y, likelihood = poses.points[row + 1, part].tolist()
        frame = int(poses.frames[row + 1])
        seconds = None if poses.seconds is None else float(poses.seconds[row + 1])
        lower = min(likelihood, float(poses.points[row, part, 2]))
        jumps.append(Jump(poses.names[part], frame, seconds, float(steps[row, part]), x, y, lower))
    return tuple(jumps)


def _summary(poses: PoseData, part: int, pcutoff: float, steps: Floats) -> dict[str, Any]:
    """Statistics of one body part."""
    likelihood = poses.points[:, part, 2]
    likelihood = likelihood[np.isfinite(likelihood)]
    way = steps[:, part][np.isfinite(steps[:, part])]
    seen = np.isfinite(poses.shown(pcutoff)[:, part]).all(axis=1)
    return {
        "share_seen": float(seen.mean()),
        "median_likelihood": float(np.median(likelihood)) if likelihood.size else None,
        "share_at_cutoff": {f"{cutoff:g}": float((likelihood >= cutoff).sum() / len(poses)) for cutoff in CUTOFFS},
        "way_px": float(way.sum()) if way.size else None,
        "step_median_px": float(np.median(way)) if way.size else None,
        "step_p99_px": float(np.percentile(way, 99)) if way.size else None,
        "step_largest_px": float(way.max()) if way.size else None,
    }


def _centers(poses: PoseData, pcutoff: float) -> Floats:
    """``(N * animals, 2)`` mean positions of each animal's visible body parts, px; frames without any are left out."""
    shown = poses.shown(pcutoff)
    animals = np.array(poses.individuals or ("",) * len(poses.names))
    centers = []
    for animal in dict.fromkeys(animals.tolist()):
        points = shown[:, animals == animal]
        points = np.where(np.isfinite(points).all(axis=2, keepdims=True), points, np.nan)
        centers.append(np.nanmean(points[np.isfinite(points).any(axis=(1, 2))], axis=1))
    return np.concatenate(centers)


def _frame_seconds(poses: PoseData) -> float | None:
    """How long a frame lasts, on average; ``None`` where times are not known."""
    if poses.seconds is None or len(poses) < 2:
        return None
    return float(poses.seconds[-1] - poses.seconds[0]) / int(poses.frames[-1] - poses.frames[0]) or None


def _frame_of(poses: PoseData, video: Path | None) -> tuple[tuple[int, int] | None, Image | None, Floats | None]:
    """Width and height of the frames if known, the video's first frame, and the times of all rows."""
    if video is None:
        manifest = read_manifest(poses.path.with_suffix(".json")) or {}
        sides = [manifest.get("video", {}).get(side) for side in ("width", "height")]
        return ((sides[0], sides[1]) if all(isinstance(side, int) for side in sides) else None), None, poses.seconds
    info = probe(video)
    poses.belongs_to(video, info.n_frames, VideoError)
    reader = VideoReader(info)
    try:
        batch = next(reader.batches(1))
    finally:
        reader.close()
    return (info.width, info.height), batch.images[0], info.seconds()[poses.frames]

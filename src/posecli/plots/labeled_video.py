"""Videos with their poses drawn into them: H.264 that browsers play, every frame at its own time.

Three things go on at once: the next frames are decoded, these are drawn on, and the last ones are encoded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.errors import OutputError, UsageError
from posecli.options import TableChoice, at_least, check_pcutoff
from posecli.plots.painting import DOT_SHARE, Color, Painter, Sheet
from posecli.support.figures import part_colors
from posecli.support.yamlfile import read_yaml
from posecli.tables.poses import PCUTOFF, PoseData, model_pcutoff, read_poses
from posecli.video.batch import Batch
from posecli.video.geometry import SMALLEST_SIDE, Geometry
from posecli.video.probe import VideoInfo, probe
from posecli.video.reader import VideoReader
from posecli.video.timed import TimedEncoder

#: Frames that pass from stage to stage at a time; fewer if they are large.
BATCH = 16
BATCH_BYTES = 32 << 20
#: Buffers of frames: one being filled, one being drawn, one waiting.
BUFFERS = 3
SMALLEST_DOT = 3.0

Bones = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LabelOptions:
    """How poses are drawn; a `UsageError` if a value is out of range."""

    #: Likelihood below which a body part is not drawn; ``None`` is the cut-off of the model that made the table, or
    #: 0.6 where that is not known.
    pcutoff: float | None = PCUTOFF
    #: Frames for which a body part leaves a trail behind it.
    trail: int = 0
    #: Px; by default a share of the frame's size.
    dot_radius: float | None = None
    #: Pairs of body parts that are joined by lines.
    skeleton: Bones = ()
    #: Factor on the frame's size.
    scale: float = 1.0
    #: First frame to show.
    start: int = 0
    #: The one after the last that is shown; ``None`` is the end of the video.
    end: int | None = None
    #: Whether a band below the frames names the body parts.
    legend: bool = True
    #: Constant rate factor of H.264, 0 (best) to 51.
    crf: float = 23

    def __post_init__(self) -> None:
        check_pcutoff(self.pcutoff)
        at_least(0, trail=self.trail)
        if self.dot_radius is not None and not self.dot_radius > 0:
            raise UsageError(f"dot radius {self.dot_radius} is too small: give a number of px above 0")
        if not 0 < self.scale <= 8:
            raise UsageError(f"scale {self.scale:g} is out of range: give a factor above 0 and at most 8")

    def frames_of(self, info: VideoInfo) -> range:
        """The frames that are shown; `UsageError` if the video does not have them."""
        end = info.n_frames if self.end is None else self.end
        if not 0 <= self.start < end <= info.n_frames:
            raise UsageError(
                f"frames {self.start} to {end} are not in '{info.path}', which has {info.n_frames}: give a start from "
                f"0 and a larger end, at most {info.n_frames}"
            )
        return range(self.start, end)


@dataclass(frozen=True)
class LabelJob:
    """A labelled video that can be made: video, tables and options have been checked."""

    info: VideoInfo
    tables: tuple[PoseData, ...]  # drawn side by side
    options: LabelOptions
    frames: range  # those that are shown

    @property
    def default_out(self) -> Path:
        """Beside the video, ending as DeepLabCut's labelled videos do: tools that look for videos leave it out."""
        first = self.tables[0].path.stem
        return self.info.path.with_name(f"{first}{'_compared' if len(self.tables) > 1 else ''}_labeled.mp4")

    def shown(self, table: PoseData) -> npt.NDArray[np.float64]:
        """``(frames of the video, K, 2)`` positions of a table that are drawn; NaN where there is nothing to draw."""
        shown = np.full((self.info.n_frames, len(table.labels), 2), np.nan)
        shown[table.frames] = table.shown(self.cutoff_of(table))
        return shown

    def cutoff_of(self, table: PoseData) -> float:
        """The likelihood from which on a table's points are drawn."""
        return model_pcutoff(table.path) if self.options.pcutoff is None else self.options.pcutoff


def plan_labels(
    video: Path, tables: Sequence[Path], options: LabelOptions = LabelOptions(), choices: Sequence[TableChoice] = ()
) -> LabelJob:
    """Read a video's packets and its tables, and check that they belong together.

    Parameters
    ----------
    video
        The video.
    tables
        One pose table of it, or several to be compared side by side. Rows are drawn on the frames of their numbers.
    options
        What is drawn.
    choices
        Which table of each file, where it holds several.

    Raises
    ------
    VideoError
        If the video cannot be read.
    UsageError
        If a table cannot be used, or an option does not fit.
    OutputError
        If a table has rows for frames that the video does not have.
    """
    info = probe(video)
    read = tuple(map(read_poses, tables, choices or [TableChoice()] * len(tables)))
    for table in read:
        table.belongs_to(video, info.n_frames, OutputError)
    known = {name for table in read for name in table.bodyparts}
    for part in chain.from_iterable(options.skeleton):
        if part not in known:
            raise UsageError(
                f"body part '{part}' of the skeleton is not in the table: it has {', '.join(sorted(known))}"
            )
    return LabelJob(info, read, options, options.frames_of(info))


def label_video(
    video: Path,
    table: Path,
    out: Path,
    options: LabelOptions = LabelOptions(),
    *,
    choice: TableChoice = TableChoice(),
    overwrite: bool = False,
    progress: Callable[[int], object] = lambda _count: None,
) -> int:
    """Draw a pose table into its video: H.264 that browsers play, a frame for each frame, each at its own time.

    Parameters
    ----------
    video, table
        A video and its pose table. Frames without a row have no pose.
    out
        The video to make.
    options
        What is drawn.
    choice
        Which table of the file, where it holds several.
    overwrite
        Whether an existing file may be replaced.
    progress
        Called with the number of frames done since the last call.

    Returns
    -------
    int
        Frames written. One that cannot be decoded is black.

    Raises
    ------
    PoseCliError
        As `plan_labels` and `write_labels`.
    """
    return write_labels(plan_labels(video, [table], options, [choice]), out, overwrite=overwrite, progress=progress)


def write_labels(
    job: LabelJob, out: Path, *, overwrite: bool = False, progress: Callable[[int], object] = lambda _count: None
) -> int:
    """Make a labelled video; returns the number of frames."""
    info, options = job.info, job.options
    size = [round(side * options.scale) for side in (info.width, info.height)]
    if min(size) < SMALLEST_SIDE:
        raise UsageError(f"scale {options.scale:g} leaves {size[0]}x{size[1]} px of the frame: give a larger one")
    scale = Fraction(options.scale).limit_denominator(10_000)
    geometry = Geometry.plan(info.width, info.height, scale=scale)
    labeling = _Labeling(job, geometry)
    height, width = labeling.sheet.canvas.shape[:2]
    with TimedEncoder(
        out, width, height, info.time_base, crf=options.crf, frame_rate=info.frame_rate, overwrite=overwrite
    ) as encoder:
        labeling.run(VideoReader(info, geometry, first=job.frames.start), encoder, progress)
    return encoder.frames


class _Labeling:
    """Decodes, draws and encodes at the same time, each on different frames."""

    def __init__(self, job: LabelJob, geometry: Geometry) -> None:
        # A part of a video begins at time 0; the whole one where the original does.
        self._pts = job.info.pts - (job.info.pts[job.frames.start] if job.frames.start else 0)
        self._stop = job.frames.stop
        width, height = geometry.width, geometry.height
        colors = _colors_of(job.tables)
        titles = [table.path.stem for table in job.tables]
        self.sheet = Sheet(width, height, titles, list(colors.items()) if job.options.legend else [])
        radius = job.options.dot_radius or max(SMALLEST_DOT, DOT_SHARE * min(width, height))
        self._painters = []
        for table in job.tables:
            points, bones = geometry.to_network(job.shown(table)), _bones_of(table, job.options.skeleton)
            own_colors = [colors[name] for name in table.names]
            self._painters.append(Painter(points, own_colors, radius, bones, job.options.trail))

    def run(self, reader: VideoReader, encoder: TimedEncoder, progress: Callable[[int], object]) -> None:
        one = reader.new_buffer(1).nbytes
        buffers = [reader.new_buffer(max(1, min(BATCH, BATCH_BYTES // one))) for _ in range(BUFFERS)]
        waiting: deque[Future[int]] = deque()
        with ThreadPoolExecutor(1) as decoding, ThreadPoolExecutor(1) as encoding:
            try:
                number, coming = 0, decoding.submit(reader.read_into, buffers[0])
                while (batch := self._cut(coming.result())) is not None:
                    number += 1
                    coming = decoding.submit(reader.read_into, buffers[number % BUFFERS])
                    frames = [
                        (encoder.to_yuv(self._drawn(image, index)), int(self._pts[index]))
                        for image, index in zip(batch.images, batch.indices.tolist(), strict=True)
                    ]
                    waiting.append(encoding.submit(_encode, encoder, frames))
                    if len(waiting) > 1:
                        progress(waiting.popleft().result())
                for job in waiting:
                    progress(job.result())
            finally:
                decoding.shutdown(cancel_futures=True)
                encoding.shutdown(cancel_futures=True)
                reader.close()

    def _cut(self, batch: Batch | None) -> Batch | None:
        """Drop frames after the last one to show."""
        if batch is None or batch.indices[0] >= self._stop:
            return None
        return batch[: self._stop - int(batch.indices[0])]

    def _drawn(self, image: npt.NDArray[np.uint8], index: int) -> npt.NDArray[np.uint8]:
        """The sheet with one frame and its poses on it; the next call draws over it."""
        for panel, painter in zip(self.sheet.panels, self._painters, strict=True):
            panel[:] = image
            painter.paint(panel, index)
        return self.sheet.canvas


def _encode(encoder: TimedEncoder, frames: list[tuple[Any, int]]) -> int:
    for frame, pts in frames:
        encoder.write_yuv(frame, pts)
    return len(frames)


def read_skeleton(text: str) -> Bones:
    """Pairs of body parts, from ``"snout-leftear,snout-rightear"`` or from a DeepLabCut project's ``config.yaml``.

    A name may hold a hyphen where ``--`` stands between the two.

    >>> read_skeleton("snout-leftear, snout-rightear")
    (('snout', 'leftear'), ('snout', 'rightear'))
    """
    if text.lower().endswith((".yaml", ".yml")):
        return _skeleton_of_project(Path(text))
    pairs = []
    for pair in text.split(","):
        ends = [name.strip() for name in pair.split("--" if "--" in pair else "-")]
        if len(ends) != 2 or not all(ends):
            raise UsageError(
                f"skeleton '{pair.strip()}' is not a pair: give pairs as snout-leftear,snout-rightear (names with a "
                "hyphen as part-1--part-2), or a DeepLabCut config.yaml"
            )
        pairs.append((ends[0], ends[1]))
    return tuple(pairs)


def _skeleton_of_project(path: Path) -> Bones:
    found = read_yaml(path, UsageError).get("skeleton") or []
    if not isinstance(found, list) or not all(isinstance(bone, list) and len(bone) == 2 for bone in found):
        raise UsageError(f"'{path}' has a skeleton that is not a list of pairs: correct it, or give the pairs directly")
    if not found:
        raise UsageError(f"'{path}' has no skeleton: add one to it, or give pairs as snout-leftear,snout-rightear")
    return tuple((str(start), str(end)) for start, end in found)


def _bones_of(table: PoseData, skeleton: Bones) -> list[tuple[int, int]]:
    """Indices of those pairs that a table has, within each animal."""
    animals = table.individuals or ("",) * len(table.bodyparts)
    places = {point: place for place, point in enumerate(zip(animals, table.bodyparts, strict=True))}
    wanted = [((animal, start), (animal, end)) for animal in dict.fromkeys(animals) for start, end in skeleton]
    return [(places[start], places[end]) for start, end in wanted if start in places and end in places]


def _colors_of(tables: Sequence[PoseData]) -> dict[str, Color]:
    """A colour for every name: the same in every panel."""
    names = list(dict.fromkeys(chain.from_iterable(table.names for table in tables)))
    colors = [tuple(bytes.fromhex(color.removeprefix("#"))) for color in part_colors(len(names))]
    return dict(zip(names, colors, strict=True))

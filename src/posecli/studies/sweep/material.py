"""The videos of a sweep, and their true points where they are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.errors import LabelError, UsageError, VideoError
from posecli.evaluation.measure import positions, read_truth
from posecli.labels import LabeledData, read_labeled_data
from posecli.options import Crop
from posecli.studies.sweep.options import SCENE_FRAMES, SweepObserver, SweepOptions
from posecli.synthetic import SceneOptions, sample_files, write_sample
from posecli.synthetic.sample import find_truth, truths_beside
from posecli.tables.boxes import boxes_of
from posecli.video.encode import EncodeOptions
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, probe

Floats = npt.NDArray[np.float64]
#: The rendered scene, stored without loss as cameras store it.
SCENE_ENCODING = EncodeOptions(crf=None, preset="veryfast", pix_fmt="yuv420p")


@dataclass(frozen=True)
class SweepVideo:
    """One video of a sweep: versions are made of its first frames, and the network looks at stretches of them."""

    name: str
    info: VideoInfo
    frames: int
    stretches: tuple[range, ...]
    file_bytes: int
    truth: Path | None = None  # table of true points
    rendered: bool = False

    @property
    def places(self) -> npt.NDArray[np.int64]:
        """Indices of the frames that the network looks at."""
        return np.concatenate([np.arange(part.start, part.stop, dtype=np.int64) for part in self.stretches])

    @property
    def looked_at(self) -> int:
        return sum(map(len, self.stretches))

    @property
    def raw_bytes(self) -> int:
        # uncompressed: three bytes per pixel
        return 3 * self.info.width * self.info.height * self.frames

    @property
    def given_bytes(self) -> float:
        """The used frames' share of the file as it was given."""
        return self.file_bytes * self.frames / self.info.n_frames

    @property
    def seconds(self) -> float:
        return self.frames / self.info.frame_rate

    def geometry(self, options: SweepOptions, scale: float, of: VideoInfo | None = None) -> Geometry:
        """How a version's frames become the network's; what encoding added to an odd side is cropped away."""
        info = of or self.info
        crop = options.analysis.crop or Crop(0, self.info.width, 0, self.info.height)
        factor = Fraction(scale).limit_denominator(10_000) * options.analysis.exact_scale
        return Geometry.plan(info.width, info.height, crop, factor)

    def boxes(self, options: SweepOptions) -> Floats | None:
        """Those of the animal in all frames, where a table has them."""
        return boxes_of(options.analysis.boxes, self.info.path)

    def as_dict(self) -> dict[str, Any]:
        info = self.info
        return {
            "name": self.name,
            "path": str(info.path.resolve()),
            "rendered": self.rendered,
            **{name: getattr(info, name) for name in ("codec", "pixel_format", "width", "height")},
            "frames": self.frames,
            "stretches": [[part.start, part.stop] for part in self.stretches],
            "frame_rate": info.frame_rate,
            "bytes": self.given_bytes,
            "raw_bytes": self.raw_bytes,
            "truth": None if self.truth is None else str(self.truth),
        }


def stretches_of(frames: int, frame_rate: float, sample: int | None) -> tuple[range, ...]:
    """Stretches of a second, evenly over a video, that have about so many frames together; the first begins it.

    Stretches and not single frames, so that steps from frame to frame and filters over time have what they need.

    >>> stretches_of(2330, 30.0, 90)
    (range(0, 30), range(1150, 1180), range(2300, 2330))
    >>> stretches_of(50, 30.0, 200), stretches_of(50, 30.0, None)
    ((range(0, 50),), (range(0, 50),))
    """
    if sample is None or sample >= frames:
        return (range(frames),)
    length = min(sample, max(2, round(frame_rate)))
    count = min(max(1, round(sample / length)), frames // length)
    starts = np.linspace(0, frames - length, count).round().astype(int).tolist()
    return tuple(range(start, start + length) for start in starts)


def given_video(path: Path, options: SweepOptions) -> SweepVideo:
    """One of the videos that the options name; it is a `VideoError` if it is too short."""
    info = probe(path)
    if info.n_frames < 2 or info.frame_rate <= 0:
        raise VideoError(f"'{path}' has {info.n_frames} frames at {info.frame_rate:g} per second: give a longer video")
    frames = info.n_frames if options.frames is None else min(options.frames, info.n_frames)
    stretches = stretches_of(frames, info.frame_rate, options.sample)
    truth = options.truth
    if truth is None and options.labels is None and truths_beside(path):
        truth = find_truth(path)
    return SweepVideo(path.stem, info, frames, stretches, path.stat().st_size, truth)


def rendered_scene(options: SweepOptions, folder: Path, observer: SweepObserver) -> SweepVideo:
    """The trail-tracking scene, rendered unless it is there already."""
    scene = SceneOptions(frames=SCENE_FRAMES if options.frames is None else options.frames, seed=options.seed)
    observer.say(
        f"no video is given: rendering {scene.n_frames} frames of the {scene.scene} scene, whose true poses are known"
    )
    path = folder / f"{scene.scene}.mp4"
    files = sample_files(scene, path)
    with observer.work("rendering", scene.n_frames) as progress:
        if not (files.video.exists() and files.truth.exists()):
            files = write_sample(scene, path, SCENE_ENCODING, overwrite=True, progress=progress)
    info = probe(files.video)
    stretches = stretches_of(scene.n_frames, info.frame_rate, options.sample)
    return SweepVideo(path.stem, info, scene.n_frames, stretches, path.stat().st_size, files.truth, rendered=True)


def true_points(
    videos: Sequence[SweepVideo], bodyparts: Sequence[str], options: SweepOptions
) -> tuple[Floats | None, ...]:
    """Of each video ``(N, K, 2)`` px of the frames that are looked at, NaN where unknown; ``None`` without truth.

    It is a `LabelError` if a truth does not fit, a `UsageError` if the labels are of no frame of these videos.
    """
    if options.labels is None:
        return tuple(_points_of_table(video, bodyparts, options) for video in videos)
    labels = read_labeled_data(options.labels)
    points = tuple(_labeled_points(video, bodyparts, labels) for video in videos)
    if all(found is None for found in points):
        names = ", ".join(video.name for video in videos)
        raise UsageError(
            f"'{options.labels}' labels no frame of {names}: its folders must have the videos' names, or leave out "
            "--labels"
        )
    return points


def _points_of_table(video: SweepVideo, bodyparts: Sequence[str], options: SweepOptions) -> Floats | None:
    if video.truth is None:
        return None
    known = read_truth(video.truth, options.truth_choice)
    known.belongs_to(video.info.path, video.info.n_frames, LabelError)
    if not np.isin(video.places, known.frames).any():
        raise LabelError(
            f"truth '{video.truth}' has no row for the frames of '{video.info.path}' that are looked at: give one "
            "that has, or look at more frames"
        )
    return positions(known, video.places, bodyparts)


def _labeled_points(video: SweepVideo, bodyparts: Sequence[str], data: LabeledData) -> Floats | None:
    """Labelled frames in the folder of the video's name; an image's name ends in the number of its frame."""
    points = np.full((video.frames, len(bodyparts), 2), np.nan)
    known = [place for place, name in enumerate(bodyparts) if name in data.bodyparts]
    columns = [data.bodyparts.index(bodyparts[place]) for place in known]
    for frame in data.frames:
        if frame.video == video.name and frame.number < video.frames:
            points[frame.number, known] = frame.points[columns]
    looked_at = points[video.places]
    return looked_at if np.isfinite(looked_at).any() else None

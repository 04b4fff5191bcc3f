"""What a sweep starts from: videos, their true points where they are known, and a network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.errors import LabelError, UsageError, VideoError
from posecli.evaluation import positions, read_truth
from posecli.labels import LabeledData, read_labeled_data
from posecli.model.builtin import builtin_model_path
from posecli.options import Crop
from posecli.studies.sweep.observer import Progress
from posecli.studies.sweep.options import SCENE_FRAMES, SweepOptions
from posecli.synthetic import SceneOptions, sample_files, write_sample
from posecli.synthetic.sample import find_truth, truths_beside
from posecli.video.encode import EncodeOptions
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, probe

Floats = npt.NDArray[np.float64]
#: The rendered scene, stored without loss as cameras store it.
SCENE_ENCODING = EncodeOptions(crf=None, preset="veryfast", pix_fmt="yuv420p")


@dataclass(frozen=True)
class SweepVideo:
    """One video of a sweep.

    Attributes
    ----------
    name
        Of the video, without ending.
    info
        What is known of the file.
    frames
        How many of its first frames are used: of which versions are made.
    stretches
        Those of them that the network looks at.
    file_bytes
        Size of the file.
    truth
        Table of true points, or ``None``.
    rendered
        Whether the sweep made it.
    """

    name: str
    info: VideoInfo
    frames: int
    stretches: tuple[range, ...]
    file_bytes: int
    truth: Path | None = None
    rendered: bool = False

    @property
    def places(self) -> npt.NDArray[np.int64]:
        """Places in the video of the frames that the network looks at."""
        return np.concatenate([np.arange(part.start, part.stop, dtype=np.int64) for part in self.stretches])

    @property
    def looked_at(self) -> int:
        """How many the network looks at."""
        return sum(map(len, self.stretches))

    @property
    def raw_bytes(self) -> int:
        """Of the used frames, three bytes a pixel, as an uncompressed video holds them."""
        return 3 * self.info.width * self.info.height * self.frames

    @property
    def given_bytes(self) -> float:
        """The used frames' share of the file as it was given."""
        return self.file_bytes * self.frames / self.info.n_frames

    @property
    def seconds(self) -> float:
        """Length of the used frames."""
        return self.frames / self.info.frame_rate

    def geometry(self, options: SweepOptions, scale: float, of: VideoInfo | None = None) -> Geometry:
        """How a version's frames become the network's; what encoding added to an odd side is cropped away."""
        info = of or self.info
        crop = options.analysis.crop or Crop(0, self.info.width, 0, self.info.height)
        return Geometry.plan(info.width, info.height, crop, _exact(scale) * options.analysis.exact_scale)


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


def _exact(scale: float) -> Fraction:
    return Fraction(scale).limit_denominator(10_000)


def model_path(options: SweepOptions) -> Path:
    """The model that is asked for, or posecli's own.

    Raises
    ------
    ModelError
        If it is posecli's own and not installed.
    """
    return options.model if options.model is not None else builtin_model_path()


def own_videos(options: SweepOptions) -> tuple[SweepVideo, ...]:
    """The videos that were given, looked at.

    Raises
    ------
    VideoError
        If one cannot be read, or has fewer than two frames.
    LabelError
        If truth was named and there is none.
    """
    return tuple(_own_video(path, options) for path in options.videos)


def _own_video(path: Path, options: SweepOptions) -> SweepVideo:
    info = probe(path)
    if info.n_frames < 2 or info.frame_rate <= 0:
        raise VideoError(f"'{path}' has {info.n_frames} frames at {info.frame_rate:g} per second: give a longer video")
    frames = min(info.n_frames, options.frames or info.n_frames)
    stretches = stretches_of(frames, info.frame_rate, options.sample)
    return SweepVideo(path.stem, info, frames, stretches, path.stat().st_size, _truth_of(path, options))


def _truth_of(path: Path, options: SweepOptions) -> Path | None:
    if options.truth is not None or options.labels is not None:
        return options.truth
    return find_truth(path) if truths_beside(path) else None


def scene_options(options: SweepOptions) -> SceneOptions:
    """The scene that is rendered where no video is given."""
    return SceneOptions(frames=options.frames or SCENE_FRAMES, seed=options.seed)


def scene_path(options: SweepOptions, folder: Path) -> Path:
    """Where the rendered scene goes."""
    scene = scene_options(options)
    return folder / f"{scene.scene}.mp4"


def rendered_scene(options: SweepOptions, folder: Path, progress: Progress) -> SweepVideo:
    """The trail-tracking scene, rendered unless it lies there whole.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    scene = scene_options(options)
    path = scene_path(options, folder)
    files = sample_files(scene, path)
    if not (files.video.exists() and files.truth.exists()):
        files = write_sample(scene, path, SCENE_ENCODING, overwrite=True, progress=progress)
    info = probe(files.video)
    stretches = stretches_of(scene.n_frames, info.frame_rate, options.sample)
    return SweepVideo(path.stem, info, scene.n_frames, stretches, path.stat().st_size, files.truth, rendered=True)


def true_points(source: SweepVideo, bodyparts: Sequence[str], options: SweepOptions) -> Floats | None:
    """``(N, K, 2)`` px of the frames that are looked at, NaN where nothing is known; ``None`` where there is no truth.

    Raises
    ------
    LabelError
        If the truth does not fit the video or the network.
    """
    if options.labels is not None:
        return _labelled_points(source, bodyparts, read_labeled_data(options.labels))
    if source.truth is None:
        return None
    known = read_truth(source.truth, options.truth_choice)
    known.belongs_to(source.info.path, source.info.n_frames, LabelError)
    if not np.isin(source.places, known.frames).any():
        raise LabelError(
            f"truth '{source.truth}' has no row for the frames of '{source.info.path}' that are looked at: give one "
            "that has, or look at more frames"
        )
    return positions(known, source.places, bodyparts)


def _labelled_points(source: SweepVideo, bodyparts: Sequence[str], data: LabeledData) -> Floats | None:
    """Labelled frames in the folder of the video's name; an image's name ends in the number of its frame."""
    points = np.full((source.frames, len(bodyparts), 2), np.nan)
    chosen = [frame for frame in data.frames if Path(frame.name).parent.name == source.name]
    for frame in chosen:
        number = re.search(r"(\d+)$", Path(frame.name).stem)
        if number is None:
            raise LabelError(f"image '{frame.name}' does not end in the number of its frame: it cannot be placed")
        if int(number[1]) < source.frames:
            points[int(number[1])] = _in_order(frame.points[None], data.bodyparts, bodyparts)[0]
    looked_at = points[source.places]
    return looked_at if np.isfinite(looked_at).any() else None


def _in_order(points: Floats, have: Sequence[str], want: Sequence[str]) -> Floats:
    """The network's body parts; NaN for those that the truth does not know."""
    ordered = np.full((len(points), len(want), 2), np.nan)
    for place, name in enumerate(want):
        if name in have:
            ordered[:, place] = points[:, list(have).index(name)]
    return ordered


def refuse_labels_of_other_videos(sources: Sequence[SweepVideo], truths: Sequence[Floats | None], labels: Path) -> None:
    """Labels that were named and are of none of the videos are a mistake.

    Raises
    ------
    UsageError
        If no labelled frame belongs to any of the videos.
    """
    if all(truth is None for truth in truths):
        names = ", ".join(source.name for source in sources)
        raise UsageError(
            f"'{labels}' labels no frame of {names}: its folders must have the videos' names, or leave out --labels"
        )

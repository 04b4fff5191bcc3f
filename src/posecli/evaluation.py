"""How far predicted points lie from where people, or a renderer, say that they are.

Errors are Euclidean distances in px of the full frame, at whatever scale the network saw it. Shapes: ``S`` scales,
``N`` frames, ``K`` body parts.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.errors import LabelError, UsageError
from posecli.geometry import Geometry
from posecli.hdf5 import read_plain_table
from posecli.labels import LabeledData, LabeledFrame, image_size, read_bgr
from posecli.precision import model_cutoff
from posecli.predictor import PoseModel
from posecli.synthetic.sample import find_truth
from posecli.table import move_into_place, partial_path, write_partial
from posecli.video.prepare import prepare
from posecli.video.probe import probe
from posecli.video.reader import VideoReader

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
#: Is told how many more frames have a pose.
Progress = Callable[[int], object]

#: Name of a row over all body parts, and of the only group of frames where there is no split.
ALL = "all"


def untold(_count: int) -> None:
    """A `Progress` that tells nobody."""


@dataclass(frozen=True)
class EvaluateOptions:
    """What is measured.

    Attributes
    ----------
    scales
        Factors by which frames are resized for the network.
    pcutoff
        Likelihood from which on a point counts as found; ``None`` takes the model's own.
    pck
        Radii in px of the full frame: the share of points that lie within each is reported.
    batch_size
        Frames per call of the network.
    every
        Of a video, use every so many-th frame.
    """

    scales: tuple[float, ...] = (1.0, 0.5, 0.25, 0.125)
    pcutoff: float | None = None
    pck: tuple[float, ...] = (5.0, 10.0)
    batch_size: int = 8
    every: int = 1

    def __post_init__(self) -> None:
        for scale in self.scales:
            if not 0 < scale <= 4:
                raise UsageError(f"scale {scale:g} is out of range: give factors above 0 and at most 4")
        if not self.scales or len(set(self.scales)) < len(self.scales):
            raise UsageError(f"scales {self.scales} are none or repeat: give each scale once")
        if self.pcutoff is not None and not 0 <= self.pcutoff <= 1:
            raise UsageError(f"pcutoff {self.pcutoff:g} is out of range: give a likelihood from 0 to 1")
        if not all(0 < radius < math.inf for radius in self.pck):
            raise UsageError(f"pck radii {self.pck} are not all above 0: give distances in px")
        for name, value in (("batch size", self.batch_size), ("every", self.every)):
            if value < 1:
                raise UsageError(f"{name} {value} is too small: give a whole number of 1 or more")


@dataclass(frozen=True)
class ErrorSummary:
    """Errors of some points.

    Attributes
    ----------
    points
        Labelled points.
    counted
        Those of them that count: all, or those above a likelihood cut-off.
    mean, median, p90, p99
        Of the counted points' errors, px; NaN where none counts.
    pck
        Share of the counted points within each radius.

    Examples
    --------
    >>> summary = ErrorSummary.of(np.array([1.0, 3.0, np.nan]), np.array([0.9, 0.2, 0.9]), None, (2.0,))
    >>> summary.points, summary.mean, summary.pck
    (2, 2.0, (0.5,))
    >>> ErrorSummary.of(np.array([1.0, 3.0, np.nan]), np.array([0.9, 0.2, 0.9]), 0.6, (2.0,)).share
    0.5
    """

    points: int
    counted: int
    mean: float
    median: float
    p90: float
    p99: float
    pck: tuple[float, ...]

    @classmethod
    def of(cls, errors: Floats, likelihood: Floats, cutoff: float | None, radii: Sequence[float]) -> ErrorSummary:
        """Sum up.

        Parameters
        ----------
        errors
            Px, of any shape; NaN where nothing was labelled.
        likelihood
            Of the same points.
        cutoff
            Least likelihood that counts; ``None`` counts every point.
        radii
            Px.
        """
        labeled = ~np.isnan(errors)
        counted = errors[labeled if cutoff is None else labeled & (likelihood >= cutoff)]
        if not counted.size:
            return cls(int(labeled.sum()), 0, math.nan, math.nan, math.nan, math.nan, (math.nan,) * len(radii))
        median, p90, p99 = (float(value) for value in np.quantile(counted, (0.5, 0.9, 0.99)))
        pck = tuple(float((counted <= radius).mean()) for radius in radii)
        return cls(int(labeled.sum()), counted.size, float(counted.mean()), median, p90, p99, pck)

    @property
    def share(self) -> float:
        """Share of the labelled points that count; NaN where nothing was labelled."""
        return self.counted / self.points if self.points else math.nan


@dataclass(frozen=True)
class EvaluationRow:
    """One line of the tidy table: a group of frames, a scale, a body part, with or without cut-off."""

    split: str
    scale: float
    bodypart: str
    pcutoff: float | None
    summary: ErrorSummary

    def as_dict(self, radii: Sequence[float]) -> dict[str, Any]:
        """Plain values by column name; ``None`` for what is not known."""
        summary = self.summary
        values = {
            "split": self.split,
            "scale": self.scale,
            "bodypart": self.bodypart,
            "pcutoff": self.pcutoff,
            "points": summary.points,
            "counted": summary.counted,
            "share_counted": summary.share,
            "mean_px": summary.mean,
            "median_px": summary.median,
            "p90_px": summary.p90,
            "p99_px": summary.p99,
            **{f"pck_{radius:g}px": share for radius, share in zip(radii, summary.pck, strict=True)},
        }
        return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}


@dataclass(frozen=True)
class Evaluation:
    """Poses of labelled frames at several scales, beside the truth.

    Attributes
    ----------
    bodyparts
        Those that both the network and the labels know.
    frames
        Names of the frames.
    scales
        Factors by which the frames were resized for the network.
    truth
        ``(N, K, 2)`` float64 px of the full frame; NaN where nothing is labelled.
    poses
        ``(S, N, K, 3)`` float64: x px, y px of the full frame, likelihood.
    cutoff
        Likelihood from which on a point counts as found.
    radii
        For the share of points within them, px.
    splits
        Groups of frames: ``(N,)`` bool each.
    notes
        What was passed over, a sentence each, for people.
    """

    bodyparts: tuple[str, ...]
    frames: tuple[str, ...]
    scales: tuple[float, ...]
    truth: Floats
    poses: Floats
    cutoff: float
    radii: tuple[float, ...]
    splits: Mapping[str, Mask]
    notes: tuple[str, ...] = ()

    @cached_property
    def errors(self) -> Floats:
        """``(S, N, K)`` px; NaN where nothing is labelled."""
        return point_errors(self.poses, self.truth)

    def summary(self, split: str, scale: float, bodypart: str = ALL, cutoff: float | None = None) -> ErrorSummary:
        """Errors of one group of frames at one scale, of one body part or of `ALL`."""
        place = self.scales.index(scale)
        parts = (
            slice(None)
            if bodypart == ALL
            else slice(self.bodyparts.index(bodypart), self.bodyparts.index(bodypart) + 1)
        )
        chosen = (place, self.splits[split], parts)
        return ErrorSummary.of(self.errors[chosen], self.poses[..., 2][chosen], cutoff, self.radii)

    def rows(self) -> Iterator[EvaluationRow]:
        """The tidy table: each group of frames, scale and body part, without and with cut-off."""
        for split in self.splits:
            for scale in self.scales:
                for bodypart in (*self.bodyparts, ALL):
                    for cutoff in (None, self.cutoff):
                        summary = self.summary(split, scale, bodypart, cutoff)
                        yield EvaluationRow(split, scale, bodypart, cutoff, summary)

    def deeplabcut(self) -> dict[str, tuple[float, float]]:
        """What DeepLabCut calls train and test error: of each group of frames, without and with cut-off.

        The mean over all labelled points at full size, px, rounded to two decimals; empty where full size is not
        among the scales. It is called RMSE there, but no square is taken.
        """
        if 1.0 not in self.scales:
            return {}
        return {
            split: (
                round(self.summary(split, 1.0).mean, 2),
                round(self.summary(split, 1.0, cutoff=self.cutoff).mean, 2),
            )
            for split in self.splits
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "bodyparts": list(self.bodyparts),
            "frames": {split: int(mask.sum()) for split, mask in self.splits.items()},
            "pcutoff": self.cutoff,
            "deeplabcut_error_px": {
                split: {"all": _known(plain), "above_pcutoff": _known(cut)}
                for split, (plain, cut) in self.deeplabcut().items()
            },
            "rows": [row.as_dict(self.radii) for row in self.rows()],
            "notes": list(self.notes),
        }


def point_errors(predicted: Floats, truth: Floats) -> Floats:
    """Euclidean distances, px.

    Parameters
    ----------
    predicted
        ``(..., K, 3)`` or ``(..., K, 2)``: x, y in px, and what else there is.
    truth
        ``(..., K, 2)`` px; NaN where nothing is labelled.

    Returns
    -------
    ndarray
        ``(..., K)``; NaN where nothing is labelled, or nothing could be predicted.

    Examples
    --------
    >>> point_errors(np.array([[[3.0, 4.0, 0.9], [1.0, 1.0, 0.9]]]), np.array([[[0.0, 0.0], [np.nan, np.nan]]]))
    array([[ 5., nan]])
    """
    difference = predicted[..., :2] - truth
    return np.asarray(np.hypot(difference[..., 0], difference[..., 1]), np.float64)


def evaluate_frames(
    model: PoseModel,
    data: LabeledData,
    options: EvaluateOptions = EvaluateOptions(),
    splits: Mapping[str, LabeledData] | None = None,
    progress: Progress = untold,
) -> Evaluation:
    """Measure a model on labelled images, which may differ in size.

    Parameters
    ----------
    model
        A loaded model.
    data
        The images; body parts are matched by name.
    options
        What is measured.
    splits
        Groups of frames to report apart, such as train and test; frames in none are left out. By default all frames
        are one group.
    progress
        Is told how many more frames have a pose, over all scales.

    Raises
    ------
    LabelError
        If model and labels have no body part in common, or an image cannot be read.
    """
    groups = {ALL: data} if splits is None else splits
    wanted = {name for group in groups.values() for name in group.names}
    data = data.select(wanted)
    bodyparts, notes = _common_bodyparts(model, data.bodyparts)
    poses = [_poses_of_frames(model, data.frames, scale, options, progress) for scale in options.scales]
    return Evaluation(
        bodyparts,
        data.names,
        options.scales,
        _chosen(data.points, data.bodyparts, bodyparts),
        _chosen(np.stack(poses), model.description.bodyparts, bodyparts),
        _cutoff(model, options),
        options.pck,
        {split: np.isin(data.names, group.names) for split, group in groups.items()},
        (*data.notes, *notes),
    )


def evaluate_video(
    model: PoseModel,
    video: Path,
    truth: Path | None = None,
    options: EvaluateOptions = EvaluateOptions(),
    progress: Progress = untold,
) -> Evaluation:
    """Measure a model on a video whose points are known, such as a rendered one.

    Parameters
    ----------
    model
        A loaded model.
    video
        The file.
    truth
        Pose table with the true points; by default the one that `posecli sample` put beside the video.
    options
        What is measured.
    progress
        Is told how many more frames have a pose, over all scales.

    Raises
    ------
    LabelError
        If there is no truth, it has no body part in common with the model, or has another number of frames.
    VideoError
        If the video cannot be read.
    """
    known, points = read_truth(find_truth(video) if truth is None else truth)
    info = probe(video)
    if info.n_frames != len(points):
        raise LabelError(f"'{video}' has {info.n_frames} frames, its truth {len(points)}: they do not belong together")
    bodyparts, notes = _common_bodyparts(model, known)
    chosen = np.arange(0, len(points), options.every)
    poses = np.stack([_poses_of_video(model, video, scale, options, progress) for scale in options.scales])
    lost = int(np.isnan(poses[0, :, 0, 0]).sum())
    if lost:
        notes = (*notes, f"{lost} frames could not be decoded and are left out")
    return Evaluation(
        bodyparts,
        tuple(str(index) for index in chosen),
        options.scales,
        _chosen(points[chosen], known, bodyparts),
        _chosen(poses, model.description.bodyparts, bodyparts),
        _cutoff(model, options),
        options.pck,
        {ALL: np.ones(len(chosen), np.bool_)},
        notes,
    )


def evaluate_table(
    table: Path, truth: Path, options: EvaluateOptions = EvaluateOptions(), cutoff: float = 0.6
) -> Evaluation:
    """Compare a pose table with a truth table, without a network.

    Parameters
    ----------
    table, truth
        Pose tables of the same video.
    options
        Its `pck`, `every` and `pcutoff` count; there is one scale, which is called 1.
    cutoff
        Likelihood from which on a point counts as found, where the options name none.

    Raises
    ------
    LabelError
        If the tables do not belong together.
    """
    content = read_plain_table(table, LabelError)
    predicted = _coords(content, table, ("x", "y", "likelihood"))
    known, points = read_truth(truth)
    if len(points) != len(predicted):
        raise LabelError(
            f"'{table}' has {len(predicted)} rows, the truth '{truth}' {len(points)}: they do not belong together"
        )
    have = _bodyparts_of(content)
    bodyparts = tuple(name for name in have if name in known)
    if not bodyparts:
        raise _nothing_in_common(have, known)
    chosen = np.arange(0, len(points), options.every)
    return Evaluation(
        bodyparts,
        tuple(str(index) for index in chosen),
        (1.0,),
        _chosen(points[chosen], known, bodyparts),
        _chosen(predicted[None, chosen], have, bodyparts),
        cutoff if options.pcutoff is None else options.pcutoff,
        options.pck,
        {ALL: np.ones(len(chosen), np.bool_)},
    )


def read_truth(path: Path) -> tuple[tuple[str, ...], Floats]:
    """Body parts and points ``(N, K, 2)``, px, of a table of poses; NaN where hidden.

    Raises
    ------
    LabelError
        If it is no such table.
    """
    content = read_plain_table(path, LabelError)
    return _bodyparts_of(content), _coords(content, path, ("x", "y"))


def write_evaluation_csv(evaluation: Evaluation, path: Path) -> None:
    """Write the tidy table, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    rows = [row.as_dict(evaluation.radii) for row in evaluation.rows()]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_partial(path, stream.getvalue().encode())
    move_into_place(partial_path(path), path)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _cutoff(model: PoseModel, options: EvaluateOptions) -> float:
    return model_cutoff(model.folder) if options.pcutoff is None else options.pcutoff


def _exact(scale: float) -> Fraction:
    """As `AnalyzeOptions.exact_scale` has it, so that the network sees the frames that it would see there."""
    return Fraction(scale).limit_denominator(10_000)


def _chosen(points: Floats, have: Sequence[str], want: Sequence[str]) -> Floats:
    """The wanted body parts of an array ``(..., K, c)``."""
    return points[..., [have.index(name) for name in want], :]


def _common_bodyparts(model: PoseModel, labeled: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What both know, in the model's order, and a note on the rest."""
    have = model.description.bodyparts
    common = tuple(name for name in have if name in labeled)
    if not common:
        raise _nothing_in_common(have, labeled)
    rest = [name for name in (*have, *labeled) if name not in common]
    return common, (
        f"body parts that only one of model and labels has are left out: {', '.join(rest)}",
    ) if rest else ()


def _nothing_in_common(have: Sequence[str], known: Sequence[str]) -> LabelError:
    return LabelError(
        f"model and labels have no body part in common: the model finds {', '.join(have)}, labelled are "
        f"{', '.join(known)}; rename one of them, or choose another model"
    )


def _poses_of_frames(
    model: PoseModel, frames: Sequence[LabeledFrame], scale: float, options: EvaluateOptions, progress: Progress
) -> Floats:
    """``(N, K, 3)`` at one scale; images of one size go through the network together."""
    poses = np.empty((len(frames), len(model.description.bodyparts), 3))
    by_size: dict[tuple[int, int], list[int]] = {}
    for place, frame in enumerate(frames):
        by_size.setdefault(image_size(frame.image), []).append(place)
    for (width, height), places in by_size.items():
        geometry = Geometry.plan(width, height, None, _exact(scale))
        images = (read_bgr(frames[place].image) for place in places)
        poses[places] = _poses(model, images, 0, geometry, options, progress)
    return poses


def _poses_of_video(
    model: PoseModel, video: Path, scale: float, options: EvaluateOptions, progress: Progress
) -> Floats:
    """``(N, K, 3)`` of the frames that are used, at one scale."""
    info = probe(video)
    geometry = Geometry.plan(info.width, info.height, None, _exact(scale))
    reader = VideoReader(info, geometry)
    images = (image for index, image in reader.decoded() if index % options.every == 0)
    return _poses(model, images, info.rotation, geometry, options, progress)


def _poses(
    model: PoseModel,
    images: Iterator[npt.NDArray[np.uint8] | None],
    rotation: int,
    geometry: Geometry,
    options: EvaluateOptions,
    progress: Progress,
) -> Floats:
    """``(N, K, 3)`` of BGR images of one size, in px of the full frame; NaN, NaN, 0 where there is no image."""
    slots = np.zeros((options.batch_size, geometry.height, geometry.width, 3), np.uint8)
    poses = [np.empty((0, len(model.description.bodyparts), 3))]
    # Slots come first: a batch that is full must not take another image.
    while valid := [_filled(slot, image, rotation, geometry) for slot, image in zip(slots, images, strict=False)]:
        pose = model.predict(slots[: len(valid)], batch_size=options.batch_size)
        pose[..., :2] = geometry.to_frame(pose[..., :2])
        pose[~np.array(valid)] = (np.nan, np.nan, 0)
        poses.append(pose)
        progress(len(valid))
    return np.concatenate(poses)


def _filled(
    slot: npt.NDArray[np.uint8], image: npt.NDArray[np.uint8] | None, rotation: int, geometry: Geometry
) -> bool:
    if image is not None:
        prepare(image, rotation, geometry, slot)
    return image is not None


def _bodyparts_of(content: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(label[-2]) for label in content.columns if len(label) == 3))


def _coords(content: Any, path: Path, coords: Sequence[str]) -> Floats:
    """``(N, K, c)`` of a pose table."""
    places = {label[1:]: place for place, label in enumerate(content.columns)}
    wanted = [(name, coord) for name in _bodyparts_of(content) for coord in coords]
    if not wanted or not set(wanted) <= set(places):
        raise LabelError(f"'{path}' is no pose table of one animal: it lacks columns {', '.join(coords)} by body part")
    values: Floats = content.values[:, [places[key] for key in wanted]]
    return values.reshape(len(values), -1, len(coords))

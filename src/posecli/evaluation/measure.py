"""A pose network measured on labelled images and on videos with known points, or a pose table on another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.errors import LabelError, UsageError
from posecli.evaluation.summary import ALL, Evaluation
from posecli.inference.predictor import PoseModel
from posecli.inference.topdown import check_boxes
from posecli.labels.data import LabeledData, LabeledFrame, image_size, read_bgr
from posecli.options import AnalyzeOptions, TableChoice, at_least, check_pcutoff
from posecli.precision.gate import model_cutoff
from posecli.synthetic.sample import find_truth
from posecli.tables.boxes import boxes_of, boxes_path, read_boxes, refuse_shared
from posecli.tables.poses import PoseData, one_animal, read_poses
from posecli.video.batch import Batch, boxes_at, prepared
from posecli.video.geometry import Geometry
from posecli.video.probe import probe
from posecli.video.reader import VideoReader

Floats = npt.NDArray[np.float64]
Frames = npt.NDArray[np.int64]
#: Called with the number of frames done since the last call.
Progress = Callable[[int], object]


@dataclass(frozen=True)
class EvaluateOptions:
    """What is measured."""

    #: Factors by which frames are resized for the network.
    scales: tuple[float, ...] = (1.0, 0.5, 0.25, 0.125)
    #: Likelihood at or above which a point counts as found; ``None`` takes the model's own.
    pcutoff: float | None = None
    #: Radii in px of the full frame: the share of points that lie within each is reported.
    pck: tuple[float, ...] = (5.0, 10.0)
    #: Frames per call of the network.
    batch_size: int = 8
    #: Use every n-th frame of a video.
    every: int = 1
    #: Where the animal is, as `posecli.options.AnalyzeOptions` has it; of labelled images, by the videos that their
    #: folders are named after, and the numbers of frames that their names end in.
    boxes: Path | None = None

    def __post_init__(self) -> None:
        for scale in self.scales:
            if not 0 < scale <= 4:
                raise UsageError(f"scale {scale:g} is out of range: give factors above 0 and at most 4")
        if not self.scales or len(set(self.scales)) < len(self.scales):
            raise UsageError(f"scales {self.scales} are empty or repeat: give each scale once")
        check_pcutoff(self.pcutoff)
        if not all(0 < radius < math.inf for radius in self.pck):
            raise UsageError(f"pck radii {self.pck} are not all above 0: give distances in px")
        at_least(1, batch_size=self.batch_size, every=self.every)


def evaluate_frames(
    model: PoseModel,
    data: LabeledData,
    options: EvaluateOptions = EvaluateOptions(),
    splits: Mapping[str, LabeledData] | None = None,
    progress: Progress = lambda _count: None,
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
        Called with the number of frames done since the last call, over all scales.

    Raises
    ------
    LabelError
        If model and labels have no body part in common, or an image cannot be read.
    UsageError
        If boxes lack, or there should be none.
    """
    check_boxes(model.folder, options.boxes)
    groups = {ALL: data} if splits is None else splits
    wanted = {name for group in groups.values() for name in group.names}
    data = data.select(wanted)
    bodyparts, notes = _common_bodyparts(model.description.bodyparts, data.bodyparts)
    boxes = _boxes_of_frames(options.boxes, data.frames)
    each = partial(_poses_of_frames, model, data.frames, options=options, progress=progress, boxes=boxes)
    poses = np.stack([each(scale) for scale in options.scales])
    return Evaluation(
        bodyparts,
        data.names,
        options.scales,
        _of_bodyparts(data.points, data.bodyparts, bodyparts),
        _of_bodyparts(poses, model.description.bodyparts, bodyparts),
        model_cutoff(model.folder, options.pcutoff),
        options.pck,
        {split: np.isin(data.names, group.names) for split, group in groups.items()},
        (*data.notes, *notes, *_without_poses(model, poses, options)),
    )


def evaluate_video(
    model: PoseModel,
    video: Path,
    truth: Path | None = None,
    options: EvaluateOptions = EvaluateOptions(),
    progress: Progress = lambda _count: None,
    choice: TableChoice = TableChoice(),
) -> Evaluation:
    """Measure a model on a video whose points are known, such as a rendered one.

    Parameters
    ----------
    model
        A loaded model.
    video
        The file.
    truth
        Pose table with the true points; by default the one that `posecli sample` put beside the video. Its rows are
        those of the frames of their numbers, and frames without a row are left out.
    options
        What is measured.
    progress
        Called with the number of frames done since the last call, over all scales.
    choice
        Which table of the truth's file, where it holds several.

    Raises
    ------
    LabelError
        If there is no truth, it has no body part in common with the model, or rows for frames that the video lacks.
    VideoError
        If the video cannot be read.
    UsageError
        If boxes lack, or there should be none.
    """
    check_boxes(model.folder, options.boxes)
    known = truth_of_video(video, truth, choice)
    n_frames = probe(video).n_frames
    bodyparts, notes = _common_bodyparts(model.description.bodyparts, known.bodyparts)
    chosen = every_nth(known.frames, options)
    notes = (*notes, *_unmatched(n_frames - len(known), f"the truth '{known.path}'"))
    poses = np.stack([_poses_of_video(model, video, chosen, scale, options, progress) for scale in options.scales])
    return Evaluation(
        bodyparts,
        tuple(str(index) for index in chosen),
        options.scales,
        positions(known, chosen, bodyparts),
        _of_bodyparts(poses, model.description.bodyparts, bodyparts),
        model_cutoff(model.folder, options.pcutoff),
        options.pck,
        {ALL: np.ones(len(chosen), np.bool_)},
        (*notes, *_without_poses(model, poses, options)),
    )


def read_truth(path: Path, choice: TableChoice = TableChoice()) -> PoseData:
    """A pose table of one animal whose positions are the true ones, NaN where hidden; it need not have likelihoods."""
    return one_animal(read_poses(path, choice, LabelError, needs_likelihood=False), LabelError)


def truth_of_video(video: Path, truth: Path | None = None, choice: TableChoice = TableChoice()) -> PoseData:
    """The true points of a video: of a table, or of the one that lies beside a rendered video."""
    known = read_truth(find_truth(video) if truth is None else truth, choice)
    known.belongs_to(video, probe(video).n_frames, LabelError)
    return known


def evaluate_table(
    table: Path,
    truth: Path,
    options: EvaluateOptions = EvaluateOptions(),
    cutoff: float = 0.6,
    choices: tuple[TableChoice, TableChoice] = (TableChoice(), TableChoice()),
) -> Evaluation:
    """Compare a pose table with a truth table, without a network.

    Parameters
    ----------
    table, truth
        Pose tables of the same video. Rows of the same frames are compared; others are left out, and counted in a note.
    options
        Its `pck`, `every` and `pcutoff` count; there is one scale, which is called 1.
    cutoff
        Likelihood at or above which a point counts as found, if the options have none.
    choices
        Which table of each file, where it holds several.

    Raises
    ------
    LabelError
        If the tables do not belong together: no frame or no body part is in both.
    """
    found = one_animal(read_poses(table, choices[0], LabelError), LabelError)
    known = read_truth(truth, choices[1])
    bodyparts, _ = _common_bodyparts(found.bodyparts, known.bodyparts)
    common, rows, _ = np.intersect1d(found.frames, known.frames, assume_unique=True, return_indices=True)
    if not len(common):
        raise LabelError(
            f"'{table}' has rows for frames {found.frames[0]} to {found.frames[-1]}, and the truth '{truth}' none of "
            f"them (it has {known.frames[0]} to {known.frames[-1]}): give tables of the same frames"
        )
    chosen = every_nth(common, options)
    rows = rows[np.isin(common, chosen)]
    return Evaluation(
        bodyparts,
        tuple(str(index) for index in chosen),
        (1.0,),
        positions(known, chosen, bodyparts),
        _of_bodyparts(found.points[None, rows], found.bodyparts, bodyparts),
        cutoff if options.pcutoff is None else options.pcutoff,
        options.pck,
        {ALL: np.ones(len(chosen), np.bool_)},
        (
            *_unmatched(len(found) - len(common), f"the truth '{truth}'"),
            *_unmatched(len(known) - len(common), f"'{table}'"),
        ),
    )


def every_nth(frames: Frames, options: EvaluateOptions) -> Frames:
    """The frames whose number is a multiple of `every`; `LabelError` if there are none."""
    chosen: Frames = frames[frames % options.every == 0]
    if not len(chosen):
        raise LabelError(f"no frame with a true pose has a number divisible by {options.every}: give a smaller --every")
    return chosen


def _unmatched(count: int, where: str) -> tuple[str, ...]:
    return (f"{count} frames have no row in {where} and are left out",) if count else ()


def _without_poses(model: PoseModel, poses: Floats, options: EvaluateOptions) -> tuple[str, ...]:
    """A note on frames of which nothing is known; a detector may find more at one scale than at another."""
    lost = np.isnan(poses[..., 0]).all(axis=2).sum(axis=1).tolist()
    if not any(lost):
        return ()
    if model.cropping is None:
        return (f"{lost[0]} frames could not be decoded and are left out",)
    counts = [f"{count} at scale {scale:g}" for count, scale in zip(lost, options.scales, strict=True) if count]
    return (f"frames in which no animal was found, or that could not be decoded, are left out: {', '.join(counts)}",)


def positions(poses: PoseData, frames: Frames, bodyparts: Sequence[str]) -> Floats:
    """``(len(frames), len(bodyparts), 2)`` px of a table; NaN of frames and of body parts that it does not have."""
    found = np.full((len(frames), len(bodyparts), 2), np.nan)
    there = np.isin(frames, poses.frames)
    rows = np.searchsorted(poses.frames, frames[there])
    for place, name in enumerate(bodyparts):
        if name in poses.bodyparts:
            found[there, place] = poses.points[rows, poses.bodyparts.index(name), :2]
    return found


def _of_bodyparts(points: Floats, have: Sequence[str], want: Sequence[str]) -> Floats:
    """The wanted body parts of an array ``(..., K, c)``."""
    return points[..., [have.index(name) for name in want], :]


def _common_bodyparts(have: Sequence[str], labeled: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Body parts that both network and labels have, in the network's order, and a note on the others."""
    common = tuple(name for name in have if name in labeled)
    if not common:
        raise LabelError(
            f"model and labels have no body part in common: the model finds {', '.join(have)}, labelled are "
            f"{', '.join(labeled)}; rename one of them, or choose another model"
        )
    rest = ", ".join(name for name in (*have, *labeled) if name not in common)
    return common, (f"body parts that only one of model and labels has are left out: {rest}",) if rest else ()


def _boxes_of_frames(path: Path | None, frames: Sequence[LabeledFrame]) -> Floats | None:
    """``(N, 4)`` of labelled images, by the tables of the videos that they are from."""
    if path is None:
        return None
    refuse_shared(path, len({frame.video for frame in frames}))
    tables = {name: read_boxes(boxes_path(path, Path(f"{name}.mp4"))) for name in {frame.video for frame in frames}}
    known = [(tables[frame.video], frame.number) for frame in frames]
    # A number may be a time, with more digits than NumPy's integers have.
    found = [boxes_at(table, np.array([min(number, len(table))])) for table, number in known]
    return np.concatenate([np.empty((0, 4)), *found])


def _poses_of_frames(
    model: PoseModel,
    frames: Sequence[LabeledFrame],
    scale: float,
    options: EvaluateOptions,
    progress: Progress,
    boxes: Floats | None,
) -> Floats:
    """``(N, K, 3)`` at one scale; images of one size go through the network together."""
    poses = np.empty((len(frames), len(model.description.bodyparts), 3))
    by_size: dict[tuple[int, int], list[int]] = {}
    for place, frame in enumerate(frames):
        by_size.setdefault(image_size(frame.image), []).append(place)
    for (width, height), places in by_size.items():
        geometry = _geometry(width, height, scale)
        images = (read_bgr(frames[place].image) for place in places)
        some = None if boxes is None else boxes[places]
        poses[places] = _poses(model, images, geometry, options, progress, some)
    return poses


def _poses_of_video(
    model: PoseModel, video: Path, frames: Frames, scale: float, options: EvaluateOptions, progress: Progress
) -> Floats:
    """``(N, K, 3)`` of the ``N`` frames of these numbers, at one scale."""
    info, wanted = probe(video), set(frames.tolist())
    geometry = _geometry(info.width, info.height, scale)
    images = (frame.image for frame in VideoReader(info, geometry).decoded() if frame.number in wanted)
    boxes = boxes_of(options.boxes, video)
    return _poses(model, images, geometry, options, progress, None if boxes is None else boxes_at(boxes, frames))


def _geometry(width: int, height: int, scale: float) -> Geometry:
    """As a run has it, so that the network sees the frames that it would see there."""
    return Geometry.plan(width, height, None, AnalyzeOptions(scale=scale).exact_scale)


def _poses(
    model: PoseModel,
    images: Iterator[npt.NDArray[np.uint8] | None],
    geometry: Geometry,
    options: EvaluateOptions,
    progress: Progress,
    boxes: Floats | None,
) -> Floats:
    """``(N, K, 3)`` of BGR images of one size, in px of the full frame; NaN, NaN, 0 where there is no image."""

    def batches() -> Iterator[Batch]:
        for batch in prepared(images, geometry, options.batch_size, boxes):
            yield batch
            progress(len(batch))  # the network is done with it

    return model.values_of(batches())[:, :, 0]

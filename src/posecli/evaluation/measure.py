"""A pose network measured on labelled images and on videos with known points, or a pose table on another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from posecli.errors import LabelError
from posecli.evaluation.options import EvaluateOptions
from posecli.evaluation.poses import Progress, poses_of_frames, poses_of_video, untold
from posecli.evaluation.summary import ALL, Evaluation
from posecli.evaluation.truth import (
    bodyparts_of,
    chosen_bodyparts,
    common_bodyparts,
    nothing_in_common,
    points_of,
    read_truth,
)
from posecli.hdf5 import read_plain_table
from posecli.labels import LabeledData
from posecli.precision import model_cutoff
from posecli.predictor import PoseModel
from posecli.synthetic.sample import find_truth
from posecli.video.probe import probe


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
    bodyparts, notes = common_bodyparts(model, data.bodyparts)
    poses = [poses_of_frames(model, data.frames, scale, options, progress) for scale in options.scales]
    return Evaluation(
        bodyparts,
        data.names,
        options.scales,
        chosen_bodyparts(data.points, data.bodyparts, bodyparts),
        chosen_bodyparts(np.stack(poses), model.description.bodyparts, bodyparts),
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
    bodyparts, notes = common_bodyparts(model, known)
    chosen = np.arange(0, len(points), options.every)
    poses = np.stack([poses_of_video(model, video, scale, options, progress) for scale in options.scales])
    lost = int(np.isnan(poses[0, :, 0, 0]).sum())
    if lost:
        notes = (*notes, f"{lost} frames could not be decoded and are left out")
    return Evaluation(
        bodyparts,
        tuple(str(index) for index in chosen),
        options.scales,
        chosen_bodyparts(points[chosen], known, bodyparts),
        chosen_bodyparts(poses, model.description.bodyparts, bodyparts),
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
    predicted = points_of(content, table, ("x", "y", "likelihood"))
    known, points = read_truth(truth)
    if len(points) != len(predicted):
        raise LabelError(
            f"'{table}' has {len(predicted)} rows, the truth '{truth}' {len(points)}: they do not belong together"
        )
    have = bodyparts_of(content)
    bodyparts = tuple(name for name in have if name in known)
    if not bodyparts:
        raise nothing_in_common(have, known)
    chosen = np.arange(0, len(points), options.every)
    return Evaluation(
        bodyparts,
        tuple(str(index) for index in chosen),
        (1.0,),
        chosen_bodyparts(points[chosen], known, bodyparts),
        chosen_bodyparts(predicted[None, chosen], have, bodyparts),
        cutoff if options.pcutoff is None else options.pcutoff,
        options.pck,
        {ALL: np.ones(len(chosen), np.bool_)},
    )


def _cutoff(model: PoseModel, options: EvaluateOptions) -> float:
    return model_cutoff(model.folder) if options.pcutoff is None else options.pcutoff

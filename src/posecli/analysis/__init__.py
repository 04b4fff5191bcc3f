"""Videos to tables: the plan of a run, its executors, and checking the results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posecli.analysis import executors
from posecli.analysis.executors import RunObserver
from posecli.analysis.plan import KindOptions, RunPlan, VideoPlan, open_folder
from posecli.options import AnalyzeOptions, ClassifyOptions
from posecli.support.results import AnalysisReport
from posecli.video.find import find_videos

if TYPE_CHECKING:
    from posecli.inference.predictor import ClipModel, Model, PoseModel

__all__ = ["RunObserver", "analyze", "classify", "decide"]

Videos = str | Path | Iterable[str | Path]


def analyze(
    videos: Videos,
    model: str | Path | PoseModel,
    options: AnalyzeOptions = AnalyzeOptions(),
    observer: RunObserver = RunObserver(),
    executor: str = "here",
) -> AnalysisReport:
    """Find the body parts in every frame of videos, and write one pose table for each.

    Rows reach the disk as they are made. Where a run was interrupted, the same call goes on at the frame that it had
    come to, and the table has the same values as that of an unbroken run.

    Parameters
    ----------
    videos
        One or several of what `posecli.video.find.find_videos` takes: files, folders, patterns, lists.
    model
        A loaded model, which keeps its own engine options, or anything that `posecli.load_model` takes.
    options
        Everything else.
    observer
        Is told of progress.
    executor
        Where the work is done: ``here``, or in a ``watched`` process, which may crash without harm to this one.

    Returns
    -------
    AnalysisReport
        One result per video; one that fails does not stop the others.

    Raises
    ------
    UsageError
        If two videos would write to the same table, or the pipeline is not for the model's engine.
    VideoError
        If a folder, pattern or list holds no video.
    ModelError
        If the model cannot be used.
    PrecisionError
        If a precision that was asked for by name cannot run, or does not pass the parity gate.

    Examples
    --------
    >>> report = analyze("video.mp4", "my-model", AnalyzeOptions(batch_size=64))  # doctest: +SKIP
    >>> report.results[0].table  # doctest: +SKIP
    PosixPath('videoDLC_resnet50_openfieldOct30shuffle1_4000.h5')
    """
    return AnalysisReport(tuple(_outcomes("carry_out", videos, model, options, observer, executor)))


def classify(
    videos: Videos,
    model: str | Path | ClipModel,
    options: ClassifyOptions = ClassifyOptions(),
    observer: RunObserver = RunObserver(),
    executor: str = "here",
) -> AnalysisReport:
    """Say of every chunk of frames of videos what the animal does, and write one behaviour table for each.

    All else is as with `analyze`: parameters and errors, precision behind a gate, pipelines, rows on the disk as they
    are made, and taking up interrupted runs. `model` is a loaded one, or the path of a model folder.

    >>> report = classify("cage.mp4", "home-cage", ClassifyOptions(stride=16))  # doctest: +SKIP
    >>> report.results[0].table  # doctest: +SKIP
    PosixPath('cageI3D_homecage_800.h5')
    """
    return AnalysisReport(tuple(_outcomes("carry_out", videos, model, options, observer, executor)))


def decide(
    videos: Videos,
    model: str | Path | PoseModel | ClipModel,
    options: KindOptions,
    observer: RunObserver = RunObserver(),
    executor: str = "here",
) -> tuple[VideoPlan, ...]:
    """What `analyze` or `classify` would do with each video; no network is loaded, and nothing is written.

    Parameters and errors are theirs; the options tell which of the two is meant.
    """
    return tuple(_outcomes("decide", videos, model, options, observer, executor))


def _outcomes(
    verb: executors.Verb,
    videos: Videos,
    model: str | Path | Model[Any, Any],
    options: KindOptions,
    observer: RunObserver,
    executor: str,
) -> Sequence[Any]:
    carry_out: Any = executors.executor(executor)
    if isinstance(model, (str, Path)):
        folder = open_folder(model, options)
    else:
        folder, options = model.folder, replace(options, engine=model.options)
        if executor == "here":
            carry_out = partial(carry_out, model=model)  # its engine may be compiled already
    found = find_videos([videos] if isinstance(videos, (str, Path)) else videos, recursive=options.recursive)
    outcomes: Sequence[Any] = carry_out(RunPlan.of(found.videos, folder, options), verb, observer)
    return outcomes

"""Videos to tables: of poses, or of behaviours."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from posecli.analysis.behaviours import BehaviourTask
from posecli.analysis.known import Known
from posecli.analysis.lock import HeldError
from posecli.analysis.observer import RunObserver
from posecli.analysis.poses import PoseTask
from posecli.analysis.run import Run
from posecli.analysis.video import VideoRun
from posecli.errors import PoseCliError, PrecisionError
from posecli.inference.predictor import ClipModel, PoseModel, load_clip_model, load_model
from posecli.options import AnalyzeOptions, ClassifyOptions
from posecli.support.results import AnalysisReport, Decision, VideoResult

__all__ = ["Known", "RunObserver", "analyze", "classify", "plan_analysis", "plan_classification"]


def analyze(
    videos: str | Path | Iterable[str | Path],
    model: str | Path | PoseModel,
    options: AnalyzeOptions = AnalyzeOptions(),
    observer: RunObserver = RunObserver(),
    known: Known | None = None,
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
    known
        What earlier processes of the same run have found; for programs that watch over this one.

    Returns
    -------
    AnalysisReport
        One result per video. A video that fails does not stop the others.

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
    return _run(Run(videos, _pose_task(model, options), observer, known or Known()))


def classify(
    videos: str | Path | Iterable[str | Path],
    model: str | Path | ClipModel,
    options: ClassifyOptions = ClassifyOptions(),
    observer: RunObserver = RunObserver(),
    known: Known | None = None,
) -> AnalysisReport:
    """Say of every chunk of frames of videos what the animal does, and write one behaviour table for each.

    Everything but the network and the table is as with `analyze`: precision behind a gate, pipelines, rows on the disk
    as they are made, taking up interrupted runs.

    Parameters
    ----------
    videos, observer, known
        As for `analyze`.
    model
        A loaded model, which keeps its own engine options, or the path of a model folder.
    options
        Everything else.

    Returns
    -------
    AnalysisReport
        One result per video.

    Raises
    ------
    UsageError, VideoError, ModelError, PrecisionError
        As `analyze`.

    Examples
    --------
    >>> report = classify("cage.mp4", "home-cage", ClassifyOptions(stride=16))  # doctest: +SKIP
    >>> report.results[0].table  # doctest: +SKIP
    PosixPath('cageI3D_homecage_800.h5')
    """
    return _run(Run(videos, _behaviour_task(model, options), observer, known or Known()))


def _pose_task(model: str | Path | PoseModel, options: AnalyzeOptions) -> PoseTask:
    return PoseTask(model if isinstance(model, PoseModel) else load_model(model, options.engine), options)


def _behaviour_task(model: str | Path | ClipModel, options: ClassifyOptions) -> BehaviourTask:
    return BehaviourTask(model if isinstance(model, ClipModel) else load_clip_model(model, options.engine), options)


def _run(run: Run) -> AnalysisReport:
    """Every video; one that fails does not stop the others."""
    results = []
    for path, outputs in run.chosen:
        if path in run.known.results:
            results.append(run.known.results[path])
            continue
        run.observer.video_opens(path)
        try:
            result = VideoRun(path, outputs, run).result()
        except PrecisionError:
            raise  # it would be the same for every video
        except HeldError as other:
            result = VideoResult(path, "busy", message=f"being analysed by {other}")
        except PoseCliError as error:
            result = VideoResult(path, "failed", message=str(error), exit_code=error.exit_code)
        run.observer.video_opens(None)
        run.observer.video_finished(result)
        results.append(result)
    return AnalysisReport(tuple(results))


def plan_analysis(
    videos: str | Path | Iterable[str | Path],
    model: str | Path | PoseModel,
    options: AnalyzeOptions = AnalyzeOptions(),
    observer: RunObserver = RunObserver(),
    known: Known | None = None,
) -> tuple[Decision, ...]:
    """What `analyze` would do with each video; no network is loaded, and nothing is written.

    Parameters and errors are those of `analyze`.
    """
    return _plan(Run(videos, _pose_task(model, options), observer, known or Known()))


def plan_classification(
    videos: str | Path | Iterable[str | Path],
    model: str | Path | ClipModel,
    options: ClassifyOptions = ClassifyOptions(),
    observer: RunObserver = RunObserver(),
    known: Known | None = None,
) -> tuple[Decision, ...]:
    """What `classify` would do with each video; as `plan_analysis`."""
    return _plan(Run(videos, _behaviour_task(model, options), observer, known or Known()))


def _plan(run: Run) -> tuple[Decision, ...]:
    decisions = []
    for path, outputs in run.chosen:
        if path in run.known.results:
            lost = run.known.results[path]
            decisions.append(Decision(path, "refuse", outputs.table, message=lost.message, exit_code=lost.exit_code))
            continue
        run.observer.video_opens(path)
        try:
            decision = VideoRun(path, outputs, run).decision()
        except PoseCliError as error:
            decision = Decision(path, "refuse", outputs.table, message=str(error), exit_code=error.exit_code)
        run.observer.video_opens(None)
        decisions.append(decision)
    return tuple(decisions)

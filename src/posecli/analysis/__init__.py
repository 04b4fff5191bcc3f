"""Videos to pose tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from posecli.analysis.known import Known
from posecli.analysis.observer import RunObserver
from posecli.analysis.run import Run
from posecli.analysis.video import VideoRun
from posecli.errors import PoseCliError, PrecisionError
from posecli.lock import HeldError
from posecli.options import AnalyzeOptions
from posecli.predictor import PoseModel
from posecli.results import AnalysisReport, Decision, VideoResult

__all__ = ["Known", "RunObserver", "analyze", "plan_analysis"]


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
        One or several of what `posecli.videos.find_videos` takes: files, folders, patterns, lists.
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
    run = Run(videos, model, options, observer, known or Known())
    results = []
    for path, outputs in run.chosen:
        if path in run.known.results:
            results.append(run.known.results[path])
            continue
        observer.video_opens(path)
        try:
            result = VideoRun(path, outputs, run).result()
        except PrecisionError:
            raise  # it would be the same for every video
        except HeldError as other:
            result = VideoResult(path, "busy", message=f"being analysed by {other}")
        except PoseCliError as error:
            result = VideoResult(path, "failed", message=str(error), exit_code=error.exit_code)
        observer.video_opens(None)
        observer.video_finished(result)
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
    decisions = []
    run = Run(videos, model, options, observer, known or Known())
    for path, outputs in run.chosen:
        if path in run.known.results:
            lost = run.known.results[path]
            decisions.append(Decision(path, "refuse", outputs.table, message=lost.message, exit_code=lost.exit_code))
            continue
        observer.video_opens(path)
        try:
            decision = VideoRun(path, outputs, run).decision()
        except PoseCliError as error:
            decision = Decision(path, "refuse", outputs.table, message=str(error), exit_code=error.exit_code)
        observer.video_opens(None)
        decisions.append(decision)
    return tuple(decisions)

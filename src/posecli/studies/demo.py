"""The first five minutes: a rendered mouse, found by the built-in network, and how well."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from posecli.analysis import RunObserver, analyze
from posecli.errors import OutputError
from posecli.evaluation import ALL, ErrorSummary, EvaluateOptions, evaluate_table
from posecli.evaluation.measure import positions, read_truth
from posecli.inference.predictor import load_model
from posecli.model.folder import builtin_model_path
from posecli.options import AnalyzeOptions, at_least
from posecli.plots.figures import draw_trajectories
from posecli.plots.labeled_video import LabelOptions, label_video
from posecli.support.figures import save_figure
from posecli.support.files import refuse_existing
from posecli.support.results import VideoResult
from posecli.synthetic import SceneOptions, write_sample
from posecli.tables.poses import PCUTOFF, read_poses
from posecli.video.encode import EncodeOptions
from posecli.video.probe import probe

#: Of the rendered video: a seed that no training video has, and what a camera's encoder might choose.
SEED, ENCODING = 7, EncodeOptions(crf=18, preset="veryfast")
VIDEO_NAME, LABELED_NAME, PLOT_NAME = "mouse.mp4", "mouse-labelled.mp4", "mouse-trajectories"


@dataclass(frozen=True)
class DemoResult:
    """The files that a demonstration made, the analysis, and the errors against the truth."""

    video: Path
    truth: Path
    labeled: Path
    plot: Path
    analysis: VideoResult
    errors: ErrorSummary
    seconds: float

    def sentences(self) -> list[str]:
        """What was done and found, in five lines."""
        errors = self.errors
        return [
            f"{self.video}: {self.analysis.frames} frames of a rendered mouse were made, and their true poses",
            f"{self.analysis.table}: the pose table that the built-in network made of it, "
            f"{self.analysis.frames_per_second:.1f} frames per second",
            f"error against the truth: mean {errors.mean:.1f} px, median {errors.median:.1f} px "
            f"over {errors.points} points",
            f"{self.labeled}: the video with these poses in it; {self.plot}: the poses against time",
            "your own video: posecli analyze video.mp4 --batchsize 64 (a mouse from above; else --model your-network)",
        ]


def run_demo(
    folder: Path, frames: int = 120, *, overwrite: bool = False, observer: RunObserver = RunObserver()
) -> DemoResult:
    """Render a mouse, find it with the built-in network, and compare with the truth.

    An `OutputExistsError` if an earlier demonstration is in the folder and is not to be overwritten.
    """
    at_least(2, frames=frames)
    start = time.monotonic()
    model = load_model(builtin_model_path())
    video, labeled = folder / VIDEO_NAME, folder / LABELED_NAME
    for path in (video, labeled):
        refuse_existing(path, overwrite=overwrite)
    sample = write_sample(SceneOptions(frames=frames, seed=SEED), video, ENCODING, overwrite=overwrite)
    result = analyze(video, model, AnalyzeOptions(overwrite=overwrite), observer).results[0]
    if result.table is None:
        raise OutputError(f"the demonstration failed: {result.message}")
    pcutoff = PCUTOFF if model.description.pcutoff is None else model.description.pcutoff
    label_video(video, result.table, labeled, LabelOptions(pcutoff, trail=20), overwrite=overwrite)
    poses = read_poses(result.table)
    truth = positions(read_truth(sample.truth), poses.frames, poses.names)
    figure = draw_trajectories(poses.points, poses.names, probe(video).seconds(), pcutoff, truth)
    plot, _ = save_figure(figure, folder / PLOT_NAME)
    options = EvaluateOptions(scales=(1.0,), pcutoff=pcutoff)
    errors = evaluate_table(result.table, sample.truth, options).summary(ALL, 1.0)
    return DemoResult(video, sample.truth, labeled, plot, result, errors, time.monotonic() - start)

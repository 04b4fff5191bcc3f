"""The first five minutes: a rendered mouse, found by the built-in network, and how well."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from posecli.analysis import RunObserver, analyze
from posecli.errors import OutputError, OutputExistsError, UsageError
from posecli.evaluation import ALL, ErrorSummary, EvaluateOptions, evaluate_table, positions, read_truth
from posecli.inference.predictor import PoseModel, load_model
from posecli.model.builtin import builtin_model_path
from posecli.options import AnalyzeOptions
from posecli.plots.labeled_video import LabelOptions, label_video
from posecli.plots.pose_figures import draw_trajectories
from posecli.support.figures import save_figure
from posecli.support.results import VideoResult
from posecli.synthetic import SceneOptions, write_sample
from posecli.synthetic.sample import find_truth
from posecli.tables.poses import PCUTOFF, read_poses
from posecli.video.encode import EncodeOptions
from posecli.video.probe import probe

#: Of the rendered video: a seed that no training video has.
SEED = 7
VIDEO_NAME = "mouse.mp4"
LABELLED_NAME = "mouse-labelled.mp4"
PLOT_NAME = "mouse-trajectories"
#: CRF of the rendered video: what a camera's encoder might choose.
CRF = 18


@dataclass(frozen=True)
class DemoResult:
    """What a demonstration made and found.

    Attributes
    ----------
    video, truth, labelled, plot
        Files.
    analysis
        The table and how it was made.
    errors
        Distance of found from true points.
    seconds
        Of everything.
    """

    video: Path
    truth: Path
    labelled: Path
    plot: Path
    analysis: VideoResult
    errors: ErrorSummary
    seconds: float

    def sentences(self) -> list[str]:
        """What happened, in five lines."""
        errors = self.errors
        return [
            f"{self.video}: {self.analysis.frames} frames of a rendered mouse were made, and their true poses",
            f"{self.analysis.table}: the pose table that the built-in network made of it, "
            f"{self.analysis.frames_per_second:.1f} frames per second",
            f"error against the truth: mean {errors.mean:.1f} px, median {errors.median:.1f} px "
            f"over {errors.points} points",
            f"{self.labelled}: the video with these poses in it; {self.plot}: the poses against time",
            "your own video: posecli analyze video.mp4 --batchsize 64 (a mouse from above; else --model your-network)",
        ]


def run_demo(
    folder: Path,
    frames: int = 120,
    *,
    overwrite: bool = False,
    observer: RunObserver = RunObserver(),
    model: PoseModel | None = None,
) -> DemoResult:
    """Render a mouse, find it, and compare with the truth.

    Parameters
    ----------
    folder
        Where everything goes; made if it is not there.
    frames
        Length of the video.
    overwrite
        Whether files of an earlier demonstration may be replaced.
    observer
        Is told how the analysis goes.
    model
        The network; by default the built-in one.

    Raises
    ------
    OutputExistsError
        If an earlier demonstration is there already.
    """
    if frames < 2:
        raise UsageError(f"frames {frames} is too small: give 2 or more")
    start = time.monotonic()
    loaded = model or load_model(builtin_model_path())
    video, labelled = folder / VIDEO_NAME, folder / LABELLED_NAME
    for path in (video, labelled):
        if path.exists() and not overwrite:
            raise OutputExistsError(
                f"'{path}' is there already: pass --overwrite to replace it, or choose another folder with --out-dir"
            )
    write_sample(
        SceneOptions(frames=frames, seed=SEED), video, EncodeOptions(crf=CRF, preset="veryfast"), overwrite=overwrite
    )
    result = analyze(video, loaded, AnalyzeOptions(overwrite=overwrite), observer).results[0]
    if result.table is None:
        raise OutputError(f"the demonstration came to nothing: {result.message}")
    truth = find_truth(video)
    pcutoff = loaded.description.pcutoff or PCUTOFF
    label_video(video, result.table, labelled, LabelOptions(pcutoff, trail=20), overwrite=overwrite)
    poses = read_poses(result.table)
    figure = draw_trajectories(
        poses.points,
        poses.names,
        probe(video).seconds(),
        pcutoff,
        positions(read_truth(truth), poses.frames, poses.names),
    )
    plot, _ = save_figure(figure, folder / PLOT_NAME)
    errors = evaluate_table(result.table, truth, EvaluateOptions(scales=(1.0,), pcutoff=pcutoff)).summary(ALL, 1.0)
    return DemoResult(video, truth, labelled, plot, result, errors, time.monotonic() - start)

"""The fastest setting inside the tolerance on the user's own frames, and the smallest video that goes with it.

Poses depend on scale, precision and compression, and on nothing else (batch size and pipeline give the same bits). So
the search has three parts: error and speed of every scale in every precision against the full frame in fp32; batch size
and pipeline of the fastest one inside; and compression with that one, so that what both do to poses is measured
together. It goes through the same frames in the same order whenever it is run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from posecli.errors import UsageError
from posecli.evaluation import ALL
from posecli.inference.batching import BatchChoice, choose_batch, first_items
from posecli.inference.predictor import PoseModel, load_model
from posecli.model.deeplabcut import NetworkChoice
from posecli.model.folder import builtin_model_path
from posecli.options import FIXED_PRECISIONS, FixedPrecision, PipelineName
from posecli.studies.common.folder import StudyFolder, write_json
from posecli.studies.sweep.charts import draw_settings
from posecli.studies.sweep.material import given_video
from posecli.studies.sweep.measures import RAW
from posecli.studies.sweep.options import SweepObserver, SweepOptions
from posecli.studies.sweep.recommendation import Recommendation, analysis_line, recommend
from posecli.studies.sweep.report import write_report
from posecli.studies.sweep.runner import find_poses, frame_seconds, run_sweep
from posecli.studies.sweep.study import SWEEP, Sweep
from posecli.studies.sweep.versions import ORIGINAL, Version, encoded_versions, setting_versions
from posecli.support.figures import house_style, save_figure
from posecli.video.reader import VideoReader

FORMAT = "posecli-recommendation"
#: Pipelines that are tried, and frames that each is tried on.
PIPELINES_TRIED: tuple[PipelineName, ...] = ("async", "parallel", "sync")
PIPELINE_FRAMES = 96
#: Fewer frames than this carry no recommendation.
FEWEST_FRAMES = 300


@dataclass(frozen=True)
class SearchOptions:
    """What to search, on which videos, and for how long."""

    sweep: SweepOptions  # its precision and batch size are what is searched
    scales: tuple[float, ...] = (1.0, 0.75, 0.5, 0.25)
    precisions: tuple[FixedPrecision, ...] | None = None  # ``None`` tries all that can run
    crf: tuple[float, ...] = (20.0, 30.0, 40.0)  # of H.264; none leaves compression out
    budget: float = 900.0  # seconds that the search may take; of long videos it looks at fewer frames

    def __post_init__(self) -> None:
        if not self.sweep.videos:
            raise UsageError("no video is given: name the one that settings are wanted for")
        if not 0 < self.budget < float("inf"):
            raise UsageError(f"budget {self.budget / 60:g} is out of range: give a number of minutes above 0")
        for precision in self.precisions or ():
            if precision not in FIXED_PRECISIONS:
                raise UsageError(f"precision '{precision}' is not known: choose among {', '.join(FIXED_PRECISIONS)}")


@dataclass(frozen=True)
class Found:
    """What a search found, and the commands that use it."""

    folder: Path
    settings: Sweep  # speed and error of every scale and precision
    setting: Version  # the fastest inside; the full frame in fp32 where none is, or the evidence is thin
    batch: BatchChoice
    pipelines: dict[str, float]  # frames per second of each that was tried
    reasons: tuple[str, ...]  # a sentence each
    analysis: str  # the commands to use; empty where the evidence is thin
    acquisition: str
    figure: Path  # the frontier, as PNG

    def as_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "folder": str(self.folder),
            "frames": sum(video.looked_at for video in self.settings.videos),
            "tolerance_px": self.settings.options.tolerance,
            "setting": {"scale": self.setting.scale, "precision": self.setting.precision},
            "batch_size": self.batch.batch_size,
            "batch_trials": self.batch.as_list(),
            "pipelines_fps": self.pipelines,
            "reasons": list(self.reasons),
            "analysis": self.analysis,
            "acquisition": self.acquisition,
            "figure": str(self.figure),
            "rows": [row for row in self.settings.tidy_rows() if (row["bodypart"], row["filtering"]) == (ALL, RAW)],
        }


def search(
    options: SearchOptions,
    folder: Path,
    observer: SweepObserver = SweepObserver(),
    *,
    overwrite: bool = False,
    network: NetworkChoice = NetworkChoice(),
) -> Found:
    """Search for the fastest setting and the smallest video inside the tolerance.

    The same search that lies in the folder is continued, unless it is to be overwritten. Errors as of `run_sweep`.
    """
    run = _Parts(options, folder, observer, overwrite, network)
    settings = run.settings()
    chosen = recommend(settings) if settings.compared else Recommendation(None, ())
    best = chosen.version or settings.reference
    batch, pipelines = _best_pace(settings, best, observer)
    pipeline = max(pipelines, key=pipelines.__getitem__)
    reasons = [*chosen.reasons]
    if chosen.version is None and not chosen.thin:
        reasons.append("So the full frame in fp32 it is.")
    reasons.append(
        f"Of batch sizes {batch.batch_size} is the best; of pipelines {pipeline}, at {pipelines[pipeline]:.1f} "
        "frames/s."
    )
    acquisition = ""
    analysis = "" if chosen.thin else analysis_line(settings, best, batch.batch_size, pipeline)
    if options.crf and not chosen.thin:
        compression = run.compression(settings, best)
        reasons += [f"Compression, in this setting: {reason}" for reason in compression.reasons]
        acquisition = compression.acquisition
    with house_style():
        figure, _ = save_figure(draw_settings(settings, best), folder / "figures" / "frontier")
    found = Found(folder, settings, best, batch, pipelines, tuple(reasons), analysis, acquisition, figure)
    write_json(folder / "recommendation.json", found.as_dict())
    return found


@dataclass(frozen=True)
class _Parts:
    """What the parts of one call of `search` share."""

    options: SearchOptions
    folder: Path
    observer: SweepObserver
    overwrite: bool
    network: NetworkChoice

    def settings(self) -> Sweep:
        """Error and speed of every scale in every precision."""
        sweep = self.options.sweep
        engine = replace(sweep.analysis.engine, precision="fp32")
        sweep = replace(sweep, analysis=replace(sweep.analysis, engine=engine))
        model = load_model(sweep.model or builtin_model_path(), engine, self.network)
        versions = setting_versions(self.options.scales, _runnable(model, self.options.precisions))
        if sweep.frames is None and sweep.sample is None:
            begun = None if self.overwrite else StudyFolder(self.folder / "settings", SWEEP).design()
            # What was begun is continued on as many frames, however fast the machine is now.
            sample = self._affordable(sweep, versions, model) if begun is None else begun["determined_by"]["sample"]
            sweep = replace(sweep, sample=sample)
        return self._swept("settings", sweep, versions)

    def compression(self, settings: Sweep, best: Version) -> Recommendation:
        """Compressed versions in the chosen setting against the full, given video in fp32.

        Of a sample only as many first frames are encoded: hours of video are not, for seconds of it.
        """
        sweep = settings.options
        if sweep.sample is not None:
            sweep = replace(sweep, frames=sweep.sample if sweep.frames is None else sweep.frames, sample=None)
        encoded = encoded_versions({"libx264": self.options.crf}, {})[1:]
        alike = (replace(version, scale=best.scale, precision=best.precision) for version in encoded)
        summary = self._swept("compression", sweep, (Version(ORIGINAL, precision="fp32"), *alike))
        write_report(summary)
        return recommend(summary)

    def _swept(self, part: str, sweep: SweepOptions, versions: Sequence[Version]) -> Sweep:
        again: Any = {"overwrite": self.overwrite, "network": self.network}
        return run_sweep(f"recommend-{part}", sweep, versions, self.folder / part, self.observer, **again)

    def _affordable(self, sweep: SweepOptions, versions: Sequence[Version], model: PoseModel) -> int | None:
        """Frames of each setting that the budget allows; ``None`` where that is all."""
        videos = [given_video(path, sweep) for path in sweep.videos]
        budget, crf = self.options.budget, self.options.crf
        seconds = frame_seconds(model, videos[0], sweep)
        looks = sum(version.scale**2 for version in versions) + (1 + len(crf) if crf else 0)
        affordable = int(budget / (seconds * looks * len(videos)))
        if affordable >= max(video.info.n_frames for video in videos):
            return None
        frames = max(FEWEST_FRAMES, affordable)
        late = f", although {FEWEST_FRAMES} take longer than that" if frames > affordable else ""
        self.observer.say(
            f"in {budget / 60:g} min this machine gets through {affordable} frames of each setting: {frames} from all "
            f"over are used{late} (repeat the same search with --sample {frames})"
        )
        return frames


def _runnable(model: PoseModel, wanted: Sequence[FixedPrecision] | None) -> tuple[FixedPrecision, ...]:
    """The precisions that can run; it is an error if one was asked for by name and cannot."""
    for name in wanted or ():
        obstacle = model.obstacle(name)
        if obstacle is not None:
            raise UsageError(f"{obstacle.rstrip('.')}: leave '{name}' out of --precisions")
    return tuple(wanted or (name for name in FIXED_PRECISIONS if model.obstacle(name) is None))


def _best_pace(settings: Sweep, best: Version, observer: SweepObserver) -> tuple[BatchChoice, dict[str, float]]:
    """The best batch size in a setting, and with it the frames per second of each pipeline."""
    options, video = settings.options, settings.videos[0]
    model = settings.model if best.precision is None else settings.model.with_precision(best.precision)
    geometry = video.geometry(options, best.scale)
    boxes = video.boxes(options)
    reader = VideoReader(video.info, geometry, options.analysis.video_backend, boxes=boxes)
    step = model.step((geometry.height, geometry.width, 3), has_boxes=boxes is not None)
    batch = choose_batch(step, first_items(reader))
    observer.say(f"batch size: {batch}")
    frames = min(video.frames, max(PIPELINE_FRAMES, 3 * batch.batch_size))
    speeds: dict[str, float] = {}
    for name in PIPELINES_TRIED:
        tried = replace(options, analysis=replace(options.analysis, batch_size=batch.batch_size, pipeline=name))
        with observer.work(f"pipeline {name}", frames) as progress:
            _, stages = find_poses(model, video.info, geometry, [range(frames)], tried, progress, boxes)
        speeds[name] = stages.frames / stages.seconds
    return batch, speeds

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
from posecli.inference.batching import BatchChoice, choose_batch, first_items
from posecli.inference.pipeline import ENGINES_OF_PIPELINES
from posecli.inference.predictor import PoseModel, load_model
from posecli.model.deeplabcut import Choice as NetworkChoice
from posecli.options import FIXED_PRECISIONS, EngineOptions, FixedPrecision, PipelineName
from posecli.studies.common.folder import StudyFolder, write_json
from posecli.studies.sweep.charts import draw_settings
from posecli.studies.sweep.design import SWEEP
from posecli.studies.sweep.material import model_path, own_videos
from posecli.studies.sweep.network import find_poses, frame_seconds
from posecli.studies.sweep.observer import SweepObserver
from posecli.studies.sweep.options import SweepOptions
from posecli.studies.sweep.recommendation import Recommendation, analysis_line, recommend
from posecli.studies.sweep.report import write_report
from posecli.studies.sweep.runner import run_sweep
from posecli.studies.sweep.summary import SweepSummary
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
    """What is searched.

    Attributes
    ----------
    sweep
        Videos, model, tolerance and the rest; its precision and batch size are what is searched.
    scales
        Factors by which frames are resized for the network.
    precisions
        Of the network; ``None`` tries all that engine, processor and model have.
    crf
        Of H.264; none leaves compression out.
    budget
        Seconds that the search may take: fewer frames are used where all would take longer.
    """

    sweep: SweepOptions
    scales: tuple[float, ...] = (1.0, 0.75, 0.5, 0.25)
    precisions: tuple[FixedPrecision, ...] | None = None
    crf: tuple[float, ...] = (20.0, 30.0, 40.0)
    budget: float = 900.0

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
    """What a search found.

    Attributes
    ----------
    folder
        Where everything lies.
    settings
        Speed and error of every scale and precision.
    setting
        The fastest inside; the full frame in fp32 where none is, or the evidence is thin.
    batch
        Batch size, and the trials that led to it.
    pipelines
        Frames per second of each that was tried.
    compression
        What the compression sweep recommends; ``None`` without one.
    reasons
        A sentence each.
    analysis, acquisition
        The commands to use; empty where the evidence is thin.
    figure
        The frontier, as PNG.
    """

    folder: Path
    settings: SweepSummary
    setting: Version
    batch: BatchChoice
    pipelines: dict[str, float]
    compression: Recommendation | None
    reasons: tuple[str, ...]
    analysis: str
    acquisition: str
    figure: Path

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "format": FORMAT,
            "folder": str(self.folder),
            "frames": sum(source.looked_at for source in self.settings.study.sources),
            "tolerance_px": self.settings.study.options.tolerance,
            "setting": {"scale": self.setting.scale, "precision": self.setting.precision},
            "batch_size": self.batch.batch_size,
            "batch_trials": self.batch.as_list(),
            "pipelines_fps": self.pipelines,
            "reasons": list(self.reasons),
            "analysis": self.analysis,
            "acquisition": self.acquisition,
            "figure": str(self.figure),
            "rows": [row for row in self.settings.rows() if row["bodypart"] == "all" and row["filtering"] == "none"],
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

    Parameters
    ----------
    options
        What is searched.
    folder
        Where results go; the same search that lies there is continued.
    observer
        Is told of progress.
    overwrite
        Begin anew where another search lies.
    network
        Which network of a DeepLabCut project.

    Raises
    ------
    PoseCliError
        As `run_sweep` does.
    """
    exact = _in_fp32(options.sweep)
    model = load_model(model_path(exact), exact.analysis.engine, network)
    precisions = _runnable(model, options.precisions)
    versions = setting_versions(options.scales, precisions)
    if not overwrite:
        exact = _as_begun(exact, folder)
    exact = _within_budget(exact, options, versions, model, observer)
    study = run_sweep(
        "recommend-settings", exact, versions, folder / "settings", observer, overwrite=overwrite, network=network
    )
    summary = SweepSummary(study)
    chosen = recommend(summary) if summary.compared else Recommendation(None, ())
    best = chosen.version or versions[0]
    batch, pipelines = _tuned(study.model, summary, best, observer)
    thin = chosen.version is None and any("thin" in reason for reason in chosen.reasons)
    compression = (
        None if thin or not options.crf else _compression(options, exact, best, folder, observer, network, overwrite)
    )
    found = _found(folder, summary, chosen, best, batch, pipelines, compression, thin=thin)
    write_json(folder / "recommendation.json", found.as_dict())
    return found


def _in_fp32(options: SweepOptions) -> SweepOptions:
    engine = options.analysis.engine
    exact = replace(options.analysis, engine=EngineOptions(engine.engine, "fp32", engine.threads))
    return replace(options, analysis=exact)


def _runnable(model: PoseModel, wanted: Sequence[FixedPrecision] | None) -> tuple[FixedPrecision, ...]:
    """The precisions that can run; one that was asked for by name and cannot is an error."""
    for name in wanted or ():
        obstacle = model.obstacle(name)
        if obstacle is not None:
            raise UsageError(f"{obstacle.rstrip('.')}: leave '{name}' out of --precisions")
    return tuple(wanted or (name for name in FIXED_PRECISIONS if model.obstacle(name) is None))


def _as_begun(options: SweepOptions, folder: Path) -> SweepOptions:
    """A search that was begun is continued on as many frames, however fast the machine is now."""
    begun = (StudyFolder(folder / "settings", SWEEP).design() or {}).get("determined_by", {})
    if options.frames is not None or options.sample is not None:
        return options
    return replace(options, sample=begun.get("sample"))


def _within_budget(
    options: SweepOptions,
    search_options: SearchOptions,
    versions: Sequence[Version],
    model: PoseModel,
    observer: SweepObserver,
) -> SweepOptions:
    """As many frames as the budget allows, unless their number was given."""
    sources = own_videos(options)
    if options.frames is not None or options.sample is not None:
        return options
    first = sources[0]
    seconds = frame_seconds(model.with_precision("fp32"), first.info, first.geometry(options, 1.0), options)
    looks = sum(version.scale**2 for version in versions) + (1 + len(search_options.crf)) * bool(search_options.crf)
    affordable = int(search_options.budget / (seconds * looks * len(sources)))
    longest = max(source.info.n_frames for source in sources)
    if affordable >= longest:
        return options
    frames = max(FEWEST_FRAMES, affordable)
    late = f", although {FEWEST_FRAMES} take longer than that" if frames > affordable else ""
    observer.say(
        f"in {search_options.budget / 60:g} min this machine gets through {affordable} frames of each setting: "
        f"{frames} from all over are used{late} (repeat the same search with --sample {frames})"
    )
    return replace(options, sample=frames)


def _tuned(
    model: PoseModel, summary: SweepSummary, best: Version, observer: SweepObserver
) -> tuple[BatchChoice, dict[str, float]]:
    """Batch size, then pipelines, of the chosen setting."""
    options, source = summary.study.options, summary.study.sources[0]
    chosen = model if best.precision is None else model.with_precision(best.precision)
    geometry = source.geometry(options, best.scale)
    reader = VideoReader(source.info, geometry, options.analysis.video_backend)
    batch = choose_batch(chosen.step((geometry.height, geometry.width, 3)), first_items(reader))
    observer.say(f"batch size: {batch}")
    speeds: dict[str, float] = {}
    frames = min(source.frames, max(PIPELINE_FRAMES, 3 * batch.batch_size))
    for name in PIPELINES_TRIED:
        if name in ENGINES_OF_PIPELINES:
            continue
        tried = replace(options, analysis=replace(options.analysis, batch_size=batch.batch_size, pipeline=name))
        with observer.work(f"pipeline {name}", frames) as progress:
            _, stages = find_poses(chosen, source.info, geometry, [range(frames)], tried, progress)
        speeds[name] = stages.frames / stages.seconds
    return batch, speeds


def _compression(
    options: SearchOptions,
    exact: SweepOptions,
    best: Version,
    folder: Path,
    observer: SweepObserver,
    network: NetworkChoice,
    overwrite: bool,
) -> Recommendation:
    """Compressed versions in the chosen setting against the full, given video in fp32.

    Of a sample only as many first frames are encoded: hours of video are not, for seconds of it.
    """
    if exact.sample is not None:
        exact = replace(exact, frames=exact.frames or exact.sample, sample=None)
    encoded = encoded_versions({"libx264": options.crf}, {})
    versions = [
        Version(ORIGINAL, precision="fp32"),
        *(replace(version, scale=best.scale, precision=best.precision) for version in encoded[1:]),
    ]
    study = run_sweep(
        "recommend-compression", exact, versions, folder / "compression", observer, overwrite=overwrite, network=network
    )
    summary = SweepSummary(study)
    write_report(summary)
    return recommend(summary)


def _found(
    folder: Path,
    summary: SweepSummary,
    chosen: Recommendation,
    best: Version,
    batch: BatchChoice,
    pipelines: dict[str, float],
    compression: Recommendation | None,
    *,
    thin: bool,
) -> Found:
    pipeline = max(pipelines, key=pipelines.__getitem__)
    with house_style():
        png, _ = save_figure(draw_settings(summary, best), folder / "figures" / "frontier")
    reasons = [*chosen.reasons]
    if chosen.version is None and not thin:
        reasons.append("So the full frame in fp32 it is.")
    reasons.append(
        f"Of batch sizes {batch.batch_size} is the best; of pipelines {pipeline}, at {pipelines[pipeline]:.1f} "
        "frames/s."
    )
    if compression is not None:
        reasons += [f"Compression, in this setting: {reason}" for reason in compression.reasons]
    return Found(
        folder,
        summary,
        best,
        batch,
        pipelines,
        compression,
        tuple(reasons),
        "" if thin else analysis_line(summary, best, batch.batch_size, pipeline),
        "" if compression is None else compression.acquisition,
        png,
    )

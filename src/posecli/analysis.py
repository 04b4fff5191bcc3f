"""Videos to pose tables."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli import manifest as manifests
from posecli.batching import BatchChoice, choose_batch, first_frames
from posecli.decode import Pose
from posecli.engine import Engine, EngineInfo, NetworkOutput
from posecli.errors import OutputExistsError, PoseCliError, PrecisionError, ShortVideoError, UsageError
from posecli.geometry import Geometry
from posecli.hardware import usable_cores
from posecli.options import FIXED_PRECISIONS, PIPELINES, AnalyzeOptions, FixedPrecision
from posecli.outputs import OutputPaths, deeplabcut_meta, plan_outputs
from posecli.pipeline import ENGINES_OF_PIPELINES, Line, run_pipeline
from posecli.precision import Choice, GateFigures, choose_precision
from posecli.predictor import PoseModel, load_model
from posecli.results import AnalysisReport, StageReport, VideoResult
from posecli.table import (
    PoseTableWriter,
    move_into_place,
    partial_path,
    pose_columns,
    table_to_csv,
    write_partial,
)
from posecli.video.probe import VideoInfo, content_fingerprint, probe
from posecli.video.reader import FrameBatch, VideoReader


class RunObserver:
    """Is told how a run goes. This one does nothing; a command's own prints."""

    def gate_measured(self, figures: GateFigures) -> None:
        """A faster precision was measured; told for every video of the run."""

    def batch_measured(self, choice: BatchChoice) -> None:
        """Batch sizes were tried; told for every video of the run."""

    def engine_ready(self, model: PoseModel, info: EngineInfo, geometry: Geometry, batch_size: int) -> None:
        """The network is compiled for a video's frames."""

    def video_started(self, info: VideoInfo) -> None:
        """A video's frames are about to be read."""

    def frames_done(self, count: int) -> None:
        """That many more frames have a pose."""

    def video_finished(self, result: VideoResult) -> None:
        """A video is done, skipped or has failed."""


def analyze(
    videos: str | Path | Iterable[str | Path],
    model: str | Path | PoseModel,
    options: AnalyzeOptions = AnalyzeOptions(),
    observer: RunObserver = RunObserver(),
) -> AnalysisReport:
    """Find the body parts in every frame of videos, and write one pose table for each.

    Parameters
    ----------
    videos
        One file, or several.
    model
        A loaded model, which keeps its own engine options, or anything that `posecli.load_model` takes.
    options
        Everything else.
    observer
        Is told of progress.

    Returns
    -------
    AnalysisReport
        One result per video. A video that fails does not stop the others.

    Raises
    ------
    UsageError
        If two videos would write to the same table, or the pipeline is not for the model's engine.
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
    paths = [Path(videos)] if isinstance(videos, (str, Path)) else [Path(video) for video in videos]
    loaded = model if isinstance(model, PoseModel) else load_model(model, options.engine)
    _check_pipeline(loaded, options)
    run = _Run(paths, loaded, options, observer)
    results = []
    for path, outputs in zip(paths, plan_outputs(paths, loaded.description.scorer, options.out_dir), strict=True):
        try:
            result = _VideoRun(path, outputs, run).result()
        except PrecisionError:
            raise  # it would be the same for every video
        except PoseCliError as error:
            result = VideoResult(path, "failed", message=str(error), exit_code=error.exit_code)
        observer.video_finished(result)
        results.append(result)
    return AnalysisReport(tuple(results))


def _check_pipeline(model: PoseModel, options: AnalyzeOptions) -> None:
    """Refuse a pipeline that another engine is needed for; the model's own options say which engine runs."""
    wanted = ENGINES_OF_PIPELINES.get(options.pipeline)
    if wanted is not None and model.options.engine != wanted:
        others = ", ".join(name for name in PIPELINES if name not in ENGINES_OF_PIPELINES)
        raise UsageError(
            f"pipeline '{options.pipeline}' is for the {wanted} engine, not for {model.options.engine}: pass "
            f"--engine {wanted}, or choose --pipeline {others}"
        )


class _Run:
    """What the videos of one run share: precision and batch size are settled when one first needs the network."""

    def __init__(
        self, videos: Sequence[Path], model: PoseModel, options: AnalyzeOptions, observer: RunObserver
    ) -> None:
        self.videos = videos
        self.wanted = model
        self.options = options
        self.observer = observer
        self._batches: dict[tuple[int, int], BatchChoice] = {}

    @cached_property
    def choice(self) -> Choice:
        """The model in the precision of this run, and what was measured to choose it."""
        return choose_precision(self.wanted, self.videos, self.options)

    def batch(self, engine: Engine, info: VideoInfo, geometry: Geometry) -> BatchChoice:
        """The batch size for frames of one size, measured on the first video that has them."""
        wanted = self.options.network_batch
        if wanted != "auto":
            return BatchChoice(wanted)
        size = (geometry.height, geometry.width)
        if size not in self._batches:
            images = first_frames(info, geometry, self.options.video_backend)
            self._batches[size] = choose_batch(engine, self.decode, images)
        return self._batches[size]

    def decode(self, output: NetworkOutput) -> Pose:
        """What the network says of a batch to poses, as the options ask."""
        return self.choice.model.decode(output, self.options.decoder, self.options.num_outputs)

    def acceptable_precisions(self) -> tuple[FixedPrecision, ...]:
        """Precisions in which an earlier result is the one that is asked for now."""
        precision = self.wanted.options.precision
        return FIXED_PRECISIONS if precision == "auto" else (precision,)


class _VideoRun:
    """One video on its way to a table."""

    def __init__(self, video: Path, outputs: OutputPaths, run: _Run) -> None:
        self.outputs = outputs
        self.run = run
        self.options = run.options
        self.observer = run.observer
        self.info = probe(video)
        self.geometry = Geometry.plan(self.info.width, self.info.height, self.options.crop, self.options.exact_scale)
        self.video_fingerprint = content_fingerprint(video)
        self.batch = BatchChoice(1)
        self.bad_frames: list[int] = []

    @property
    def model(self) -> PoseModel:
        return self.run.choice.model

    def settings(self, precision: FixedPrecision) -> dict[str, Any]:
        """What determines the table's values besides video and model."""
        wanted = self.run.wanted
        return manifests.determining_settings(
            wanted.folder, wanted.options.engine, precision, self.options.num_outputs, self.geometry
        )

    def fingerprint(self, precision: FixedPrecision) -> str:
        """Hash of all that determines the table's values."""
        return manifests.fingerprint(self.video_fingerprint, self.run.wanted.folder, self.settings(precision))

    def is_wanted(self, manifest: dict[str, Any]) -> bool:
        """Whether an earlier result is the one that is asked for."""
        return any(manifest.get("fingerprint") == self.fingerprint(name) for name in self.run.acceptable_precisions())

    def result(self) -> VideoResult:
        """Analyse the video, unless the result is there already."""
        if not self.options.overwrite:
            known = self._finished_before() or self._parked_before()
            if known is not None:
                return known
        if self.info.missing_packets and not self.options.allow_short:
            raise ShortVideoError(
                f"'{self.info.path}' ends early: its container promises {self.info.promised_frames} frames and holds "
                f"{self.info.n_frames}; copy it again or repair it, or pass --allow-short to analyse what is there"
            )
        self.outputs.make_folder()
        for figures in self.run.choice.figures:
            self.observer.gate_measured(figures)
        engine = self.model.engine(self.geometry.height, self.geometry.width)
        self.batch = self.run.batch(engine, self.info, self.geometry)
        if self.batch.trials:
            self.observer.batch_measured(self.batch)
        engine.warm_up(min(self.batch.batch_size, self.info.n_frames))
        self.observer.engine_ready(self.model, engine.info, self.geometry, self.batch.batch_size)
        return self._analyzed(engine)

    def _finished_before(self) -> VideoResult | None:
        """The table that is there already, if it is the one asked for; another one is not replaced unasked."""
        table = self.outputs.table
        if not table.exists():
            return None
        manifest = manifests.read_manifest(self.outputs.manifest)
        advice = "pass --overwrite to replace it, or choose another folder with --out-dir"
        if manifest is None:
            raise OutputExistsError(f"'{table}' exists already and was not made by posecli (no manifest): {advice}")
        if not self.is_wanted(manifest):
            sections = self._sections_that_determine(self.run.acceptable_precisions()[0])
            changes = ", ".join(manifests.differences(manifest, sections)) or "by another version"
            raise OutputExistsError(f"'{table}' exists already and was made differently ({changes}): {advice}")
        if manifest.get("state") != "complete" and not self.options.allow_short:
            raise ShortVideoError(
                f"'{table}' exists already and frames are missing from it: pass --allow-short to accept it, "
                "or --overwrite to analyse the video again"
            )
        if self.options.csv and not self.outputs.csv.exists():
            table_to_csv(table, self.outputs.csv)
        return VideoResult(
            self.info.path, "skipped", table, message="made before with the same video, model and settings"
        )

    def _parked_before(self) -> VideoResult | None:
        """Rows of an earlier run that are whole but for frames that could not be decoded."""
        outputs = self.outputs
        manifest = manifests.read_manifest(partial_path(outputs.manifest))
        if manifest is None or not self.is_wanted(manifest):
            return None
        self.bad_frames = list(manifest["video"]["bad_frames"])
        self._refuse_bad_frames()
        self._put_in_place()
        return VideoResult(
            self.info.path, "short", outputs.table, bad_frames=tuple(self.bad_frames), message=self._what_is_missing()
        )

    def _analyzed(self, engine: Engine) -> VideoResult:
        description = self.model.description
        columns = pose_columns(description.scorer, description.bodyparts, self.options.num_outputs)
        partial_path(self.outputs.manifest).unlink(missing_ok=True)
        writer = PoseTableWriter(self.outputs.table, columns)
        self.observer.video_started(self.info)
        start = time.perf_counter()
        try:
            stages = self._run(engine, writer)
            writer.close(self._row_seconds(writer.rows))
            seconds = time.perf_counter() - start
            self._write_side_files(engine.info, writer.rows, seconds, stages)
        except BaseException:
            writer.discard()
            self.outputs.remove_partial()
            raise
        self._refuse_bad_frames()
        self._put_in_place()
        return VideoResult(
            self.info.path,
            "short" if self._is_short else "done",
            self.outputs.table,
            writer.rows,
            seconds,
            tuple(self.bad_frames),
            stages,
            self._what_is_missing() if self._is_short else "",
        )

    def _run(self, engine: Engine, writer: PoseTableWriter) -> StageReport:
        """Every frame through the network and into the table."""
        reader = VideoReader(self.info, self.geometry, self.options.video_backend)

        def sink(batch: FrameBatch, pose: Pose) -> None:
            pose[..., :2] = self.geometry.to_frame(pose[..., :2])
            writer.append(pose)
            self.bad_frames.extend(batch.indices[~batch.valid].tolist())
            self.observer.frames_done(len(batch))

        try:
            line = Line(reader, engine, self.run.decode, sink, self.batch.batch_size, usable_cores())
            return run_pipeline(self.options.pipeline, line)
        finally:
            reader.close()

    def _row_seconds(self, rows: int) -> npt.NDArray[np.float64]:
        """Presentation time of each row; NaN for frames that no packet announced."""
        known = self.info.seconds()[:rows]
        return np.concatenate([known, np.full(rows - len(known), np.nan)])

    def _write_side_files(self, engine: EngineInfo, rows: int, seconds: float, stages: StageReport) -> None:
        """Manifest and DeepLabCut's meta file, under partial names."""
        options = self.options
        precision = self.model.options.fixed_precision
        sections = self._sections_that_determine(precision)
        sections["video"] |= manifests.describe_run_of_video(self.info, self.bad_frames, rows)
        sections["engine"] = asdict(engine)
        sections["parity_gate"] = [figures.as_dict() for figures in self.run.choice.figures]
        sections["batch_trials"] = self.batch.as_list()
        sections["run"] = {
            "batch_size": self.batch.batch_size,
            "decoder": options.decoder,
            "pipeline": options.pipeline,
            "video_backend": options.video_backend,
        }
        sections["timing"] = {"whole_seconds": seconds, **stages.as_dict()}
        state = "short" if self._is_short else "complete"
        content = manifests.encode_manifest(manifests.new_manifest(state, self.fingerprint(precision), sections))
        write_partial(self.outputs.manifest, content)
        meta = deeplabcut_meta(self.info, self.model.description, rows, self.batch.batch_size, seconds)
        write_partial(self.outputs.meta, meta)

    def _sections_that_determine(self, precision: FixedPrecision) -> dict[str, Any]:
        return {
            "video": manifests.describe_video(self.info, self.video_fingerprint),
            "model": manifests.describe_model(self.run.wanted.folder),
            "settings": self.settings(precision),
        }

    def _put_in_place(self) -> None:
        """Final names; the table's last, so that when it appears everything is there."""
        for path in (self.outputs.meta, self.outputs.manifest, self.outputs.table):
            move_into_place(partial_path(path), path)
        if self.options.csv:
            table_to_csv(self.outputs.table, self.outputs.csv)

    @property
    def _is_short(self) -> bool:
        return bool(self.bad_frames or self.info.missing_packets)

    def _what_is_missing(self) -> str:
        return f"{len(self.bad_frames)} frames could not be decoded, {self.info.missing_packets} are not in the file"

    def _refuse_bad_frames(self) -> None:
        if not self.bad_frames or self.options.allow_short:
            return
        first = ", ".join(str(index) for index in self.bad_frames[:5]) + (", ..." if len(self.bad_frames) > 5 else "")
        raise ShortVideoError(
            f"{len(self.bad_frames)} of {self.info.n_frames} frames of '{self.info.path}' cannot be decoded ({first}): "
            "repair the video, or pass --allow-short to accept the rows that were made (with NaN for these)"
        )

"""Videos to pose tables."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli import manifest as manifests
from posecli.batching import BatchChoice, choose_batch, first_frames, is_out_of_memory
from posecli.decode import Pose
from posecli.engine import Engine, EngineInfo, NetworkOutput
from posecli.errors import (
    EngineError,
    OutputError,
    OutputExistsError,
    PoseCliError,
    PrecisionError,
    ShortVideoError,
    UsageError,
)
from posecli.geometry import Geometry
from posecli.hardware import usable_cores
from posecli.journal import JournalContent, JournalWriter, read_journal, read_last_batch, read_rows
from posecli.lock import HeldError, Lock, held, holder
from posecli.options import FIXED_PRECISIONS, PIPELINES, AnalyzeOptions, FixedPrecision
from posecli.outputs import OutputPaths, deeplabcut_meta, plan_outputs
from posecli.pipeline import ENGINES_OF_PIPELINES, Line, run_pipeline
from posecli.precision import Choice, GateFigures, choose_precision
from posecli.predictor import PoseModel, load_model
from posecli.results import AnalysisReport, Decision, StageReport, VideoResult
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
from posecli.videos import find_videos

MADE_BEFORE = "made before with the same video, model and settings"


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

    def video_resumed(self, info: VideoInfo, first_frame: int) -> None:
        """An earlier run made the rows before that frame; told after `video_started`."""

    def started_afresh(self, info: VideoInfo, reason: str) -> None:
        """The rows of an earlier run cannot be used."""

    def batch_halved(self, info: VideoInfo, batch_size: int) -> None:
        """Memory did not suffice; the video goes on in batches of that size."""

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
    run = _Run(videos, model, options, observer)
    results = []
    for path, outputs in run.chosen:
        try:
            result = _VideoRun(path, outputs, run).result()
        except PrecisionError:
            raise  # it would be the same for every video
        except HeldError as other:
            result = VideoResult(path, "busy", message=f"being analysed by {other}")
        except PoseCliError as error:
            result = VideoResult(path, "failed", message=str(error), exit_code=error.exit_code)
        observer.video_finished(result)
        results.append(result)
    return AnalysisReport(tuple(results))


def plan_analysis(
    videos: str | Path | Iterable[str | Path],
    model: str | Path | PoseModel,
    options: AnalyzeOptions = AnalyzeOptions(),
) -> tuple[Decision, ...]:
    """What `analyze` would do with each video; no network is loaded, and nothing is written.

    Parameters and errors are those of `analyze`.
    """
    decisions = []
    run = _Run(videos, model, options, RunObserver())
    for path, outputs in run.chosen:
        try:
            decision = _VideoRun(path, outputs, run).decision()
        except PoseCliError as error:
            decision = Decision(path, "refuse", outputs.table, message=str(error), exit_code=error.exit_code)
        decisions.append(decision)
    return tuple(decisions)


class _Run:
    """What the videos of one run share: precision and batch size are settled when one first needs the network."""

    def __init__(
        self,
        videos: str | Path | Iterable[str | Path],
        model: str | Path | PoseModel,
        options: AnalyzeOptions,
        observer: RunObserver,
    ) -> None:
        arguments = [videos] if isinstance(videos, (str, Path)) else videos
        self.videos = find_videos(arguments, recursive=options.recursive)
        self.wanted = model if isinstance(model, PoseModel) else load_model(model, options.engine)
        self.options = options
        self.observer = observer
        self._batches: dict[tuple[int, int], BatchChoice] = {}
        self._earlier: PoseModel | None = None
        _check_pipeline(self.wanted, options)
        # All videos, also those of other shards: two of one name must not write to one table from two processes.
        planned = plan_outputs(self.videos, self.wanted.description.scorer, options.out_dir)
        pairs = list(zip(self.videos, planned, strict=True))
        self.chosen = pairs if options.shard is None else options.shard.of(pairs)

    @cached_property
    def choice(self) -> Choice:
        """The model in the precision of this run, and what was measured to choose it."""
        return choose_precision(self.wanted, self.videos, self.options)

    def earlier(self, precision: FixedPrecision, threads: int) -> PoseModel:
        """The model as an interrupted run had it; threads are its own unless the user says otherwise."""
        options = replace(self.wanted.options, precision=precision, threads=self.wanted.options.threads or threads)
        if self._earlier is None or self._earlier.options != options:
            self._earlier = PoseModel(self.wanted.folder, options)
        return self._earlier

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
        return self.wanted.decode(output, self.options.decoder, self.options.num_outputs)

    def acceptable_precisions(self) -> tuple[FixedPrecision, ...]:
        """Precisions in which an earlier result is the one that is asked for now."""
        precision = self.wanted.options.precision
        return FIXED_PRECISIONS if precision == "auto" else (precision,)


def _check_pipeline(model: PoseModel, options: AnalyzeOptions) -> None:
    """Refuse a pipeline that another engine is needed for; the model's own options say which engine runs."""
    wanted = ENGINES_OF_PIPELINES.get(options.pipeline)
    if wanted is not None and model.options.engine != wanted:
        others = ", ".join(name for name in PIPELINES if name not in ENGINES_OF_PIPELINES)
        raise UsageError(
            f"pipeline '{options.pipeline}' is for the {wanted} engine, not for {model.options.engine}: pass "
            f"--engine {wanted}, or choose --pipeline {others}"
        )


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
        self.row_width = 3 * len(run.wanted.description.bodyparts) * self.options.num_outputs

    def settings(self, precision: FixedPrecision) -> dict[str, Any]:
        """What determines the table's values besides video and model."""
        wanted = self.run.wanted
        return manifests.determining_settings(
            wanted.folder, wanted.options.engine, precision, self.options.num_outputs, self.geometry
        )

    def sections_that_determine(self, precision: FixedPrecision) -> dict[str, Any]:
        """The manifest's parts on all that determines the table's values."""
        return {
            "video": manifests.describe_video(self.info, self.video_fingerprint),
            "model": manifests.describe_model(self.run.wanted.folder),
            "settings": self.settings(precision),
        }

    def fingerprint(self, precision: FixedPrecision) -> str:
        """Hash of all that determines the table's values."""
        return manifests.fingerprint(self.video_fingerprint, self.run.wanted.folder, self.settings(precision))

    def is_wanted(self, manifest: dict[str, Any]) -> bool:
        """Whether an earlier result is the one that is asked for."""
        return any(manifest.get("fingerprint") == self.fingerprint(name) for name in self.run.acceptable_precisions())

    def what_differs(self, manifest: dict[str, Any]) -> str:
        """Why an earlier result is not the one that is asked for."""
        sections = self.sections_that_determine(self.run.acceptable_precisions()[0])
        return ", ".join(manifests.differences(manifest, sections)) or "by another version"

    def decision(self) -> Decision:
        """What `result` would do."""
        table, frames = self.outputs.table, self.info.n_frames
        if not self.options.overwrite and self._is_finished():
            return Decision(self.info.path, "skip", table, frames, frames, MADE_BEFORE)
        if (other := holder(self.outputs.lock)) is not None:
            return Decision(self.info.path, "busy", table, frames, message=f"being analysed by {other}")
        self._refuse_missing_packets()
        self.outputs.refuse_read_only_folder()
        earlier, reason = self._earlier_rows()
        if earlier is None:
            message = "replaces the table that is there" if table.exists() else reason
            return Decision(self.info.path, "analyse", table, frames, message=message)
        if earlier.ending is not None:
            self._refuse_bad_frames(earlier.bad_frames)
        return Decision(self.info.path, "resume", table, frames, earlier.rows, "an earlier run was interrupted")

    def result(self) -> VideoResult:
        """Analyse the video, unless the result is there already."""
        skipped = self._skipped()
        if skipped is not None:
            return skipped
        self._refuse_missing_packets()
        self.outputs.make_folder()
        self.outputs.refuse_read_only_folder()
        with held(self.outputs.lock) as lock:
            # Whoever held it a moment ago may have made the table.
            return self._skipped() or self._analyzed(lock)

    def _skipped(self) -> VideoResult | None:
        """The table that is there already, if it is the one asked for."""
        if self.options.overwrite or not self._is_finished():
            return None
        if self.options.csv and not self.outputs.csv.exists():
            table_to_csv(self.outputs.table, self.outputs.csv)
        # A run that was killed on its last steps leaves what nobody needs; one that is being made again is held.
        if self.outputs.journal.exists() or self.outputs.lock.exists():
            with suppress(OSError, OutputError, HeldError), held(self.outputs.lock):
                self.outputs.journal.unlink(missing_ok=True)
        return VideoResult(self.info.path, "skipped", self.outputs.table, message=MADE_BEFORE)

    def _is_finished(self) -> bool:
        """Whether the table is there already and is the one asked for; another one is not replaced unasked."""
        table = self.outputs.table
        if not table.exists():
            return False
        manifest = manifests.read_manifest(self.outputs.manifest)
        advice = "pass --overwrite to replace it, or choose another folder with --out-dir"
        if manifest is None:
            raise OutputExistsError(f"'{table}' exists already and was not made by posecli (no manifest): {advice}")
        if not self.is_wanted(manifest):
            raise OutputExistsError(
                f"'{table}' exists already and was made differently ({self.what_differs(manifest)}): {advice}"
            )
        if manifest.get("state") != "complete" and not self.options.allow_short:
            raise ShortVideoError(
                f"'{table}' exists already and frames are missing from it: pass --allow-short to accept it, "
                "or --overwrite to analyse the video again"
            )
        return True

    def _refuse_missing_packets(self) -> None:
        if self.info.missing_packets and not self.options.allow_short:
            raise ShortVideoError(
                f"'{self.info.path}' ends early: its container promises {self.info.promised_frames} frames and holds "
                f"{self.info.n_frames}; copy it again or repair it, or pass --allow-short to analyse what is there"
            )

    def _earlier_rows(self) -> tuple[JournalContent | None, str]:
        """Rows of an interrupted run that can be used, or why there are none."""
        content = None if self.options.overwrite else read_journal(self.outputs.journal)
        if content is None:
            return None, ""
        reason = ""
        if not self.is_wanted(content.header) or not _is_sound(content, self.row_width):
            reason = self.what_differs(content.header)
        elif content.ending is None:
            installed = manifests.installed_versions(manifests.VALUE_PACKAGES)
            reason = ", ".join(manifests.changed_values(content.header["packages"], installed))
        return (None, f"{content.rows} rows of an earlier run are not used: {reason}") if reason else (content, "")

    def _analyzed(self, lock: Lock) -> VideoResult:
        """From whatever rows are there to the table."""
        earlier, reason = self._earlier_rows()
        if reason:
            self.observer.started_afresh(self.info, reason)
        stages, first_frame = None, 0 if earlier is None else earlier.rows
        if earlier is None or earlier.ending is None:
            network = _NetworkRun(self, lock)
            stages, first_frame = network.complete(earlier), network.first_frame
        content = read_journal(self.outputs.journal)
        if content is None or content.ending is None:
            raise OutputError(f"'{self.outputs.journal}' is not what was written: check its disk, and run again")
        self._refuse_bad_frames(content.bad_frames)
        try:
            self._write_table(content)
        except OutputError as error:
            raise OutputError(f"{error}; all rows are kept, and the same command goes on from there") from error
        return self._finished(content, stages, first_frame)

    def _finished(self, content: JournalContent, stages: StageReport | None, first_frame: int) -> VideoResult:
        is_short = self._is_short(content.bad_frames)
        return VideoResult(
            self.info.path,
            "short" if is_short else "done",
            self.outputs.table,
            content.rows,
            0.0 if stages is None or content.ending is None else content.ending["timing"]["whole_seconds"],
            tuple(content.bad_frames),
            stages,
            self._what_is_missing(content.bad_frames) if is_short else "",
            first_frame=first_frame,
        )

    def _write_table(self, content: JournalContent) -> None:
        """The table from the journal, and the files beside it; then the journal has done its duty."""
        description = self.run.wanted.description
        writer = PoseTableWriter(
            self.outputs.table, pose_columns(description.scorer, description.bodyparts, self.options.num_outputs)
        )
        try:
            for rows in read_rows(self.outputs.journal, content):
                writer.append(rows.reshape(len(rows), len(description.bodyparts), self.options.num_outputs, 3))
            writer.close(self._row_seconds(content.rows))
            self._write_side_files(content)
        except BaseException:
            writer.discard()
            self.outputs.remove_partial()
            raise
        # Final names; the table's last, so that when it appears everything is there. One that is being replaced goes
        # first, lest it be found with the new one's manifest.
        self.outputs.table.unlink(missing_ok=True)
        for path in (self.outputs.meta, self.outputs.manifest, self.outputs.table):
            move_into_place(partial_path(path), path)
        if self.options.csv:
            table_to_csv(self.outputs.table, self.outputs.csv)
        self.outputs.journal.unlink(missing_ok=True)

    def _row_seconds(self, rows: int) -> npt.NDArray[np.float64]:
        """Presentation time of each row; NaN for frames that no packet announced."""
        known = self.info.seconds()[:rows]
        return np.concatenate([known, np.full(rows - len(known), np.nan)])

    def _write_side_files(self, content: JournalContent) -> None:
        """Manifest and DeepLabCut's meta file, under partial names."""
        header, ending = content.header, content.ending
        assert ending is not None
        sections = self.sections_that_determine(header["settings"]["precision"])
        sections["video"] |= manifests.describe_run_of_video(self.info, content.bad_frames, content.rows)
        sections |= {name: header[name] for name in ("engine", "parity_gate", "batch_trials")}
        sections["run"] = ending["run"]
        sections["sessions"] = content.sessions
        sections["timing"] = ending["timing"]
        state = "short" if self._is_short(content.bad_frames) else "complete"
        manifest = manifests.new_manifest(state, header["fingerprint"], sections)
        write_partial(self.outputs.manifest, manifests.encode_manifest(manifest))
        seconds = ending["timing"]["whole_seconds"]
        meta = deeplabcut_meta(self.info, self.run.wanted.description, content.rows, content.batch_size, seconds)
        write_partial(self.outputs.meta, meta)

    def _is_short(self, bad_frames: Sequence[int]) -> bool:
        return bool(bad_frames or self.info.missing_packets)

    def _what_is_missing(self, bad_frames: Sequence[int]) -> str:
        return f"{len(bad_frames)} frames could not be decoded, {self.info.missing_packets} are not in the file"

    def _refuse_bad_frames(self, bad_frames: Sequence[int]) -> None:
        if not bad_frames or self.options.allow_short:
            return
        first = ", ".join(str(index) for index in bad_frames[:5]) + (", ..." if len(bad_frames) > 5 else "")
        raise ShortVideoError(
            f"{len(bad_frames)} of {self.info.n_frames} frames of '{self.info.path}' cannot be decoded ({first}): "
            "repair the video, or pass --allow-short to accept the rows that were made (with NaN for these)"
        )


def _is_sound(content: JournalContent, row_width: int) -> bool:
    """Whether a journal has what is needed to go on; it comes from a file, and may be anything."""
    header, ending = content.header, content.ending
    kinds = {"settings": dict, "engine": dict, "packages": dict, "parity_gate": list, "batch_trials": list}
    if content.width != row_width or not all(isinstance(header.get(name), kind) for name, kind in kinds.items()):
        return False
    sizes = (header["engine"].get("threads"), header.get("batch_size"))
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        return False
    if header["settings"].get("precision") not in FIXED_PRECISIONS:
        return False
    timing = {} if ending is None else ending.get("timing")
    return ending is None or (
        isinstance(ending.get("run"), dict)
        and isinstance(timing, dict)
        and isinstance(timing.get("whole_seconds"), float)
    )


class _NetworkRun:
    """Frames through the network and into the journal, from wherever an earlier run had come to.

    Attributes
    ----------
    first_frame
        Where this run began.
    """

    def __init__(self, video: _VideoRun, lock: Lock) -> None:
        self.video = video
        self.lock = lock
        self.run = video.run
        self.options = video.options
        self.observer = video.observer
        self.info = video.info
        self.geometry = video.geometry
        self.path = video.outputs.journal
        self.first_frame = 0
        self._started: float | None = None
        self.width = video.row_width

    def complete(self, earlier: JournalContent | None) -> StageReport:
        """Fill the journal to its end."""
        if earlier is not None:
            obstacle = self.run.wanted.obstacle(earlier.header["settings"]["precision"])
            if obstacle is None:
                try:
                    return self._resumed(earlier)
                except _RowsDifferError:
                    obstacle = "its last batch does not come out the same here"
            self.observer.started_afresh(self.info, f"{earlier.rows} rows of an earlier run are not used: {obstacle}")
        return self._begun()

    def _begun(self) -> StageReport:
        """A journal from the first frame on; what was measured for it is settled in its header."""
        choice = self.run.choice
        for figures in choice.figures:
            self.observer.gate_measured(figures)
        engine = choice.model.engine(self.geometry.height, self.geometry.width)
        batch = self.run.batch(engine, self.info, self.geometry)
        if batch.trials:
            self.observer.batch_measured(batch)
        self._refuse_full_disk(0)
        precision = choice.model.options.fixed_precision
        header = {
            "fingerprint": self.video.fingerprint(precision),
            **self.video.sections_that_determine(precision),
            "engine": asdict(engine.info),
            "packages": manifests.installed_versions(manifests.VALUE_PACKAGES),
            "parity_gate": [figures.as_dict() for figures in choice.figures],
            "batch_trials": batch.as_list(),
            "batch_asked_for": self.options.network_batch,
            "batch_size": batch.batch_size,
            "values_per_row": self.width,
        }
        return self._filled(choice.model, JournalWriter.begin(self.path, header), batch.batch_size, None)

    def _resumed(self, earlier: JournalContent) -> StageReport:
        """On from an earlier run, with what it had settled."""
        header = earlier.header
        model = self.run.earlier(header["settings"]["precision"], header["engine"]["threads"])
        asked = self.options.network_batch
        settled = asked == "auto" or asked == header.get("batch_asked_for")
        batch_size = (earlier.batch_size or int(header["batch_size"])) if settled else asked
        assert isinstance(batch_size, int)
        self._refuse_full_disk(earlier.rows)
        return self._filled(model, JournalWriter.resume(self.path, earlier), batch_size, earlier)

    def _refuse_full_disk(self, rows_before: int) -> None:
        self.video.outputs.refuse_full_disk(self.info.n_frames, rows_before, 8 * self.width, csv=self.options.csv)

    def _filled(
        self, model: PoseModel, journal: JournalWriter, batch_size: int, earlier: JournalContent | None
    ) -> StageReport:
        """Every frame from there on through the network; for lack of memory in smaller batches."""
        overlap = _Overlap.of(self.path, earlier)
        self.first_frame = journal.rows
        self._started = None
        try:
            stages = None
            while stages is None:
                try:
                    stages = self._through(model, journal, batch_size, overlap)
                except Exception as error:
                    batch_size, overlap = self._halved(batch_size, error), _Overlap.none(journal.rows)
            timing = {"whole_seconds": time.perf_counter() - self._start(), **stages.as_dict()}
            journal.end({"run": self._how(batch_size), "timing": timing})
        except OutputError as error:
            kept = f"{journal.rows} of {self.info.n_frames} frames are kept, and the same command goes on from there"
            raise OutputError(f"{error}; {kept}") from error
        finally:
            journal.close()
        return stages

    def _start(self) -> float:
        """When the first frame was about to be read; the observer is told of it then."""
        if self._started is None:
            self._started = time.perf_counter()
            self.observer.video_started(self.info)
            if self.first_frame:
                self.observer.video_resumed(self.info, self.first_frame)
        return self._started

    def _halved(self, batch_size: int, error: Exception) -> int:
        """Half the batch size, if memory is what was missing."""
        if not is_out_of_memory(error):
            raise error
        if batch_size == 1:
            raise EngineError(
                f"memory does not suffice for a single frame of '{self.info.path}': close other programs, or choose a "
                "smaller --scale or --crop"
            ) from error
        self.observer.batch_halved(self.info, batch_size // 2)
        return batch_size // 2

    def _through(self, model: PoseModel, journal: JournalWriter, batch_size: int, overlap: _Overlap) -> StageReport:
        engine = model.engine(self.geometry.height, self.geometry.width)
        engine.warm_up(min(batch_size, self.info.n_frames))
        self.observer.engine_ready(model, engine.info, self.geometry, batch_size)
        self._start()
        journal.note_session(
            {
                "first_row": journal.rows,
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "batch_size": batch_size,
                "threads": engine.info.threads,
            }
        )

        def sink(batch: FrameBatch, pose: Pose) -> None:
            pose[..., :2] = self.geometry.to_frame(pose[..., :2])
            rows = overlap.rest(int(batch.indices[0]), pose.reshape(len(pose), self.width))
            if len(rows):
                assert batch.indices[-len(rows)] == journal.rows, "rows and frames have parted"
                journal.append(rows, batch_size)
            self.lock.renew()
            self.observer.frames_done(len(rows))

        reader = VideoReader(self.info, self.geometry, self.options.video_backend)
        try:
            # Not sought: what follows is what an unbroken reading gives, whatever the video is like.
            reader.skip(overlap.first)
            line = Line(reader, engine, self.run.decode, sink, batch_size, usable_cores())
            return run_pipeline(self.options.pipeline, line)
        finally:
            reader.close()

    def _how(self, batch_size: int) -> dict[str, Any]:
        """The manifest's part on how frames went through the network."""
        options = self.options
        return {
            "batch_size": batch_size,
            "decoder": options.decoder,
            "pipeline": options.pipeline,
            "video_backend": options.video_backend,
        }


class _RowsDifferError(Exception):
    """The last batch of the earlier run does not come out as before."""


@dataclass(frozen=True)
class _Overlap:
    """Rows that are in the journal and are made once more, to see that all is as it was.

    Attributes
    ----------
    first
        Row that the run begins with: the first of the earlier run's last batch, so that batches are the same again.
    rows
        ``(n, width)``, what comes out from there on, as far as it is known.
    """

    first: int
    rows: npt.NDArray[np.float64]

    @classmethod
    def of(cls, path: Path, earlier: JournalContent | None) -> _Overlap:
        """The last batch of an earlier run."""
        if earlier is None:
            return cls.none(0)
        return cls(earlier.last_start, read_last_batch(path, earlier))

    @classmethod
    def none(cls, first: int) -> _Overlap:
        """Nothing is made once more."""
        return cls(first, np.empty((0, 0)))

    def rest(self, start: int, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Those of the rows from `start` on that are new; the others must be what they were, bit for bit."""
        expected = self.rows[start - self.first :][: len(rows)]
        if rows[: len(expected)].tobytes() != expected.tobytes():
            raise _RowsDifferError
        return rows[len(expected) :]

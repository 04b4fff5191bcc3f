"""Takes one video's frames through the network and writes the resulting rows to its journal."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from posecli.analysis.context import RunContext
from posecli.analysis.journal import (
    JournalContent,
    JournalWriter,
    Rows,
    read_journal,
    read_last_batch,
    read_rows_before,
)
from posecli.analysis.lock import Lock
from posecli.analysis.plan import VideoFiles, plain
from posecli.errors import EngineError, OutputError, VideoError
from posecli.inference.batching import is_out_of_memory
from posecli.inference.pipeline import Line, run_pipeline
from posecli.inference.predictor import Model
from posecli.inference.sources import Still
from posecli.inference.step import Step, Values
from posecli.inference.teacher import TeacherStep, Teaching
from posecli.inference.windows import Windows, WindowStep
from posecli.options import FIXED_PRECISIONS, FixedPrecision
from posecli.support.hardware import usable_cores
from posecli.support.results import StageReport
from posecli.tables import manifest as manifests
from posecli.video.batch import Batch
from posecli.video.geometry import Geometry
from posecli.video.probe import content_fingerprint, probe
from posecli.video.reader import VideoReader

NO_ROWS: Rows = np.empty((0, 0))
#: `Windows` as values that JSON has; ``None`` where whole frames are looked at.
PlainWindows: TypeAlias = Any
#: `Teaching` in the same way; ``None`` where no teacher is asked.
PlainTeaching: TypeAlias = Any


class Looked(NamedTuple):
    """How the network looks at frames."""

    precision: FixedPrecision
    geometry: Geometry
    windows: PlainWindows
    teaching: PlainTeaching


class NetworkRun:
    """A video whose frames go through the network, from `first_row` on: where an earlier run stopped."""

    lock: Lock
    first_row = 0
    _started: float | None = None
    _windows: Windows | None = None  # in which the network looks at the frames
    _teaching: Teaching | None = None  # when a teacher looks at them too
    _before: Rows = NO_ROWS  # some of those before the first that comes next

    def __init__(self, files: VideoFiles, context: RunContext) -> None:
        self.files = files
        self.context = context
        self.kind, self.options, self.observer = context.kind, context.options, context.observer
        self.info = probe(files.video)
        self.geometry = self.kind.geometry(self.info)
        self._stamp = self._file_stamp()
        self._fingerprint = content_fingerprint(files.video)

    def sections(self, looked: Looked) -> dict[str, Any]:
        """The manifest's parts on all that determines the table's values."""
        sections = {
            "video": manifests.describe_video(self.info, self._fingerprint),
            "model": manifests.describe_model(self.kind.model.folder),
            "settings": self.kind.determining_settings(*looked, self.files.video),
        }
        if looked.teaching is not None and self.kind.teacher is not None:
            sections["teacher"] = manifests.describe_teacher(self.kind.teacher)
        return sections

    def fingerprint(self, looked: Looked) -> str:
        """Hash of all that determines the table's values."""
        settings = self.kind.determining_settings(*looked, self.files.video)
        return manifests.fingerprint(self._fingerprint, self.kind.model.folder, settings)

    def is_wanted(self, manifest: dict[str, Any]) -> bool:
        """Whether an earlier result is the one that is asked for."""
        return manifest.get("fingerprint") in [*map(self.fingerprint, self._acceptable(manifest))]

    def differences(self, manifest: dict[str, Any]) -> str:
        """Why an earlier result is not the one that is asked for."""
        sections = self.sections(self._acceptable(manifest)[0])
        sections["settings"].setdefault("windows", None)  # tables without have no such setting
        now, then = sections["settings"].pop("teacher", None), manifests.mapping(manifest, "settings").get("teacher")
        words = manifests.differences(manifest, sections)
        if now != then:  # whose rules are too long to be read
            asked = "was asked, and is not now" if now is None else "was asked otherwise"
            words.append(f"its teacher {'was not asked, and is now' if then is None else asked}")
        return ", ".join(words) or "by another version"

    def _acceptable(self, manifest: dict[str, Any]) -> list[Looked]:
        """How an earlier result may have been made: as it was, in all that is left to measurement."""
        asked, settings = self.options.engine.precision, manifests.mapping(manifest, "settings")
        geometry = self._geometry_in(settings)
        made, windows = settings.get("windows"), self.kind.window_asked_for(geometry)
        if windows is None:
            made = None
        elif windows != "any":
            size = manifests.mapping(settings, "windows")
            if (size.get("width"), size.get("height")) != (windows.width, windows.height):
                made = plain(windows)
        teaching = self.kind.teaching_asked_for(settings.get("teacher"))
        precisions = FIXED_PRECISIONS if asked == "auto" else (asked,)
        return [Looked(name, geometry, made, teaching) for name in precisions]

    def _looked(self, settings: Mapping[str, Any]) -> Looked:
        """How rows were made, by their journal's settings."""
        geometry = self._geometry_in(settings)
        return Looked(settings["precision"], geometry, settings.get("windows"), settings.get("teacher"))

    def _geometry_in(self, settings: Mapping[str, Any]) -> Geometry:
        """What was done to frames by a manifest's settings, where the scale is left to measurement."""
        width, height = settings.get("network_width"), settings.get("network_height")
        if self.kind.finds_scale and isinstance(width, int) and isinstance(height, int):
            return self.geometry.brought_to(width, height)
        return self.geometry

    def seen(self, reader: VideoReader) -> dict[str, Any]:
        """Take over what reading the whole video has shown; what of it a journal must keep, as plain values."""
        if self._file_stamp() != self._stamp:
            raise VideoError(f"'{self.info.path}' was changed while it was read: run again when it is finished")
        timeline = reader.timeline
        assert timeline is not None, "the video was not read to its end"
        kept = {
            "as_announced": timeline == self.info.announced,
            "concealed": reader.concealed,
            "opencv_fault": reader.opencv_fault,
        }
        self.info = self.info.with_timeline(timeline)
        return kept

    def _file_stamp(self) -> tuple[int, int, int]:
        """What changes when the file does."""
        status = self.files.video.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns

    def complete(self, earlier: JournalContent | None, lock: Lock) -> StageReport:
        """Fill the journal to its end, resuming an earlier run where possible."""
        self.lock = lock
        if earlier is not None:
            obstacle = self.kind.model.obstacle(earlier.header["settings"]["precision"])
            if obstacle is None:
                try:
                    return self._resumed(earlier)
                except RowsDifferError:
                    obstacle = "its last batch does not come out the same here"
            self.observer.started_afresh(self.info, f"{earlier.rows} rows of an earlier run are not used: {obstacle}")
        return self._begun()

    def _begun(self) -> StageReport:
        """Start a journal at the first frame; its header holds what was measured for it."""
        model = self.context.model
        self.geometry = self.context.geometry(self.info)
        self.context.opens(self.info.path)  # again: the parity gate may have opened others
        for figures in self.context.figures:
            self.observer.gate_measured(figures)
        for sentence in self.context.plan.settled.left_out:
            self.observer.left_out(sentence)
        engine = model.engine_for(self.kind.shape(self.geometry))
        batch = self.context.batch(model, self.info, self.geometry)
        if batch.trials:
            self.observer.batch_measured(batch)
        precision = model.options.fixed_precision
        windows, teaching = self.context.windows(self.geometry), self.context.teaching
        plain_windows, plain_teaching = (None if each is None else plain(each) for each in (windows, teaching))
        looked = Looked(precision, self.geometry, plain_windows, plain_teaching)
        header = {
            "fingerprint": self.fingerprint(looked),
            **self.sections(looked),
            "engine": asdict(engine.info),
            "packages": manifests.installed_versions(manifests.VALUE_PACKAGES),
            "parity_gate": [figures.as_dict() for figures in self.context.figures],
            "left_out": [*self.context.plan.settled.left_out],
            "batch_trials": batch.as_list(),
            "batch_asked_for": self.options.network_batch,
            "batch_size": batch.batch_size,
            "values_per_row": self.kind.row_width,
        }
        return self._filled(model, header, batch.batch_size, None)

    def _resumed(self, earlier: JournalContent) -> StageReport:
        """Continue an earlier run with the settings it had settled on."""
        header = earlier.header
        self.geometry = self._geometry_in(header["settings"])
        model = self.context.model_as(header["settings"]["precision"], header["engine"]["threads"])
        asked = self.options.network_batch
        settled = asked == "auto" or asked == header.get("batch_asked_for")
        batch_size = (earlier.batch_size or int(header["batch_size"])) if settled else asked
        assert isinstance(batch_size, int)
        return self._filled(model, header, batch_size, earlier)

    def _filled(
        self, model: Model[Any, Any], header: dict[str, Any], batch_size: int, earlier: JournalContent | None
    ) -> StageReport:
        """Run the network on all remaining frames, in smaller batches if memory runs out."""
        rows, row_bytes = 0 if earlier is None else earlier.rows, 8 * self.kind.row_width
        self.files.check_free_space(self.info.expected_frames, rows, row_bytes, csv=self.options.csv)
        path = self.files.journal
        self._windows, self._teaching = Windows.of(header["settings"]), Teaching.of(header["settings"])
        batch_size = self._in_groups(batch_size)  # a run that goes on may have been given another size
        if earlier is None:
            journal, first, known = JournalWriter.begin(path, header), 0, NO_ROWS
        else:  # its last batch is made once more, to see that all is as it was; so batches are the same again
            journal = JournalWriter.resume(path, earlier)
            first, known = earlier.last_start, read_last_batch(path, earlier)
            self._before = self._rows_before(first)
        self.first_row = journal.rows
        self._started = None
        try:
            stages = None
            while stages is None:
                try:
                    stages, account = self._through(model, journal, batch_size, first, known)
                except Exception as error:
                    batch_size, first, known = self._halved(batch_size, error), journal.rows, NO_ROWS
                    self._before = self._rows_before(first)
            timing = {"whole_seconds": time.perf_counter() - self._start(), **stages.as_dict()}
            how = {"pipeline": self.options.pipeline, "video_backend": self.options.video_backend}
            run = {"batch_size": batch_size, **self.kind.run_settings, **how}
            journal.end({"run": run, "timing": timing, **account})
        except OutputError as error:
            done = self.kind.frames_before(journal.rows, self.info)
            kept = f"{done} of {self.info.expected_frames} frames are kept, and the same command continues from there"
            raise OutputError(f"{error}; {kept}") from error
        finally:
            journal.close()
        return stages

    @property
    def _group(self) -> int:
        """Frames that are looked at together, whatever the batches: these are whole groups."""
        windows, teaching = self._windows, self._teaching
        return math.lcm(1 if windows is None else windows.group, 1 if teaching is None else teaching.rule.group)

    def _in_groups(self, batch_size: int) -> int:
        """The least size of a batch that holds so many frames and ends where a group does."""
        return -(-batch_size // self._group) * self._group

    def _rows_before(self, row: int) -> Rows:
        """Rows that say where windows lie; none are read where whole frames are looked at."""
        if self._windows is None:
            return NO_ROWS
        content = read_journal(self.files.journal)
        return NO_ROWS if content is None else read_rows_before(self.files.journal, content, row)

    def _start(self) -> float:
        """Time at which reading began; the first call tells the observer."""
        if self._started is None:
            self._started = time.perf_counter()
            self.observer.video_started(self.info)
            if self.first_row:
                self.observer.video_resumed(self.info, self.kind.frames_before(self.first_row, self.info))
        return self._started

    def _halved(self, batch_size: int, error: Exception) -> int:
        """Half the batch size, if memory ran out; any other error is raised again."""
        if not is_out_of_memory(error):
            raise error
        if batch_size == self._group:
            raise EngineError(
                f"not enough memory for a single {self.kind.model.kind.item} of '{self.info.path}': close other "
                f"programs, or choose a smaller {self.kind.size_options}"
            ) from error
        half = self._in_groups(batch_size // 2)
        self.observer.batch_halved(self.info, half)
        return half

    def _through(
        self, model: Model[Any, Any], journal: JournalWriter, batch_size: int, first: int, known: Rows
    ) -> tuple[StageReport, dict[str, Any]]:
        """Append rows from `first` on; those known already must come out the same, bit for bit.

        What else the journal must say of the frames is returned too.
        """
        shape = self.kind.shape(self.geometry)
        background = partial(Still.of_video, self.info, self.geometry)
        engine, step = model.engine_for(shape), self.kind.step(model, shape, self._windows, background, self._teaching)
        step.warm_up(min(batch_size, self.kind.items(self.info)))
        if len(self._before):
            step.resume(first, self._before.reshape(len(self._before), *model.values_shape))
        network = f"{model.folder.description.scorer} ({self.kind.network})"
        work = self.kind.work(self.geometry, batch_size)
        work += "" if self._windows is None else f", {self._windows} out of frames"
        if self._teaching is not None and self.kind.teacher is not None:
            teacher = self.kind.teacher.description.scorer
            work += f", and its teacher {teacher} in {self._teaching.precision} where it is unsure"
        self.observer.engine_ready(network, engine.info, work)
        self._start()
        journal.note_session(
            {
                "first_row": journal.rows,
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "batch_size": batch_size,
                "threads": engine.info.threads,
            }
        )

        def sink(batch: Batch, values: Values) -> None:
            rows = values.reshape(len(values), -1)
            expected = known[batch.indices[0] - first :][: len(rows)]
            if rows[: len(expected)].tobytes() != expected.tobytes():
                raise RowsDifferError
            rows = rows[len(expected) :]
            if len(rows):
                assert batch.indices[-len(rows)] == journal.rows, "rows and frames have parted"
                journal.append(rows, batch_size)
            self.lock.renew()
            self.observer.frames_done(batch[len(batch) - len(rows) :].frames)

        reader = self.kind.reader(self.info, self.geometry)
        try:
            # Not sought: what follows is what an unbroken reading gives, whatever the video is like.
            reader.skip(first)
            line = Line(reader, step, sink, batch_size, usable_cores())
            stages = run_pipeline(self.options.pipeline, line)
            return stages, {**self.kind.account(reader), "pictures": self.seen(reader.video), **accounts(step)}
        finally:
            reader.close()


def accounts(step: Step) -> dict[str, dict[str, int]]:
    """How many frames a step looked at, and how."""
    asked = {"teacher": step.account()} if isinstance(step, TeacherStep) else {}
    inner = step.student if isinstance(step, TeacherStep) else step
    return asked | ({"windows": inner.account()} if isinstance(inner, WindowStep) else {})


class RowsDifferError(Exception):
    """The last batch of the earlier run comes out differently."""

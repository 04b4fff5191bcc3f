"""One video on its way to a table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from posecli.analysis.frames import NetworkRun
from posecli.analysis.journal import JournalContent, read_journal
from posecli.analysis.lock import HeldError, Lock, held, holder
from posecli.analysis.outputs import OutputPaths
from posecli.analysis.run import Run
from posecli.errors import OutputError, OutputExistsError, ShortVideoError, VideoError
from posecli.options import FIXED_PRECISIONS, FixedPrecision
from posecli.support.files import move_into_place, partial_path, write_partial
from posecli.support.results import Decision, StageReport, VideoResult
from posecli.tables import manifest as manifests
from posecli.video.probe import content_fingerprint, probe
from posecli.video.reader import VideoReader
from posecli.video.timeline import Timeline

MADE_BEFORE = "made before with the same video, model and settings"


class VideoRun:
    """One video on its way to a table."""

    def __init__(self, video: Path, outputs: OutputPaths, run: Run) -> None:
        self.outputs = outputs
        self.run = run
        self.options = run.options
        self.observer = run.observer
        self.info = probe(video)
        self.task = run.task
        self.geometry = self.task.geometry(self.info)
        self._stamp = _stamp(video)
        self.video_fingerprint = content_fingerprint(video)

    def settings(self, precision: FixedPrecision) -> dict[str, Any]:
        """What determines the table's values besides video and model."""
        return self.task.settings(precision, self.geometry)

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
        table, frames = self.outputs.table, self.info.expected_frames
        if not self.options.overwrite and self._is_finished():
            return Decision(self.info.path, "skip", table, frames, frames, MADE_BEFORE)
        if (other := holder(self.outputs.lock)) is not None:
            return Decision(self.info.path, "busy", table, frames, message=f"being analysed by {other}")
        self._refuse_cut_off()
        self.outputs.refuse_read_only_folder()
        earlier, reason = self._earlier_rows()
        if earlier is None:
            message = "replaces the table that is there" if table.exists() else reason
            return Decision(self.info.path, "analyse", table, frames, message=message)
        if earlier.ending is not None:
            self._refuse_bad_frames(self.task.bad_frames(earlier))
        done = self.task.frames_before(earlier.rows, self.info)
        return Decision(self.info.path, "resume", table, frames, done, "an earlier run was interrupted")

    def result(self) -> VideoResult:
        """Analyse the video, unless the result is there already."""
        skipped = self._skipped()
        if skipped is not None:
            return skipped
        self._refuse_cut_off()
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
            self.task.write_csv(self.outputs)
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
            raise OutputExistsError(f"'{table}' is there already and was not made by posecli (no manifest): {advice}")
        if not self.is_wanted(manifest):
            raise OutputExistsError(
                f"'{table}' is there already and was made differently ({self.what_differs(manifest)}): {advice}"
            )
        if manifest.get("state") != "complete" and not self.options.allow_short:
            raise ShortVideoError(
                f"'{table}' is there already and frames are missing from it: pass --allow-short to accept it, "
                "or --overwrite to analyse the video again"
            )
        return True

    def _refuse_cut_off(self) -> None:
        if self.info.cut_off is not None and not self.options.allow_short:
            raise ShortVideoError(
                f"'{self.info.path}' ends early: {self.info.cut_off.evidence}; copy it again or repair it, or pass "
                "--allow-short to analyse what is there"
            )

    def seen(self, reader: VideoReader) -> dict[str, Any]:
        """Take over what reading the whole video has shown; what of it a journal must keep, as plain values."""
        if _stamp(self.info.path) != self._stamp:
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

    def _earlier_rows(self) -> tuple[JournalContent | None, str]:
        """Rows of an interrupted run that can be used, or why there are none."""
        content = None if self.options.overwrite else read_journal(self.outputs.journal)
        if content is None:
            return None, ""
        reason = ""
        if not self.is_wanted(content.header) or not self._is_sound(content):
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
        stages, first_row = None, 0 if earlier is None else earlier.rows
        if earlier is None or earlier.ending is None:
            network = NetworkRun(self, lock)
            stages, first_row = network.complete(earlier), network.first_row
        content = read_journal(self.outputs.journal)
        if content is None or content.ending is None:
            raise OutputError(f"'{self.outputs.journal}' is not what was written: check its disk, and run again")
        self._refuse_bad_frames(self.task.bad_frames(content))
        if stages is None and not self._pictures(content)["as_announced"]:  # an earlier process has read the video
            self.info = self.info.with_timeline(Timeline.by_decoding(self.info.path))
        try:
            self._write_table(content)
        except OutputError as error:
            raise OutputError(f"{error}; all rows are kept, and the same command goes on from there") from error
        return self._finished(content, stages, first_row)

    def _finished(self, content: JournalContent, stages: StageReport | None, first_row: int) -> VideoResult:
        bad_frames = self.task.bad_frames(content)
        is_short = self._is_short(bad_frames)
        return VideoResult(
            self.info.path,
            "short" if is_short else "done",
            self.outputs.table,
            self.task.frames(content),
            0.0 if stages is None or content.ending is None else content.ending["timing"]["whole_seconds"],
            tuple(bad_frames),
            stages,
            self._what_is_missing(bad_frames) if is_short else "",
            first_frame=self.task.frames_before(first_row, self.info),
            notes=tuple(manifests.oddities(self.info, self._pictures(content))),
        )

    def _pictures(self, content: JournalContent) -> dict[str, Any]:
        """What reading has shown, as the journal has it; those of older versions have nothing."""
        assert content.ending is not None
        unknown = {"as_announced": False, "concealed": [], "opencv_fault": None}
        found: dict[str, Any] = content.ending.get("pictures", {})
        return unknown | found

    def _write_table(self, content: JournalContent) -> None:
        """The table from the journal, and the files beside it; then the journal has done its duty."""
        self.task.write(self.outputs, self.info, content)
        try:
            write_partial(self.outputs.manifest, self._manifest(content))
        except BaseException:
            self.outputs.remove_partial()
            raise
        # Final names; the table's last, so that when it appears everything is there. One that is being replaced goes
        # first, lest it be found with the new one's manifest.
        self.outputs.table.unlink(missing_ok=True)
        for path in (self.outputs.side, self.outputs.manifest, self.outputs.table):
            move_into_place(partial_path(path), path)
        if self.options.csv:
            self.task.write_csv(self.outputs)
        self.outputs.journal.unlink(missing_ok=True)

    def _manifest(self, content: JournalContent) -> bytes:
        header, ending = content.header, content.ending
        assert ending is not None
        sections = self.sections_that_determine(header["settings"]["precision"])
        sections["video"] |= self.task.describe(self.info, content)
        sections["video"] |= manifests.describe_pictures(self.info, self._pictures(content))
        sections |= {name: header[name] for name in ("engine", "parity_gate", "batch_trials")}
        sections["run"] = ending["run"]
        sections["sessions"] = content.sessions
        sections["timing"] = ending["timing"]
        state = "short" if self._is_short(self.task.bad_frames(content)) else "complete"
        return manifests.encode_manifest(manifests.new_manifest(state, header["fingerprint"], sections))

    def _is_short(self, bad_frames: Sequence[int]) -> bool:
        return bool(bad_frames or self.info.cut_off)

    def _what_is_missing(self, bad_frames: Sequence[int]) -> str:
        cut_off = self.info.cut_off
        parts = [f"{len(bad_frames)} frames could not be decoded"] if bad_frames else []
        parts += [f"some {cut_off.frames} are not in the file: {cut_off.evidence}"] if cut_off else []
        return ", ".join(parts)

    def _refuse_bad_frames(self, bad_frames: Sequence[int]) -> None:
        if not bad_frames or self.options.allow_short:
            return
        first = ", ".join(str(index) for index in bad_frames[:5]) + (", ..." if len(bad_frames) > 5 else "")
        raise ShortVideoError(
            f"{len(bad_frames)} of {self.info.expected_frames} frames of '{self.info.path}' cannot be decoded "
            f"({first}): repair the video, or pass --allow-short to accept the rows that were made (with NaN for these)"
        )

    def _is_sound(self, content: JournalContent) -> bool:
        """Whether a journal has what is needed to go on; it comes from a file, and may be anything."""
        header, ending = content.header, content.ending
        kinds = {"settings": dict, "engine": dict, "packages": dict, "parity_gate": list, "batch_trials": list}
        is_whole = all(isinstance(header.get(name), kind) for name, kind in kinds.items())
        if content.width != self.task.row_width or not is_whole:
            return False
        sizes = (header["engine"].get("threads"), header.get("batch_size"))
        if not all(isinstance(size, int) and size > 0 for size in sizes):
            return False
        if header["settings"].get("precision") not in FIXED_PRECISIONS:
            return False
        timing = {} if ending is None else ending.get("timing")
        return ending is None or (
            isinstance(ending.get("run"), dict)
            and _is_pictures(ending.get("pictures", {}))
            and isinstance(timing, dict)
            and isinstance(timing.get("whole_seconds"), float)
            and self.task.is_sound(ending)
        )


def _stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file does."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _is_pictures(content: object) -> bool:
    """Whether a journal's note on what reading has shown is one; it comes from a file, and may be anything."""
    if not isinstance(content, dict):
        return False
    concealed = content.get("concealed", [])
    return isinstance(concealed, list) and all(isinstance(frame, int) for frame in concealed)

"""Analyses one video: decides what to do with it, and makes its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from posecli.analysis.context import RunContext
from posecli.analysis.frames import NetworkRun
from posecli.analysis.journal import JournalContent, holds, read_journal, read_rows
from posecli.analysis.lock import HeldError, Lock, held, holder
from posecli.analysis.plan import VideoFiles, VideoPlan
from posecli.errors import OutputError, OutputExistsError, PoseCliError, PrecisionError, ShortVideoError, UsageError
from posecli.inference.teacher import Teaching
from posecli.inference.windows import Windows
from posecli.options import FIXED_PRECISIONS
from posecli.support.files import make_folder, move_into_place, partial_path, write_partial
from posecli.support.results import StageReport, VideoResult
from posecli.tables import manifest as manifests
from posecli.video.timeline import Timeline

#: Sections of a manifest that say what a run's plan was.
PLANNED = ("settings", "parity_gate", "left_out", "batch_trials", "windows")
MADE_BEFORE = "made before with the same video, model and settings"


def decide(files: VideoFiles, context: RunContext) -> VideoPlan:
    """What `carry_out` would do with a video; no network is loaded, and nothing is written."""
    try:
        return VideoRun(files, context).decision()
    except PoseCliError as error:
        return VideoPlan(files.video, "refuse", files.table, message=str(error), exit_code=error.exit_code)


def carry_out(files: VideoFiles, context: RunContext) -> VideoResult:
    """Make a video's table, unless it is there already; what is wrong with one video is told in its result."""
    try:
        return VideoRun(files, context).result()
    except PrecisionError:
        raise  # it would be the same for every video
    except HeldError as other:
        return VideoResult(files.video, "busy", message=f"being analysed by {other}")
    except PoseCliError as error:
        return VideoResult(files.video, "failed", message=str(error), exit_code=error.exit_code)


class VideoRun(NetworkRun):
    """A video on its way to a table."""

    def decision(self) -> VideoPlan:
        """What `result` would do, without doing it."""
        plan = partial(VideoPlan, self.files.video, table=self.files.table, frames=self.info.expected_frames)
        if not self.options.overwrite and self._is_finished():
            return plan("skip", first_frame=self.info.expected_frames, message=MADE_BEFORE)
        if (other := holder(self.files.lock)) is not None:
            return plan("busy", message=f"being analysed by {other}")
        self._refuse_cut_off()
        self.files.check_writable()
        earlier, reason = self._earlier_rows()
        items, shape = self.kind.items(self.info), self.kind.network_shape(self.info)
        if earlier is None:
            message = "replaces the table that is there" if self.files.table.exists() else reason
            return plan("analyse", items=items, shape=shape, message=message)
        if earlier.ending is not None:
            self._refuse_bad_frames(self.kind.bad_frames(earlier))
        done, left = self.kind.frames_before(earlier.rows, self.info), max(0, items - earlier.rows)
        message = "an earlier run was interrupted"
        return plan("resume", first_frame=done, items=left, shape=shape, message=message)

    def result(self) -> VideoResult:
        """Analyse the video, unless its table exists already."""
        skipped = self._skipped()
        if skipped is not None:
            return skipped
        self._refuse_cut_off()
        make_folder(self.files.table.parent)
        self.files.check_writable()
        with held(self.files.lock) as lock:
            # Whoever held it a moment ago may have made the table.
            return self._skipped() or self._analyzed(lock)

    def _skipped(self) -> VideoResult | None:
        """The result where the wanted table exists already."""
        if self.options.overwrite or not self._is_finished():
            return None
        if self.options.csv and not self.files.csv.exists():
            self.kind.to_csv(self.files.table, self.files.csv)
        # A run that was killed on its last steps leaves what nobody needs; one that is being made again is held.
        if self.files.journal.exists() or self.files.lock.exists():
            with suppress(OSError, OutputError, HeldError), held(self.files.lock):
                self.files.journal.unlink(missing_ok=True)
        plan = self._plan(manifests.read_manifest(self.files.manifest) or {})
        return VideoResult(self.files.video, "skipped", self.files.table, message=MADE_BEFORE, plan=plan)

    @staticmethod
    def _plan(manifest: Mapping[str, Any]) -> dict[str, Any]:
        """How the network looked at the frames and what was measured to choose it, of what a manifest has."""
        return {name: manifest[name] for name in PLANNED if name in manifest}

    def _is_finished(self) -> bool:
        """Whether the wanted table exists already; a different one is refused, never replaced unasked."""
        table = self.files.table
        if not table.exists():
            return False
        manifest = manifests.read_manifest(self.files.manifest)
        advice = "pass --overwrite to replace it, or choose another folder with --out-dir"
        if manifest is None:
            raise OutputExistsError(f"'{table}' is there already and was not made by posecli (no manifest): {advice}")
        if not self.is_wanted(manifest):
            differs = self.differences(manifest)
            raise OutputExistsError(f"'{table}' is there already and was made differently ({differs}): {advice}")
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

    def _earlier_rows(self) -> tuple[JournalContent | None, str]:
        """Usable rows of an interrupted run, or why they cannot be used."""
        content = None if self.options.overwrite else read_journal(self.files.journal)
        if content is None:
            return None, ""
        reason = ""
        if not self.is_wanted(content.header) or not self._is_sound(content):
            reason = self.differences(content.header)
        elif content.ending is None:
            installed = manifests.installed_versions(manifests.VALUE_PACKAGES)
            reason = ", ".join(manifests.changed_values(content.header["packages"], installed))
        return (None, f"{content.rows} rows of an earlier run are not used: {reason}") if reason else (content, "")

    def _analyzed(self, lock: Lock) -> VideoResult:
        """Complete the rows, then write the table."""
        earlier, reason = self._earlier_rows()
        if reason:
            self.observer.started_afresh(self.info, reason)
        stages = None
        if earlier is None or earlier.ending is None:
            stages = self.complete(earlier, lock)
        else:
            self.first_row = earlier.rows
        content = read_journal(self.files.journal)
        if content is None or content.ending is None:
            raise OutputError(f"'{self.files.journal}' is not what was written: check its disk, and run again")
        self._refuse_bad_frames(self.kind.bad_frames(content))
        if stages is None and not self._pictures(content)["as_announced"]:  # an earlier process has read the video
            self.info = self.info.with_timeline(Timeline.by_decoding(self.info.path))
        seen = self.kind.seen(read_rows(self.files.journal, content))
        try:
            self._write_table(content, seen)
        except OutputError as error:
            raise OutputError(f"{error}; all rows are kept, and the same command continues from there") from error
        return self._finished(content, stages, seen)

    def _finished(self, content: JournalContent, stages: StageReport | None, seen: dict[str, float]) -> VideoResult:
        missing = self._shortfall(content)
        return VideoResult(
            self.files.video,
            "short" if missing else "done",
            self.files.table,
            self.kind.frames(content),
            0.0 if stages is None else content.last_note["timing"]["whole_seconds"],
            tuple(self.kind.bad_frames(content)),
            stages,
            missing,
            first_frame=self.kind.frames_before(self.first_row, self.info),
            notes=(*self._unseen(content), *manifests.oddities(self.info, self._pictures(content))),
            plan=self._plan({**content.header, **content.last_note}),
            seen=seen,
            seen_what=self.kind.seen_what,
            teacher_frames=None if stages is None else content.last_note.get("teacher", {}).get("teacher_frames"),
        )

    def _unseen(self, content: JournalContent) -> list[str]:
        """That there was nothing to look at in some frames, if so."""
        unseen = self.kind.frames_without_animal(content)
        return [f"no animal was found in {len(unseen)} of its frames: NaN and likelihood 0 there"] if unseen else []

    def _pictures(self, content: JournalContent) -> dict[str, Any]:
        """What reading the video has shown, from the journal; those of older versions lack it."""
        return {"as_announced": False, "concealed": [], "opencv_fault": None, **content.last_note.get("pictures", {})}

    def _write_table(self, content: JournalContent, seen: dict[str, float]) -> None:
        """Write the table and the files beside it, then remove the journal."""
        self.kind.write(self.files, self.info, content)
        try:
            write_partial(self.files.manifest, self._manifest(content, seen))
        except BaseException:
            for path in (self.files.manifest, self.files.side):
                partial_path(path).unlink(missing_ok=True)
            raise
        # Final names; the table's last, so that when it appears everything is there. One that is being replaced goes
        # first, lest it be found with the new one's manifest.
        self.files.table.unlink(missing_ok=True)
        for path in (self.files.side, self.files.manifest, self.files.table):
            move_into_place(partial_path(path), path)
        if self.options.csv:
            self.kind.to_csv(self.files.table, self.files.csv)
        self.files.journal.unlink(missing_ok=True)

    def _manifest(self, content: JournalContent, seen: dict[str, float]) -> bytes:
        header, ending = content.header, content.last_note
        sections = self.sections(self._looked(header["settings"]))
        sections["video"] |= self.kind.describe(self.info, content)
        sections["video"] |= manifests.describe_pictures(self.info, self._pictures(content))
        sections |= {name: header[name] for name in ("engine", "parity_gate", "batch_trials")}
        sections["left_out"] = header.get("left_out", [])
        sections |= {"run": ending["run"], "sessions": content.sessions, "timing": ending["timing"]}
        sections |= {"windows": ending["windows"]} if "windows" in ending else {}
        sections["seen"] = seen
        sections["values_sha256"] = manifests.values_sha256(read_rows(self.files.journal, content))
        if "teacher" in sections:
            sections["teacher"] |= ending.get("teacher", {})
        state = "short" if self._shortfall(content) else "complete"
        return manifests.encode_manifest(manifests.new_manifest(state, header["fingerprint"], sections))

    def _shortfall(self, content: JournalContent) -> str:
        """Why the table is short, if it is."""
        cut_off, count = self.info.cut_off, len(self.kind.bad_frames(content))
        parts = [f"{count} frames could not be decoded"] if count else []
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
        """Whether a journal, which comes from a file and may be anything, has all that resuming needs."""
        header, ending = content.header, content.ending
        if content.width != self.kind.row_width or not holds(
            header, settings=dict, engine=dict, packages=dict, parity_gate=list, batch_trials=list, batch_size=int
        ):
            return False
        if not holds(header["engine"], threads=int) or min(header["engine"]["threads"], header["batch_size"]) < 1:
            return False
        if header["settings"].get("precision") not in FIXED_PRECISIONS:
            return False
        try:
            Windows.of(header["settings"])
            Teaching.of(header["settings"])
        except UsageError:
            return False
        return ending is None or (
            holds({"pictures": {}} | ending, run=dict, timing=dict, pictures=dict)
            and holds(ending["timing"], whole_seconds=float)
            and holds({"concealed": []} | ending.get("pictures", {}), concealed=[int])
            and self.kind.has_account(ending)
        )

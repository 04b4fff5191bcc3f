"""Checks pose and behaviour tables against their manifests and videos: ``posecli verify``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

from posecli.analysis.recompute import ROWS, Looking, compare_with_video
from posecli.behaviour.table import CHUNKS, is_behaviour_table, problems_of, read_behaviours
from posecli.errors import OutputError, PoseCliError, UsageError
from posecli.inference.predictor import PoseModel, load_model
from posecli.inference.teacher import Teaching
from posecli.inference.windows import Windows
from posecli.model.description import TABLE_COLUMNS
from posecli.model.folder import ModelFolder
from posecli.model.importing import open_model
from posecli.model.teacher import find_teacher
from posecli.options import Crop, EngineOptions
from posecli.tables.boxes import boxes_sha256, read_boxes
from posecli.tables.hdf5 import PlainTable, read_plain_array, read_plain_table
from posecli.tables.manifest import mapping, read_manifest, values_sha256
from posecli.tables.pose_table import KEY, SECONDS_NODE
from posecli.tables.poses import read_poses
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, content_fingerprint, probe
from posecli.video.reader import VideoReader

#: Endings of files that only a run which is under way, or was killed, leaves.
UNFINISHED = (".partial", ".lock")
FILTERED_FORMAT = "posecli-filtered"


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be, and what to do about it."""

    file: Path
    #: ``error``: the table cannot be trusted; ``warning``: something could not be compared, or needs a look.
    severity: Literal["error", "warning"]
    words: str


@dataclass(frozen=True)
class VerifyReport:
    """Tables checked and findings; owns the exit code."""

    tables: tuple[Path, ...]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0, or that of `OutputError` if a table cannot be trusted."""
        return OutputError.exit_code if any(finding.severity == "error" for finding in self.findings) else 0

    def as_dict(self) -> dict[str, Any]:
        """Tables, findings and exit code as JSON values."""
        found = [asdict(finding) | {"file": str(finding.file)} for finding in self.findings]
        return {"tables": [str(path) for path in self.tables], "findings": found, "exit_code": self.exit_code}


@dataclass(frozen=True)
class Recomputing:
    """How a table's rows are computed again from its video, and how many of them."""

    video: Path
    #: As `posecli.load_model` takes it; the one that the manifest names by default.
    model: Path | None = None
    #: Of a student, likewise; else one beside the student.
    teacher: Path | None = None
    rows: int = ROWS


def verify(
    path: Path,
    *,
    recursive: bool = False,
    recomputing: Recomputing | None = None,
    progress: Callable[[int], object] = lambda _count: None,
) -> VerifyReport:
    """Check a pose table, or every one in a folder, against its manifest and its video.

    Parameters
    ----------
    path
        A table or a folder.
    recursive
        Whether to look into the folder's subfolders too.
    recomputing
        Of one pose table: compare every frame's time, and compute some rows again.
    progress
        Is told how many more frames were read.

    Raises
    ------
    UsageError
        If there is no such file, or no table in the folder; or if a folder's rows shall be computed again.

    Examples
    --------
    >>> verify(Path("poses")).exit_code  # doctest: +SKIP
    0
    """
    if not path.is_dir():
        if not path.exists():
            raise UsageError(f"'{path}' does not exist: give a pose table (.h5) or a folder of them")
        check = _Check(path)
        findings = check.table()
        if recomputing is not None and not any(finding.severity == "error" for finding in findings):
            findings = check.recomputed(recomputing, progress)
        return VerifyReport((path,), tuple(findings))
    if recomputing is not None:
        raise UsageError(f"'{path}' is a folder, and --video is one video: give the table that was made of it")
    files = sorted(path.rglob("*") if recursive else path.iterdir())
    tables = tuple(file for file in files if file.suffix == ".h5")
    strays = [file for file in files if file.name.endswith(UNFINISHED)]
    if not tables and not strays:
        raise UsageError(f"folder '{path}' holds no pose table (.h5): check the path, or pass --recursive")
    words = "a run is in progress or was stopped: let the same command finish it, or remove it"
    findings = [finding for table in tables for finding in _Check(table).table()]
    return VerifyReport(tables, (*findings, *(Finding(stray, "warning", words) for stray in strays)))


@dataclass
class _Check:
    """Checks one table and collects the findings."""

    path: Path
    findings: list[Finding] = field(default_factory=list)
    manifest: Mapping[str, Any] | None = None

    def table(self) -> list[Finding]:
        """Findings that need no frames of the video."""
        try:
            if is_behaviour_table(self.path):
                self._behaviours()
            else:
                self._poses(read_plain_table(self.path, OutputError))
        except PoseCliError as error:
            self._error(str(error))
        return self.findings

    def _error(self, words: str) -> None:
        self.findings.append(Finding(self.path, "error", words))

    def _warn(self, words: str) -> None:
        self.findings.append(Finding(self.path, "warning", words))

    @property
    def _video(self) -> Mapping[str, Any]:
        return mapping(self.manifest, "video")

    # The table by itself ---------------------------------------------------------------------------------------------

    def _poses(self, table: PlainTable) -> None:
        self._layout(table)
        self._storage()
        self.manifest = read_manifest(self.path.with_suffix(".json"))
        self._rows(table)
        if self.manifest is not None:
            self._counts(table)
            self._names(table)
            self._values([table.values])
            self._against_manifest(len(table.index))
        elif not _is_filtered(self.path.with_suffix(".json")):
            self._no_manifest()

    def _layout(self, table: PlainTable) -> None:
        """Columns, and the range of values."""
        if {len(label) for label in table.columns} != {3} or len(set(table.columns)) != len(table.columns):
            self._error("its columns are not distinct scorer, bodyparts and coords")
            return
        scorers = {str(scorer) for scorer, _, _ in table.columns}
        if len(scorers) != 1 or not next(iter(scorers)).startswith("DLC_"):
            self._error(f"its scorer {sorted(scorers)[:3]} is not one name that begins with DLC_")
        coords = [str(coord).rstrip("0123456789") for *_, coord in table.columns]
        if coords != ["x", "y", "likelihood"] * (len(coords) // 3):
            self._error("its coords are not x, y, likelihood for each body part")
            return
        likelihood = table.values[:, 2::3]
        for is_wrong, words in (
            (~((likelihood >= 0) & (likelihood <= 1)), "a likelihood is not between 0 and 1"),
            (np.isinf(table.values), "a coordinate is not finite"),
        ):
            if is_wrong.any():
                self._error(f"{words} (first in row {np.flatnonzero(is_wrong.any(axis=1))[0]})")

    def _storage(self) -> None:
        """Type of the numbers, and the frames' times; the table itself was readable."""
        with h5py.File(self.path, "r") as file:
            stored, seconds = file.get(f"{KEY}/table"), file.get(SECONDS_NODE)
            if stored is None:
                return
            types = [stored.dtype[name].base for name in stored.dtype.names if name.startswith("values_block_")]
            if len(types) != 1 or types[0].kind != "f":
                self._error(f"its numbers are stored as {', '.join(map(str, types))}, not as one type of float")
            if seconds is not None and (seconds.shape != (len(stored),) or seconds.dtype.kind != "f"):
                self._error(
                    f"its frames' times have shape {seconds.shape} and type {seconds.dtype} for {len(stored)} rows"
                )

    def _rows(self, table: PlainTable) -> None:
        if table.index != tuple((row,) for row in range(len(table.index))):
            tell = self._warn if self.manifest is None else self._error
            tell("its rows are not counted from 0 without gaps")
        seconds = read_plain_array(self.path, SECONDS_NODE, OutputError)
        if seconds is None or seconds.ndim != 1:
            return
        allowed = mapping(self._video, "timestamps").get("falls_back_at")
        back = np.flatnonzero(np.diff(np.where(np.isfinite(seconds), seconds, np.nan)) < 0) + 1
        unsaid = sorted(set(back.tolist()) - set(allowed if isinstance(allowed, list) else ()))
        if unsaid:
            self._error(f"its frames' times run backwards (first behind row {unsaid[0] - 1})")

    def _behaviours(self) -> None:
        """Check a behaviour table: the same things, as far as it has them."""
        frames, chunks = read_behaviours(self.path), read_behaviours(self.path, CHUNKS)
        for words in problems_of(frames, chunks):
            self._error(words)
        self.manifest = read_manifest(self.path.with_suffix(".json"))
        if self.manifest is None:
            self._no_manifest()
            return
        promised = {"rows": mapping(self._video, "frames").get("rows"), "chunks": self._video.get("chunks")}
        for part, rows in (("rows", len(frames)), ("chunks", len(chunks))):
            if promised[part] != rows:
                self._error(f"it has {rows} {part}, and its manifest says {str(promised[part])[:40]}")
        probabilities = [name for name in chunks.columns if name not in TABLE_COLUMNS]
        self._values([chunks[probabilities].to_numpy(np.float64)])
        self._against_manifest(len(frames))

    # Against manifest and video --------------------------------------------------------------------------------------

    def _no_manifest(self) -> None:
        self._warn("it has no manifest beside it: nothing says which video and model it is of (posecli writes one)")

    def _counts(self, table: PlainTable) -> None:
        rows = len(table.index)
        promised = mapping(self._video, "frames").get("rows")
        if promised != rows:
            self._error(f"it has {rows} rows, and its manifest says {str(promised)[:40]}: it was changed since")
        bad = self._video.get("bad_frames")
        if not isinstance(bad, list) or not all(isinstance(row, int) and 0 <= row < rows for row in bad):
            self._error("its manifest lists no bad frames, or rows that are not there")
            return
        missing, likelihood = np.isnan(table.values[:, ::3]), table.values[:, 2::3]
        empty = np.flatnonzero(missing.all(axis=1)).tolist()
        if (odd := np.flatnonzero((missing & (likelihood != 0)).any(axis=1))).size:
            self._error(f"{odd.size} rows have points without a place and with a likelihood (first {odd[0]})")
        unseen = self._video.get("frames_without_animal", [])
        if unlisted := sorted({*empty} - {*bad} - {*(unseen if isinstance(unseen, list) else [])}):
            self._error(f"{len(unlisted)} rows without a pose are not listed as bad frames (first {unlisted[0]})")
        if filled := sorted({*bad} - {*empty}):
            self._error(f"{len(filled)} bad frames have a pose (first in row {filled[0]})")

    def _values(self, blocks: Iterable[npt.NDArray[Any]]) -> None:
        """That no value was changed, if the manifest tells."""
        promised = (self.manifest or {}).get("values_sha256")
        if promised is not None and promised != values_sha256(blocks):
            self._error("its values are not those that were written with its manifest: they were changed since")

    def _names(self, table: PlainTable) -> None:
        model = mapping(self.manifest, "model")
        if model.get("bodyparts") != list(dict.fromkeys(label[1] for label in table.columns if len(label) == 3)):
            self._error("its body parts are not those of the model in its manifest")
        if [*{label[0] for label in table.columns}] != [model.get("scorer")]:
            self._error("its scorer is not that of the model in its manifest")

    def _against_manifest(self, rows: int) -> None:
        """Check the manifest's state, and compare the table with the video that it names."""
        state = (self.manifest or {}).get("state")
        if state not in ("complete", "short"):
            self._error(f"its manifest says '{str(state)[:40]}', neither complete nor short: analyse again")
        if state == "short":
            self._warn("frames are missing from it, which was allowed with --allow-short")
        named = self._video.get("path")
        path = Path(named) if isinstance(named, str) and "\0" not in named else Path()
        found = next((place for place in (path, self.path.parent / path.name) if place.is_file()), None)
        if found is None:
            self._warn(f"its video {str(named)[:200]!r} is not there: the table was not compared with it")
        elif content_fingerprint(found) != self._video.get("fingerprint"):
            self._error(f"'{found}' is not the video that it was made of, or was changed since: analyse again")
        # Where packets do not tell the rows, only reading the video does (--video).
        elif self._video.get("rows_as_packets") is not False:
            announced = probe(found).announced
            if announced is not None and len(announced) > rows:
                self._error(f"it has {rows} rows, and '{found}' {len(announced)} frames: analyse again")

    # Against what the network says now --------------------------------------------------------------------------------

    def recomputed(self, wanted: Recomputing, progress: Callable[[int], object]) -> list[Finding]:
        """All findings, with those that reading the video adds."""
        try:
            for words in self._differences(wanted, progress):
                self._error(words)
        except PoseCliError as error:
            self._error(f"its rows could not be computed again: {error}")
        return self.findings

    def _differences(self, wanted: Recomputing, progress: Callable[[int], object]) -> Iterable[str]:
        fingerprint = self._video.get("fingerprint")
        if fingerprint is not None and content_fingerprint(wanted.video) != fingerprint:
            return [f"'{wanted.video}' is not the video that it was made of, or was changed since: analyse again"]
        info = probe(wanted.video)
        looking, geometry = self._looking(wanted), self._geometry(info)
        reader = VideoReader(info, geometry, boxes=self._boxes())
        return compare_with_video(read_poses(self.path), reader, looking, rows=wanted.rows, progress=progress)

    def _looking(self, wanted: Recomputing) -> Looking:
        """How the table was made."""
        settings = mapping(self.manifest, "settings")
        looking, teaching = Looking(self._model(wanted.model), Windows.of(settings)), Teaching.of(settings)
        if teaching is None:
            return looking
        options = replace(looking.model.options, precision=teaching.precision)
        teacher = PoseModel(self._teacher(looking.model.folder, wanted.teacher, teaching), options)
        return replace(looking, rule=teaching.rule, teacher=teacher)

    def _teacher(self, student: ModelFolder, source: Path | None, teaching: Teaching) -> ModelFolder:
        """The network that was asked about frames of which the student was unsure."""
        named = source or mapping(self.manifest, "teacher").get("path")
        is_there = isinstance(named, (str, Path)) and Path(named).exists()
        found = open_model(Path(str(named))) if source or is_there else find_teacher(student)
        if found is None:
            raise UsageError(f"its teacher is not at '{str(named)[:200]}' any more: name it with --teacher")
        if found.identity != teaching.identity:
            raise UsageError(f"'{found.path}' is not the teacher that it was made with: name that with --teacher")
        return found

    def _model(self, source: Path | None) -> PoseModel:
        described, settings = mapping(self.manifest, "model"), mapping(self.manifest, "settings")
        found = source or described.get("path")
        if not isinstance(found, (str, Path)):
            raise UsageError("no manifest names its model: name it with --model")
        model = load_model(found, EngineOptions(settings.get("engine", "openvino"), settings.get("precision", "fp32")))
        if described.get("identity") not in (None, model.folder.identity):
            raise UsageError(f"'{found}' is not the model that it was made with: name that with --model")
        return model

    def _boxes(self) -> npt.NDArray[np.float64] | None:
        """Where the animal is, if the table was made with a table of it."""
        settings = mapping(self.manifest, "settings")
        boxes = settings.get("boxes")
        if not isinstance(boxes, str):
            return None
        if boxes_sha256(Path(boxes)) != settings.get("boxes_sha256"):
            raise UsageError(f"the table of boxes '{boxes}' was changed since: analyse again")
        return read_boxes(Path(boxes))

    def _geometry(self, info: VideoInfo) -> Geometry:
        settings = mapping(self.manifest, "settings")
        crop, width, height = (settings.get(name) for name in ("crop", "network_width", "network_height"))
        whole = Geometry.plan(info.width, info.height, Crop.parse(crop) if isinstance(crop, str) else None)
        return whole.brought_to(width, height) if isinstance(width, int) and isinstance(height, int) else whole


def _is_filtered(side: Path) -> bool:
    """Whether the file beside a table says that it was smoothed."""
    try:
        content = json.loads(side.read_bytes()[: 1 << 20])
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == FILTERED_FORMAT

"""Whether tables of poses and of behaviours are what their manifests and videos say: ``posecli verify``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from posecli.analysis.recompute import ROWS, compare_with_video
from posecli.behaviour.table import CHUNKS, is_behaviour_table, problems_of, read_behaviours
from posecli.errors import OutputError, PoseCliError, UsageError
from posecli.inference.predictor import PoseModel, load_model
from posecli.options import Crop, EngineOptions
from posecli.tables.hdf5 import PlainTable, read_plain_array, read_plain_table
from posecli.tables.manifest import read_manifest
from posecli.tables.pose_table import KEY, SECONDS_NODE
from posecli.tables.poses import read_poses
from posecli.video.geometry import Geometry
from posecli.video.probe import VideoInfo, content_fingerprint, probe

#: Endings of files that only a run which is under way, or was killed, leaves.
UNFINISHED = (".partial", ".lock")
FILTERED_FORMAT = "posecli-filtered"


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Attributes
    ----------
    file
        Where.
    severity
        ``error``: the table cannot be trusted; ``warning``: something could not be compared, or wants a look.
    words
        What was found, and what to do.
    """

    file: Path
    severity: Literal["error", "warning"]
    words: str


@dataclass(frozen=True)
class VerifyReport:
    """What was looked at and found; owns the exit code."""

    tables: tuple[Path, ...]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0, or that of `OutputError` if a table cannot be trusted."""
        return OutputError.exit_code if any(finding.severity == "error" for finding in self.findings) else 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        found = [asdict(finding) | {"file": str(finding.file)} for finding in self.findings]
        return {"tables": [str(path) for path in self.tables], "findings": found, "exit_code": self.exit_code}


@dataclass(frozen=True)
class Recomputing:
    """How a table's rows are computed again from its video.

    Attributes
    ----------
    video
        The video.
    model
        The model, as `posecli.load_model` takes it; the one that the manifest names by default.
    rows
        How many rows are computed again.
    """

    video: Path
    model: Path | None = None
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
        Whether to look into the folder's folders too.
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
        findings = list(_table_findings(path))
        if recomputing is not None and not any(finding.severity == "error" for finding in findings):
            findings += _recomputed(path, recomputing, progress)
        return VerifyReport((path,), tuple(findings))
    if recomputing is not None:
        raise UsageError(f"'{path}' is a folder, and --video is one video: give the table that was made of it")
    files = sorted(path.rglob("*") if recursive else path.iterdir())
    tables = tuple(file for file in files if file.suffix == ".h5")
    strays = [file for file in files if file.name.endswith(UNFINISHED)]
    if not tables and not strays:
        raise UsageError(f"folder '{path}' holds no pose table (.h5): check the path, or pass --recursive")
    findings = [finding for table in tables for finding in _table_findings(table)]
    findings += [
        Finding(stray, "warning", "a run is under way, or was stopped: the same command goes on from it, or remove it")
        for stray in strays
    ]
    return VerifyReport(tables, tuple(findings))


def _table_findings(path: Path) -> Iterator[Finding]:
    try:
        if is_behaviour_table(path):
            yield from _behaviour_findings(path)
            return
        table = read_plain_table(path, OutputError)
        for words in [*_layout(table), *_storage(path)]:
            yield Finding(path, "error", words)
        yield from _rows(path, table)
        yield from _against_manifest(path, table)
    except PoseCliError as error:
        yield Finding(path, "error", str(error))


# The table by itself -------------------------------------------------------------------------------------------------


def _layout(table: PlainTable) -> Iterator[str]:
    """Columns, index and the range of values."""
    if {len(label) for label in table.columns} != {3} or len(set(table.columns)) != len(table.columns):
        yield "its columns are not distinct scorer, bodyparts and coords"
        return
    scorers = {str(scorer) for scorer, _, _ in table.columns}
    if len(scorers) != 1 or not next(iter(scorers)).startswith("DLC_"):
        yield f"its scorer {sorted(scorers)[:3]} is not one name that begins with DLC_"
    coords = [str(coord).rstrip("0123456789") for *_, coord in table.columns]
    if coords != ["x", "y", "likelihood"] * (len(coords) // 3):
        yield "its coords are not x, y, likelihood for each body part"
        return
    likelihood = table.values[:, 2::3]
    if not ((likelihood >= 0) & (likelihood <= 1)).all():
        row = int(np.flatnonzero(~((likelihood >= 0) & (likelihood <= 1)).all(axis=1))[0])
        yield f"a likelihood is not between 0 and 1 (first in row {row})"
    if np.isinf(table.values).any():
        yield f"a coordinate is not finite (first in row {int(np.flatnonzero(np.isinf(table.values).any(axis=1))[0])})"


def _rows(path: Path, table: PlainTable) -> Iterator[Finding]:
    """Numbers of the frames, and their times."""
    manifest = read_manifest(path.with_suffix(".json"))
    if table.index != tuple((row,) for row in range(len(table.index))):
        words = "its rows are not counted from 0 without gaps"
        yield Finding(path, "warning" if manifest is None else "error", words)
    seconds = read_plain_array(path, SECONDS_NODE, OutputError)
    if seconds is None or seconds.ndim != 1:
        return
    known = np.isfinite(seconds[1:]) & np.isfinite(seconds[:-1])
    back = np.flatnonzero(known & (np.diff(seconds) < 0)) + 1
    allowed = _mapping(_mapping(manifest or {}, "video"), "timestamps").get("falls_back_at")
    unsaid = sorted(set(back.tolist()) - set(allowed if isinstance(allowed, list) else ()))
    if unsaid:
        words = f"its frames' times run backwards (first behind row {unsaid[0] - 1})"
        yield Finding(path, "error", words)


def _storage(path: Path) -> Iterator[str]:
    """Type of the numbers, and the frames' times; the table itself was readable."""
    import h5py

    with h5py.File(path, "r") as file:
        kinds = _number_types(file)
        if kinds is not None and (len(kinds) != 1 or kinds[0].kind != "f"):
            yield f"its numbers are stored as {', '.join(map(str, kinds))}, not as one type of float"
        rows = len(file[KEY]["table"]) if kinds is not None else None
        seconds = file.get(SECONDS_NODE)
        if seconds is not None and rows is not None:
            yield from _times(seconds, rows)


def _number_types(file: Any) -> list[np.dtype[Any]] | None:
    group = file.get(KEY)
    if group is None or "table" not in group:
        return None
    fields = group["table"].dtype
    return [fields[name].base for name in fields.names if name.startswith("values_block_")]


def _times(node: Any, rows: int) -> Iterator[str]:
    if node.shape != (rows,) or node.dtype.kind != "f":
        yield f"its frames' times have shape {node.shape} and type {node.dtype} for {rows} rows"


def _behaviour_findings(path: Path) -> Iterator[Finding]:
    """What is checked of a behaviour table: the same, as far as it has it."""
    frames, chunks = read_behaviours(path), read_behaviours(path, CHUNKS)
    for words in problems_of(frames, chunks):
        yield Finding(path, "error", words)
    manifest = read_manifest(path.with_suffix(".json"))
    if manifest is None:
        words = "it has no manifest beside it: nothing says which video and model it is of (posecli writes one)"
        yield Finding(path, "warning", words)
        return
    video = _mapping(manifest, "video")
    for part, rows in (("rows", len(frames)), ("chunks", len(chunks))):
        promised = _mapping(video, "frames").get("rows") if part == "rows" else video.get("chunks")
        if promised != rows:
            yield Finding(path, "error", f"it has {rows} {part}, and its manifest says {str(promised)[:40]}")
    yield from _against_state(path, manifest)
    yield from _against_video(path, len(frames), video)


# Against manifest and video ------------------------------------------------------------------------------------------


def _against_manifest(path: Path, table: PlainTable) -> Iterator[Finding]:
    manifest = read_manifest(path.with_suffix(".json"))
    if manifest is None:
        if not _is_filtered(path.with_suffix(".json")):
            words = "it has no manifest beside it: nothing says which video and model it is of (posecli writes one)"
            yield Finding(path, "warning", words)
        return
    video, model = _mapping(manifest, "video"), _mapping(manifest, "model")
    for words in [*_counts(table, video), *_names(table, model)]:
        yield Finding(path, "error", words)
    yield from _against_state(path, manifest)
    yield from _against_video(path, len(table.index), video)


def _against_state(path: Path, manifest: Mapping[str, Any]) -> Iterator[Finding]:
    state = manifest.get("state")
    if state not in ("complete", "short"):
        yield Finding(
            path, "error", f"its manifest says '{str(state)[:40]}', neither complete nor short: analyse again"
        )
    if state == "short":
        yield Finding(path, "warning", "frames are missing from it, which was allowed with --allow-short")


def _is_filtered(side: Path) -> bool:
    try:
        content = json.loads(side.read_bytes()[: 1 << 20])
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == FILTERED_FORMAT


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = content.get(key)
    return part if isinstance(part, Mapping) else {}


def _counts(table: PlainTable, video: Mapping[str, Any]) -> Iterator[str]:
    rows = len(table.index)
    promised = _mapping(video, "frames").get("rows")
    if promised != rows:
        yield f"it has {rows} rows, and its manifest says {str(promised)[:40]}: it was changed since"
    bad = video.get("bad_frames")
    if not isinstance(bad, list) or not all(isinstance(row, int) and 0 <= row < rows for row in bad):
        yield "its manifest lists no bad frames, or rows that are not there"
        return
    empty = _rows_without_pose(table)
    unlisted, filled = sorted(set(empty) - set(bad)), sorted(set(bad) - set(empty))
    if unlisted:
        yield f"{len(unlisted)} rows without a pose are not listed as bad frames (first {unlisted[0]})"
    if filled:
        yield f"{len(filled)} bad frames have a pose (first in row {filled[0]})"


def _rows_without_pose(table: PlainTable) -> list[int]:
    is_nan: npt.NDArray[np.bool_] = np.isnan(table.values)
    return [int(row) for row in np.flatnonzero(is_nan.any(axis=1))] if is_nan.size else []


def _names(table: PlainTable, model: Mapping[str, Any]) -> Iterator[str]:
    bodyparts = list(dict.fromkeys(label[1] for label in table.columns if len(label) == 3))
    if model.get("bodyparts") != bodyparts:
        yield "its body parts are not those of the model in its manifest"
    if [*{label[0] for label in table.columns}] != [model.get("scorer")]:
        yield "its scorer is not that of the model in its manifest"


def _against_video(path: Path, rows: int, video: Mapping[str, Any]) -> Iterator[Finding]:
    named = video.get("path")
    places = [Path(named), path.parent / Path(named).name] if isinstance(named, str) and "\0" not in named else []
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        yield Finding(
            path, "warning", f"its video {str(named)[:200]!r} is not there: the table was not compared with it"
        )
        return
    if content_fingerprint(found) != video.get("fingerprint"):
        yield Finding(
            path, "error", f"'{found}' is not the video that it was made of, or was changed since: analyse again"
        )
        return
    # Where packets do not tell the rows, only reading the video does (--video).
    announced = probe(found).announced
    if announced is not None and len(announced) > rows and video.get("rows_as_packets") is not False:
        yield Finding(path, "error", f"it has {rows} rows, and '{found}' {len(announced)} frames: analyse again")


# Against what the network says now ------------------------------------------------------------------------------------


def _recomputed(path: Path, wanted: Recomputing, progress: Callable[[int], object]) -> Iterator[Finding]:
    manifest = read_manifest(path.with_suffix(".json")) or {}
    video, settings = _mapping(manifest, "video"), _mapping(manifest, "settings")
    try:
        fingerprint = video.get("fingerprint")
        if fingerprint is not None and content_fingerprint(wanted.video) != fingerprint:
            words = f"'{wanted.video}' is not the video that it was made of, or was changed since: analyse again"
            yield Finding(path, "error", words)
            return
        info = probe(wanted.video)
        model = _model_of(manifest, wanted)
        geometry = _geometry_of(settings, info)
        table = read_poses(path)
        for words in compare_with_video(table, info, model, geometry, rows=wanted.rows, progress=progress):
            yield Finding(path, "error", words)
    except PoseCliError as error:
        yield Finding(path, "error", f"its rows could not be computed again: {error}")


def _model_of(manifest: Mapping[str, Any], wanted: Recomputing) -> PoseModel:
    """The model, in the precision of the table."""
    described, settings = _mapping(manifest, "model"), _mapping(manifest, "settings")
    source = wanted.model or described.get("path")
    if not isinstance(source, (str, Path)):
        raise UsageError("no manifest names its model: name it with --model")
    engine, precision = settings.get("engine", "openvino"), settings.get("precision", "fp32")
    model = load_model(source, EngineOptions(engine, precision))
    if described.get("identity") not in (None, model.folder.identity):
        raise UsageError(f"'{source}' is not the model that it was made with: name that with --model")
    return model


def _geometry_of(settings: Mapping[str, Any], info: VideoInfo) -> Geometry:
    crop = settings.get("crop")
    whole = Geometry.plan(info.width, info.height, Crop.parse(crop) if isinstance(crop, str) else None)
    width, height = settings.get("network_width"), settings.get("network_height")
    return whole.brought_to(width, height) if isinstance(width, int) and isinstance(height, int) else whole

"""A benchmark's folder: the design that was laid out, and a line per run.

``design.json`` is written once and then followed. ``rows.jsonl`` grows by whole, synced lines, so that a kill costs
what was being measured at most.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from posecli import __version__
from posecli.errors import OutputError, OutputExistsError
from posecli.studies.benchmark.conditions import Condition, DataSet
from posecli.studies.benchmark.design import Plan, Trial, Visit
from posecli.studies.benchmark.factors import Factors
from posecli.studies.benchmark.options import NetworkName, SharedOptions
from posecli.support.files import write_whole

Row = dict[str, Any]

FORMAT = "posecli-benchmark"
FORMAT_VERSION = 1
DESIGN_FILE, ROWS_FILE = "design.json", "rows.jsonl"
CLIPS_FOLDER, POSES_FOLDER = "clips", "poses"


@dataclass(frozen=True)
class Study:
    """A benchmark as far as it has come.

    Attributes
    ----------
    folder
        Where it lies.
    design
        What ``design.json`` says: options, data sets, machine, trial, plan.
    rows
        One per run, and one per condition that was left out.
    """

    folder: Path
    design: dict[str, Any]
    rows: tuple[Row, ...]

    @property
    def data(self) -> tuple[DataSet, ...]:
        """The data sets."""
        return tuple(_data_set(item) for item in self.design["data"])

    @property
    def network(self) -> NetworkName:
        """The kind of network that was measured."""
        network: NetworkName = self.design["options"].get("network", "pose")
        return network

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to measure."""
        done = {(row["key"], row["repeat"]) for row in self.rows}
        wanted = {(v["condition"]["key"], number) for v in self.design["visits"] for number in v["repeats"]}
        return wanted <= done


def open_study(folder: Path) -> Study:
    """Read a benchmark's folder, complete or not.

    Raises
    ------
    OutputError
        If there is none.
    """
    design = read_design(folder)
    if design is None:
        raise OutputError(f"'{folder}' holds no benchmark: run 'posecli benchmark --out-dir {folder}' first")
    return Study(folder, design, (*read_rows(folder / ROWS_FILE), *_left_out_rows(design)))


@dataclass(frozen=True)
class Obstacle:
    """What keeps an engine from a precision, for one model; ``None`` if nothing does."""

    engine: str
    precision: str
    model: str
    reason: str | None


def describe_design(
    options: SharedOptions, factors: Factors, trial: Trial, plan: Plan, obstacles: Sequence[Obstacle]
) -> dict[str, Any]:
    """A design as plain values, but for the machine and what determines it."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "posecli": __version__,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "options": options.as_dict(),
        "data": [_plain_data(item) for item in factors.data],
        "factors": factors.as_plain(),
        "obstacles": [asdict(item) for item in obstacles if item.reason is not None],
        "trial": asdict(trial),
        "estimated_seconds": plan.seconds,
        "repeats_per_process": plan.repeats_per_process,
        "visits": [_plain_visit(visit) for visit in plan.visits],
        "left_out": [{"condition": plain_condition(item), "reason": reason} for item, reason in plan.left_out],
    }


def visits_of(design: dict[str, Any]) -> tuple[Visit, ...]:
    """The visits of a design, in order."""
    return tuple(_visit(item) for item in design["visits"])


def _left_out_rows(design: dict[str, Any]) -> list[Row]:
    return [
        item["condition"] | {"state": "left out", "reason": item["reason"], "repeat": None}
        for item in design["left_out"]
    ]


def read_rows(path: Path, *, repair: bool = False) -> list[Row]:
    """Every run of a rows file, the last line of each; with `repair`, a torn last line is cut off."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    rows: dict[tuple[str, int], Row] = {}
    whole = 0
    for line in content.splitlines(keepends=True):
        try:
            row = json.loads(line)
        except ValueError:
            break
        if not line.endswith(b"\n"):
            break
        rows[row["key"], row["repeat"]] = row
        whole += len(line)
    if repair and whole < len(content):
        os.truncate(path, whole)
    return list(rows.values())


def append_rows(path: Path, rows: Sequence[Row]) -> None:
    """Add lines, and see them to the disk."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise OutputError(
            f"'{path}' cannot be written ({error.strerror or error}): check its folder and disk"
        ) from error


def read_design(folder: Path) -> dict[str, Any] | None:
    """The design that lies in a folder; ``None`` where there is none."""
    try:
        content = json.loads((folder / DESIGN_FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise OutputError(
            f"'{folder / DESIGN_FILE}' cannot be read ({error}): pass --overwrite to begin anew"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise OutputExistsError(f"'{folder / DESIGN_FILE}' is no benchmark's: choose another folder with --out-dir")
    if content.get("format_version") != FORMAT_VERSION:
        raise OutputExistsError(
            f"'{folder}' holds a benchmark of another version of posecli: choose another folder with --out-dir, "
            "or pass --overwrite"
        )
    return content


def write_json(path: Path, content: Any) -> None:
    """Write a file whole."""
    write_whole(path, (json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n").encode())


def plain_condition(condition: Condition) -> dict[str, Any]:
    """A condition as it begins a row."""
    return {"key": condition.key, **asdict(condition)}


def condition_of(content: dict[str, Any]) -> Condition:
    """The condition that a row or a design's entry names."""
    return Condition(**{name: content[name] for name in Condition.__dataclass_fields__ if name in content})


def _plain_visit(visit: Visit) -> dict[str, Any]:
    return {
        "condition": plain_condition(visit.condition),
        "repeats": list(visit.repeats),
        "frames": visit.frames,
        "seconds": visit.seconds,
    }


def _visit(content: dict[str, Any]) -> Visit:
    return Visit(condition_of(content["condition"]), tuple(content["repeats"]), content["frames"], content["seconds"])


def _plain_data(data: DataSet) -> dict[str, Any]:
    return asdict(data) | {"video": str(data.video), "model": str(data.model)}


def _data_set(content: dict[str, Any]) -> DataSet:
    return DataSet(**content | {"video": Path(content["video"]), "model": Path(content["model"])})

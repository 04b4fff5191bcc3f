"""A benchmark's folder as values: the design that was laid out, and the runs that were measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from posecli.errors import OutputError
from posecli.studies.benchmark.conditions import Condition, DataSet
from posecli.studies.benchmark.design import Plan, Trial, Visit
from posecli.studies.benchmark.factors import Factors
from posecli.studies.benchmark.options import NetworkName, SharedOptions
from posecli.studies.common.folder import Row, StudyFolder, StudyKind

CLIPS_FOLDER, POSES_FOLDER = "clips", "poses"
BENCHMARK = StudyKind("benchmark", "rows.jsonl", (POSES_FOLDER,), {"network": "pose"})


@dataclass(frozen=True)
class Benchmark:
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


def open_study(folder: Path) -> Benchmark:
    """Read a benchmark's folder, complete or not.

    Raises
    ------
    OutputError
        If there is none.
    """
    study_folder = StudyFolder(folder, BENCHMARK)
    design = study_folder.design()
    if design is None:
        raise OutputError(f"'{folder}' holds no benchmark: run 'posecli benchmark --out-dir {folder}' first")
    runs = {(row["key"], row["repeat"]): row for row in study_folder.rows()}  # what was measured again counts
    left_out = [
        item["condition"] | {"state": "left out", "reason": item["reason"], "repeat": None}
        for item in design["left_out"]
    ]
    return Benchmark(folder, design, (*runs.values(), *left_out))


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
    """What was laid out, as plain values for the design."""
    return {
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

"""A benchmark on the disk: its design, and the runs that were measured."""

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
    """A benchmark as far as it has come."""

    folder: Path
    #: What ``design.json`` says: options, data sets, machine, trial, plan.
    design: dict[str, Any]
    #: One per run, and one per condition that was left out.
    rows: tuple[Row, ...]

    @property
    def data(self) -> tuple[DataSet, ...]:
        """The videos, each with its network."""
        paths = ({name: Path(item[name]) for name in ("video", "model")} for item in self.design["data"])
        return tuple(DataSet(**item | own) for item, own in zip(self.design["data"], paths, strict=True))

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
    runs = {(row["key"], row["repeat"]): row for row in study_folder.rows()}  # if measured twice, the last one counts
    left_out = [
        item["condition"] | {"state": "left out", "reason": item["reason"], "repeat": None}
        for item in design["left_out"]
    ]
    return Benchmark(folder, design, (*runs.values(), *left_out))


@dataclass(frozen=True)
class Obstacle:
    """Why an engine cannot run a model in a precision; ``None`` if it can."""

    engine: str
    precision: str
    model: str
    reason: str | None


def describe_design(
    options: SharedOptions, factors: Factors, trial: Trial, plan: Plan, obstacles: Sequence[Obstacle]
) -> dict[str, Any]:
    """The design as plain values, for ``design.json``."""
    return {
        "options": options.as_dict(),
        "data": [asdict(item) | {"video": str(item.video), "model": str(item.model)} for item in factors.data],
        "factors": factors.as_plain(),
        "obstacles": [asdict(item) for item in obstacles if item.reason is not None],
        "trial": asdict(trial),
        "estimated_seconds": plan.seconds,
        "repeats_per_process": plan.repeats_per_process,
        "visits": [asdict(visit) | {"condition": plain_condition(visit.condition)} for visit in plan.visits],
        "left_out": [{"condition": plain_condition(item), "reason": reason} for item, reason in plan.left_out],
    }


def visits_of(design: dict[str, Any]) -> tuple[Visit, ...]:
    """The visits of a design, in order."""
    return tuple(
        Visit(condition_of(item["condition"]), tuple(item["repeats"]), item["frames"], item["seconds"])
        for item in design["visits"]
    )


def plain_condition(condition: Condition) -> dict[str, Any]:
    """A condition as plain values, with its key; every row begins with them."""
    return {"key": condition.key, **asdict(condition)}


def condition_of(content: dict[str, Any]) -> Condition:
    """The condition that a row or a design's entry names."""
    return Condition(**{name: content[name] for name in Condition.__dataclass_fields__ if name in content})

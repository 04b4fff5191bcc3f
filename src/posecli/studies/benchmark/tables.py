"""A benchmark's numbers: a row per repeat, medians of each condition, and tables for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from posecli.studies.benchmark.subject import Subject, subject_of
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, Winner

#: Columns of the CSV file, a row per repeat, but for those that only one kind of network has.
FACTORS = ("data", "width", "height", "cores", "engine", "precision", "batch_size")
MEASURED = (
    "state",
    "reason",
    "repeat",
    "order",
    "frames",
    "seconds",
    "fps",
    "loop_fps",
    "network_fps",
    "read_fps",
    "cpu_seconds",
    "peak_mib",
    "open_seconds",
    "warm_up_seconds",
    "read_seconds",
    "network_seconds",
    "decode_seconds",
    "write_seconds",
    "load_before",
    "background_cores",
    "network_threads",
    "cores_bound",
    "device",
)
COST = ("hours_per_video_hour", "cost_per_video_hour")
#: Columns that a condition's medians are given for.
MEDIANS = ("fps", "loop_fps", "network_fps", "read_fps", "cpu_seconds", "peak_mib", "open_seconds", "warm_up_seconds")


def columns_of(subject: Subject) -> tuple[str, ...]:
    """Columns of the CSV file."""
    factors = (*FACTORS, *subject.factor_columns, "pipeline")
    return (*factors, *MEASURED, *subject.measured_columns, *COST, *subject.change_columns, "when")


def plain_rows(summary: BenchmarkSummary) -> list[dict[str, Any]]:
    """A row per repeat as plain values, with its course."""
    return [_tidy(summary, cell, row) | {"curve": row.get("curve", [])} for cell, row in _rows(summary)]


def plain_cell(summary: BenchmarkSummary, cell: Cell) -> dict[str, Any]:
    """A condition with its medians."""
    plain = (
        {"key": cell.condition.key}
        | asdict(cell.condition)
        | {"state": cell.state, "reason": cell.reason, "repeats": len(cell.rows)}
    )
    if cell.state != "done":
        return plain
    plain |= {name: cell.median(name) for name in MEDIANS}
    plain |= {"fps_lowest": min(cell.values("fps")), "fps_highest": max(cell.values("fps"))}
    plain["frames"] = int(cell.median("frames"))
    plain["cpu_seconds_per_frame"] = cell.median("cpu_seconds") / cell.median("frames")
    plain["network_busy"] = cell.median("network_seconds") / cell.median("seconds")
    figures = {name: getattr(cell, name) for name in ("shift", "change")}
    told = {name: None if value is None else value.as_dict() for name, value in figures.items()}
    accuracy = None if cell.accuracy is None else asdict(cell.accuracy)
    return plain | _cost(summary, cell, cell.fps) | told | {"accuracy": accuracy}


def _cost(summary: BenchmarkSummary, cell: Cell, fps: float) -> dict[str, float]:
    estimate = summary.estimate(cell, fps)
    return {
        "hours_per_video_hour": estimate.hours_per_video_hour,
        "cost_per_video_hour": estimate.cost_per_video_hour,
    }


def tidy_rows(summary: BenchmarkSummary) -> list[dict[str, Any]]:
    """A row per repeat, of `columns_of`; one for each condition that failed or was left out."""
    return [_tidy(summary, cell, row) for cell, row in _rows(summary)]


def _rows(summary: BenchmarkSummary) -> Iterable[tuple[Cell, dict[str, Any]]]:
    for cell in summary.cells:
        for row in summary.study.rows:
            if row["key"] == cell.condition.key:
                yield cell, row


def _tidy(summary: BenchmarkSummary, cell: Cell, row: dict[str, Any]) -> dict[str, Any]:
    """One line of the CSV file."""
    extra = subject_of(summary.study.network).changes(cell)
    if row["state"] == "done":
        extra |= _cost(summary, cell, row["fps"]) | subject_of(summary.study.network).measured(row)
    return {name: (row | extra).get(name) for name in columns_of(subject_of(summary.study.network))}


def winner_table(summary: BenchmarkSummary) -> list[list[str]]:
    """For people: a header, and a row for each video and what the network sees of it."""
    header = ["video", "px", "standard", "fastest", "gain", "settings", "per hour of video"]
    header.append(subject_of(summary.study.network).change_head)
    return [header, *(_winner_row(summary, winner) for winner in summary.winners())]


def _winner_row(summary: BenchmarkSummary, winner: Winner) -> list[str]:
    cell, estimate = winner.cell, summary.estimate(winner.cell)
    item = cell.condition
    return [
        item.data,
        item.view_words.replace(" px", "") if item.has_chunks else str(item.width),
        "-" if winner.standard is None else f"{speed(winner.standard.fps)} fps",
        f"{speed(cell.fps)} fps",
        "-" if winner.gain is None else f"{winner.gain:.2f}x",
        f"{item.engine} {item.precision}, batch {item.batch_size}, {item.pipeline}",
        f"{speed(60 * estimate.hours_per_video_hour)} min, {estimate.cost_per_video_hour:.2g} {summary.price.currency}",
        subject_of(summary.study.network).change_words(cell),
    ]


def speed(value: float) -> str:
    """A number with three digits that matter.

    >>> speed(1384.2), speed(21.71), speed(4.046)
    ('1384', '21.7', '4.05')
    """
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def condition_table(summary: BenchmarkSummary) -> list[list[str]]:
    """For people: a header, and a row for each condition."""
    own = subject_of(summary.study.network).factor_columns
    header = ["video", "px", "cores", "engine", "batch", *own, "pipeline", "fps", "lowest to highest", "network only"]
    header += ["read only", "CPU ms/frame", "peak MiB", "min per hour of video", summary.price.currency]
    header.append(subject_of(summary.study.network).change_head)
    return [header, *(_condition_row(summary, cell) for cell in summary.cells)]


def _condition_row(summary: BenchmarkSummary, cell: Cell) -> list[str]:
    item = cell.condition
    size = f"{item.width}x{item.height}" if item.has_chunks else str(item.width)
    row = [item.data, size, str(item.cores), f"{item.engine} {item.precision}", str(item.batch_size)]
    row += [str(getattr(item, name)) for name in subject_of(summary.study.network).factor_columns] + [item.pipeline]
    if cell.state != "done":
        return [*row, f"{cell.state}: {cell.reason}", *[""] * 8]
    estimate = summary.estimate(cell)
    values = cell.values("fps")
    return [
        *row,
        speed(cell.fps),
        f"{speed(min(values))} to {speed(max(values))}",
        speed(cell.median("network_fps")),
        speed(cell.median("read_fps")),
        speed(1000 * cell.median("cpu_seconds") / cell.median("frames")),
        f"{cell.median('peak_mib'):.0f}",
        speed(60 * estimate.hours_per_video_hour),
        f"{estimate.cost_per_video_hour:.2g}",
        subject_of(summary.study.network).change_words(cell),
    ]

"""A benchmark's numbers: a row per repeat, medians of each condition, and tables for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from posecli.studies.benchmark.kinds import BenchmarkKind, kind_of
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, Winner, speed
from posecli.support.results import STAGES

#: Columns of the CSV file, a row per repeat, but for those that only one kind of network has.
FACTORS = ("data", "width", "height", "cores", "engine", "precision", "batch_size")
#: What medians are given for.
MEDIANS = ("fps", "loop_fps", "network_fps", "read_fps", "cpu_seconds", "peak_mib", "open_seconds", "warm_up_seconds")
MEASURED = (
    *("state", "reason", "repeat", "order", "frames", "seconds"),
    *MEDIANS,
    *(f"{stage}_seconds" for stage in STAGES),
    *("load_before", "background_cores", "network_threads", "cores_bound", "device"),
)
COST = ("hours_per_video_hour", "cost_per_video_hour")


def columns_of(kind: BenchmarkKind) -> tuple[str, ...]:
    """Columns of the CSV file."""
    factors = (*FACTORS, *kind.factor_columns, "pipeline")
    return (*factors, *MEASURED, *kind.measured, *COST, *kind.changes, "when")


def tidy_rows(summary: BenchmarkSummary) -> list[dict[str, Any]]:
    """A row per repeat, of `columns_of` and its course; one for each condition that failed or was left out."""
    return [
        _tidy(summary, cell, row)
        for cell in summary.cells
        for row in summary.study.rows
        if row["key"] == cell.condition.key
    ]


def _tidy(summary: BenchmarkSummary, cell: Cell, row: dict[str, Any]) -> dict[str, Any]:
    kind = kind_of(summary)
    extra = {name: of(cell) for name, of in kind.changes.items()}
    if row["state"] == "done":
        extra |= _cost(summary, cell, row["fps"]) | {name: of(row) for name, of in kind.measured.items()}
    return {name: (row | extra).get(name) for name in columns_of(kind)} | {"curve": row.get("curve", [])}


def _cost(summary: BenchmarkSummary, cell: Cell, fps: float) -> dict[str, float]:
    estimate = summary.estimate(cell, fps)
    return {name: getattr(estimate, name) for name in COST}


def plain_cell(summary: BenchmarkSummary, cell: Cell) -> dict[str, Any]:
    """A condition with its medians."""
    plain = {"key": cell.condition.key, **asdict(cell.condition), "state": cell.state, "reason": cell.reason}
    plain["repeats"] = len(cell.rows)
    if cell.state != "done":
        return plain
    figures = None if cell.change is None else cell.change.as_dict()
    return (
        plain
        | {name: cell.median(name) for name in MEDIANS}
        | {
            "fps_lowest": min(cell.values("fps")),
            "fps_highest": max(cell.values("fps")),
            "frames": int(cell.median("frames")),
            "cpu_seconds_per_frame": cell.median("cpu_seconds") / cell.median("frames"),
            "network_busy": cell.median("network_seconds") / cell.median("seconds"),
        }
        | _cost(summary, cell, cell.fps)
        | {"shift": None, "change": None, "change" if cell.condition.has_chunks else "shift": figures}
        | {"accuracy": None if cell.accuracy is None else asdict(cell.accuracy)}
    )


def winner_table(summary: BenchmarkSummary) -> list[list[str]]:
    """For people: a header, and a row for each video and what the network sees of it."""
    header = ["video", "px", "standard", "fastest", "gain", "settings", "per hour of video"]
    rows = [_winner_row(summary, winner) for winner in summary.winners()]
    return [[*header, kind_of(summary).change_head], *rows]


def _winner_row(summary: BenchmarkSummary, winner: Winner) -> list[str]:
    cell, estimate = winner.cell, summary.estimate(winner.cell)
    item = cell.condition
    return [
        item.data,
        item.short_view.replace(" px", ""),
        "-" if winner.standard is None else f"{speed(winner.standard.fps)} fps",
        f"{speed(cell.fps)} fps",
        "-" if winner.gain is None else f"{winner.gain:.2f}x",
        f"{item.engine} {item.precision}, batch {item.batch_size}, {item.pipeline}",
        f"{speed(60 * estimate.hours_per_video_hour)} min, {estimate.cost_per_video_hour:.2g} {summary.price.currency}",
        kind_of(summary).change_words(cell),
    ]


def condition_table(summary: BenchmarkSummary) -> list[list[str]]:
    """For people: a header, and a row for each condition."""
    kind = kind_of(summary)
    header = ["video", "px", "cores", "engine", "batch", *kind.factor_columns, "pipeline", "fps", "lowest to highest"]
    header += ["network only", "read only", "CPU ms/frame", "peak MiB", "min per hour of video"]
    return [[*header, summary.price.currency, kind.change_head], *(_row(summary, cell) for cell in summary.cells)]


def _row(summary: BenchmarkSummary, cell: Cell) -> list[str]:
    item, kind = cell.condition, kind_of(summary)
    size = f"{item.width}x{item.height}" if item.has_chunks else str(item.width)
    row = [item.data, size, str(item.cores), f"{item.engine} {item.precision}", str(item.batch_size)]
    row += [str(getattr(item, name)) for name in kind.factor_columns] + [item.pipeline]
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
        kind.change_words(cell),
    ]

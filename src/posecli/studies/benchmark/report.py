"""A benchmark summarised and written: tables, CSV, JSON, figures, a trace and an HTML page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from posecli.studies.benchmark.findings import findings
from posecli.studies.benchmark.kinds import BenchmarkKind, command_line, judged, kind_of
from posecli.studies.benchmark.study import Benchmark
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, Winner, cells_of, design_order, speed
from posecli.studies.benchmark.timeline import timeline_cells, trace_events
from posecli.studies.common import webpage
from posecli.studies.common.machine import machine_line
from posecli.studies.common.report import StudyReport, draw_charts, write_results
from posecli.studies.cost import Price
from posecli.support.figures import Chart
from posecli.support.files import write_whole
from posecli.support.results import STAGES
from posecli.support.textfile import csv_text

RESULTS_FORMAT = "posecli-benchmark-results"
TRACE_FILE = "timelines.json"


def summarize(study: Benchmark, price: Price, video_fps: float = 30.0) -> BenchmarkSummary:
    """A study's rows put together, complete or not; run time and cost are stated for recordings of `video_fps`."""
    cells = judged(study, cells_of(study))
    return BenchmarkSummary(study, tuple(sorted(cells, key=design_order(study))), price, video_fps)


def write_report(summary: BenchmarkSummary) -> StudyReport:
    """Write everything into the benchmark's folder."""
    folder = summary.study.folder
    report = StudyReport(folder, draw_charts(kind_of(summary).drawings, summary, folder))
    table = csv_text(columns_of(kind_of(summary)), tidy_rows(summary))
    write_results(report, table, results(summary), html_page(summary, report.charts))
    write_whole(folder / TRACE_FILE, (json.dumps(trace_events(timeline_cells(summary))) + "\n").encode())
    return report


def results(summary: BenchmarkSummary) -> dict[str, Any]:
    """The whole study as plain values."""
    design = summary.study.design
    return {
        "format": RESULTS_FORMAT,
        "format_version": 1,
        "complete": summary.study.is_complete,
        **{name: design[name] for name in ("posecli", "written", "machine")},
        "network": summary.study.network,
        **{name: design[name] for name in ("options", "data", "obstacles", "repeats_per_process")},
        "video_fps": summary.video_fps,
        "price": {"per_hour": summary.price.per_hour, "unit": summary.price.unit, "name": str(summary.price)},
        "findings": findings(summary),
        "winners": [_plain_winner(summary, winner) for winner in summary.winners()],
        "conditions": [plain_cell(summary, cell) for cell in summary.cells],
        "rows": tidy_rows(summary),
    } | kind_of(summary).plain(summary)


def _plain_winner(summary: BenchmarkSummary, winner: Winner) -> dict[str, Any]:
    return {
        "key": winner.cell.condition.key,
        "data": winner.cell.condition.data,
        "width": winner.cell.condition.width,
        "fps": winner.cell.fps,
        "gain_over_standard": winner.gain,
        "command": command_line(summary, winner.cell),
    }


def html_page(summary: BenchmarkSummary, charts: Sequence[Chart]) -> str:
    """One page that holds tables, figures and the commands to use; it loads nothing."""
    design = summary.study.design
    machine = design["machine"]
    parts = [
        webpage.heading("posecli benchmark"),
        webpage.paragraph(f"{machine_line(machine)}; posecli {design['posecli']}, {design['written']}."),
        *([] if summary.study.is_complete else [webpage.paragraph("Not complete: the same command continues it.")]),
        webpage.section(
            "Settings that won",
            webpage.table(winner_table(summary)),
            *(_command(summary, winner) for winner in summary.winners()),
        ),
        *(
            webpage.section(title, webpage.table(rows), *map(webpage.paragraph, sentences))
            for title, rows, sentences in kind_of(summary).tables(summary)
        ),
        webpage.section("What came out", webpage.bullets(findings(summary))),
        webpage.section("Figures", *(webpage.figure(chart.svg, chart.caption) for chart in charts)),
        webpage.section("Every condition", webpage.table(condition_table(summary))),
        webpage.section(
            "How it was measured",
            *map(webpage.paragraph, _method(summary)),
            webpage.verbatim(json.dumps(machine, indent=1, ensure_ascii=False)),
        ),
    ]
    return webpage.page("posecli benchmark", parts)


def _command(summary: BenchmarkSummary, winner: Winner) -> str:
    item = winner.cell.condition
    head = f"{item.data} at {item.view_words}, {speed(winner.cell.fps)} frames/s:"
    return webpage.paragraph(head) + webpage.verbatim(command_line(summary, winner.cell))


def _method(summary: BenchmarkSummary) -> list[str]:
    design = summary.study.design
    options, together = design["options"], design["repeats_per_process"]
    shared = "each in a process of its own" if together == 1 else f"{together} of them in one process after the other"
    sentences = [
        f"{options['repeats']} repeats of each condition, {shared}; conditions in pseudorandom order, seed "
        f"{options['seed']}. A process is bound to the cores that its condition allows, and the network has as many "
        "threads.",
        "A repeat is the network alone over one batch, then loading alone through the same pipeline, then the whole "
        "loop: read, network, decode, write. Compilation and one batch of warm-up come before. Frames per second are "
        "those of the video, in the steady state: after the first batch, and at least a tenth of the frames.",
        f"Run time and cost are for video of {summary.video_fps:g} frames/s; price: {summary.price} "
        f"({summary.price.what or 'own'}; {summary.price.source}), times the cores used where it is per core.",
        *kind_of(summary).method(summary),
    ]
    return sentences + [
        f"Not measured: {item['engine']} {item['precision']}, because {item['reason'].partition(':')[0]}."
        for item in design["obstacles"]
        if item["model"] == str(summary.data[0].model)
    ]


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

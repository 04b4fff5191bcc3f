"""A benchmark summarised, told in sentences, and written as CSV, JSON, figures, a trace and an HTML page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from posecli.studies.benchmark.charts.timeline import timeline_cells, trace_events
from posecli.studies.benchmark.findings import findings
from posecli.studies.benchmark.kinds import command_line, judged, kind_of
from posecli.studies.benchmark.study import Benchmark
from posecli.studies.benchmark.summary import BenchmarkSummary, Winner, cells_of, design_order, speed
from posecli.studies.benchmark.tables import (
    columns_of,
    condition_table,
    plain_cell,
    tidy_rows,
    winner_table,
)
from posecli.studies.common import webpage
from posecli.studies.common.machine import machine_line
from posecli.studies.common.report import StudyReport, draw_charts, write_results
from posecli.studies.cost import Price
from posecli.support.figures import Chart
from posecli.support.files import write_whole
from posecli.support.textfile import csv_text

RESULTS_FORMAT = "posecli-benchmark-results"
TRACE_FILE = "timelines.json"


def summarize(study: Benchmark, price: Price, video_fps: float = 30.0) -> BenchmarkSummary:
    """Put a study's rows together, complete or not.

    Parameters
    ----------
    study
        From `run_benchmark`.
    price
        Of the machine.
    video_fps
        Frames per second of the recordings for which run time and cost are stated.
    """
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
        "posecli": design["posecli"],
        "written": design["written"],
        "machine": design["machine"],
        "network": summary.study.network,
        "options": design["options"],
        "data": design["data"],
        "obstacles": design["obstacles"],
        "repeats_per_process": design["repeats_per_process"],
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
    return sentences + [f"Not measured: {reason}." for reason in _obstacles(summary)]


def _obstacles(summary: BenchmarkSummary) -> list[str]:
    first = str(summary.data[0].model)
    return [
        f"{item['engine']} {item['precision']}, because {item['reason'].partition(':')[0]}"
        for item in summary.study.design["obstacles"]
        if item["model"] == first
    ]

"""What a benchmark leaves behind: tidy CSV and JSON, figures, a trace, and one HTML page that needs nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecli.studies.benchmark.charts import draw_charts
from posecli.studies.benchmark.charts.timeline import timeline_cells
from posecli.studies.benchmark.page import html_page
from posecli.studies.benchmark.summary import Summary, Winner
from posecli.studies.benchmark.tables import csv_text, plain_cell, plain_rows
from posecli.studies.benchmark.trace import trace_events
from posecli.support.figures import Chart
from posecli.support.files import write_whole

RESULTS_FORMAT = "posecli-benchmark-results"
CSV_FILE, JSON_FILE, TRACE_FILE, HTML_FILE = "results.csv", "results.json", "timelines.json", "report.html"
FIGURES_FOLDER = "figures"


@dataclass(frozen=True)
class Report:
    """The files that a benchmark left.

    Attributes
    ----------
    folder
        Where they lie.
    charts
        The figures.
    """

    folder: Path
    charts: tuple[Chart, ...]

    @property
    def page(self) -> Path:
        """The HTML page."""
        return self.folder / HTML_FILE


def write_report(summary: Summary) -> Report:
    """Write everything into the benchmark's folder.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    folder = summary.study.folder
    charts = draw_charts(summary, folder / FIGURES_FOLDER)
    _write(folder / CSV_FILE, csv_text(summary))
    _write(folder / JSON_FILE, json.dumps(results(summary), indent=1, ensure_ascii=False) + "\n")
    _write(folder / TRACE_FILE, json.dumps(trace_events(timeline_cells(summary))) + "\n")
    _write(folder / HTML_FILE, html_page(summary, charts))
    return Report(folder, charts)


def _write(path: Path, text: str) -> None:
    write_whole(path, text.encode())


def results(summary: Summary) -> dict[str, Any]:
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
        "findings": summary.findings(),
        "winners": [_plain_winner(summary, winner) for winner in summary.winners()],
        "conditions": [plain_cell(summary, cell) for cell in summary.cells],
        "rows": plain_rows(summary),
    } | summary.subject.plain(summary)


def _plain_winner(summary: Summary, winner: Winner) -> dict[str, Any]:
    return {
        "key": winner.cell.condition.key,
        "data": winner.cell.condition.data,
        "width": winner.cell.condition.width,
        "fps": winner.cell.fps,
        "gain_over_standard": winner.gain,
        "command": summary.analyze_line(winner.cell),
    }

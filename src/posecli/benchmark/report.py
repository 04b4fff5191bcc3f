"""What a benchmark leaves behind: tidy CSV and JSON, figures, a trace, and one HTML page that needs nothing else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecli import webpage
from posecli.benchmark.charts import draw_charts, timeline_cells
from posecli.benchmark.design import Condition
from posecli.benchmark.machine import machine_line
from posecli.benchmark.summary import Cell, Summary, Winner
from posecli.benchmark.trace import trace_events
from posecli.figures import Chart
from posecli.table import move_into_place, partial_path, write_partial

RESULTS_FORMAT = "posecli-benchmark-results"
CSV_FILE, JSON_FILE, TRACE_FILE, HTML_FILE = "results.csv", "results.json", "timelines.json", "report.html"
FIGURES_FOLDER = "figures"

#: Columns of the CSV file, a row per repeat.
COLUMNS = (
    *Condition.__dataclass_fields__,
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
    "hours_per_video_hour",
    "cost_per_video_hour",
    "shift_median_px",
    "shift_p99_px",
    "when",
)
#: Columns that a condition's medians are given for.
MEDIANS = ("fps", "loop_fps", "network_fps", "read_fps", "cpu_seconds", "peak_mib", "open_seconds", "warm_up_seconds")


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
    write_partial(path, text.encode())
    move_into_place(partial_path(path), path)


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
        "options": design["options"],
        "data": design["data"],
        "obstacles": design["obstacles"],
        "repeats_per_process": design["repeats_per_process"],
        "video_fps": summary.video_fps,
        "price": {"per_hour": summary.price.per_hour, "unit": summary.price.unit, "name": str(summary.price)},
        "findings": summary.findings(),
        "winners": [_plain_winner(summary, winner) for winner in summary.winners()],
        "conditions": [_plain_cell(summary, cell) for cell in summary.cells],
        "rows": [_tidy(summary, cell, row) | _nested(row) for cell, row in _rows(summary)],
    }


def _plain_winner(summary: Summary, winner: Winner) -> dict[str, Any]:
    return {
        "key": winner.cell.condition.key,
        "data": winner.cell.condition.data,
        "width": winner.cell.condition.width,
        "fps": winner.cell.fps,
        "gain_over_standard": winner.gain,
        "command": summary.analyze_line(winner.cell),
    }


def _plain_cell(summary: Summary, cell: Cell) -> dict[str, Any]:
    plain = (
        {"key": cell.condition.key}
        | _condition(cell.condition)
        | {"state": cell.state, "reason": cell.reason, "repeats": len(cell.rows)}
    )
    if cell.state != "done":
        return plain
    plain |= {name: cell.median(name) for name in MEDIANS}
    plain |= {"fps_lowest": min(cell.values("fps")), "fps_highest": max(cell.values("fps"))}
    plain["frames"] = int(cell.median("frames"))
    plain["cpu_seconds_per_frame"] = cell.median("cpu_seconds") / cell.median("frames")
    plain["network_busy"] = cell.median("network_seconds") / cell.median("seconds")
    return plain | _cost(summary, cell, cell.fps) | {"shift": None if cell.shift is None else cell.shift.as_dict()}


def _condition(condition: Condition) -> dict[str, Any]:
    return {name: getattr(condition, name) for name in Condition.__dataclass_fields__}


def _cost(summary: Summary, cell: Cell, fps: float) -> dict[str, float]:
    estimate = summary.estimate(cell, fps)
    return {
        "hours_per_video_hour": estimate.hours_per_video_hour,
        "cost_per_video_hour": estimate.cost_per_video_hour,
    }


def _rows(summary: Summary) -> Iterable[tuple[Cell, dict[str, Any]]]:
    for cell in summary.cells:
        for row in summary.study.rows:
            if row["key"] == cell.condition.key:
                yield cell, row


def _tidy(summary: Summary, cell: Cell, row: dict[str, Any]) -> dict[str, Any]:
    """One line of the CSV file."""
    extra: dict[str, Any] = _cost(summary, cell, row["fps"]) if row["state"] == "done" else {}
    if cell.shift is not None:
        extra |= {"shift_median_px": cell.shift.median_px, "shift_p99_px": cell.shift.p99_px}
    return {name: (row | extra).get(name) for name in COLUMNS}


def _nested(row: dict[str, Any]) -> dict[str, Any]:
    return {"curve": row.get("curve", [])}


def csv_text(summary: Summary) -> str:
    """A row per repeat; one for each condition that failed or was left out."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_tidy(summary, cell, row) for cell, row in _rows(summary))
    return stream.getvalue()


def winner_table(summary: Summary) -> list[list[str]]:
    """For people: a header, and a row for each video and width."""
    header = ["video", "px", "standard", "fastest", "gain", "settings", "per hour of video", "shift p99"]
    return [header, *([*_winner_row(summary, winner)] for winner in summary.winners())]


def _winner_row(summary: Summary, winner: Winner) -> list[str]:
    cell, estimate = winner.cell, summary.estimate(winner.cell)
    item = cell.condition
    return [
        item.data,
        str(item.width),
        "-" if winner.standard is None else f"{speed(winner.standard.fps)} fps",
        f"{speed(cell.fps)} fps",
        "-" if winner.gain is None else f"{winner.gain:.2f}x",
        f"{item.engine} {item.precision}, batch {item.batch_size}, {item.pipeline}",
        f"{speed(60 * estimate.hours_per_video_hour)} min, {estimate.cost_per_video_hour:.2g} {summary.price.currency}",
        _shift(cell),
    ]


def _shift(cell: Cell) -> str:
    if cell.condition.precision == "fp32":
        return "0 (fp32)"
    return "not judged" if cell.shift is None else f"{cell.shift.p99_px:.2f} px"


def speed(value: float) -> str:
    """A number with three digits that matter.

    >>> speed(1384.2), speed(21.71), speed(4.046)
    ('1384', '21.7', '4.05')
    """
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def html_page(summary: Summary, charts: Sequence[Chart]) -> str:
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
        webpage.section("What came out", webpage.bullets(summary.findings())),
        webpage.section("Figures", *(webpage.figure(chart.svg, chart.caption) for chart in charts)),
        webpage.section("Every condition", webpage.table(_condition_table(summary))),
        webpage.section(
            "How it was measured",
            *map(webpage.paragraph, _method(summary)),
            webpage.verbatim(json.dumps(machine, indent=1, ensure_ascii=False)),
        ),
    ]
    return webpage.page("posecli benchmark", parts)


def _command(summary: Summary, winner: Winner) -> str:
    item = winner.cell.condition
    head = f"{item.data} at {item.width}x{item.height} px, {speed(winner.cell.fps)} frames/s:"
    return webpage.paragraph(head) + webpage.verbatim(summary.analyze_line(winner.cell))


def _condition_table(summary: Summary) -> list[list[str]]:
    header = [
        "video",
        "px",
        "cores",
        "engine",
        "batch",
        "decoder",
        "pipeline",
        "fps",
        "lowest to highest",
        "network only",
    ]
    header += ["read only", "CPU ms/frame", "peak MiB", "min per hour of video", summary.price.currency, "shift p99"]
    return [header, *(_condition_row(summary, cell) for cell in summary.cells)]


def _condition_row(summary: Summary, cell: Cell) -> list[str]:
    item = cell.condition
    row = [item.data, str(item.width), str(item.cores), f"{item.engine} {item.precision}", str(item.batch_size)]
    row += [item.decoder, item.pipeline]
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
        _shift(cell),
    ]


def _method(summary: Summary) -> list[str]:
    design = summary.study.design
    options, together = design["options"], design["repeats_per_process"]
    shared = "each in a process of its own" if together == 1 else f"{together} of them in one process after the other"
    sentences = [
        f"{options['repeats']} repeats of each condition, {shared}; conditions in pseudorandom order, seed "
        f"{options['seed']}. A process is bound to the cores that its condition allows, and the network has as many "
        "threads.",
        "A repeat is the network alone over one batch, then reading alone, then the whole loop: read, network, decode, "
        "write into a pose table. Compilation and one batch of warm-up come before. Frames per second are those of the "
        "steady state: after the first batch, and at least a tenth of the frames.",
        f"Clips are H.264 of the width that the network sees. {_networks(summary)}",
        f"Run time and cost are for video of {summary.video_fps:g} frames/s; price: {summary.price} "
        f"({summary.price.what or 'own'}; {summary.price.source}), times the cores used where it is per core.",
        "The shift is that of points above the likelihood cut-off against fp32 on the same frames, in px of the "
        "video's own frame.",
    ]
    return sentences + [f"Not measured: {reason}." for reason in _obstacles(summary)]


def _networks(summary: Summary) -> str:
    blind = [data.name for data in summary.data if not data.trained]
    if not blind:
        return "Every network was trained."
    return (
        f"An untrained network of random weights looks at {', '.join(blind)}: its speed is that of a trained one, its "
        "poses mean nothing, and the shift of its poses is not judged."
    )


def _obstacles(summary: Summary) -> list[str]:
    first = str(summary.data[0].model)
    return [
        f"{item['engine']} {item['precision']}, because {item['reason'].partition(':')[0]}"
        for item in summary.study.design["obstacles"]
        if item["model"] == first
    ]

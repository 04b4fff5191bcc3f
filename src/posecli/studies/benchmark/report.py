"""A benchmark summarised, told in sentences, and written: tables, CSV, JSON, figures, a trace and an HTML page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from posecli.options import FIXED_PRECISIONS
from posecli.studies.benchmark.kinds import BenchmarkKind, command_line, judged, kind_of
from posecli.studies.benchmark.study import Benchmark, Condition, counted, plain_condition
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, Winner, cells_of, design_order, speed
from posecli.studies.benchmark.timeline import timeline_cells, trace_events
from posecli.studies.common import webpage
from posecli.studies.common.folder import StudyReport, draw_charts, machine_line, write_results
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
    cell = winner.cell
    plain = {name: getattr(cell.condition, name) for name in ("key", "data", "width")} | {"fps": cell.fps}
    return plain | {"gain_over_standard": winner.gain, "command": command_line(summary, cell)}


def html_page(summary: BenchmarkSummary, charts: Sequence[Chart]) -> str:
    """One page that holds tables, figures and the commands to use; it loads nothing."""
    design, machine = summary.study.design, summary.study.design["machine"]
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
    return [
        f"{options['repeats']} repeats of each condition, {shared}; conditions in pseudorandom order, seed "
        f"{options['seed']}. A process is bound to the cores that its condition allows, and the network has as many "
        "threads.",
        "A repeat is the network alone over one batch, then loading alone through the same pipeline, then the whole "
        "loop: read, network, decode, write. Compilation and one batch of warm-up come before. Frames per second are "
        "those of the video, in the steady state: after the first batch, and at least a tenth of the frames.",
        f"Run time and cost are for video of {summary.video_fps:g} frames/s; price: {summary.price} "
        f"({summary.price.what or 'own'}; {summary.price.source}), times the cores used where it is per core.",
        *kind_of(summary).method(summary),
        *(
            f"Not measured: {item['engine']} {item['precision']}, because {item['reason'].partition(':')[0]}."
            for item in design["obstacles"]
            if item["model"] == str(summary.study.data[0].model)
        ),
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
    plain = plain_condition(cell.condition) | {"state": cell.state, "reason": cell.reason, "repeats": len(cell.rows)}
    if cell.state != "done":
        return plain
    return plain | {
        **{name: cell.median(name) for name in MEDIANS},
        "fps_lowest": min(cell.values("fps")),
        "fps_highest": max(cell.values("fps")),
        "frames": int(cell.median("frames")),
        "cpu_seconds_per_frame": cell.median("cpu_seconds") / cell.median("frames"),
        "network_busy": cell.median("network_seconds") / cell.median("seconds"),
        **_cost(summary, cell, cell.fps),
        "shift": None,
        "change": None,
        "change" if cell.condition.has_chunks else "shift": cell.change and cell.change.as_dict(),
        "accuracy": cell.accuracy and asdict(cell.accuracy),
    }


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
    estimate, values = summary.estimate(cell), cell.values("fps")
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


#: Other programs that keep more than this many cores busy spoil a measurement.
QUIET_CORES = 0.2


def findings(summary: BenchmarkSummary) -> list[str]:
    """The load of the machine, then batches, decoders, pipelines, cores, precisions and what the processor reaches."""
    tellers = (_load, _batches, _decoders, _pipelines, _cores, _precisions, _work)
    return [sentence for teller in tellers for sentence in teller(summary)]


def _load(summary: BenchmarkSummary) -> Iterable[str]:
    busy = summary.background_cores()
    if busy > QUIET_CORES:
        yield (
            f"Other programs kept {busy:.1f} cores busy meanwhile: the speeds and gains below are not this machine's "
            "own, measure again when it is quiet."
        )


def _batches(summary: BenchmarkSummary) -> Iterable[str]:
    levels: dict[str, Any] = {"cores": summary.most_cores, "decoder": "numpy", "pipeline": "sync", "precision": "fp32"}
    for data in summary.study.data:
        gains = []
        for width in sorted({cell.condition.width for cell in summary.select(data=data.name)}):
            cells = summary.select(data=data.name, width=width, **levels)
            standard = summary.standard(data.name, width, summary.most_cores)
            if standard is not None and len(cells) > 1:
                best = max(cells, key=lambda cell: cell.fps)
                gains.append(f"{best.fps / standard.fps:.2f}x at {width} px (batch {best.condition.batch_size})")
        if gains:
            yield f"Batches, {data.name}: the best batch size against the standard method gives {', '.join(gains)}."


def _decoders(summary: BenchmarkSummary) -> Iterable[str]:
    loops = sorted(summary.select(decoder="double-loop", pipeline="sync"), key=lambda cell: cell.condition.batch_size)
    gains = [
        f"{fast.fps / slow.fps:.2f}x at batch {slow.condition.batch_size}"
        for slow in loops
        for fast in summary.like(slow, decoder="numpy")
    ]
    if gains:
        share = max(cell.median("decode_seconds") / cell.median("seconds") for cell in loops)
        yield (
            f"NumPy against double-loop: {', '.join(gains)}. Decoding by double loop takes at most "
            f"{100 * share:.1f} % of the time here, and no more than that can be gained."
        )
    if summary.decoder_differences:
        worst = max(difference for *_, difference in summary.decoder_differences)
        yield f"Poses of the NumPy and double-loop decoders differ by {worst:g} px at most."


def _pipelines(summary: BenchmarkSummary) -> Iterable[str]:
    for plain in summary.select(pipeline="sync", precision="fp32", decoder={"numpy", None}):
        for other in summary.like(plain, pipeline="async"):
            loading = f"loading alone would be {other.median('read_fps') / other.fps:.1f} times as fast as async"
            end = loading if plain.condition.has_chunks else "and no more than the rest can be gained"
            yield (
                f"Async against sync, {_where(plain.condition)}: {other.fps / plain.fps:.2f}x; in sync the network "
                f"takes {100 * plain.median('network_seconds') / plain.median('seconds'):.0f} % of the time, {end}."
            )


def _cores(summary: BenchmarkSummary) -> Iterable[str]:
    few, many = min(summary.study.design["factors"]["cores"]), summary.most_cores
    if few == many:
        return
    gains, method = [], ""
    for slow in summary.select(cores=few, precision="fp32", decoder={"standard", None}):
        item = slow.condition
        if item.has_chunks or item.pipeline == "sync":
            where = f"in {item.pipeline}" if item.has_chunks else f"at {item.width} px ({item.data})"
            gains += [f"{fast.fps / slow.fps:.2f}x {where}" for fast in summary.like(slow, cores=many)]
            method = "" if item.has_chunks else ", standard method"
    if gains:
        yield f"{counted(many, 'core')} against {few}{method}: {', '.join(gains)}."


def _precisions(summary: BenchmarkSummary) -> Iterable[str]:
    for cell in summary.select(precision=set(FIXED_PRECISIONS) - {"fp32"}):
        item = cell.condition
        for exact in summary.like(cell, precision="fp32"):
            yield (
                f"{item.precision} against fp32, {_where(item)}, {item.pipeline}: {cell.fps / exact.fps:.2f}x"
                f"{_change(summary, cell, exact)}."
            )


def _change(summary: BenchmarkSummary, cell: Cell, exact: Cell) -> str:
    """How results change, and of chunks how fast the network alone is."""
    if not cell.condition.has_chunks:
        return f"; 99th percentile of the shift {cell.change.p99_px:.2f} px" if cell.change else "; not judged"
    network = f", the network alone {cell.median('network_fps') / exact.median('network_fps'):.2f}x"
    if not summary.data_of(cell).trained:
        return f"{network}; the network is untrained, and its accuracy cannot be told"
    words = f"largest change {cell.change.largest_change:.2g}" if cell.change else "change not judged"
    if cell.accuracy is not None and exact.accuracy is not None:
        points = 100 * (cell.accuracy.balanced - exact.accuracy.balanced)
        words = f"{words}, balanced accuracy {points:+.1f} points"
    return f"{network}; {words}"


def _work(summary: BenchmarkSummary) -> Iterable[str]:
    best: dict[str, float] = {}
    for cell in summary.select(decoder=None, cores=summary.most_cores, pipeline={"async", "sync"}):
        rate = cell.median("gmac_per_item") * cell.median("network_fps") / cell.condition.stride
        best[cell.condition.precision] = max(rate, best.get(cell.condition.precision, 0.0))
    if best:
        rates = ", ".join(f"{rate:.0f} GMAC/s in {precision}" for precision, rate in best.items())
        yield f"The network alone reaches {rates} on {counted(summary.most_cores, 'core')}."


def _where(item: Condition) -> str:
    return f"{item.data}, {item.short_view}, {counted(item.cores, 'core')}"

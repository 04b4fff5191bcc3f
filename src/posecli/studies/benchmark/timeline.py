"""What happens during a run: which stage works when on which thread, and how the speed goes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from posecli.studies.benchmark.bench import Span
from posecli.studies.benchmark.options import engine_of_pipeline
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, alike, speed
from posecli.support.figures import COLORS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Stages in the order in which a frame meets them, with their colours.
STAGE_COLORS = {"read": COLORS[0], "prepare": COLORS[5], "network": COLORS[1], "decode": COLORS[2], "write": COLORS[3]}
THREAD_NAMES = {"MainThread": "main", "posecli-read": "reader", "posecli-finish": "finisher"}
#: From the plainest to the one that overlaps most.
PIPELINE_ORDER = ("sync", "parallel", "async", "tf-sync", "tf-parallel", "tf-prefetch")
#: Batches of a run that its timeline shows.
BATCHES_SHOWN = 5


def timelines(summary: BenchmarkSummary) -> Figure | None:
    """Which stage ran when, on which thread: 2022, figure 1a to c."""
    from matplotlib.patches import Patch

    cells = timeline_cells(summary)
    if not cells:
        return None
    shown = [_shown_spans(cell) for cell in cells]
    lanes = [threads_of(spans) for spans in shown]
    figure = new_figure(9.4, 1.4 + sum(0.42 + 0.3 * len(names) for names in lanes))
    heights = [len(names) + 1.2 for names in lanes]
    grid: Any = figure.subplots(len(cells), 1, squeeze=False, sharex=True, height_ratios=heights)
    for axes, cell, spans, names in zip(grid[:, 0], cells, shown, lanes, strict=True):
        _timeline(axes, cell, spans, names)
    grid[-1, 0].set_xlabel("ms since the first frame was asked for")
    seen = {stage for spans in shown for stage, *_ in spans}
    handles = [Patch(color=color, label=stage) for stage, color in STAGE_COLORS.items() if stage in seen]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def timeline_cells(summary: BenchmarkSummary) -> list[Cell]:
    """One condition per pipeline, alike in all else."""
    groups = _by_pipeline(summary)
    return max(([cell for cell in group if cell.rows[0].get("spans")] for group in groups), key=len, default=[])


def _by_pipeline(summary: BenchmarkSummary) -> list[list[Cell]]:
    """Conditions of the first engine, on all cores, that differ in nothing but their pipeline, together.

    A pipeline that needs another engine stands beside them with that.
    """
    engine = summary.study.design["factors"]["engines"][0]
    cells = [
        cell
        for cell in summary.select(cores=summary.most_cores)
        if engine_of_pipeline(cell.condition.pipeline) or cell.condition.engine == engine
    ]
    cells.sort(key=lambda cell: PIPELINE_ORDER.index(cell.condition.pipeline))
    return alike(cells, "view", "precision", "batch_size", "decoder")


def _shown_spans(cell: Cell) -> list[Span]:
    spans = spans_of(cell)
    calls = sorted(end for stage, _, _, end in spans if stage == "network")
    end = calls[min(BATCHES_SHOWN, len(calls)) - 1] if calls else float("inf")
    return [span for span in spans if span[2] <= end]


def _timeline(axes: Axes, cell: Cell, spans: Sequence[Span], names: list[str]) -> None:
    longest = max(end for *_, end in spans)
    for stage, thread, start, end in spans:
        color = STAGE_COLORS[stage]
        # A white edge separates neighbours; spans too narrow for it are drawn as a line.
        edge = "white" if end - start > 0.02 * longest else color
        place = (names.index(thread) - 0.38, 0.76)
        axes.broken_barh([(1e3 * start, 1e3 * (end - start))], place, facecolor=color, edgecolor=edge, linewidth=0.8)
    axes.set_yticks(range(len(names)), [_thread_label(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    item = cell.condition
    axes.set_title(
        f"{item.pipeline}: {item.data}, {item.short_view}, batch {item.batch_size}, {item.engine} {item.precision}, "
        f"{speed(cell.fps)} frames/s"
    )


def _thread_label(name: str) -> str:
    if name.startswith("posecli-prepare"):
        return f"worker {int(name.rpartition('_')[2]) + 1}"
    return THREAD_NAMES.get(name, name if len(name) < 16 else f"{name[:14]}…")


def ramp_up(summary: BenchmarkSummary) -> Figure | None:
    """Speed from moment to moment: what the 2018 paper saw and did not show."""
    # The runs with most batches: three points make no curve.
    cells = max(_by_pipeline(summary), key=lambda group: len(group[0].rows[0]["curve"]), default=[])
    if not cells or len(cells[0].rows[0]["curve"]) <= 2:
        return None
    figure = new_figure(6.4, 3.9)
    axes: Any = figure.subplots()
    for number, cell in enumerate(cells):
        for repeat, row in enumerate(cell.rows):
            steps = list(pairwise([(0, 0.0), *row["curve"]]))
            seconds = [after[1] for _, after in steps]
            rates = [(after[0] - before[0]) / max(after[1] - before[1], 1e-9) for before, after in steps]
            label = cell.condition.pipeline if repeat == 0 else None
            axes.plot(seconds, rates, color=COLORS[number], alpha=0.9 if repeat == 0 else 0.45, label=label)
    item = cells[0].condition
    axes.set_title(f"{item.data}, {item.short_view}, batch {item.batch_size}: every repeat, batch by batch")
    axes.set_xlabel("seconds since the first frame was asked for")
    axes.set_ylabel("frames per second")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.legend(title="after compilation and one batch of warm-up")
    return figure


def spans_of(cell: Cell) -> list[Span]:
    """Of a condition's first repeat."""
    return [(stage, thread, start, end) for stage, thread, start, end in cell.rows[0].get("spans", [])]


def threads_of(spans: Sequence[Span]) -> list[str]:
    """Names of threads, in the order in which a frame meets them: readers, preparers, the network's, finishers."""
    order = list(STAGE_COLORS)
    first: dict[str, int] = {}
    for stage, thread, *_ in spans:
        # The main thread runs the network in every pipeline, whatever else it does.
        rank = order.index("network" if thread == "MainThread" else stage)
        first[thread] = min(first.get(thread, rank), rank)
    return sorted(first, key=lambda name: (first[name], name))


def trace_events(cells: Sequence[Cell]) -> dict[str, Any]:
    """The first repeat of some conditions, as a trace file for JSON that a browser's trace viewer opens.

    The format is the Trace Event Format that Chrome's ``about:tracing`` and https://ui.perfetto.dev read: one process
    per condition, one row per thread, microseconds.
    """
    events: list[dict[str, Any]] = []
    for process, cell in enumerate(cells, start=1):
        spans = spans_of(cell)
        threads = {name: number for number, name in enumerate(threads_of(spans), start=1)}
        named = [("process_name", 0, cell.condition.key), *(("thread_name", threads[name], name) for name in threads)]
        events += [
            {"name": kind, "ph": "M", "pid": process, "tid": number, "args": {"name": name}}
            for kind, number, name in named
        ]
        events += [
            {"name": stage, "cat": "stage", "ph": "X", "pid": process, "tid": threads[thread]}
            | {"ts": round(1e6 * start, 1), "dur": round(1e6 * (end - start), 1)}
            for stage, thread, start, end in spans
        ]
    return {"traceEvents": events, "displayTimeUnit": "ms"}

"""Which stage ran when on which thread, as a trace file that a browser's trace viewer opens.

The format is the Trace Event Format that Chrome's ``about:tracing`` and https://ui.perfetto.dev read: one process per
condition, one row per thread, microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from posecli.studies.benchmark.summary import Cell


def trace_events(cells: Sequence[Cell]) -> dict[str, Any]:
    """The first repeat of some conditions as a trace.

    Parameters
    ----------
    cells
        Measured conditions.

    Returns
    -------
    dict
        For JSON.
    """
    events: list[dict[str, Any]] = []
    for process, cell in enumerate(cells, start=1):
        events.append(_named("process_name", process, 0, cell.condition.key))
        spans = spans_of(cell)
        threads = {name: number for number, name in enumerate(threads_of(spans), start=1)}
        events += [_named("thread_name", process, number, name) for name, number in threads.items()]
        events += [
            {
                "name": stage,
                "cat": "stage",
                "ph": "X",
                "pid": process,
                "tid": threads[thread],
                "ts": round(1e6 * start, 1),
                "dur": round(1e6 * (end - start), 1),
            }
            for stage, thread, start, end in spans
        ]
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def spans_of(cell: Cell) -> list[tuple[str, str, float, float]]:
    """Stage, thread, start and end in seconds, of a condition's first repeat."""
    return [(stage, thread, start, end) for stage, thread, start, end in cell.rows[0].get("spans", [])]


def threads_of(spans: Sequence[tuple[str, str, float, float]]) -> list[str]:
    """Names of threads, in the order in which a frame meets them: readers, preparers, the network's, finishers."""
    first: dict[str, int] = {}
    order = ("read", "prepare", "network", "decode", "write")
    for stage, thread, *_ in spans:
        first[thread] = min(first.get(thread, len(order)), _rank(stage, thread, order))
    return sorted(first, key=lambda name: (first[name], name))


def _rank(stage: str, thread: str, order: Sequence[str]) -> int:
    # The main thread runs the network in every pipeline, whatever else it does.
    return order.index("network") if thread == "MainThread" else order.index(stage)


def _named(kind: str, process: int, thread: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": process, "tid": thread, "args": {"name": name}}

"""What a benchmark of networks for behaviours found, in sentences."""

from __future__ import annotations

from collections.abc import Iterable

from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, cores_words, levels_of


def clip_findings(summary: BenchmarkSummary) -> Iterable[str]:
    """Pipelines, cores, precisions, and what the processor reaches."""
    yield from _pipeline_findings(summary)
    yield from _core_findings(summary)
    yield from _precision_findings(summary)
    yield from _work_findings(summary)


def _pipeline_findings(summary: BenchmarkSummary) -> Iterable[str]:
    for plain in summary.select(pipeline="sync", precision="fp32"):
        for other in summary.select(**(levels_of(plain.condition) | {"pipeline": "async"})):
            busy = 100 * plain.median("network_seconds") / plain.median("seconds")
            yield (
                f"Async against sync, {_where(plain)}, {cores_words(plain.condition.cores)}: "
                f"{other.fps / plain.fps:.2f}x; in sync the network takes {busy:.0f} % of the time, loading alone "
                f"would be {other.median('read_fps') / other.fps:.1f} times as fast as async."
            )


def _core_findings(summary: BenchmarkSummary) -> Iterable[str]:
    few, many = min(summary.study.design["factors"]["cores"]), summary.most_cores
    if few == many:
        return
    gains = [
        f"{fast.fps / slow.fps:.2f}x in {slow.condition.pipeline}"
        for slow in summary.select(cores=few, precision="fp32")
        for fast in summary.select(**(levels_of(slow.condition) | {"cores": many}))
    ]
    if gains:
        yield f"{cores_words(many)} against {few}: {', '.join(gains)}."


def _precision_findings(summary: BenchmarkSummary) -> Iterable[str]:
    for cell in summary.done:
        condition = cell.condition
        if condition.precision == "fp32":
            continue
        for exact in summary.select(**(levels_of(condition) | {"precision": "fp32"})):
            yield (
                f"{condition.precision} against fp32, {_where(cell)}, {cores_words(condition.cores)}, "
                f"{condition.pipeline}: {cell.fps / exact.fps:.2f}x, the network alone "
                f"{cell.median('network_fps') / exact.median('network_fps'):.2f}x; {_change(summary, cell, exact)}."
            )


def _change(summary: BenchmarkSummary, cell: Cell, exact: Cell) -> str:
    if not summary.data_of(cell).trained:
        return "the network is untrained, and its accuracy cannot be told"
    words = "change not judged" if cell.change is None else f"largest change {cell.change.largest_change:.2g}"
    if cell.accuracy is None or exact.accuracy is None:
        return words
    points = 100 * (cell.accuracy.balanced - exact.accuracy.balanced)
    return f"{words}, balanced accuracy {points:+.1f} points"


def _work_findings(summary: BenchmarkSummary) -> Iterable[str]:
    told = []
    for cell in summary.select(cores=summary.most_cores, pipeline={"async", "sync"}):
        rate = cell.median("gmac_per_item") * cell.median("network_fps") / cell.condition.stride
        told.append((cell.condition.precision, rate))
    best = {precision: max(rate for name, rate in told if name == precision) for precision, _ in told}
    if best:
        rates = ", ".join(f"{rate:.0f} GMAC/s in {precision}" for precision, rate in best.items())
        yield f"The network alone reaches {rates} on {cores_words(summary.most_cores)}."


def _where(cell: Cell) -> str:
    return f"{cell.condition.data}, {cell.condition.view_words}"

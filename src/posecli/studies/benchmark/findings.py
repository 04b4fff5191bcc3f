"""What a benchmark found, in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from posecli.studies.benchmark.study import Condition, cores_words
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, levels_of

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
    for data in summary.data:
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
        for fast in _like(summary, slow, decoder="numpy")
    ]
    if gains:
        share = max(cell.median("decode_seconds") / cell.median("seconds") for cell in loops)
        yield (
            f"NumPy against double-loop: {', '.join(gains)}. Decoding by double loop takes at most "
            f"{100 * share:.1f} % of the time here, and no more than that can be gained."
        )
    pairs = summary.decoder_differences
    if pairs:
        worst = max(difference for *_, difference in pairs)
        yield f"Poses of the NumPy and double-loop decoders differ by {worst:g} px at most."


def _pipelines(summary: BenchmarkSummary) -> Iterable[str]:
    for plain in summary.select(pipeline="sync", precision="fp32", decoder={"numpy", None}):
        for other in _like(summary, plain, pipeline="async"):
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
            gains += [f"{fast.fps / slow.fps:.2f}x {where}" for fast in _like(summary, slow, cores=many)]
            method = "" if item.has_chunks else ", standard method"
    if gains:
        yield f"{cores_words(many)} against {few}{method}: {', '.join(gains)}."


def _precisions(summary: BenchmarkSummary) -> Iterable[str]:
    for cell in summary.done:
        item = cell.condition
        if item.precision == "fp32":
            continue
        for exact in _like(summary, cell, precision="fp32"):
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
        yield f"The network alone reaches {rates} on {cores_words(summary.most_cores)}."


def _like(summary: BenchmarkSummary, cell: Cell, **changes: object) -> list[Cell]:
    """Cells that differ from one in nothing but some factors."""
    return summary.select(**(levels_of(cell.condition) | changes))


def _where(item: Condition) -> str:
    return f"{item.data}, {item.short_view}, {cores_words(item.cores)}"

"""What a benchmark of pose networks found, in sentences."""

from __future__ import annotations

from collections.abc import Iterable

from posecli.studies.benchmark.summary import BenchmarkSummary, cores_words, levels_of


def pose_findings(summary: BenchmarkSummary) -> Iterable[str]:
    """Batches, decoders, pipelines, cores and precisions."""
    yield from _batch_findings(summary)
    yield from _decoder_findings(summary)
    yield from _pipeline_findings(summary)
    yield from _core_findings(summary)
    yield from _precision_findings(summary)


def _batch_findings(summary: BenchmarkSummary) -> Iterable[str]:
    for data in summary.data:
        gains = []
        for width in sorted({cell.condition.width for cell in summary.select(data=data.name)}):
            cells = summary.select(
                data=data.name,
                width=width,
                cores=summary.most_cores,
                decoder="numpy",
                pipeline="sync",
                precision="fp32",
            )
            standard = summary.standard(data.name, width, summary.most_cores)
            if standard is not None and len(cells) > 1:
                best = max(cells, key=lambda cell: cell.fps)
                gains.append(f"{best.fps / standard.fps:.2f}x at {width} px (batch {best.condition.batch_size})")
        if gains:
            yield f"Batches, {data.name}: the best batch size against the standard method gives {', '.join(gains)}."


def _decoder_findings(summary: BenchmarkSummary) -> Iterable[str]:
    loops = sorted(summary.select(decoder="double-loop", pipeline="sync"), key=lambda cell: cell.condition.batch_size)
    gains = [
        f"{fast.fps / slow.fps:.2f}x at batch {slow.condition.batch_size}"
        for slow in loops
        for fast in summary.select(**(levels_of(slow.condition) | {"decoder": "numpy"}))
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


def _pipeline_findings(summary: BenchmarkSummary) -> Iterable[str]:
    for plain in summary.select(pipeline="sync", precision="fp32", decoder="numpy"):
        for other in summary.select(**(levels_of(plain.condition) | {"pipeline": "async"})):
            busy = plain.median("network_seconds") / plain.median("seconds")
            condition = plain.condition
            yield (
                f"Async against sync, {condition.data}, {condition.width} px, {cores_words(condition.cores)}: "
                f"{other.fps / plain.fps:.2f}x; in sync the network takes {busy:.0%} of the time".replace("%", " %")
                + ", and no more than the rest can be gained."
            )


def _core_findings(summary: BenchmarkSummary) -> Iterable[str]:
    few, many = min(summary.study.design["factors"]["cores"]), summary.most_cores
    if few == many:
        return
    gains = []
    for data in summary.data:
        for cell in summary.select(data=data.name, cores=few, decoder="standard", pipeline="sync", precision="fp32"):
            fast = summary.select(**(levels_of(cell.condition) | {"cores": many}))
            gains += [f"{fast[0].fps / cell.fps:.2f}x at {cell.condition.width} px ({data.name})"] if fast else []
    if gains:
        yield f"{cores_words(many)} against {few}, standard method: {', '.join(gains)}."


def _precision_findings(summary: BenchmarkSummary) -> Iterable[str]:
    for cell in summary.done:
        condition = cell.condition
        if condition.precision == "fp32":
            continue
        for exact in summary.select(**(levels_of(condition) | {"precision": "fp32"})):
            moved = "not judged" if cell.shift is None else f"99th percentile of the shift {cell.shift.p99_px:.2f} px"
            yield (
                f"{condition.precision} against fp32, {condition.data}, {condition.width} px, "
                f"{cores_words(condition.cores)}, {condition.pipeline}: "
                f"{cell.fps / exact.fps:.2f}x; {moved}."
            )

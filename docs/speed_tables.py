"""The generated parts of ``speed.md``: what lies in ``benchmarks/results``, nothing typed by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results"
#: Engine and precision of the columns, in this order; others that were measured follow.
COLUMNS = ("tensorflow fp32", "openvino fp32", "openvino bf16", "openvino int8")


def read_result(name: str) -> dict[str, Any] | None:
    """A result by its name without ending; ``None`` where it was not measured yet."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def speed_blocks() -> dict[str, str]:
    """Blocks of the page, by name."""
    return {"ratios": ratio_table(), "overhead": overhead_table(), "results": every_result()}


def versus_rows() -> list[dict[str, Any]]:
    """Rows of all comparisons with DeepLabCut's loop, each with its engine and precision as ``setting``."""
    found = []
    for path in sorted(RESULTS.glob("versus-deeplabcut*.json")):
        for row in (read_result(path.stem) or {})["rows"]:
            setting = row["posecli"] if "posecli" in row else f"{row['engine']} {row['precision']}"
            found.append({**row, "setting": setting})
    return found


def ratio_table() -> str:
    """Speed relative to DeepLabCut's loop: a row per frame width and batch, a column per engine and precision."""
    rows = versus_rows()
    settings = [*COLUMNS, *sorted({row["setting"] for row in rows} - set(COLUMNS))]
    ratios = {(row["width"], row["batch"], row["setting"]): row["ratio median"] for row in rows}
    table = [["width px", "batch", *settings]]
    for width, batch in sorted({(row["width"], row["batch"]) for row in rows}):
        cells = (ratios.get((width, batch, setting)) for setting in settings)
        table.append([f"{width}", f"{batch}", *("" if ratio is None else f"{ratio:.2f}" for ratio in cells)])
    return markdown(table)


def overhead_table() -> str:
    """The whole loop (reading, network, decoding, writing) against the network alone, in one process each."""
    result = read_result("mathis-warren-2018/results")
    cells = [] if result is None else [cell for cell in result["conditions"] if cell["state"] == "done"]
    table = [["width px", "cores", "precision", "batch", "network only, frames/s", "whole loop, async", "share"]]
    for cell in cells:
        if cell["pipeline"] == "async":
            speeds = [rate_words(cell[name]) for name in ("network_fps", "fps")]
            share = f"{100 * cell['fps'] / cell['network_fps']:.0f} %"
            setting = [str(cell[name]) for name in ("width", "cores", "precision", "batch_size")]
            table.append([*setting, *speeds, share])
    return markdown(table)


def rate_words(rate: float) -> str:
    """Three figures, or whole numbers.

    >>> rate_words(3.212), rate_words(1471.2)
    ('3.21', '1,471')
    """
    return f"{rate:.3g}" if rate < 1000 else f"{rate:,.0f}"


def every_result() -> str:
    """Each result's own table, with the machine and the date that stand above it."""
    return "\n\n".join(
        f"##{path.read_text(encoding='utf-8').strip()}\n\n`benchmarks/results/{path.name}`"
        for path in sorted(RESULTS.glob("*.md"))
    )


def markdown(table: Sequence[Sequence[str]]) -> str:
    r"""Rows of cells, the first the head, as a table.

    >>> markdown([["a", "b"], ["1", "2"]])
    '| a | b |\n|---|---|\n| 1 | 2 |'
    """
    lines = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([lines[0], "|" + "---|" * len(table[0]), *lines[1:]])

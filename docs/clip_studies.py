"""What the benchmark of an I3D says of the 2022 paper's experiments, as `paper_studies` does of the pose network's."""

from __future__ import annotations

from collections.abc import Callable

from paper_studies import Cell, cells_of, on_all_cores
from speed_tables import markdown, read_result

from posecli.studies.benchmark.behaviours import PAPER_COSTS
from posecli.studies.benchmark.study import counted

STUDY = "govindarajan-2022-i3d/results"
#: The paper's way from its slowest to its fastest; speed relative to the first follows from the costs of its Table I.
STEPS = ("sync fp32", "async fp32", "async bf16", "async int8")
#: What the paper ran in the place of a precision that its machine did not have.
PAPER_WORDS = {"async bf16": " (fp16)"}


def steps_table() -> str | None:
    """Speed of each step from the synchronous pipeline on, relative to it, the paper's above ours."""
    cells = on_all_cores(cells_of(STUDY))
    if not cells:
        return None
    sync = PAPER_COSTS["sync fp32"]
    paper = [f"{sync / PAPER_COSTS[step]:.2f}{PAPER_WORDS.get(step, '')}" for step in STEPS]
    rows = [["", *STEPS], ["paper: V100, 640x480 px, batch 4", *paper]]
    for width, height in sorted({(cell["width"], cell["height"]) for cell in cells}):
        own = [cell for cell in cells if (cell["width"], cell["height"]) == (width, height)]
        rows.append([f"here: {own[0]['cores']} cores, {width}x{height} px, batch 1", *_steps(own)])
    return f"{markdown(rows)}\n\n{_where()}"


def _steps(cells: list[Cell]) -> list[str]:
    fps = {f"{cell['pipeline']} {cell['precision']}": cell["fps"] for cell in cells}
    return [f"{fps[step] / fps['sync fp32']:.2f}" if step in fps else "not on this processor" for step in STEPS]


def _where() -> str:
    result = read_result(STUDY)
    assert result is not None
    facts = result["machine"]
    repeats = max(cell["repeats"] for cell in result["conditions"])
    return (
        f"Frames per second of video relative to sync fp32, one run on {facts['processor']}, {facts['cores']} cores, "
        f"medians of {repeats} repeats; chunks of 64 frames that do not overlap, an untrained network of full size."
    )


def who_waits() -> str | None:
    """Share of the time in which the network works, per pipeline: figure 1."""
    cells = on_all_cores(cells_of(STUDY, precision="fp32"))
    told = _by_size(cells, lambda cell: f"{cell['pipeline']} {100 * cell['network_busy']:.0f} %")
    return f"share of the time in which the network works, {told}" if told else None


def time_against_cores() -> str | None:
    """Hours per hour of video: figure 2."""
    cells = [cell for cell in cells_of(STUDY, precision="fp32") if cell["pipeline"] != "parallel"]
    told = _by_size(
        cells, lambda cell: f"{cell['pipeline']} {cell['hours_per_video_hour']:.3g} on {counted(cell['cores'], 'core')}"
    )
    return f"hours per hour of video, {told}" if told else None


def cost_per_hour() -> str | None:
    """Cost of an hour of video: table I."""
    cells = [cell for cell in on_all_cores(cells_of(STUDY)) if cell["pipeline"] != "parallel"]
    told = _by_size(cells, lambda cell: f"{cell['pipeline']} {cell['precision']} {cell['cost_per_video_hour']:.2f}")
    return f"USD at the same price, {told}" if told else None


def _by_size(cells: list[Cell], words: Callable[[Cell], str]) -> str:
    sizes = sorted({(cell["width"], cell["height"]) for cell in cells})
    return "; ".join(
        f"{width}x{height} px: "
        + ", ".join(words(cell) for cell in cells if (cell["width"], cell["height"]) == (width, height))
        for width, height in sizes
    )

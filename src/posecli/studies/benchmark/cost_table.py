"""What an hour of video costs in each configuration, after table I of Govindarajan et al. (2022)."""

from __future__ import annotations

from typing import Any

from posecli.studies.benchmark.behaviours import CHANGES
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, speed
from posecli.studies.cost import Estimate, Experiment

#: The paper's mice and days: 2,880 hours of video.
MICE, DAYS = 24, 5
#: The paper's cost of an hour of video, USD on a V100; its 16 bits are floats of another kind than bf16.
PAPER_COSTS = {"sync fp32": 0.93, "async fp32": 0.60, "async fp16": 0.57, "async bf16": 0.57, "async int8": 0.46}
#: Precisions in the order of that table.
ORDER = ("fp32", "bf16", "fp16", "int8")


def cost_cells(summary: BenchmarkSummary) -> list[Cell]:
    """Sync in fp32, then async in each precision, for each video and what the network sees of it; on all cores.

    What failed or could not run is among them.
    """
    cells = [cell for cell in summary.cells if cell.condition.cores == summary.most_cores]
    fewest = min((cell.condition.batch_size for cell in cells), default=1)
    shown = [cell for cell in cells if cell.condition.batch_size == fewest and _configuration(cell) in PAPER_COSTS]
    views = list(dict.fromkeys(cell.condition.view for cell in shown))

    def place(cell: Cell) -> tuple[int, bool, str, int]:
        item = cell.condition
        return views.index(item.view), item.pipeline != "sync", item.engine, ORDER.index(item.precision)

    return sorted(shown, key=place)


def _configuration(cell: Cell) -> str:
    return f"{cell.condition.pipeline} {cell.condition.precision}"


def plain_costs(summary: BenchmarkSummary) -> list[dict[str, Any]]:
    """The table as plain values, a dict per row."""
    return [_plain(summary, cell) for cell in cost_cells(summary)]


def _plain(summary: BenchmarkSummary, cell: Cell) -> dict[str, Any]:
    item = cell.condition
    names = ("data", "width", "height", "length", "stride", "engine", "pipeline", "precision")
    row: dict[str, Any] = {name: getattr(item, name) for name in names} | {
        "state": cell.state,
        "reason": cell.reason,
        "paper_gain_over_sync": PAPER_COSTS["sync fp32"] / PAPER_COSTS[_configuration(cell)],
    }
    if cell.state != "done":
        return row
    hour = summary.estimate(cell)
    whole = Estimate(Experiment(MICE, DAYS, video_fps=summary.video_fps), hour.fps, hour.per_hour)
    same: dict[str, Any] = {
        "view": item.view,
        "engine": item.engine,
        "cores": item.cores,
        "batch_size": item.batch_size,
    }
    sync = summary.select(pipeline="sync", precision="fp32", **same)
    return row | {
        "minutes_per_video_hour": 60 * hour.hours_per_video_hour,
        "cost_per_video_hour": hour.cost_per_video_hour,
        "video_hours": whole.experiment.video_hours,
        "cost": whole.cost,
        "gain_over_sync": cell.fps / sync[0].fps if sync else None,
        **{name: value for name, of in CHANGES.items() if (value := of(cell)) is not None},
    }


def cost_table(summary: BenchmarkSummary) -> tuple[list[list[str]], list[str]]:
    """The table for people, its head first, and what is to be said below it."""
    currency = summary.price.currency
    head = ["video", "network sees", "chunk", "stride", "configuration", "min per hour of video"]
    head += [f"{currency} per hour", f"{currency} for {24 * MICE * DAYS:,} h", "against sync", "in the paper"]
    head += ["median change", "largest change", "changed labels", "balanced accuracy"]
    rows = [head, *(_words(cell, row) for cell, row in zip(cost_cells(summary), plain_costs(summary), strict=True))]
    return rows, _sentences(summary)


def _words(cell: Cell, row: dict[str, Any]) -> list[str]:
    words = [row["data"], f"{row['width']}x{row['height']} px", str(row["length"]), str(row["stride"])]
    words.append(f"{row['pipeline']}, {row['engine']} {row['precision']}")
    if cell.state != "done":
        return [*words, f"{cell.state}: {cell.reason.partition(': ')[0]}", *[""] * 8]
    gain = row["gain_over_sync"]
    words += [
        speed(row["minutes_per_video_hour"]),
        f"{row['cost_per_video_hour']:.2g}",
        f"{row['cost']:,.0f}",
        "-" if gain is None else f"{gain:.2f}x",
        f"{row['paper_gain_over_sync']:.2f}x",
    ]
    right = "-" if cell.accuracy is None else f"{100 * cell.accuracy.balanced:.1f} %"
    if cell.change is None:
        return [*words, cell.unchanged_words, "", "", right]
    labels = f"{cell.change.changed_labels} of {cell.change.chunks}"
    return [*words, f"{cell.change.median_change:.2g}", f"{cell.change.largest_change:.2g}", labels, right]


def _sentences(summary: BenchmarkSummary) -> list[str]:
    sentences = [
        f"Price: {summary.price}; video of {summary.video_fps:g} frames/s, start-up left out; {MICE} mice for {DAYS} "
        "days as in the paper. The paper's gains are those of its costs on a V100, whose 16 bits are fp16."
    ]
    if not all(data.trained for data in summary.data):
        sentences.append(
            "The network is untrained: speed and cost are those of a trained one, the changes of its probabilities "
            "and labels say nothing of a trained one's."
        )
    known = [cell.accuracy for cell in cost_cells(summary) if cell.accuracy is not None]
    if known:
        fewest = min(known, key=lambda accuracy: accuracy.frames)
        sentences.append(
            f"Balanced accuracy: over the frames of the runs themselves, {fewest.frames} of {fewest.classes} classes "
            "at least; classes that they do not show are left out."
        )
    return sentences

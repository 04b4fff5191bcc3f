"""Run time, cost and precisions: the figures of Govindarajan et al. (2022)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from posecli.studies.benchmark.charts.axes import dots, factor_axis, legend, look, panels_of, plain_y
from posecli.studies.benchmark.charts.timeline import PIPELINE_ORDER, alike
from posecli.studies.benchmark.conditions import cores_words
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, speed
from posecli.support.figures import COLORS, GREY, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T = TypeVar("T")

#: Decoders of whole batches; chunks have none.
BATCH_DECODERS = frozenset({"numpy", "double-loop", None})
#: Settings that the bars of run time show, and those of precisions side by side.
MOST_ROWS, MOST_PANELS = 4, 3
#: Width of a bar, in places on the axis.
BAR = 0.38


def run_time_against_cores(summary: BenchmarkSummary) -> Figure | None:
    """Run time of an hour of video against cores, and of loading alone: 2022, figure 2."""
    views = {c.condition.view for c in summary.select(pipeline="async") if c.condition.cores < summary.most_cores}
    groups = alike(
        [cell for cell in summary.select(decoder=BATCH_DECODERS) if cell.condition.view in views],
        ("view", "engine", "precision", "batch_size", "decoder"),
    )
    cells = max(groups, key=lambda group: (len({c.condition.cores for c in group}), len(group)), default=[])
    cells = sorted(cells, key=lambda cell: cell.condition.cores)
    if len({cell.condition.cores for cell in cells}) < 2:
        return None
    figure = new_figure(6.4, 4.2)
    axes: Any = figure.subplots()
    item = cells[0].condition
    lines = [line for name in PIPELINE_ORDER if (line := summary.select(cells, pipeline=name))]
    for number, line in enumerate(lines):
        pipeline = line[0].condition.pipeline
        minutes = [[60 * summary.video_fps / fps for fps in cell.values("fps")] for cell in line]
        dots(axes, [cell.condition.cores for cell in line], minutes, number, pipeline)
        # Each pipeline loads chunks in its own way; for frames, the fastest is enough.
        if item.has_chunks:
            _loading(axes, summary, line, look(number)[0], f"{pipeline}, loading only")
    if not item.has_chunks:
        _loading(axes, summary, lines[-1], GREY, "loading only")
    axes.set_title(f"{item.data}, {item.view_words}, batch {item.batch_size}, {item.engine} {item.precision}")
    factor_axis(axes, cells, "cores")
    axes.set_yscale("log")
    plain_y(axes)
    axes.set_ylabel(f"minutes per hour of video ({summary.video_fps:g} frames/s)")
    legend(axes)
    return figure


def _loading(axes: Axes, summary: BenchmarkSummary, line: list[Cell], color: str, label: str) -> None:
    minutes = [60 * summary.video_fps / cell.median("read_fps") for cell in line]
    axes.plot([c.condition.cores for c in line], minutes, "--", color=color, marker="_", label=label)


def run_time_and_cost(change_words: Callable[[Cell], str], summary: BenchmarkSummary) -> Figure | None:
    """Run time and cost of an hour of video, sync, async and each reduced precision: 2022, figure 3 and table I."""
    panels = _spread([cells for cells in _settings(summary) if len(cells) > 1], MOST_ROWS)
    if not panels:
        return None
    figure = new_figure(9.4, 0.9 + sum(0.75 + 0.34 * len(cells) for cells in panels))
    grid: Any = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[len(cells) + 0.9 for cells in panels])
    for axes, cells in zip(grid[:, 0], panels, strict=True):
        _cost_bars(axes, summary, cells, change_words)
    grid[-1, 0].set_xlabel(f"minutes per hour of video ({summary.video_fps:g} frames/s); price: {summary.price}")
    return figure


def _spread(items: Sequence[T], count: int) -> list[T]:
    """Up to so many of them, from first to last."""
    if len(items) <= count:
        return list(items)
    return [items[round(place * (len(items) - 1) / (count - 1))] for place in range(count)]


def _settings(summary: BenchmarkSummary) -> list[list[Cell]]:
    """For each view of the first video: sync in fp32, then async in every precision, at one batch size, all cores."""
    views = dict.fromkeys(cell.condition.view for cell in summary.select(data=summary.data[0].name))
    settings = []
    for view in views:
        found = summary.select(view=view, cores=summary.most_cores, decoder={"numpy", None})
        sizes = [cell.condition.batch_size for cell in summary.select(found, pipeline="async")]
        if sizes:
            common = max(sizes, key=lambda size: (sizes.count(size), size))  # of two as common, the larger
            same = summary.select(found, batch_size=common)
            exact = summary.select(same, pipeline="sync", precision="fp32")
            settings.append([*exact, *summary.select(same, pipeline="async")])
    return settings


def _cost_bars(axes: Axes, summary: BenchmarkSummary, cells: list[Cell], change_words: Callable[[Cell], str]) -> None:
    minutes = [60 * summary.estimate(cell).hours_per_video_hour for cell in cells]
    for place, (cell, length) in enumerate(zip(cells, minutes, strict=True)):
        item = cell.condition
        color = COLORS[0] if item.pipeline == "sync" else COLORS[1] if item.precision == "fp32" else COLORS[2]
        axes.barh(place, length, height=0.66, color=color)
        spread = [60 * summary.estimate(cell, fps).hours_per_video_hour for fps in cell.values("fps")]
        axes.plot(spread, [place] * len(spread), "|", color="black", markersize=9, markeredgewidth=1)
        cost = f"{summary.estimate(cell).cost_per_video_hour:.2g} {summary.price.currency}"
        changed = "" if item.precision == "fp32" else f"; {change_words(cell)}"
        label = f"  {speed(length)} min, {cost}{changed}"
        axes.text(max(*spread, length), place, label, va="center", fontsize=8.5)
    item = cells[0].condition
    axes.set_title(f"{item.data}, {item.view_words}, batch {item.batch_size}, {cores_words(item.cores)}")
    labels = [f"{c.condition.pipeline}, {c.condition.engine} {c.condition.precision}" for c in cells]
    axes.set_yticks(range(len(cells)), labels)
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.set_xlim(0, 1.75 * max(minutes))
    axes.grid(visible=False, axis="y")


def speed_against_precision(summary: BenchmarkSummary) -> Figure | None:
    """Speed in each precision against fp32's, of the whole loop and of the network alone: 2022, figure 3."""
    panels = []
    for cells in _settings(summary):
        exact = summary.select(cells, pipeline="async", precision="fp32")[:1]
        others = [cell for cell in summary.select(cells, pipeline="async") if cell.condition.precision != "fp32"]
        if exact and others:
            panels.append([*exact, *others])
    if not panels:
        return None
    figure, axes_of = panels_of(len(panels[:MOST_PANELS]), width=4.6, height=3.9)
    for axes, cells in zip(axes_of, panels[:MOST_PANELS], strict=True):
        _precision_bars(axes, cells)
    axes_of[0].set_ylabel("speed / fp32's")
    axes_of[-1].legend(loc="upper left")
    return figure


def _precision_bars(axes: Axes, cells: list[Cell]) -> None:
    """The first cell is the one in fp32."""
    exact = cells[0]
    for side, (column, label) in enumerate((("fps", "async"), ("network_fps", "network alone"))):
        heights = [cell.median(column) / exact.median(column) for cell in cells]
        places = [place + (side - 0.5) * BAR for place in range(len(cells))]
        axes.bar(places, heights, width=BAR, color=COLORS[side], label=label)
        for place, cell in zip(places, cells, strict=True):
            repeats = [value / exact.median(column) for value in cell.values(column)]
            axes.plot([place] * len(repeats), repeats, "_", color="black", markersize=7)
    item = exact.condition
    names: list[Any] = [f"{cell.condition.engine}\n{cell.condition.precision}" for cell in cells]
    axes.set_xticks(range(len(cells)), names)
    axes.axhline(1, color=GREY, linewidth=1, linestyle="--")
    axes.set_title(f"{item.data}, {item.view_words}")
    axes.set_ylim(bottom=0)
    axes.grid(visible=False, axis="x")

"""Run time and cost: the figures of Govindarajan et al. (2022)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from posecli.studies.benchmark.charts.axes import dots, legend, look, minutes_of, plain_y, short
from posecli.studies.benchmark.charts.timeline import PIPELINE_ORDER
from posecli.studies.benchmark.subject import subject_of
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, cores_words
from posecli.support.figures import COLORS, GREY, new_figure, plain_log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T = TypeVar("T")
#: What the network sees, as `posecli.studies.benchmark.conditions.Condition.view` has it.
View: TypeAlias = "tuple[str, int, int, int, int, int]"

#: Decoders of whole batches; chunks have none.
BATCH_DECODERS = frozenset({"numpy", "double-loop", None})
#: Settings that the bars of run time show.
MOST_PANELS = 4


def run_time_against_cores(summary: BenchmarkSummary) -> Figure | None:
    """Run time of an hour of video against cores, and of loading alone: 2022, figure 2."""
    views = {c.condition.view for c in summary.select(pipeline="async") if c.condition.cores < summary.most_cores}
    batched = [cell for cell in summary.select(decoder=BATCH_DECODERS) if cell.condition.view in views]
    cells = _same_setting(batched)
    counts = sorted({cell.condition.cores for cell in cells})
    if len(counts) < 2:
        return None
    figure = new_figure(6.4, 4.2)
    axes: Any = figure.subplots()
    pipelines = [name for name in PIPELINE_ORDER if summary.select(cells, pipeline=name)]
    for number, pipeline in enumerate(pipelines):
        line = _by_cores(summary.select(cells, pipeline=pipeline))
        minutes = [[minutes_of(summary, fps) for fps in cell.values("fps")] for cell in line]
        dots(axes, [cell.condition.cores for cell in line], minutes, number, pipeline)
        # Chunks are loaded otherwise in each pipeline; for frames the fastest says enough.
        if cells[0].condition.has_chunks:
            _loading(axes, summary, line, look(number)[0], f"{pipeline}, loading only")
    if not cells[0].condition.has_chunks:
        _loading(axes, summary, _by_cores(summary.select(cells, pipeline=pipelines[-1])), GREY, "loading only")
    item = cells[0].condition
    axes.set_title(f"{item.data}, {item.view_words}, batch {item.batch_size}, {item.engine} {item.precision}")
    plain_log_ticks(axes, "x", [float(count) for count in counts])
    axes.set_xlabel("cores")
    axes.set_yscale("log")
    plain_y(axes)
    axes.set_ylabel(f"minutes per hour of video ({summary.video_fps:g} frames/s)")
    legend(axes)
    return figure


def _by_cores(cells: list[Cell]) -> list[Cell]:
    return sorted(cells, key=lambda cell: cell.condition.cores)


def _loading(axes: Axes, summary: BenchmarkSummary, line: list[Cell], colour: str, label: str) -> None:
    minutes = [minutes_of(summary, cell.median("read_fps")) for cell in line]
    axes.plot([c.condition.cores for c in line], minutes, "--", color=colour, marker="_", label=label)


def _same_setting(cells: list[Cell]) -> list[Cell]:
    """Those that differ in nothing but pipeline and cores, of the setting that has the most."""
    alike: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        item = cell.condition
        key = (*item.view, item.engine, item.precision, item.batch_size, item.decoder)
        alike.setdefault(key, []).append(cell)
    return max(alike.values(), key=lambda group: (len({c.condition.cores for c in group}), len(group)), default=[])


def run_time_and_cost(summary: BenchmarkSummary) -> Figure | None:
    """Run time and cost of an hour of video, sync, async and each reduced precision: 2022, figure 3 and table I."""
    settings = [settings_at(summary, view) for view in views_of(summary)]
    panels = _spread([cells for cells in settings if len(cells) > 1], MOST_PANELS)
    if not panels:
        return None
    figure = new_figure(9.4, 0.9 + sum(0.75 + 0.34 * len(cells) for cells in panels))
    grid: Any = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[len(cells) + 0.9 for cells in panels])
    for axes, cells in zip(grid[:, 0], panels, strict=True):
        _cost_bars(axes, summary, cells)
    grid[-1, 0].set_xlabel(f"minutes per hour of video ({summary.video_fps:g} frames/s); price: {summary.price}")
    return figure


def _spread(items: Sequence[T], count: int) -> list[T]:
    """Up to so many of them, from first to last."""
    if len(items) <= count:
        return list(items)
    return [items[round(place * (len(items) - 1) / (count - 1))] for place in range(count)]


def views_of(summary: BenchmarkSummary) -> list[View]:
    """What the network sees of the first video, in each way that was measured."""
    return list(dict.fromkeys(cell.condition.view for cell in summary.select(data=summary.data[0].name)))


def settings_at(summary: BenchmarkSummary, view: View) -> list[Cell]:
    """Sync in fp32, then async in every precision, at one batch size and all cores."""
    found = [
        cell
        for cell in summary.select(cores=summary.most_cores, decoder={"numpy", None})
        if cell.condition.view == view
    ]
    overlapped = [cell for cell in found if cell.condition.pipeline == "async"]
    if not overlapped:
        return []
    batch = _common_batch(overlapped)
    same = summary.select(found, batch_size=batch)
    return [*summary.select(same, pipeline="sync", precision="fp32"), *summary.select(same, pipeline="async")]


def _common_batch(cells: list[Cell]) -> int:
    """The batch size of most of them; of two as common, the larger."""
    sizes = [cell.condition.batch_size for cell in cells]
    return max(sizes, key=lambda size: (sizes.count(size), size))


def _cost_bars(axes: Axes, summary: BenchmarkSummary, cells: list[Cell]) -> None:
    minutes = [60 * summary.estimate(cell).hours_per_video_hour for cell in cells]
    for place, (cell, length) in enumerate(zip(cells, minutes, strict=True)):
        item = cell.condition
        colour = COLORS[0] if item.pipeline == "sync" else COLORS[1] if item.precision == "fp32" else COLORS[2]
        axes.barh(place, length, height=0.66, color=colour)
        spread = [60 * summary.estimate(cell, fps).hours_per_video_hour for fps in cell.values("fps")]
        axes.plot(spread, [place] * len(spread), "|", color="black", markersize=9, markeredgewidth=1)
        axes.text(max(*spread, length), place, f"  {_cost_label(summary, cell, length)}", va="center", fontsize=8.5)
    item = cells[0].condition
    axes.set_title(f"{item.data}, {item.view_words}, batch {item.batch_size}, {cores_words(item.cores)}")
    labels = [f"{c.condition.pipeline}, {c.condition.engine} {c.condition.precision}" for c in cells]
    axes.set_yticks(range(len(cells)), labels)
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.set_xlim(0, 1.75 * max(minutes))
    axes.grid(visible=False, axis="y")


def _cost_label(summary: BenchmarkSummary, cell: Cell, minutes: float) -> str:
    estimate = summary.estimate(cell)
    cost = f"{estimate.cost_per_video_hour:.2g} {summary.price.currency}"
    moved = (
        ""
        if cell.condition.precision == "fp32"
        else f"; {subject_of(summary.study.network).change_head} {subject_of(summary.study.network).change_words(cell)}"
    )
    return f"{short(minutes)} min, {cost}{moved}"

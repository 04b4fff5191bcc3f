"""The papers' figures of a summary, or ``None`` where the design holds nothing: repeats are dots, medians lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from posecli.studies.benchmark.bench import evenly
from posecli.studies.benchmark.study import counted
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, alike, load_values, speed
from posecli.studies.benchmark.timeline import PIPELINE_ORDER
from posecli.support.figures import COLORS, GREY, MARKERS, new_figure, plain_log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Lines of a legend that find room inside the axes.
SHORT_LEGEND = 5


def panels_of(count: int) -> tuple[Figure, Sequence[Axes]]:
    """A figure of so many axes side by side."""
    figure = new_figure(4.6 * max(count, 1.3), 3.9)
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def curve(axes: Axes, cells: Sequence[Cell], factor: str, number: int | None, label: str) -> None:
    """Medians as a line and repeats as dots, over one factor; without a number, in grey."""
    line = sorted(cells, key=lambda cell: float(getattr(cell.condition, factor)))
    if line:
        dots(axes, [getattr(c.condition, factor) for c in line], [c.values("fps") for c in line], number, label)


def dots(
    axes: Axes, places: Sequence[float], values: Sequence[Sequence[float]], number: int | None, label: str
) -> None:
    """Medians as a line and repeats as dots; without a number, in grey."""
    color, marker = (GREY, "") if number is None else look(number)
    style = "--" if number is None else "-"
    axes.plot(places, [median(row) for row in values], style, color=color, marker=marker, label=label)
    for place, row in zip(places, values, strict=True):
        axes.plot([place] * len(row), row, ".", color=color, alpha=0.45, markersize=5)


def look(number: int) -> tuple[str, str]:
    """Colour and marker of a line; after the last colour, new pairs of both."""
    return COLORS[number % len(COLORS)], MARKERS[(number + number // len(COLORS)) % len(MARKERS)]


def legend(axes: Axes, title: str | None = None) -> None:
    """Inside the axes where it is short, else beside them."""
    if len(axes.get_legend_handles_labels()[1]) <= SHORT_LEGEND:
        axes.legend(title=title)
    else:
        axes.legend(title=title, loc="center left", bbox_to_anchor=(1.0, 0.5))


def factor_axis(axes: Axes, cells: Sequence[Cell], factor: str) -> None:
    """Frame widths, batch sizes or cores along the foot."""
    plain_log_ticks(axes, "x", sorted({float(getattr(cell.condition, factor)) for cell in cells}))
    axes.set_xlabel({"width": "frame width, px", "batch_size": "batch size"}.get(factor, factor))


def log_side(axes: Axes, label: str = "frames per second") -> None:
    """A logarithmic side with plain numbers at 1, 2 and 5."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_ylabel(label)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


#: Frames that the trajectories show.
FRAMES_SHOWN = 200


def speed_against_width(summary: BenchmarkSummary) -> Figure | None:
    """Speed of the standard method per hardware setting: 2018, figure 1B."""
    panels = [(data.name, cells) for data in summary.study.data if (cells := summary.standard_cells(data=data.name))]
    if not panels:
        return None
    figure, axes_of = panels_of(len(panels))
    for axes, (name, cells) in zip(axes_of, panels, strict=True):
        for number, line in enumerate(alike(cells, "engine", "precision", "cores")):
            item = line[0].condition
            curve(axes, line, "width", number, f"{item.engine} {item.precision}, {counted(item.cores, 'core')}")
        axes.set_title(_title(summary, name))
        factor_axis(axes, cells, "width")
        log_side(axes)
    legend(axes_of[-1], "standard method, batch 1")
    return figure


def speed_against_batch(summary: BenchmarkSummary) -> Figure | None:
    """Decoders against batch size, and that they find the same: 2018, figure 2."""
    levels = {"data": summary.study.data[0].name, "width": min(summary.study.design["factors"]["sizes"])}
    levels |= {"cores": summary.most_cores, "pipeline": "sync", "precision": "fp32"}
    cells = summary.select(decoder={"numpy", "double-loop"}, **levels)
    if len({cell.condition.batch_size for cell in cells}) < 2:
        return None
    pairs = summary.decoder_differences
    figure, axes_of = panels_of(2 if pairs else 1)
    if pairs:
        _trajectories(axes_of[0], summary)
    axes = axes_of[-1]
    for number, decoder in enumerate(("numpy", "double-loop")):
        curve(axes, summary.select(cells, decoder=decoder), "batch_size", number, decoder)
    axes.set_title(f"{'B  ' if pairs else ''}{cells[0].condition.data}, {cells[0].condition.view_words}")
    factor_axis(axes, cells, "batch_size")
    axes.set_ylabel("frames per second")
    axes.set_ylim(bottom=0)
    axes.legend(title="decoder")
    return figure


def _trajectories(axes: Axes, summary: BenchmarkSummary) -> None:
    double, fast, difference = max(
        summary.decoder_differences, key=lambda pair: (-pair[0].condition.width, pair[0].condition.batch_size)
    )
    first = [load_values(summary.study.folder, cell.condition) for cell in (fast, double)]
    for poses, color, style, width, label in zip(
        first, (COLORS[0], COLORS[1]), ("-", ":"), (3.0, 1.6), ("numpy", "double-loop"), strict=True
    ):
        assert poses is not None  # or it would be no pair
        axes.plot(poses[:FRAMES_SHOWN, 0, 0], style, color=color, linewidth=width, label=label)
    blind = "" if summary.data_of(fast).trained else " (untrained network)"
    axes.set_title(f"A  first body part, batch {fast.condition.batch_size}{blind}")
    axes.set_xlabel("frame")
    axes.set_ylabel("x, px")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.25 * (high - low))
    axes.legend(title=f"largest difference, all body parts: {difference:g} px", ncols=2, loc="upper right")


def speed_against_width_and_batch(summary: BenchmarkSummary) -> Figure | None:
    """Speed and gain over the standard method, by width and batch size: 2018, figures 4 and 5."""
    engine = summary.study.design["factors"]["engines"][0]
    levels = {"engine": engine, "decoder": "numpy", "pipeline": "sync", "precision": "fp32"}
    rows = [
        (data.name, summary.select(data=data.name, cores=summary.most_cores, **levels)) for data in summary.study.data
    ]
    rows = [(name, cells) for name, cells in rows if len({c.condition.batch_size for c in cells}) > 1]
    if not rows:
        return None
    figure = new_figure(9.4, 3.6 * len(rows))
    grid: Any = figure.subplots(len(rows), 2, squeeze=False)
    for (left, right), (name, cells) in zip(grid, rows, strict=True):
        for number, batch in enumerate(sorted({c.condition.batch_size for c in cells})):
            curve(left, summary.select(cells, batch_size=batch), "width", number, f"{batch}")
        standard = summary.standard_cells(data=name, cores=summary.most_cores)
        curve(left, standard, "width", None, "standard method")
        left.set_title(_title(summary, name))
        factor_axis(left, cells, "width")
        log_side(left)
        legend(left, "batch size, NumPy")
        _gains(right, summary, name, cells)
    return figure


def _gains(axes: Axes, summary: BenchmarkSummary, name: str, cells: list[Cell]) -> None:
    for number, width in enumerate(sorted({c.condition.width for c in cells})):
        standard = summary.standard(name, width, summary.most_cores)
        line = sorted(summary.select(cells, width=width), key=lambda cell: cell.condition.batch_size)
        if standard is None or not line:
            continue
        color, marker = look(number)
        places, gains = zip(*((cell.condition.batch_size, cell.fps / standard.fps) for cell in line), strict=True)
        axes.plot(places, gains, color=color, marker=marker, label=f"{width} px")
    axes.axhline(1, color=GREY, linewidth=1, linestyle="--")
    factor_axis(axes, cells, "batch_size")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("speed / standard method's")
    axes.set_title("gain over the standard method")
    legend(axes, "frame width")


def _title(summary: BenchmarkSummary, name: str) -> str:
    data = next(item for item in summary.study.data if item.name == name)
    return name if data.trained else f"{name} (untrained network)"


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
        *("view", "engine", "precision", "batch_size", "decoder"),
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
    log_side(axes, f"minutes per hour of video ({summary.video_fps:g} frames/s)")
    legend(axes)
    return figure


def _loading(axes: Axes, summary: BenchmarkSummary, line: list[Cell], color: str, label: str) -> None:
    minutes = [60 * summary.video_fps / cell.median("read_fps") for cell in line]
    axes.plot([c.condition.cores for c in line], minutes, "--", color=color, marker="_", label=label)


def run_time_and_cost(change_words: Callable[[Cell], str], summary: BenchmarkSummary) -> Figure | None:
    """Run time and cost of an hour of video, sync, async and each reduced precision: 2022, figure 3 and table I."""
    settings = [cells for cells in _settings(summary) if len(cells) > 1]
    if not settings:
        return None
    panels = evenly(settings, MOST_ROWS)
    figure = new_figure(9.4, 0.9 + sum(0.75 + 0.34 * len(cells) for cells in panels))
    grid: Any = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[len(cells) + 0.9 for cells in panels])
    for axes, cells in zip(grid[:, 0], panels, strict=True):
        _cost_bars(axes, summary, cells, change_words)
    grid[-1, 0].set_xlabel(f"minutes per hour of video ({summary.video_fps:g} frames/s); price: {summary.price}")
    return figure


def _settings(summary: BenchmarkSummary) -> list[list[Cell]]:
    """For each view of the first video: sync in fp32, then async in every precision, at one batch size, all cores."""
    views = dict.fromkeys(cell.condition.view for cell in summary.select(data=summary.study.data[0].name))
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
    axes.set_title(f"{item.data}, {item.view_words}, batch {item.batch_size}, {counted(item.cores, 'core')}")
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
    figure, axes_of = panels_of(min(len(panels), MOST_PANELS))
    for axes, cells in zip(axes_of, panels, strict=False):
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

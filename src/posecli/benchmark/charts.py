"""The figures: those of the two papers, for this machine.

Each function draws one figure of a summary, or returns ``None`` where the design holds nothing for it. Single repeats
are dots, medians are lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from posecli.benchmark.options import engine_of_pipeline
from posecli.benchmark.summary import Cell, Summary, load_poses
from posecli.benchmark.trace import spans_of, threads_of
from posecli.figures import COLOURS, GREY, MARKERS, Chart, house_style, new_figure, plain_log_ticks, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T = TypeVar("T")

STAGE_COLOURS = {
    "read": "#0072B2",
    "prepare": "#56B4E9",
    "network": "#D55E00",
    "decode": "#009E73",
    "write": "#CC79A7",
}
PIPELINE_COLOURS = dict(
    zip(("sync", "parallel", "async", "tf-sync", "tf-parallel", "tf-prefetch"), COLOURS, strict=False)
)
THREAD_NAMES = {"MainThread": "main", "posecli-read": "reader", "posecli-finish": "finisher"}
#: Batches of a run that its timeline shows.
BATCHES_SHOWN = 5
#: Widths that the bars of run time show.
MOST_PANELS = 4
#: Lines of a legend that find room inside the axes.
SHORT_LEGEND = 5
#: Frames that the trajectories show.
FRAMES_SHOWN = 200


def draw_charts(summary: Summary, folder: Path) -> tuple[Chart, ...]:
    """Draw every figure for which there are rows, as PNG and SVG.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    """
    charts = []
    for name, (draw, caption) in _CHARTS.items():
        with house_style():
            figure = draw(summary)
        if figure is not None:
            charts.append(Chart(name, caption, *save_figure(figure, folder / name)))
    return tuple(charts)


def speed_against_width(summary: Summary) -> Figure | None:
    """Speed of the standard method per hardware setting: 2018, figure 1B."""
    panels = [(data.name, _standard_cells(summary, data.name)) for data in summary.data]
    panels = [(name, cells) for name, cells in panels if cells]
    if not panels:
        return None
    figure, axes_of = _panels(len(panels), width=4.6, height=3.9)
    for axes, (name, cells) in zip(axes_of, panels, strict=True):
        settings = dict.fromkeys((c.condition.engine, c.condition.precision, c.condition.cores) for c in cells)
        for number, (engine, precision, cores) in enumerate(settings):
            line = summary.select(cells, engine=engine, precision=precision, cores=cores)
            label = f"{engine} {precision}, {cores} core{'s' if cores > 1 else ''}"
            _curve(axes, line, "width", number, label)
        axes.set_title(_title(summary, name))
        _width_axis(axes, cells)
        _speed_axis(axes)
    _legend(axes_of[-1], "standard method, batch 1")
    return figure


def speed_against_batch(summary: Summary) -> Figure | None:
    """Decoders against batch size, and that they find the same: 2018, figure 2."""
    cells = summary.select(
        data=summary.data[0].name,
        width=min(summary.study.design["factors"]["sizes"]),
        cores=summary.most_cores,
        pipeline="sync",
        precision="fp32",
        decoder={"numpy", "double-loop"},
    )
    if len({cell.condition.batch_size for cell in cells}) < 2:
        return None
    pairs = summary.decoder_differences
    figure, axes_of = _panels(2 if pairs else 1, width=4.6, height=3.9)
    if pairs:
        _trajectories(axes_of[0], summary)
    axes = axes_of[-1]
    for number, decoder in enumerate(("numpy", "double-loop")):
        _curve(axes, summary.select(cells, decoder=decoder), "batch_size", number, decoder)
    width = cells[0].condition.width
    axes.set_title(f"{'B  ' if pairs else ''}{cells[0].condition.data}, {width}x{cells[0].condition.height} px")
    _batch_axis(axes, cells)
    axes.set_ylabel("frames per second")
    axes.set_ylim(bottom=0)
    axes.legend(title="decoder")
    return figure


def _trajectories(axes: Axes, summary: Summary) -> None:
    double, fast, difference = max(
        summary.decoder_differences, key=lambda pair: (-pair[0].condition.width, pair[0].condition.batch_size)
    )
    first = [load_poses(summary.study.folder, cell.condition) for cell in (fast, double)]
    for poses, colour, style, width, label in zip(
        first, (COLOURS[0], COLOURS[1]), ("-", ":"), (3.0, 1.6), ("numpy", "double-loop"), strict=True
    ):
        assert poses is not None  # or it would be no pair
        axes.plot(poses[:FRAMES_SHOWN, 0, 0], style, color=colour, linewidth=width, label=label)
    data = next(item for item in summary.data if item.name == fast.condition.data)
    blind = "" if data.trained else " (untrained network)"
    axes.set_title(f"A  first body part, batch {fast.condition.batch_size}{blind}")
    axes.set_xlabel("frame")
    axes.set_ylabel("x, px")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.25 * (high - low))
    axes.legend(title=f"largest difference, all body parts: {difference:g} px", ncols=2, loc="upper right")


def speed_against_width_and_batch(summary: Summary) -> Figure | None:
    """Speed and gain over the standard method, by width and batch size: 2018, figures 4 and 5."""
    rows = [(data.name, _batch_cells(summary, data.name)) for data in summary.data]
    rows = [(name, cells) for name, cells in rows if len({c.condition.batch_size for c in cells}) > 1]
    if not rows:
        return None
    figure = new_figure(9.4, 3.6 * len(rows))
    grid: Any = figure.subplots(len(rows), 2, squeeze=False)
    for (left, right), (name, cells) in zip(grid, rows, strict=True):
        for number, batch in enumerate(sorted({c.condition.batch_size for c in cells})):
            _curve(left, summary.select(cells, batch_size=batch), "width", number, f"{batch}")
        standard = _standard_cells(summary, name, cores=summary.most_cores)
        _curve(left, standard, "width", None, "standard method")
        left.set_title(_title(summary, name))
        _width_axis(left, cells)
        _speed_axis(left)
        _legend(left, "batch size, NumPy")
        _gains(right, summary, name, cells)
    return figure


def _gains(axes: Axes, summary: Summary, name: str, cells: list[Cell]) -> None:
    for number, width in enumerate(sorted({c.condition.width for c in cells})):
        standard = summary.standard(name, width, summary.most_cores)
        line = sorted(summary.select(cells, width=width), key=lambda cell: cell.condition.batch_size)
        if standard is None or not line:
            continue
        places = [cell.condition.batch_size for cell in line]
        gains = [cell.fps / standard.fps for cell in line]
        colour, marker = _look(number)
        axes.plot(places, gains, color=colour, marker=marker, label=f"{width} px")
    axes.axhline(1, color=GREY, linewidth=1, linestyle="--")
    _batch_axis(axes, cells)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("speed / standard method's")
    axes.set_title("gain over the standard method")
    _legend(axes, "frame width")


def timelines(summary: Summary) -> Figure | None:
    """Which stage ran when, on which thread: 2022, figure 1a to c."""
    cells = timeline_cells(summary)
    if not cells:
        return None
    lanes = [threads_of(_shown_spans(cell)) for cell in cells]
    figure = new_figure(9.4, 1.4 + sum(0.42 + 0.3 * len(names) for names in lanes))
    heights = [len(names) + 1.2 for names in lanes]
    grid: Any = figure.subplots(len(cells), 1, squeeze=False, sharex=True, height_ratios=heights)
    for axes, cell, names in zip(grid[:, 0], cells, lanes, strict=True):
        _timeline(axes, cell, names)
    grid[-1, 0].set_xlabel("ms since the first frame was asked for")
    handles, labels = _stage_handles({stage for cell in cells for stage, *_ in _shown_spans(cell)})
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def timeline_cells(summary: Summary) -> list[Cell]:
    """One condition per pipeline, alike in all else."""
    groups = _by_pipeline(summary)
    return max(([cell for cell in group if cell.rows[0].get("spans")] for group in groups), key=len, default=[])


def _by_pipeline(summary: Summary) -> list[list[Cell]]:
    """Conditions of the first engine, on all cores, that differ in nothing but their pipeline, together.

    A pipeline that needs another engine stands beside them with that.
    """
    engine = summary.study.design["factors"]["engines"][0]
    order = list(PIPELINE_COLOURS)
    alike: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in sorted(summary.select(cores=summary.most_cores), key=lambda cell: order.index(cell.condition.pipeline)):
        item = cell.condition
        if engine_of_pipeline(item.pipeline) or item.engine == engine:
            key = (item.data, item.width, item.precision, item.batch_size, item.decoder)
            alike.setdefault(key, []).append(cell)
    return list(alike.values())


def _shown_spans(cell: Cell) -> list[tuple[str, str, float, float]]:
    """The spans of a run's first batches."""
    spans = spans_of(cell)
    calls = sorted(end for stage, _, _, end in spans if stage == "network")
    end = calls[min(BATCHES_SHOWN, len(calls)) - 1] if calls else float("inf")
    return [span for span in spans if span[2] <= end]


def _timeline(axes: Axes, cell: Cell, names: list[str]) -> None:
    spans = _shown_spans(cell)
    longest = max(end for *_, end in spans)
    for stage, thread, start, end in spans:
        colour = STAGE_COLOURS[stage]
        # Neighbours are kept apart by a white edge; what would drown in it is a line of its own colour.
        edge = "white" if end - start > 0.02 * longest else colour
        place = (names.index(thread) - 0.38, 0.76)
        axes.broken_barh([(1e3 * start, 1e3 * (end - start))], place, facecolor=colour, edgecolor=edge, linewidth=0.8)
    axes.set_yticks(range(len(names)), [_thread_label(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    item = cell.condition
    axes.set_title(
        f"{item.pipeline}: {item.data}, {item.width} px, batch {item.batch_size}, {item.engine} {item.precision}, "
        f"{_short(cell.fps)} frames/s"
    )


def _thread_label(name: str) -> str:
    if name.startswith("posecli-prepare"):
        return f"worker {int(name.rpartition('_')[2]) + 1}"
    return THREAD_NAMES.get(name, name if len(name) < 16 else f"{name[:14]}…")


def _stage_handles(stages: set[str]) -> tuple[list[Any], list[str]]:
    from matplotlib.patches import Patch

    shown = [stage for stage in STAGE_COLOURS if stage in stages]
    return [Patch(color=STAGE_COLOURS[stage]) for stage in shown], shown


def run_time_against_cores(summary: Summary) -> Figure | None:
    """Run time of an hour of video against cores, and of loading alone: 2022, figure 2."""
    widths = {c.condition.width for c in summary.select(pipeline="async") if c.condition.cores < summary.most_cores}
    cells = [cell for cell in summary.select(decoder={"numpy", "double-loop"}) if cell.condition.width in widths]
    cells = _same_setting(cells)
    counts = sorted({cell.condition.cores for cell in cells})
    if len(counts) < 2:
        return None
    figure = new_figure(6.4, 4.2)
    axes: Any = figure.subplots()
    pipelines = [name for name in PIPELINE_COLOURS if summary.select(cells, pipeline=name)]
    for number, pipeline in enumerate(pipelines):
        line = sorted(summary.select(cells, pipeline=pipeline), key=lambda cell: cell.condition.cores)
        minutes = [[_minutes(summary, fps) for fps in cell.values("fps")] for cell in line]
        _dots(axes, [cell.condition.cores for cell in line], minutes, number, pipeline)
    ahead = sorted(summary.select(cells, pipeline=pipelines[-1]), key=lambda cell: cell.condition.cores)
    loading = [_minutes(summary, cell.median("read_fps")) for cell in ahead]
    axes.plot([c.condition.cores for c in ahead], loading, "--", color=GREY, marker="_", label="loading only")
    item = cells[0].condition
    axes.set_title(
        f"{item.data}, {item.width}x{item.height} px, batch {item.batch_size}, {item.engine} {item.precision}"
    )
    plain_log_ticks(axes, "x", [float(count) for count in counts])
    axes.set_xlabel("cores")
    axes.set_yscale("log")
    _plain_y(axes)
    axes.set_ylabel(f"minutes per hour of video ({summary.video_fps:g} frames/s)")
    _legend(axes)
    return figure


def _same_setting(cells: list[Cell]) -> list[Cell]:
    """Those that differ in nothing but pipeline and cores, of the setting that has the most."""
    alike: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        item = cell.condition
        key = (item.data, item.width, item.engine, item.precision, item.batch_size, item.decoder)
        alike.setdefault(key, []).append(cell)
    return max(alike.values(), key=lambda group: (len({c.condition.cores for c in group}), len(group)), default=[])


def run_time_and_cost(summary: Summary) -> Figure | None:
    """Run time and cost of an hour of video, sync, async and each reduced precision: 2022, figure 3 and table I."""
    panels = [(width, _settings_at(summary, width)) for width in sorted(summary.study.design["factors"]["sizes"])]
    panels = _spread([(width, cells) for width, cells in panels if len(cells) > 1], MOST_PANELS)
    if not panels:
        return None
    figure = new_figure(9.4, 0.9 + sum(0.75 + 0.34 * len(cells) for _, cells in panels))
    grid: Any = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[len(cells) + 0.9 for _, cells in panels])
    for axes, (_, cells) in zip(grid[:, 0], panels, strict=True):
        _cost_bars(axes, summary, cells)
    grid[-1, 0].set_xlabel(f"minutes per hour of video ({summary.video_fps:g} frames/s); price: {summary.price}")
    return figure


def _spread(items: Sequence[T], count: int) -> list[T]:
    """Up to so many of them, from first to last."""
    if len(items) <= count:
        return list(items)
    return [items[round(place * (len(items) - 1) / (count - 1))] for place in range(count)]


def _settings_at(summary: Summary, width: int) -> list[Cell]:
    """Sync in fp32, then async in every precision, at one batch size and all cores."""
    found = summary.select(data=summary.data[0].name, width=width, cores=summary.most_cores, decoder="numpy")
    overlapped = [cell for cell in found if cell.condition.pipeline == "async"]
    if not overlapped:
        return []
    batch = max(cell.condition.batch_size for cell in overlapped)
    same = summary.select(found, batch_size=batch)
    return [*summary.select(same, pipeline="sync", precision="fp32"), *summary.select(same, pipeline="async")]


def _cost_bars(axes: Axes, summary: Summary, cells: list[Cell]) -> None:
    minutes = [60 * summary.estimate(cell).hours_per_video_hour for cell in cells]
    for place, (cell, length) in enumerate(zip(cells, minutes, strict=True)):
        item = cell.condition
        colour = COLOURS[0] if item.pipeline == "sync" else COLOURS[1] if item.precision == "fp32" else COLOURS[2]
        axes.barh(place, length, height=0.66, color=colour)
        spread = [60 * summary.estimate(cell, fps).hours_per_video_hour for fps in cell.values("fps")]
        axes.plot(spread, [place] * len(spread), "|", color="black", markersize=9, markeredgewidth=1)
        axes.text(max(*spread, length), place, f"  {_cost_label(summary, cell, length)}", va="center", fontsize=8.5)
    item = cells[0].condition
    axes.set_title(f"{item.data}, {item.width}x{item.height} px, batch {item.batch_size}, {_cores(item.cores)}")
    labels = [f"{c.condition.pipeline}, {c.condition.engine} {c.condition.precision}" for c in cells]
    axes.set_yticks(range(len(cells)), labels)
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.set_xlim(0, 1.75 * max(minutes))
    axes.grid(visible=False, axis="y")


def _cost_label(summary: Summary, cell: Cell, minutes: float) -> str:
    estimate = summary.estimate(cell)
    cost = f"{estimate.cost_per_video_hour:.2g} {summary.price.currency}"
    if cell.condition.precision == "fp32":
        moved = ""
    elif cell.shift is None:
        moved = "; shift not judged"
    else:
        moved = f"; shift p99 {cell.shift.p99_px:.2g} px"
    return f"{_short(minutes)} min, {cost}{moved}"


def ramp_up(summary: Summary) -> Figure | None:
    """Speed from moment to moment: what the 2018 paper saw and did not show."""
    # The runs of most batches: one of three has no course.
    cells = max(_by_pipeline(summary), key=lambda group: len(group[0].rows[0]["curve"]), default=[])
    if not cells or len(cells[0].rows[0]["curve"]) <= 2:
        return None
    figure = new_figure(6.4, 3.9)
    axes: Any = figure.subplots()
    for number, cell in enumerate(cells):
        for repeat, row in enumerate(cell.rows):
            curve = [(0, 0.0), *row["curve"]]
            steps = list(pairwise(curve))
            seconds = [after[1] for _, after in steps]
            rates = [(after[0] - before[0]) / max(after[1] - before[1], 1e-9) for before, after in steps]
            label = cell.condition.pipeline if repeat == 0 else None
            axes.plot(seconds, rates, color=_look(number)[0], alpha=0.9 if repeat == 0 else 0.45, label=label)
    item = cells[0].condition
    axes.set_title(f"{item.data}, {item.width} px, batch {item.batch_size}: every repeat, batch by batch")
    axes.set_xlabel("seconds since the first frame was asked for")
    axes.set_ylabel("frames per second")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.legend(title="after compilation and one batch of warm-up")
    return figure


_CHARTS: dict[str, tuple[Callable[[Summary], Figure | None], str]] = {
    "1-speed-against-width": (
        speed_against_width,
        "Speed of the standard method (one frame at a time) against frame width, per hardware setting. Repeats Fig. 1B "
        "of Mathis & Warren (2018).",
    ),
    "2-decoders-against-batch-size": (
        speed_against_batch,
        "Left: the two decoders find the same track. Right: their speed against batch size. Repeats Fig. 2 of Mathis & "
        "Warren (2018).",
    ),
    "3-speed-against-width-and-batch-size": (
        speed_against_width_and_batch,
        "Speed against frame width and batch size, and the gain over the standard method. Repeats Fig. 4 and 5 of "
        "Mathis & Warren (2018).",
    ),
    "4-timelines": (
        timelines,
        "Which stage ran when, on which thread, for the first batches of a run; the whole of it is in timelines.json, "
        "for chrome://tracing or ui.perfetto.dev. Repeats Fig. 1a to c of Govindarajan et al. (2022).",
    ),
    "5-run-time-against-cores": (
        run_time_against_cores,
        "Run time of one hour of video against cores; loading alone is the least that any network could take. Repeats "
        "Fig. 2 of Govindarajan et al. (2022).",
    ),
    "6-run-time-and-cost": (
        run_time_and_cost,
        "Run time and cost of one hour of video, with the shift of the poses against fp32. Repeats Fig. 3 and Table I "
        "of Govindarajan et al. (2022).",
    ),
    "7-ramp-up": (ramp_up, "Speed during a run. Mathis & Warren (2018) saw it ramp up."),
}


def _standard_cells(summary: Summary, data: str, **levels: Any) -> list[Cell]:
    found = summary.select(data=data, decoder="standard", pipeline="sync", **levels)
    return found or summary.select(data=data, batch_size=1, pipeline="sync", **levels)


def _batch_cells(summary: Summary, data: str) -> list[Cell]:
    return summary.select(
        data=data,
        cores=summary.most_cores,
        engine=summary.study.design["factors"]["engines"][0],
        decoder="numpy",
        pipeline="sync",
        precision="fp32",
    )


def _title(summary: Summary, name: str) -> str:
    data = next(item for item in summary.data if item.name == name)
    return name if data.trained else f"{name} (untrained network)"


def _panels(count: int, width: float, height: float) -> tuple[Figure, Sequence[Axes]]:
    figure = new_figure(width * max(count, 1.3), height)
    grid: Any = figure.subplots(1, count, squeeze=False)
    return figure, list(grid[0])


def _curve(axes: Axes, cells: Sequence[Cell], factor: str, number: int | None, label: str) -> None:
    """Medians as a line and repeats as dots, over one factor; without a number, in grey."""
    line = sorted(cells, key=lambda cell: float(getattr(cell.condition, factor)))
    if line:
        places = [getattr(cell.condition, factor) for cell in line]
        _dots(axes, places, [cell.values("fps") for cell in line], number, label)


def _dots(
    axes: Axes, places: Sequence[float], values: Sequence[Sequence[float]], number: int | None, label: str
) -> None:
    from statistics import median

    colour, marker = (GREY, "") if number is None else _look(number)
    style = "--" if number is None else "-"
    axes.plot(places, [median(row) for row in values], style, color=colour, marker=marker, label=label)
    for place, row in zip(places, values, strict=True):
        axes.plot([place] * len(row), row, ".", color=colour, alpha=0.45, markersize=5)


def _look(number: int) -> tuple[str, str]:
    """Colour and marker of a line; after the last colour they pair up anew."""
    return COLOURS[number % len(COLOURS)], MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]


def _legend(axes: Axes, title: str | None = None) -> None:
    """Inside the axes where it is short, else beside them."""
    if len(axes.get_legend_handles_labels()[1]) <= SHORT_LEGEND:
        axes.legend(title=title)
    else:
        axes.legend(title=title, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _width_axis(axes: Axes, cells: Sequence[Cell]) -> None:
    plain_log_ticks(axes, "x", sorted({float(cell.condition.width) for cell in cells}))
    axes.set_xlabel("frame width, px")


def _batch_axis(axes: Axes, cells: Sequence[Cell]) -> None:
    plain_log_ticks(axes, "x", sorted({float(cell.condition.batch_size) for cell in cells}))
    axes.set_xlabel("batch size")


def _speed_axis(axes: Axes) -> None:
    axes.set_yscale("log")
    _plain_y(axes)
    axes.set_ylabel("frames per second")


def _plain_y(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _minutes(summary: Summary, fps: float) -> float:
    """Minutes that an hour of video takes."""
    return 60 * summary.video_fps / fps


def _cores(count: int) -> str:
    return f"{count} core" if count == 1 else f"{count} cores"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"

"""Speed against frame width, batch size and decoder: the figures of Mathis & Warren (2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from posecli.studies.benchmark.charts.axes import curve, factor_axis, legend, look, panels_of, speed_axis
from posecli.studies.benchmark.charts.timeline import alike
from posecli.studies.benchmark.conditions import cores_words
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, load_values
from posecli.support.figures import COLORS, GREY, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Frames that the trajectories show.
FRAMES_SHOWN = 200


def speed_against_width(summary: BenchmarkSummary) -> Figure | None:
    """Speed of the standard method per hardware setting: 2018, figure 1B."""
    panels = [(data.name, _standard_cells(summary, data.name)) for data in summary.data]
    panels = [(name, cells) for name, cells in panels if cells]
    if not panels:
        return None
    figure, axes_of = panels_of(len(panels), width=4.6, height=3.9)
    for axes, (name, cells) in zip(axes_of, panels, strict=True):
        for number, line in enumerate(alike(cells, ("engine", "precision", "cores"))):
            item = line[0].condition
            curve(axes, line, "width", number, f"{item.engine} {item.precision}, {cores_words(item.cores)}")
        axes.set_title(_title(summary, name))
        factor_axis(axes, cells, "width")
        speed_axis(axes)
    legend(axes_of[-1], "standard method, batch 1")
    return figure


def speed_against_batch(summary: BenchmarkSummary) -> Figure | None:
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
    figure, axes_of = panels_of(2 if pairs else 1, width=4.6, height=3.9)
    if pairs:
        _trajectories(axes_of[0], summary)
    axes = axes_of[-1]
    for number, decoder in enumerate(("numpy", "double-loop")):
        curve(axes, summary.select(cells, decoder=decoder), "batch_size", number, decoder)
    width = cells[0].condition.width
    axes.set_title(f"{'B  ' if pairs else ''}{cells[0].condition.data}, {width}x{cells[0].condition.height} px")
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
    rows = [(data.name, _batch_cells(summary, data.name)) for data in summary.data]
    rows = [(name, cells) for name, cells in rows if len({c.condition.batch_size for c in cells}) > 1]
    if not rows:
        return None
    figure = new_figure(9.4, 3.6 * len(rows))
    grid: Any = figure.subplots(len(rows), 2, squeeze=False)
    for (left, right), (name, cells) in zip(grid, rows, strict=True):
        for number, batch in enumerate(sorted({c.condition.batch_size for c in cells})):
            curve(left, summary.select(cells, batch_size=batch), "width", number, f"{batch}")
        standard = _standard_cells(summary, name, cores=summary.most_cores)
        curve(left, standard, "width", None, "standard method")
        left.set_title(_title(summary, name))
        factor_axis(left, cells, "width")
        speed_axis(left)
        legend(left, "batch size, NumPy")
        _gains(right, summary, name, cells)
    return figure


def _gains(axes: Axes, summary: BenchmarkSummary, name: str, cells: list[Cell]) -> None:
    for number, width in enumerate(sorted({c.condition.width for c in cells})):
        standard = summary.standard(name, width, summary.most_cores)
        line = sorted(summary.select(cells, width=width), key=lambda cell: cell.condition.batch_size)
        if standard is None or not line:
            continue
        places = [cell.condition.batch_size for cell in line]
        gains = [cell.fps / standard.fps for cell in line]
        color, marker = look(number)
        axes.plot(places, gains, color=color, marker=marker, label=f"{width} px")
    axes.axhline(1, color=GREY, linewidth=1, linestyle="--")
    factor_axis(axes, cells, "batch_size")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("speed / standard method's")
    axes.set_title("gain over the standard method")
    legend(axes, "frame width")


def _standard_cells(summary: BenchmarkSummary, data: str, **levels: Any) -> list[Cell]:
    found = summary.select(data=data, decoder="standard", pipeline="sync", **levels)
    return found or summary.select(data=data, batch_size=1, pipeline="sync", **levels)


def _batch_cells(summary: BenchmarkSummary, data: str) -> list[Cell]:
    return summary.select(
        data=data,
        cores=summary.most_cores,
        engine=summary.study.design["factors"]["engines"][0],
        decoder="numpy",
        pipeline="sync",
        precision="fp32",
    )


def _title(summary: BenchmarkSummary, name: str) -> str:
    data = next(item for item in summary.data if item.name == name)
    return name if data.trained else f"{name} (untrained network)"

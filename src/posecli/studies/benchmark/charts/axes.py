"""Axes, curves and legends that the figures share."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from posecli.studies.benchmark.summary import Cell
from posecli.support.figures import COLORS, GREY, MARKERS, new_figure, plain_log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Lines of a legend that find room inside the axes.
SHORT_LEGEND = 5


def panels_of(count: int, width: float, height: float) -> tuple[Figure, Sequence[Axes]]:
    """A figure of so many axes side by side."""
    figure = new_figure(width * max(count, 1.3), height)
    grid: Any = figure.subplots(1, count, squeeze=False)
    return figure, list(grid[0])


def curve(axes: Axes, cells: Sequence[Cell], factor: str, number: int | None, label: str) -> None:
    """Medians as a line and repeats as dots, over one factor; without a number, in grey."""
    line = sorted(cells, key=lambda cell: float(getattr(cell.condition, factor)))
    if line:
        places = [getattr(cell.condition, factor) for cell in line]
        dots(axes, places, [cell.values("fps") for cell in line], number, label)


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


def speed_axis(axes: Axes) -> None:
    """Frames per second up the side."""
    axes.set_yscale("log")
    plain_y(axes)
    axes.set_ylabel("frames per second")


def plain_y(axes: Axes) -> None:
    """Plain numbers at 1, 2 and 5 up a logarithmic side."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())

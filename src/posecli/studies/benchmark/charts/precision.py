"""Relative speed of precisions: figure 3 of Govindarajan et al. (2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from posecli.studies.benchmark.charts.axes import panels_of
from posecli.studies.benchmark.charts.runtime import settings_at, views_of
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell
from posecli.support.figures import COLORS, GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Panels that find room side by side.
MOST_PANELS = 3
#: Of a place on the axis, what one bar takes.
BAR = 0.38


def speed_against_precision(summary: BenchmarkSummary) -> Figure | None:
    """Speed in each precision against fp32's, of the whole loop and of the network alone."""
    settings = [_overlapped(settings_at(summary, view)) for view in views_of(summary)]
    panels = [cells for cells in settings if len(cells) > 1][:MOST_PANELS]
    if not panels:
        return None
    figure, axes_of = panels_of(len(panels), width=4.6, height=3.9)
    for axes, cells in zip(axes_of, panels, strict=True):
        _bars(axes, cells)
    axes_of[0].set_ylabel("speed / fp32's")
    axes_of[-1].legend(loc="upper left")
    return figure


def _overlapped(cells: list[Cell]) -> list[Cell]:
    """Async only, fp32 first; nothing without fp32."""
    found = [cell for cell in cells if cell.condition.pipeline == "async"]
    exact = [cell for cell in found if cell.condition.precision == "fp32"]
    return exact[:1] + [cell for cell in found if cell.condition.precision != "fp32"] if exact else []


def _bars(axes: Axes, cells: list[Cell]) -> None:
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

"""How posecli's figures look and are saved: colours that colour-blind people can tell apart, PNG and SVG.

Matplotlib is imported inside functions, and never through ``pyplot``: no window, no global state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posecli.support.files import make_folder, whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's colours, the strongest first.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#7F7F7F"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: Least distance of two labels on a logarithmic axis, as a part of the axis.
CLOSEST_TICKS = 0.1
#: Dots per inch of PNG files.
DPI = 130

STYLE: Any = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "svg.hashsalt": "posecli",
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class Chart:
    """A figure that was written: the name of its files without their endings, what it shows, and the files."""

    name: str
    caption: str
    png: Path
    svg: Path


@contextmanager
def house_style() -> Iterator[None]:
    """Draw figures in posecli's style inside this block."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        yield


def new_figure(width: float = 7.0, height: float = 4.3) -> Figure:
    """An empty figure of a size in inches, on the Agg canvas, with constrained layout."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain_log_ticks(axes: Axes, axis: str, values: list[float]) -> None:
    """Make an axis logarithmic, with plain numbers at these values, except where they would be too close."""
    chosen = axes.xaxis if axis == "x" else axes.yaxis
    (axes.set_xscale if axis == "x" else axes.set_yscale)("log")
    kept = _apart(sorted(values))
    chosen.set_ticks(kept, [f"{value:g}" for value in kept])
    chosen.set_ticks([], minor=True)


def _apart(values: list[float]) -> list[float]:
    """The first value, the last, and those between whose labels have room.

    >>> _apart([64.0, 80.0, 128.0, 554.0, 640.0])
    [64.0, 128.0, 640.0]
    """
    span = math.log(values[-1] / values[0]) if len(values) > 1 else 0.0
    kept = values[:1]
    for value in values[1:-1]:
        if min(math.log(value / kept[-1]), math.log(values[-1] / value)) > CLOSEST_TICKS * span:
            kept.append(value)
    return [*kept, *values[-1:]] if len(values) > 1 else kept


def save_figure(figure: Figure, stem: Path) -> tuple[Path, Path]:
    """Write a figure as ``<stem>.png`` and ``<stem>.svg``; an `OutputError` if the folder cannot be written to."""
    from matplotlib.text import Text

    paths = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.svg")
    for axes in figure.axes:
        for child in axes.get_children():
            if isinstance(child, Text) and child not in axes.texts:
                child.set_wrap(True)  # titles may be wider than the figure
    make_folder(stem.parent)
    for path in paths:
        metadata = {"Date": None} if path.suffix == ".svg" else None
        with whole_file(path) as partial, house_style():
            figure.savefig(partial, format=path.suffix[1:], dpi=DPI, metadata=metadata)
    return paths


def part_colors(count: int) -> list[str]:
    """A colour ``#rrggbb`` for each body part: from `COLORS` if they suffice, else evenly along a colour map.

    >>> part_colors(2)
    ['#0072B2', '#D55E00']
    """
    distinct = COLORS[:-1]  # black is kept for the truth
    if count <= len(distinct):
        return list(distinct[:count])
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["viridis"](place / (count - 1))) for place in range(count)]

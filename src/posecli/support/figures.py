"""How posecli's figures look, and how they are saved: colours that colour-blind people tell apart, PNG and SVG.

Matplotlib is imported inside functions, and never through ``pyplot``: no window, no global state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posecli.errors import OutputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's colours, the strongest first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#7F7F7F"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: Part of a logarithmic axis that lies between two labels at least.
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
    """A figure that was written.

    Attributes
    ----------
    name
        Of its files, without ending.
    caption
        What it shows.
    png, svg
        The files.
    """

    name: str
    caption: str
    png: Path
    svg: Path


@contextmanager
def house_style() -> Iterator[None]:
    """Draw figures inside this block in posecli's style."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        yield


def new_figure(width: float = 7.0, height: float = 4.3) -> Figure:
    """An empty figure of a size in inches, on the Agg canvas, whose parts make room for each other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain_log_ticks(axes: Axes, axis: str, values: list[float]) -> None:
    """Make an axis logarithmic with ticks at these values, written as plain numbers; those too close are left out."""
    chosen = axes.xaxis if axis == "x" else axes.yaxis
    (axes.set_xscale if axis == "x" else axes.set_yscale)("log")
    kept = _apart(sorted(values))
    chosen.set_ticks(kept, [f"{value:g}" for value in kept])
    chosen.set_ticks([], minor=True)


def _apart(values: list[float]) -> list[float]:
    """Values whose logarithms are not closer than their labels need; the first and the last are among them.

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
    """Write a figure as ``<stem>.png`` and ``<stem>.svg``, each whole or not at all.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    """
    paths = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.svg")
    _break_long_titles(figure)
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        for path in paths:
            partial = path.with_name(f"{path.name}.partial")
            metadata = {"Date": None} if path.suffix == ".svg" else None
            with house_style():
                figure.savefig(partial, format=path.suffix[1:], dpi=DPI, metadata=metadata)
            partial.replace(path)
    except OSError as error:
        raise OutputError(
            f"figure '{stem}' cannot be written ({error.strerror or error}): check its folder and disk"
        ) from error
    return paths


def _break_long_titles(figure: Figure) -> None:
    """Let titles that are wider than the figure go on in a second line."""
    from matplotlib.text import Text

    for axes in figure.axes:
        for child in axes.get_children():
            if isinstance(child, Text) and child not in axes.texts:
                child.set_wrap(True)


def part_colours(count: int) -> list[str]:
    """A colour for each body part, ``#rrggbb``: the house's colours while they last, else evenly along a colour map.

    >>> part_colours(2)
    ['#0072B2', '#D55E00']
    """
    distinct = COLOURS[:-1]  # black is left to what is true
    if count <= len(distinct):
        return list(distinct[:count])
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["viridis"](place / (count - 1))) for place in range(count)]

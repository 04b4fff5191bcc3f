"""The figures: those of the two papers, for this machine.

Each function draws one figure of a summary, or returns ``None`` where the design holds nothing for it. Single repeats
are dots, medians are lines.
"""

from __future__ import annotations

from pathlib import Path

from posecli.studies.benchmark.summary import Summary
from posecli.support.figures import Chart, house_style, save_figure


def draw_charts(summary: Summary, folder: Path) -> tuple[Chart, ...]:
    """Draw every figure for which there are rows, as PNG and SVG.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    """
    charts = []
    for name, (draw, caption) in summary.subject.drawings.items():
        with house_style():
            figure = draw(summary)
        if figure is not None:
            charts.append(Chart(name, caption, *save_figure(figure, folder / name)))
    return tuple(charts)

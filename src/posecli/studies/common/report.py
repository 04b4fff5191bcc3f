"""What a study leaves behind: tidy CSV, JSON, figures, and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from posecli.studies.common.folder import write_json
from posecli.support.figures import Chart, house_style, save_figure
from posecli.support.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CSV_FILE, JSON_FILE, HTML_FILE, FIGURES_FOLDER = "results.csv", "results.json", "report.html", "figures"

SummaryT = TypeVar("SummaryT")
#: Draws a figure of a summary, or says by ``None`` that there is nothing to show; and what the figure shows.
Drawing: TypeAlias = "tuple[Callable[[SummaryT], Figure | None], str]"


@dataclass(frozen=True)
class StudyReport:
    """The files that a study wrote."""

    folder: Path
    charts: tuple[Chart, ...]

    @property
    def page(self) -> Path:
        """Path of the HTML page."""
        return self.folder / HTML_FILE


def draw_charts(drawings: Mapping[str, Drawing[SummaryT]], summary: SummaryT, folder: Path) -> tuple[Chart, ...]:
    """Draw every figure that shows something, as PNG and SVG."""
    charts = []
    for name, (draw, caption) in drawings.items():
        with house_style():
            figure = draw(summary)
        if figure is not None:
            charts.append(Chart(name, caption, *save_figure(figure, folder / FIGURES_FOLDER / name)))
    return tuple(charts)


def write_results(report: StudyReport, table: str, results: Mapping[str, Any], page: str) -> None:
    """Write the table (from `csv_text`), all results as JSON, and the page."""
    write_whole(report.folder / CSV_FILE, table.encode())
    write_json(report.folder / JSON_FILE, results)
    write_whole(report.page, page.encode())

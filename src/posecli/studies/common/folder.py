"""A study's folder: its design (``design.json``), a line for each finished condition, results, and machine.

The design is written once and then followed. The journal grows by whole, synced lines, so that a kill costs what was
being measured at most. The same command continues; another one is refused.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import psutil

from posecli import __version__
from posecli.errors import OutputError, OutputExistsError
from posecli.support.figures import Chart, house_style, save_figure
from posecli.support.files import write_whole
from posecli.support.hardware import processor, usable_cores
from posecli.tables.manifest import describe_machine

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]

FORMAT_VERSION = 1
DESIGN_FILE = "design.json"
#: Processor features that decide how fast a network can run.
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd")
CSV_FILE, JSON_FILE, HTML_FILE, FIGURES_FOLDER = "results.csv", "results.json", "report.html", "figures"


@dataclass(frozen=True)
class StudyKind:
    """Names by which one kind of study is stored."""

    name: str  # for messages; files say ``posecli-<name>``
    rows_file: str
    folders: tuple[str, ...]  # removed when the study starts over
    unwritten: Mapping[str, Any] = field(default_factory=dict)  # values that earlier versions did not write

    @property
    def format(self) -> str:
        return f"posecli-{self.name}"


@dataclass(frozen=True)
class StudyFolder:
    """The folder of a study: its design and journal."""

    path: Path
    kind: StudyKind

    def begun(self, asked: Mapping[str, Any], *, overwrite: bool) -> dict[str, Any] | None:
        """The design of the same study that is here already; ``None`` if there is none, or it was cleared away.

        It is an `OutputExistsError` if another study is here and is not to be overwritten, an `OutputError` if the
        design is damaged.
        """
        if overwrite:
            for name in (self.kind.rows_file, DESIGN_FILE):
                (self.path / name).unlink(missing_ok=True)
            for name in self.kind.folders:
                shutil.rmtree(self.path / name, ignore_errors=True)
            return None
        found = self.design()
        if found is not None:
            self._refuse_another(found, asked)
        return found

    def design(self) -> dict[str, Any] | None:
        """The design that is here; ``None`` if there is none. Errors as of `begun`."""
        path = self.path / DESIGN_FILE
        content = read_json(path)
        if content is None:
            return None
        if not isinstance(content, dict) or content.get("format") != self.kind.format:
            raise OutputExistsError(f"'{path}' is not a {self.kind.name}'s: choose another folder with --out-dir")
        if content.get("format_version") != FORMAT_VERSION:
            raise OutputExistsError(
                f"'{self.path}' holds a {self.kind.name} of another version of posecli: choose another folder with "
                "--out-dir, or pass --overwrite"
            )
        return content

    def write_design(self, asked: Mapping[str, Any], content: dict[str, Any]) -> dict[str, Any]:
        """Write the design, with what was asked; returns all that was written."""
        head = {
            "format": self.kind.format,
            "format_version": FORMAT_VERSION,
            "posecli": __version__,
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        design = head | content | {"determined_by": dict(asked)}
        write_json(self.path / DESIGN_FILE, design)
        return design

    def rows(self, *, repair: bool = False) -> list[Row]:
        """Every complete line of the journal; with `repair`, a torn last one is cut off the file."""
        path = self.path / self.kind.rows_file
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return []
        rows, whole = [], 0
        for line in content.splitlines(keepends=True):
            try:
                row = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                row = None
            if not isinstance(row, dict):
                break
            rows.append(row)
            whole += len(line)
        if repair and whole < len(content):
            os.truncate(path, whole)
        return rows

    def append(self, rows: Sequence[Row]) -> None:
        """Add lines to the journal, synced to the disk."""
        path = self.path / self.kind.rows_file
        try:
            with path.open("a", encoding="utf-8") as stream:
                stream.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise OutputError(
                f"'{path}' cannot be written ({error.strerror or error}): check its folder and disk"
            ) from error

    def _refuse_another(self, found: dict[str, Any], asked: Mapping[str, Any]) -> None:
        old = {**self.kind.unwritten, **found.get("determined_by", {})}
        wanted = json.loads(json.dumps(asked, default=str))
        changes = [_difference(name, old.get(name), new) for name, new in wanted.items() if old.get(name) != new]
        if changes:
            raise OutputExistsError(
                f"'{self.path}' holds another {self.kind.name} ({', '.join(changes)}): choose another folder with "
                "--out-dir, or pass --overwrite"
            )


def _difference(name: str, old: Any, new: Any) -> str:
    if isinstance(old, dict) or isinstance(new, dict) or len(str(old)) + len(str(new)) > 80:
        return f"other {name}"
    was, now = (",".join(map(str, value)) if isinstance(value, list) else str(value) for value in (old, new))
    return f"{name} was {was}, not {now}"


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically."""
    write_whole(path, (json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n").encode())


def read_json(path: Path) -> Any:
    """Content of a JSON file; ``None`` if there is no such file, an `OutputError` if it is damaged."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"'{path}' cannot be read ({error}): pass --overwrite to start over") from error


def describe_bench() -> dict[str, Any]:
    """Hardware, system and software, as plain values."""
    name, features = processor()
    return describe_machine() | {
        "processor": name,
        "features": [feature for feature in FEATURES if feature in features],
        "usable_cores": usable_cores(),
        "memory_gib": psutil.virtual_memory().total / (1 << 30),
        "load_before": os.getloadavg()[0],
    }


def machine_line(bench: dict[str, Any]) -> str:
    """The machine in one line.

    >>> machine_line({"processor": "Abacus 9", "features": ["beads"], "usable_cores": 2, "memory_gib": 7.8})
    'Abacus 9 (beads), 2 cores, 8 GiB'
    """
    features = f" ({', '.join(bench['features'])})" if bench["features"] else ""
    memory = f", {bench['memory_gib']:.0f} GiB" if bench["memory_gib"] else ""
    return f"{bench['processor']}{features}, {bench['usable_cores']} cores{memory}"


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

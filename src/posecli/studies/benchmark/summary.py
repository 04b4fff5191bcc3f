"""The measurements of a benchmark by condition: medians, gains, accuracy and cost."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from posecli.inference.step import Values
from posecli.studies.benchmark.study import POSES_FOLDER, Benchmark, Condition, DataSet, condition_of
from posecli.studies.common.folder import Row
from posecli.studies.cost import Estimate, Experiment, Price


@dataclass(frozen=True)
class Accuracy:
    """How well behaviours were found, where they are known: over so many frames and classes."""

    balanced: float  # mean recall of the classes that the frames show
    frames: int
    classes: int


@dataclass(frozen=True)
class Cell:
    """One condition and all that was measured of it."""

    condition: Condition
    rows: tuple[Row, ...]  # one per repeat that was measured; none where it failed or was left out
    state: str  # done, failed or left out, and why it is not done
    reason: str = ""
    #: How far its results are from fp32's on the same items: poses in px of the video's own frame, or probabilities;
    #: ``None`` for fp32 itself, for poses of an untrained network, and where hardly a point was seen.
    change: Any = None
    accuracy: Accuracy | None = None  # of its labels, where the true ones were given

    def values(self, name: str) -> list[float]:
        return [row[name] for row in self.rows]

    def median(self, name: str = "fps") -> float:
        return statistics.median(self.values(name))

    @property
    def fps(self) -> float:
        return self.median("fps")

    @property
    def unchanged_words(self) -> str:
        """What a table shows instead of its change."""
        return "0 (fp32)" if self.condition.precision == "fp32" else "" if self.change else "not judged"


@dataclass(frozen=True)
class Winner:
    """The fastest setting for a video and width, and what the standard method does there."""

    cell: Cell
    standard: Cell | None

    @property
    def gain(self) -> float | None:
        return None if self.standard is None else self.cell.fps / self.standard.fps


@dataclass(frozen=True)
class BenchmarkSummary:
    """A benchmark and what follows from its measurements."""

    study: Benchmark
    cells: tuple[Cell, ...]  # one per condition, in the order of the design's factors
    price: Price  # of this machine, or of one like it
    video_fps: float  # of the recordings that run time and cost are stated for

    @cached_property
    def done(self) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells if cell.state == "done")

    def data_of(self, cell: Cell) -> DataSet:
        return next(data for data in self.study.data if data.name == cell.condition.data)

    @property
    def most_cores(self) -> int:
        return max(int(cores) for cores in self.study.design["factors"]["cores"])

    def select(self, cells: Iterable[Cell] | None = None, **levels: Any) -> list[Cell]:
        """Measured cells at these levels; a set stands for any of its values."""
        chosen = self.done if cells is None else cells
        wanted = {name: level if isinstance(level, (set, frozenset)) else {level} for name, level in levels.items()}
        return [c for c in chosen if all(getattr(c.condition, name) in level for name, level in wanted.items())]

    def like(self, cell: Cell, **changes: Any) -> list[Cell]:
        """Cells that differ from one in nothing but some factors."""
        return self.select(**vars(cell.condition) | changes)

    def estimate(self, cell: Cell, fps: float | None = None) -> Estimate:
        """Time and cost of an hour of video in a condition."""
        experiment = Experiment(animals=1, days=1, hours_per_day=1, video_fps=self.video_fps)
        return Estimate(experiment, cell.fps if fps is None else fps, self.price.of(cell.condition.cores))

    def standard(self, data: str, width: int, cores: int, **levels: Any) -> Cell | None:
        """The standard method in fp32."""
        found = self.standard_cells(data=data, width=width, cores=cores, precision="fp32", **levels)
        return found[0] if found else None

    def standard_cells(self, **levels: Any) -> list[Cell]:
        """The standard method: one item at a time, one stage after the other."""
        levels["pipeline"] = "sync"
        return self.select(decoder="standard", **levels) or self.select(batch_size=1, **levels)

    def winners(self) -> list[Winner]:
        """The fastest usable setting for each video and what the network sees of it."""
        found = []
        for group in alike(filter(self.is_usable, self.done), "view"):
            best = max(group, key=lambda cell: cell.fps)
            item = best.condition
            same = {"height": item.height, "length": item.length, "stride": item.stride}
            found.append(Winner(best, self.standard(item.data, item.width, self.most_cores, **same)))
        return found

    def is_usable(self, cell: Cell) -> bool:
        """Whether results in this setting stay close enough to fp32's, as far as that could be measured."""
        if cell.condition.precision == "fp32":
            return True
        return self.data_of(cell).trained and cell.change is not None and cell.change.passed

    def background_cores(self) -> float:
        """Median of the cores that other programs kept busy."""
        values: list[float | None] = [row["background_cores"] for cell in self.done for row in cell.rows]
        return statistics.median([value for value in values if value is not None] or [0.0])

    @cached_property
    def decoder_differences(self) -> list[tuple[Cell, Cell, float]]:
        """Pairs that differ in nothing but decoder, double-loop against NumPy, and their largest difference in px."""
        pairs = []
        for cell in self.select(decoder="double-loop"):
            for other in self.like(cell, decoder="numpy"):
                double, fast = (load_values(self.study.folder, item.condition) for item in (cell, other))
                if double is not None and fast is not None:
                    pairs.append((cell, other, float(np.abs(double - fast).max())))
        return pairs


def cells_of(study: Benchmark) -> list[Cell]:
    """A cell for each condition, not judged yet."""
    cells = []
    for key in dict.fromkeys(row["key"] for row in study.rows):
        first, *more = (row for row in study.rows if row["key"] == key)
        done = sorted((row for row in (first, *more) if row["state"] == "done"), key=lambda row: int(row["repeat"]))
        state, reason = ("done", "") if done else (first["state"], first["reason"])
        cells.append(Cell(condition_of(first), tuple(done), state, reason))
    return cells


def expected_values(study: Benchmark, condition: Condition, cells: Iterable[Cell]) -> Values | None:
    """The longest of what fp32 found in the same items; ``None`` where it is not there."""
    same = [
        load_values(study.folder, cell.condition)
        for cell in cells
        if cell.state == "done" and cell.condition.precision == "fp32" and cell.condition.view == condition.view
    ]
    return max((values for values in same if values is not None), key=len, default=None)


def load_values(folder: Path, condition: Condition) -> Values | None:
    """What a condition's first repeat found, ``(N, K, 3)`` or ``(N, C)``; ``None`` where it is not there."""
    try:
        values: Values = np.load(folder / POSES_FOLDER / f"{condition.key}.npy", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return values


def design_order(study: Benchmark) -> Callable[[Cell], tuple[Any, ...]]:
    """Sorts cells as the design lists the levels of its factors."""
    factors = study.design["factors"]
    names = [data.name for data in study.data]

    def rank(factor: str, level: Any) -> int:
        listed = factors.get(factor, [])
        return listed.index(level) if level in listed else len(listed)

    def place(cell: Cell) -> tuple[Any, ...]:
        item = cell.condition
        network = rank("engines", item.engine), rank("precisions", item.precision), item.cores
        loop = rank("decoders", item.decoder), item.batch_size, rank("pipelines", item.pipeline)
        return names.index(item.data), *item.view[1:], *network, *loop

    return place


def alike(cells: Iterable[Cell], *names: str) -> list[list[Cell]]:
    """Cells with the same levels of some factors, together."""
    groups: dict[Any, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(attrgetter(*names)(cell.condition), []).append(cell)
    return list(groups.values())


def speed(value: float) -> str:
    """A number with three digits that matter.

    >>> speed(1384.2), speed(21.71), speed(4.046)
    ('1384', '21.7', '4.05')
    """
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def quoted(text: str) -> str:
    """A word quoted for a shell; placeholders, which are in capitals, stay as they are."""
    return text if text.isupper() else shlex.quote(text)

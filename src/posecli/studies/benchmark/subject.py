"""What is measured: pose networks, or networks for behaviours. All else about benchmarks is the same for both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from posecli.options import FIXED_PRECISIONS, FixedPrecision
from posecli.studies.benchmark.conditions import Condition, DataSet
from posecli.studies.benchmark.factors import Factors
from posecli.studies.benchmark.options import NetworkName, SharedOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from posecli.studies.benchmark.study import Benchmark
    from posecli.studies.benchmark.summary import BenchmarkSummary, Cell

Say: TypeAlias = Callable[[str], None]
#: Draws a figure of a summary, or says by ``None`` that there is nothing to show; and what the figure shows.
Drawing: TypeAlias = "tuple[Callable[[BenchmarkSummary], Figure | None], str]"

SUBJECTS: dict[NetworkName, str] = {
    "pose": "posecli.studies.benchmark.poses:PoseSubject",
    "i3d": "posecli.studies.benchmark.behaviours:ClipSubject",
}


class Subject(ABC):
    """What is particular to one kind of network about a benchmark."""

    network: ClassVar[NetworkName]
    #: What goes through the network as one, for people.
    item: ClassVar[str]
    #: Columns of the CSV file that only this kind has: factors, what was measured, and how results change.
    factor_columns: ClassVar[tuple[str, ...]] = ()
    measured_columns: ClassVar[tuple[str, ...]] = ()
    change_columns: ClassVar[tuple[str, ...]]
    #: Head of the column that says how results change.
    change_head: ClassVar[str]

    # What is measured.

    @abstractmethod
    def gather(self, options: Any, folder: Path, say: Say) -> tuple[DataSet, ...]:
        """The videos that are looked at, each with its network; what is rendered lies in a folder.

        Raises
        ------
        VideoError, ModelError
            If one of them cannot be used.
        UsageError
            If two videos have the same name.
        """

    @abstractmethod
    def factors(
        self,
        options: Any,
        data: tuple[DataSet, ...],
        cores: tuple[int, ...],
        precisions: tuple[FixedPrecision, ...],
    ) -> Factors:
        """Every factor's levels."""

    @abstractmethod
    def trial(self, options: Any, data: DataSet, cores: int, precision: FixedPrecision) -> tuple[Condition, int]:
        """A condition to know this machine's speed by, and how many items that takes."""

    def wanted_precisions(
        self, options: SharedOptions, runnable: tuple[FixedPrecision, ...]
    ) -> tuple[FixedPrecision, ...]:
        """Those asked for; otherwise those that run."""
        return options.precisions or runnable or FIXED_PRECISIONS[:1]

    # What came out.

    @abstractmethod
    def judged(self, study: Benchmark, cells: Sequence[Cell]) -> list[Cell]:
        """Cells with how far their results are from fp32's, where that says something."""

    @abstractmethod
    def findings(self, summary: BenchmarkSummary) -> Iterable[str]:
        """What came out, in sentences."""

    @abstractmethod
    def command(self, summary: BenchmarkSummary, cell: Cell) -> str:
        """The command that runs a condition on a user's video."""

    @property
    @abstractmethod
    def drawings(self) -> Mapping[str, Drawing]:
        """The figures, by name."""

    # Words and tables.

    @abstractmethod
    def changes(self, cell: Cell) -> dict[str, Any]:
        """Values of `change_columns`."""

    @abstractmethod
    def change_words(self, cell: Cell) -> str:
        """How results change, for a table."""

    def measured(self, _row: Mapping[str, Any]) -> dict[str, Any]:
        """Values of `measured_columns`, of a row that was measured."""
        return {}

    def tables(self, _summary: BenchmarkSummary) -> list[tuple[str, list[list[str]], list[str]]]:
        """Further tables of the report: title, rows with their head, and sentences below."""
        return []

    def plain(self, _summary: BenchmarkSummary) -> dict[str, Any]:
        """What else is in ``results.json``."""
        return {}

    @abstractmethod
    def method(self, summary: BenchmarkSummary) -> list[str]:
        """How it was measured, as far as that is particular; sentences."""


def subject_of(network: NetworkName) -> Subject:
    """What is particular to a kind of network."""
    module, _, name = SUBJECTS[network].partition(":")
    subject: Subject = getattr(import_module(module), name)()
    return subject

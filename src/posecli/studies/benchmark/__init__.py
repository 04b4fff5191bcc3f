"""The papers' speed experiments on this machine: a designed study that ends in a tidy table, figures and advice.

``options``, ``factors`` and ``design`` say which ``conditions`` there are and in what order; ``material`` and
``untrained`` make clips and networks; ``worker`` measures one condition in a process of its own (``measure``,
``bench``); ``runner`` goes through the design and can be continued after a kill (``study``); ``summary``, ``tables``,
``charts``, ``trace`` and ``report`` turn rows into what people read. What differs between pose networks and networks
for behaviours is a `Subject` (``subject``): ``poses`` and ``behaviours``; and in a worker, ``benches``.

>>> from posecli.studies.benchmark import BenchmarkOptions, run_benchmark, summarize, write_report
>>> from posecli.studies.cost import read_prices
>>> study = run_benchmark(BenchmarkOptions(sizes=(80, 160)), Path("bench"))  # doctest: +SKIP
>>> summary = summarize(study, read_prices().chosen(None, None))  # doctest: +SKIP
>>> write_report(summary).page  # doctest: +SKIP
PosixPath('bench/report.html')

Names are imported when they are first used: the options cost nothing, the rest needs NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posecli.studies.benchmark.observer import BenchmarkObserver
    from posecli.studies.benchmark.options import BenchmarkOptions, ClipBenchmarkOptions
    from posecli.studies.benchmark.report import summarize, write_report
    from posecli.studies.benchmark.runner import run_benchmark
    from posecli.studies.benchmark.study import Benchmark, open_study
    from posecli.studies.benchmark.summary import BenchmarkSummary
    from posecli.studies.common.report import StudyReport

_HOMES = {
    "BenchmarkObserver": "posecli.studies.benchmark.observer",
    "BenchmarkOptions": "posecli.studies.benchmark.options",
    "ClipBenchmarkOptions": "posecli.studies.benchmark.options",
    "StudyReport": "posecli.studies.common.report",
    "Benchmark": "posecli.studies.benchmark.study",
    "BenchmarkSummary": "posecli.studies.benchmark.summary",
    "open_study": "posecli.studies.benchmark.study",
    "run_benchmark": "posecli.studies.benchmark.runner",
    "summarize": "posecli.studies.benchmark.report",
    "write_report": "posecli.studies.benchmark.report",
}

__all__ = [
    "Benchmark",
    "BenchmarkObserver",
    "BenchmarkOptions",
    "BenchmarkSummary",
    "ClipBenchmarkOptions",
    "StudyReport",
    "open_study",
    "run_benchmark",
    "summarize",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'posecli.studies.benchmark' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__

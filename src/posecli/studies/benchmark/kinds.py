"""Kinds of networks: one object says what is particular to each about a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from posecli.errors import UsageError
from posecli.studies.benchmark import behaviours, poses
from posecli.studies.benchmark.behaviours import cost_cells, cost_table, plain_costs
from posecli.studies.benchmark.bench import Bench, ClipBench, PoseBench
from posecli.studies.benchmark.charts import (
    run_time_against_cores,
    run_time_and_cost,
    speed_against_batch,
    speed_against_precision,
    speed_against_width,
    speed_against_width_and_batch,
)
from posecli.studies.benchmark.design import ClipFactors, Factors, PoseFactors
from posecli.studies.benchmark.material import Say
from posecli.studies.benchmark.options import NetworkName
from posecli.studies.benchmark.study import Benchmark, DataSet
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, expected_values, load_values
from posecli.studies.benchmark.timeline import ramp_up, timelines
from posecli.studies.common.report import Drawing

#: A table of the report: title, rows with their head, and sentences below.
Table = tuple[str, list[list[str]], list[str]]


@dataclass(frozen=True, kw_only=True)
class BenchmarkKind:
    """What is particular to one kind of network about a benchmark."""

    #: Of options, a folder for what is rendered, and a listener: the videos, each with its network.
    gather: Callable[[Any, Path, Say], list[DataSet]]
    factors: Callable[[tuple[DataSet, ...], Any], Factors]
    bench: type[Bench]
    #: Whether precisions that cannot run are rows that say why, where none were asked for.
    shows_obstacles: bool = False
    change: Callable[..., Any]  # of found values against expected ones; None where that says nothing
    change_words: Callable[[Cell], str]
    change_head: str  # of the column of these words
    true_labels: Callable[[Benchmark], Mapping[str, Any]] = lambda _study: {}  # by video
    accuracy: Callable[..., Any] = lambda *_: None  # against true labels
    #: Columns of the CSV file that only this kind has: factors, what was measured of a row, and how results change.
    factor_columns: tuple[str, ...]
    measured: Mapping[str, Callable[[Mapping[str, Any]], Any]] = field(default_factory=dict)
    changes: Mapping[str, Callable[[Cell], Any]]
    tables: Callable[[BenchmarkSummary], list[Table]] = lambda _summary: []
    plain: Callable[[BenchmarkSummary], dict[str, Any]] = lambda _summary: {}  # what else is in results.json
    drawings: Mapping[str, Drawing[BenchmarkSummary]]
    command: Callable[[BenchmarkSummary, Cell], list[str]]  # words that run a condition on a user's video
    method: Callable[[BenchmarkSummary], list[str]]  # sentences on what is particular to how it was measured


TIMELINES: Drawing[BenchmarkSummary] = (
    timelines,
    "Which stage ran when, on which thread, for the first batches of a run; the whole of it is in timelines.json, "
    "for chrome://tracing or ui.perfetto.dev. Repeats Fig. 1a to c of Govindarajan et al. (2022).",
)

POSES = BenchmarkKind(
    gather=poses.gather,
    factors=PoseFactors,
    bench=PoseBench,
    change=poses.shift,
    change_words=poses.change_words,
    change_head="shift p99",
    factor_columns=("decoder",),
    changes=poses.CHANGES,
    drawings={
        "1-speed-against-width": (
            speed_against_width,
            "Speed of the standard method (one frame at a time) against frame width, per hardware setting. Repeats "
            "Fig. 1B of Mathis & Warren (2018).",
        ),
        "2-decoders-against-batch-size": (
            speed_against_batch,
            "Left: the two decoders find the same track. Right: their speed against batch size. Repeats Fig. 2 of "
            "Mathis & Warren (2018).",
        ),
        "3-speed-against-width-and-batch-size": (
            speed_against_width_and_batch,
            "Speed against frame width and batch size, and the gain over the standard method. Repeats Fig. 4 and 5 of "
            "Mathis & Warren (2018).",
        ),
        "4-timelines": TIMELINES,
        "5-run-time-against-cores": (
            run_time_against_cores,
            "Run time of one hour of video against cores; loading alone is the least that any network could take. "
            "Repeats Fig. 2 of Govindarajan et al. (2022).",
        ),
        "6-run-time-and-cost": (
            partial(run_time_and_cost, lambda cell: f"shift p99 {poses.change_words(cell)}"),
            "Run time and cost of one hour of video, with the shift of the poses against fp32. Repeats Fig. 3 and "
            "Table I of Govindarajan et al. (2022).",
        ),
        "7-ramp-up": (ramp_up, "Speed during a run. Mathis & Warren (2018) saw it ramp up."),
    },
    command=poses.command,
    method=poses.method,
)

BEHAVIOURS = BenchmarkKind(
    gather=behaviours.gather,
    factors=ClipFactors,
    bench=ClipBench,
    shows_obstacles=True,
    change=behaviours.change,
    true_labels=behaviours.true_labels,
    accuracy=behaviours.accuracy,
    change_words=behaviours.change_words,
    change_head="largest change",
    factor_columns=("length", "stride"),
    measured=behaviours.MEASURED,
    changes=behaviours.CHANGES,
    tables=lambda summary: [("What it costs", *cost_table(summary))] if cost_cells(summary) else [],
    plain=lambda summary: {"costs": plain_costs(summary), "network_words": behaviours.network_words(summary)},
    drawings={
        "1-timelines": TIMELINES,
        "2-run-time-against-cores": (
            run_time_against_cores,
            "Run time of one hour of video against cores, and of loading alone: reading, decoding and preparing chunks "
            "in the same pipeline, without a network. Repeats Fig. 2 of Govindarajan et al. (2022).",
        ),
        "3-speed-against-precision": (
            speed_against_precision,
            "Speed in each precision, relative to fp32 in the same pipeline: of the whole loop, and of the network "
            "alone. Repeats Fig. 3 of Govindarajan et al. (2022).",
        ),
        "4-run-time-and-cost": (
            partial(run_time_and_cost, lambda cell: f"largest change {behaviours.change_words(cell)}"),
            "Run time and cost of one hour of video, with the change of probabilities against fp32. Repeats Table I of "
            "Govindarajan et al. (2022).",
        ),
        "5-ramp-up": (ramp_up, "Speed during a run."),
    },
    command=behaviours.command,
    method=behaviours.method,
)

KINDS: dict[NetworkName, BenchmarkKind] = {"pose": POSES, "i3d": BEHAVIOURS}


def kind_of(summary: BenchmarkSummary) -> BenchmarkKind:
    """The kind of network that was measured."""
    return KINDS[summary.study.network]


def gathered(options: Any, folder: Path, say: Say) -> tuple[DataSet, ...]:
    """The videos that are looked at, each with its network and a name of its own; what is rendered lies in a folder."""
    data = KINDS[options.network].gather(options, folder, say)
    names = [item.name for item in data]
    if len(set(names)) < len(names):
        raise UsageError(f"videos {', '.join(names)} do not have distinct names: rename one")
    return tuple(data)


def judged(study: Benchmark, cells: Sequence[Cell]) -> Iterable[Cell]:
    """Cells with how far their results are from fp32's on the same items, and with accuracy where labels were given."""
    kind = KINDS[study.network]
    data, truths = {item.name: item for item in study.data}, kind.true_labels(study)
    for cell in cells:
        found = load_values(study.folder, cell.condition) if cell.state == "done" else None
        if found is None:
            yield cell
            continue
        change, condition, truth = None, cell.condition, truths.get(cell.condition.data)
        expected = None if condition.precision == "fp32" else expected_values(study, condition, cells)
        if expected is not None:
            items = min(len(found), len(expected))
            change = kind.change(condition, data[condition.data], found[:items], expected[:items])
        accuracy = None if truth is None else kind.accuracy(cell, found, truth)
        yield replace(cell, change=change, accuracy=accuracy)


def command_line(summary: BenchmarkSummary, cell: Cell) -> str:
    """The command that runs a condition on a user's video."""
    item = cell.condition
    words = ["posecli", *kind_of(summary).command(summary, cell), "--batchsize", str(item.batch_size)]
    words += ["--precision", item.precision, "--pipeline", item.pipeline, "--engine", item.engine]
    return " ".join([*words, *(["--threads", str(item.cores)] if item.cores < summary.most_cores else [])])

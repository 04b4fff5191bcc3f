"""What is particular to each kind of network about a benchmark: one object for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from posecli.errors import ModelError, UsageError
from posecli.inference.step import Values
from posecli.model.folder import ModelFolder, builtin_model_path, read_model_folder
from posecli.model.importing import open_model
from posecli.options import MAX_SHIFT_PX
from posecli.precision.gate import FEWEST_POINTS, GateFigures, compare_poses, model_cutoff
from posecli.studies.benchmark import behaviours, charts
from posecli.studies.benchmark.behaviours import cost_cells, cost_table, plain_costs
from posecli.studies.benchmark.bench import Bench, ClipBench, PoseBench
from posecli.studies.benchmark.design import ClipFactors, Factors, PoseFactors
from posecli.studies.benchmark.material import Say, render_scene, untrained_model
from posecli.studies.benchmark.options import BenchmarkOptions, NetworkName
from posecli.studies.benchmark.study import Benchmark, Condition, DataSet
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, expected_values, load_values, quoted
from posecli.studies.benchmark.timeline import ramp_up, timelines
from posecli.studies.common.folder import Drawing
from posecli.video.probe import probe

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

#: Frames that are rendered of a scene; longer clips repeat them.
SCENE_FRAMES = 120
#: Body parts of an untrained network that looks at a user's video.
SOME_BODYPARTS = 4

#: Columns of the CSV file that say how poses change against fp32.
SHIFTS: dict[str, Callable[[Cell], Any]] = {
    "shift_median_px": lambda cell: cell.change and cell.change.median_px,
    "shift_p99_px": lambda cell: cell.change and cell.change.p99_px,
}


def pose_data(options: BenchmarkOptions, folder: Path, say: Say) -> list[DataSet]:
    """The user's videos, or the two scenes of the papers."""
    from posecli.synthetic import SCENES

    if options.videos:
        return [_data_set(path, options, None) for path in options.videos]
    scenes = [render_scene(name, SCENE_FRAMES, options.seed, folder, say) for name in SCENES]
    return [_data_set(video, options, scene.bodyparts) for scene, video in scenes]


def _data_set(video: Path, options: BenchmarkOptions, bodyparts: Sequence[str] | None) -> DataSet:
    info = probe(video)
    model = open_model(options.model) if options.model else own_model(bodyparts)
    if model is not None and model.description.top_down is not None and model.detector is None:
        raise UsageError(
            f"'{model.path}' looks at the animal alone and has no detector, and a benchmark knows no boxes: give a "
            "network with its detector, or measure speed with 'posecli scale-sweep --boxes'"
        )
    network = model or untrained_model(len(bodyparts or range(SOME_BODYPARTS)), options.seed)
    return DataSet(video.stem, video, info.width, info.height, network.path, trained=model is not None)


def own_model(bodyparts: Sequence[str] | None) -> ModelFolder | None:
    """The network that comes with posecli, if there is one and it knows these body parts."""
    with suppress(ModelError):
        model = read_model_folder(builtin_model_path())
        if bodyparts is None or set(bodyparts) == set(model.description.bodyparts):
            return model
    return None


def shift(condition: Condition, data: DataSet, found: Values, expected: Values) -> GateFigures | None:
    """Shift of poses in px of the video's own frame, where a trained network saw enough points."""
    if not data.trained:
        return None
    enlarged = data.width / condition.width
    factors = (enlarged, enlarged, 1.0)
    cutoff = model_cutoff(read_model_folder(data.model))
    figures = compare_poses(condition.precision, found * factors, expected * factors, cutoff, MAX_SHIFT_PX)
    return figures if figures.points >= FEWEST_POINTS else None


def shift_words(cell: Cell) -> str:
    """The shift's 99th percentile."""
    return cell.unchanged_words or f"{SHIFTS['shift_p99_px'](cell):.2f} px"


def analyze_command(summary: BenchmarkSummary, cell: Cell) -> list[str]:
    """A line of ``posecli analyze``."""
    data, options = summary.data_of(cell), summary.study.design["options"]
    video = str(data.video) if options["videos"] else "VIDEO"
    model = options["model"] or (None if data.trained else "MODEL")  # without one, analyze takes posecli's own
    scale = cell.condition.width / data.width
    parts = ["analyze", quoted(video), *(["--model", quoted(model)] if model else [])]
    return parts if scale == 1 else [*parts, "--scale", f"{scale:.4g}"]


def pose_method(summary: BenchmarkSummary) -> list[str]:
    """How clips are made, which networks look at them, and what the shift is."""
    blind = [data.name for data in summary.study.data if not data.trained]
    networks = (
        f"An untrained network of random weights looks at {', '.join(blind)}: its speed is that of a trained one, its "
        "poses mean nothing, and the shift of its poses is not judged."
    )
    return [
        f"Clips are H.264 of the width that the network sees. {networks if blind else 'Every network was trained.'}",
        "The shift is that of points above the likelihood cut-off against fp32 on the same frames, in px of the "
        "video's own frame.",
    ]


POSES = BenchmarkKind(
    gather=pose_data,
    factors=PoseFactors,
    bench=PoseBench,
    change=shift,
    change_words=shift_words,
    change_head="shift p99",
    factor_columns=("decoder",),
    changes=SHIFTS,
    drawings={
        "1-speed-against-width": (
            charts.speed_against_width,
            "Speed of the standard method (one frame at a time) against frame width, per hardware setting. Repeats "
            "Fig. 1B of Mathis & Warren (2018).",
        ),
        "2-decoders-against-batch-size": (
            charts.speed_against_batch,
            "Left: the two decoders find the same track. Right: their speed against batch size. Repeats Fig. 2 of "
            "Mathis & Warren (2018).",
        ),
        "3-speed-against-width-and-batch-size": (
            charts.speed_against_width_and_batch,
            "Speed against frame width and batch size, and the gain over the standard method. Repeats Fig. 4 and 5 of "
            "Mathis & Warren (2018).",
        ),
        "4-timelines": TIMELINES,
        "5-run-time-against-cores": (
            charts.run_time_against_cores,
            "Run time of one hour of video against cores; loading alone is the least that any network could take. "
            "Repeats Fig. 2 of Govindarajan et al. (2022).",
        ),
        "6-run-time-and-cost": (
            partial(charts.run_time_and_cost, lambda cell: f"shift p99 {shift_words(cell)}"),
            "Run time and cost of one hour of video, with the shift of the poses against fp32. Repeats Fig. 3 and "
            "Table I of Govindarajan et al. (2022).",
        ),
        "7-ramp-up": (ramp_up, "Speed during a run. Mathis & Warren (2018) saw it ramp up."),
    },
    command=analyze_command,
    method=pose_method,
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
            charts.run_time_against_cores,
            "Run time of one hour of video against cores, and of loading alone: reading, decoding and preparing chunks "
            "in the same pipeline, without a network. Repeats Fig. 2 of Govindarajan et al. (2022).",
        ),
        "3-speed-against-precision": (
            charts.speed_against_precision,
            "Speed in each precision, relative to fp32 in the same pipeline: of the whole loop, and of the network "
            "alone. Repeats Fig. 3 of Govindarajan et al. (2022).",
        ),
        "4-run-time-and-cost": (
            partial(charts.run_time_and_cost, lambda cell: f"largest change {behaviours.change_words(cell)}"),
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

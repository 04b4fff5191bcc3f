"""Benchmarks of pose networks: speed against frame width, batch size, decoder, pipeline, precision and cores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from posecli.errors import ModelError
from posecli.model.builtin import builtin_model_path
from posecli.model.folder import ModelFolder, read_model_folder
from posecli.model.importing import open_model
from posecli.options import MAX_SHIFT_PX, FixedPrecision
from posecli.precision.poses import FEWEST_POINTS, compare, model_cutoff
from posecli.studies.benchmark.charts.runtime import run_time_against_cores, run_time_and_cost
from posecli.studies.benchmark.charts.speed import (
    speed_against_batch,
    speed_against_width,
    speed_against_width_and_batch,
)
from posecli.studies.benchmark.charts.timeline import ramp_up, timelines
from posecli.studies.benchmark.conditions import Condition, DataSet
from posecli.studies.benchmark.factors import PoseFactors
from posecli.studies.benchmark.material import refuse_equal_names, render_scene
from posecli.studies.benchmark.options import BenchmarkOptions, NetworkName
from posecli.studies.benchmark.pose_findings import pose_findings
from posecli.studies.benchmark.study import Benchmark
from posecli.studies.benchmark.subject import Drawing, Say, Subject
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, expected_values, load_values, quoted
from posecli.studies.benchmark.untrained import untrained_model
from posecli.video.probe import probe

#: Frames that are rendered of a scene; longer clips repeat them.
SCENE_FRAMES = 120
#: Body parts of an untrained network that looks at a video of one's own.
SOME_BODYPARTS = 4
#: Frame width and batch size of the trial.
TRIAL_WIDTH, TRIAL_BATCH = 160, 8

DRAWINGS: dict[str, Drawing] = {
    "1-speed-against-width": (
        speed_against_width,
        "Speed of the standard method (one frame at a time) against frame width, per hardware setting. Repeats Fig. 1B "
        "of Mathis & Warren (2018).",
    ),
    "2-decoders-against-batch-size": (
        speed_against_batch,
        "Left: the two decoders find the same track. Right: their speed against batch size. Repeats Fig. 2 of Mathis & "
        "Warren (2018).",
    ),
    "3-speed-against-width-and-batch-size": (
        speed_against_width_and_batch,
        "Speed against frame width and batch size, and the gain over the standard method. Repeats Fig. 4 and 5 of "
        "Mathis & Warren (2018).",
    ),
    "4-timelines": (
        timelines,
        "Which stage ran when, on which thread, for the first batches of a run; the whole of it is in timelines.json, "
        "for chrome://tracing or ui.perfetto.dev. Repeats Fig. 1a to c of Govindarajan et al. (2022).",
    ),
    "5-run-time-against-cores": (
        run_time_against_cores,
        "Run time of one hour of video against cores; loading alone is the least that any network could take. Repeats "
        "Fig. 2 of Govindarajan et al. (2022).",
    ),
    "6-run-time-and-cost": (
        run_time_and_cost,
        "Run time and cost of one hour of video, with the shift of the poses against fp32. Repeats Fig. 3 and Table I "
        "of Govindarajan et al. (2022).",
    ),
    "7-ramp-up": (ramp_up, "Speed during a run. Mathis & Warren (2018) saw it ramp up."),
}


class PoseSubject(Subject):
    """Frames to poses."""

    network: ClassVar[NetworkName] = "pose"
    item: ClassVar[str] = "frame"
    factor_columns: ClassVar[tuple[str, ...]] = ("decoder",)
    change_columns: ClassVar[tuple[str, ...]] = ("shift_median_px", "shift_p99_px")
    change_head: ClassVar[str] = "shift p99"

    def gather(self, options: BenchmarkOptions, folder: Path, say: Say) -> tuple[DataSet, ...]:
        """Videos of one's own, or the two scenes of the papers."""
        from posecli.synthetic import SCENES

        if options.videos:
            data = [_own_video(path, options) for path in options.videos]
        else:
            data = [_scene(name, options, folder, say) for name in SCENES]
        refuse_equal_names(data)
        return tuple(data)

    def factors(
        self,
        options: BenchmarkOptions,
        data: tuple[DataSet, ...],
        cores: tuple[int, ...],
        precisions: tuple[FixedPrecision, ...],
    ) -> PoseFactors:
        """Every factor's levels."""
        return PoseFactors(
            data=data,
            sizes=options.sizes,
            cores=cores,
            engines=options.engines,
            precisions=precisions,
            batch_sizes=options.batch_sizes,
            decoders=options.decoders,
            pipelines=options.pipelines,
        )

    def trial(
        self, options: BenchmarkOptions, data: DataSet, cores: int, precision: FixedPrecision
    ) -> tuple[Condition, int]:
        """Small frames in a batch that is worth sharing between cores."""
        width = min(options.sizes, key=lambda size: abs(size - TRIAL_WIDTH))
        height, engine = data.height_at(width), options.engines[0]
        condition = Condition(data.name, width, height, cores, engine, precision, TRIAL_BATCH, "numpy", "sync")
        return condition, TRIAL_BATCH * 4

    def judged(self, study: Benchmark, cells: Sequence[Cell]) -> list[Cell]:
        """With the shift of poses against fp32, where a trained network saw enough points."""
        trained = {data.name: data for data in study.data if data.trained}
        cutoffs = {name: model_cutoff(read_model_folder(data.model)) for name, data in trained.items()}
        return [
            _judged(study, cell, cells, trained[cell.condition.data], cutoffs[cell.condition.data])
            if cell.condition.data in trained
            else cell
            for cell in cells
        ]

    def findings(self, summary: BenchmarkSummary) -> Iterable[str]:
        """Batches, decoders, pipelines, cores and precisions."""
        return pose_findings(summary)

    def command(self, summary: BenchmarkSummary, cell: Cell) -> str:
        """A line of ``posecli analyze``."""
        condition = cell.condition
        data = summary.data_of(cell)
        options = summary.study.design["options"]
        video = str(data.video) if options["videos"] else "VIDEO"
        model = options["model"] or (None if data.trained else "MODEL")  # without one, analyze takes posecli's own
        scale = condition.width / data.width
        parts = ["posecli", "analyze", quoted(video), *(["--model", quoted(model)] if model else [])]
        parts += [] if scale == 1 else ["--scale", f"{scale:.4g}"]
        return " ".join([*parts, *summary.running_flags(cell)])

    @property
    def drawings(self) -> Mapping[str, Drawing]:
        """Those of both papers."""
        return DRAWINGS

    def changes(self, cell: Cell) -> dict[str, Any]:
        """The shift."""
        if cell.shift is None:
            return {}
        return {"shift_median_px": cell.shift.median_px, "shift_p99_px": cell.shift.p99_px}

    def change_words(self, cell: Cell) -> str:
        """The shift's 99th percentile."""
        if cell.condition.precision == "fp32":
            return "0 (fp32)"
        return "not judged" if cell.shift is None else f"{cell.shift.p99_px:.2f} px"

    def method(self, summary: BenchmarkSummary) -> list[str]:
        """Clips, networks and the shift."""
        return [
            f"Clips are H.264 of the width that the network sees. {_networks(summary)}",
            "The shift is that of points above the likelihood cut-off against fp32 on the same frames, in px of the "
            "video's own frame.",
        ]


def _own_video(path: Path, options: BenchmarkOptions) -> DataSet:
    info = probe(path)
    model = open_model(options.model) if options.model else own_model()
    trained = model is not None
    model = model or untrained_model(SOME_BODYPARTS, options.seed)
    return DataSet(path.stem, path, info.width, info.height, model.path, trained)


def _scene(name: str, options: BenchmarkOptions, folder: Path, say: Say) -> DataSet:
    scene, video = render_scene(name, SCENE_FRAMES, options.seed, folder, say)
    model = open_model(options.model) if options.model else own_model(scene.bodyparts)
    trained = model is not None
    model = model or untrained_model(len(scene.bodyparts), options.seed)
    return DataSet(name, video, scene.width, scene.height, model.path, trained)


def own_model(bodyparts: Sequence[str] | None = None) -> ModelFolder | None:
    """The network that comes with posecli, if there is one and it knows these body parts."""
    try:
        model = read_model_folder(builtin_model_path())
    except ModelError:
        return None
    fits = bodyparts is None or set(bodyparts) == set(model.description.bodyparts)
    return model if fits else None


def _judged(study: Benchmark, cell: Cell, cells: Sequence[Cell], data: DataSet, cutoff: float) -> Cell:
    condition = cell.condition
    if cell.state != "done" or condition.precision == "fp32":
        return cell
    found = load_values(study.folder, condition)
    expected = expected_values(study, condition, cells)
    if found is None or expected is None:
        return cell
    frames = min(len(found), len(expected))
    enlarged = data.width / condition.width
    scaled = [poses[:frames] * (enlarged, enlarged, 1.0) for poses in (found, expected)]
    shift = compare(condition.precision, scaled[0], scaled[1], cutoff, MAX_SHIFT_PX)
    return cell if shift.points < FEWEST_POINTS else replace(cell, shift=shift)


def _networks(summary: BenchmarkSummary) -> str:
    blind = [data.name for data in summary.data if not data.trained]
    if not blind:
        return "Every network was trained."
    return (
        f"An untrained network of random weights looks at {', '.join(blind)}: its speed is that of a trained one, its "
        "poses mean nothing, and the shift of its poses is not judged."
    )

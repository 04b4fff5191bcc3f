"""Benchmarks of networks for behaviours: the experiments of Govindarajan et al. (2022) with a network of their kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from posecli.behaviour.intervals import read_intervals
from posecli.errors import ModelError
from posecli.model.builtin import builtin_behaviours_path
from posecli.model.folder import ClipModelFolder, read_clip_folder
from posecli.options import FIXED_PRECISIONS, FixedPrecision
from posecli.studies.benchmark.charts.precision import speed_against_precision
from posecli.studies.benchmark.charts.runtime import run_time_against_cores, run_time_and_cost
from posecli.studies.benchmark.charts.timeline import ramp_up, timelines
from posecli.studies.benchmark.clip_accuracy import with_accuracy
from posecli.studies.benchmark.clip_findings import clip_findings
from posecli.studies.benchmark.conditions import Condition, DataSet
from posecli.studies.benchmark.cost_table import cost_table, plain_costs
from posecli.studies.benchmark.factors import ClipFactors
from posecli.studies.benchmark.material import refuse_equal_names, render_scene
from posecli.studies.benchmark.options import ClipBenchmarkOptions, NetworkName, SharedOptions
from posecli.studies.benchmark.study import Benchmark
from posecli.studies.benchmark.subject import Drawing, Say, Subject
from posecli.studies.benchmark.summary import BenchmarkSummary, Cell, quoted
from posecli.studies.benchmark.untrained import give_int8, untrained_clip_model
from posecli.video.probe import probe

#: The scene that is rendered, and how much of it; longer clips repeat it.
SCENE, SCENE_FRAMES = "home-cage", 640
#: Chunks of the trial.
TRIAL_CHUNKS = 4

DRAWINGS: dict[str, Drawing] = {
    "1-timelines": (
        timelines,
        "Which stage ran when, on which thread, for the first batches of a run; the whole of it is in timelines.json, "
        "for chrome://tracing or ui.perfetto.dev. Repeats Fig. 1a to c of Govindarajan et al. (2022).",
    ),
    "2-run-time-against-cores": (
        run_time_against_cores,
        "Run time of one hour of video against cores, and of loading alone: reading, decoding and preparing chunks in "
        "the same pipeline, without a network. Repeats Fig. 2 of Govindarajan et al. (2022).",
    ),
    "3-speed-against-precision": (
        speed_against_precision,
        "Speed in each precision, relative to fp32 in the same pipeline: of the whole loop, and of the network alone. "
        "Repeats Fig. 3 of Govindarajan et al. (2022).",
    ),
    "4-run-time-and-cost": (
        run_time_and_cost,
        "Run time and cost of one hour of video, with the change of probabilities against fp32. Repeats Table I of "
        "Govindarajan et al. (2022).",
    ),
    "5-ramp-up": (ramp_up, "Speed during a run."),
}


class ClipSubject(Subject):
    """Chunks of frames to behaviours."""

    network: ClassVar[NetworkName] = "i3d"
    item: ClassVar[str] = "chunk"
    factor_columns: ClassVar[tuple[str, ...]] = ("length", "stride")
    measured_columns: ClassVar[tuple[str, ...]] = (
        "chunks",
        "gmac_per_chunk",
        "gmac_per_second",
        "network_gmac_per_second",
    )
    change_columns: ClassVar[tuple[str, ...]] = (
        "compared_chunks",
        "change_median",
        "change_p95",
        "change_largest",
        "changed_labels_share",
        "balanced_accuracy",
    )
    change_head: ClassVar[str] = "largest change"

    def gather(self, options: ClipBenchmarkOptions, folder: Path, say: Say) -> tuple[DataSet, ...]:
        """Videos of one's own, or those that are labelled, or the rendered home cage."""
        videos = options.videos or _labelled(options.labels)
        if not videos:
            _, video = render_scene(SCENE, SCENE_FRAMES, options.seed, folder, say)
            videos = (video,)
        model = given_or_full_size_model(options)
        trained = model is not None
        if model is None:
            model = _untrained(options, videos[0], say)
        data = [_data_set(video, model, trained=trained) for video in videos]
        refuse_equal_names(data)
        return tuple(data)

    def factors(
        self,
        options: ClipBenchmarkOptions,
        data: tuple[DataSet, ...],
        cores: tuple[int, ...],
        precisions: tuple[FixedPrecision, ...],
    ) -> ClipFactors:
        """Every factor's levels."""
        return ClipFactors(
            data=data,
            sizes=options.sizes,
            lengths=options.lengths,
            strides=options.strides,
            cores=cores,
            engines=options.engines,
            precisions=precisions,
            batch_sizes=options.batch_sizes,
            pipelines=options.pipelines,
        )

    def wanted_precisions(
        self, options: SharedOptions, _runnable: tuple[FixedPrecision, ...]
    ) -> tuple[FixedPrecision, ...]:
        """All: what cannot run is a row of the cost table that says why."""
        return options.precisions or FIXED_PRECISIONS

    def trial(
        self, options: ClipBenchmarkOptions, data: DataSet, cores: int, precision: FixedPrecision
    ) -> tuple[Condition, int]:
        """A few of the smallest chunks."""
        size = min(options.sizes, key=lambda each: each.width * each.height)
        length = min(options.lengths)
        condition = Condition(
            data.name,
            size.width,
            size.height,
            cores,
            options.engines[0],
            precision,
            batch_size=1,
            decoder=None,
            pipeline="sync",
            length=length,
            stride=length,
            frame_step=data.frame_step,
        )
        return condition, TRIAL_CHUNKS

    def judged(self, study: Benchmark, cells: Sequence[Cell]) -> list[Cell]:
        """With the change of probabilities against fp32, and with balanced accuracy where labels were given."""
        return with_accuracy(study, cells)

    def findings(self, summary: BenchmarkSummary) -> Iterable[str]:
        """Pipelines, cores, precisions, and what the processor reaches."""
        return clip_findings(summary)

    def command(self, summary: BenchmarkSummary, cell: Cell) -> str:
        """A line of ``posecli classify``."""
        condition = cell.condition
        data = summary.data_of(cell)
        options = summary.study.design["options"]
        video = str(data.video) if options["videos"] or options["labels"] else "VIDEO"
        model = options["model"] or "MODEL"
        parts = ["posecli", "classify", quoted(video), "--model", quoted(model)]
        parts += ["--input-size", f"{condition.width}x{condition.height}"]
        parts += ["--length", str(condition.length), "--stride", str(condition.stride)]
        return " ".join([*parts, *summary.running_flags(cell)])

    @property
    def drawings(self) -> Mapping[str, Drawing]:
        """Those of the 2022 paper."""
        return DRAWINGS

    def changes(self, cell: Cell) -> dict[str, Any]:
        """Of probabilities and labels."""
        found: dict[str, Any] = {}
        if cell.accuracy is not None:
            found["balanced_accuracy"] = cell.accuracy.balanced
        if cell.change is not None:
            figures = cell.change
            found |= {
                "compared_chunks": figures.chunks,
                "change_median": figures.median_change,
                "change_p95": figures.p95_change,
                "change_largest": figures.largest_change,
                "changed_labels_share": figures.changed_labels / figures.chunks,
            }
        return found

    def change_words(self, cell: Cell) -> str:
        """The largest change of a probability."""
        if cell.condition.precision == "fp32":
            return "0 (fp32)"
        return "not judged" if cell.change is None else f"{cell.change.largest_change:.2g}"

    def measured(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Chunks, and the work that was done in them."""
        cost = row["gmac_per_item"]
        return {
            "chunks": row["items"],
            "gmac_per_chunk": cost,
            "gmac_per_second": cost * row["fps"] / row["stride"],
            "network_gmac_per_second": cost * row["network_fps"] / row["stride"],
        }

    def tables(self, summary: BenchmarkSummary) -> list[tuple[str, list[list[str]], list[str]]]:
        """What an hour of video costs: table I."""
        rows, sentences = cost_table(summary)
        return [("What it costs", rows, sentences)] if len(rows) > 1 else []

    def plain(self, summary: BenchmarkSummary) -> dict[str, Any]:
        """The cost table, and which network it was."""
        return {"costs": plain_costs(summary), "network_words": network_words(summary)}

    def method(self, summary: BenchmarkSummary) -> list[str]:
        """Clips, chunks, the network and the change."""
        return [
            "Clips are H.264 of the video's own size; frames are brought to the network's size while they are read.",
            f"The network: {network_words(summary)}.",
            "A chunk of `length` frames begins every `stride` frames: with half the stride the network does twice the "
            "work for the same video, so each cost holds for its stride only.",
            "The change is that of a chunk's probabilities, the one that changes most, against fp32 on the same "
            "chunks.",
        ]


def given_or_full_size_model(options: ClipBenchmarkOptions) -> ClipModelFolder | None:
    """The network that was given, or the one that comes with posecli if it is of the published size."""
    if options.model is not None:
        return read_clip_folder(options.model)
    try:
        model = read_clip_folder(builtin_behaviours_path())
    except ModelError:
        return None
    return model if model.description.width == 1 else None


def _untrained(options: ClipBenchmarkOptions, video: Path, say: Say) -> ClipModelFolder:
    say("no network of the published size is at hand: an untrained one is taken, by which only speed can be told")
    model = untrained_clip_model(options.seed)
    if "int8" in (options.precisions or FIXED_PRECISIONS):
        give_int8(model, video, min(options.sizes, key=lambda size: size.width * size.height), min(options.lengths))
    return model


def _labelled(labels: Path | None) -> tuple[Path, ...]:
    """Videos of a table of intervals, each once."""
    return () if labels is None else tuple(dict.fromkeys(interval.video for interval in read_intervals(labels)))


def _data_set(video: Path, model: ClipModelFolder, *, trained: bool) -> DataSet:
    info = probe(video)
    return DataSet(video.stem, video, info.width, info.height, model.path, trained, model.description.frame_step)


def network_words(summary: BenchmarkSummary) -> str:
    """The network of a study, for people: its size, what a chunk costs it, and whether it was trained."""
    data = summary.data[0]
    description = read_clip_folder(data.model).description
    cells = dict.fromkeys((c.condition.length, c.condition.height, c.condition.width) for c in summary.cells)
    costs = [
        f"{sum(description.network.multiplications(size).values()) / 1e9:.1f} GMAC for {size[0]}x{size[1]}x{size[2]}"
        for size in cells
    ]
    kind = "the published size" if description.width == 1 else f"{description.width:g} times the published width"
    state = (
        "trained"
        if data.trained
        else "untrained: its speed is that of a trained one, what it says means nothing, and its eight-bit ranges are "
        "for speed only"
    )
    return f"I3D of {kind}, {len(description.classes)} classes, {', '.join(costs)}; {state}"

"""What is particular to benchmarks of networks for behaviours: videos, networks, accuracy, costs, and words.

The experiments are those of Govindarajan et al. (2022) with a network of their kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.behaviour.agreement import balanced_accuracy
from posecli.behaviour.chunks import ChunkPlan
from posecli.behaviour.intervals import UNLABELLED, frame_labels, read_intervals
from posecli.behaviour.table import Behaviours
from posecli.errors import ModelError
from posecli.inference.step import Values
from posecli.model.folder import ClipModelFolder, builtin_behaviours_path, read_clip_folder
from posecli.options import FIXED_PRECISIONS, MAX_CHANGE
from posecli.precision.gate import ClipGateFigures, compare_probabilities
from posecli.studies.benchmark.material import Say, give_int8, render_scene, untrained_clip_model
from posecli.studies.benchmark.options import ClipBenchmarkOptions
from posecli.studies.benchmark.study import Benchmark, Condition, DataSet
from posecli.studies.benchmark.summary import Accuracy, BenchmarkSummary, Cell, quoted, speed
from posecli.studies.cost import Estimate, Experiment
from posecli.video.probe import probe

#: The scene that is rendered, and how much of it; longer clips repeat it.
SCENE, SCENE_FRAMES = "home-cage", 640

#: Columns of the CSV file that only these networks have: the work that was done, of a row;
MEASURED: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "chunks": lambda row: row["items"],
    "gmac_per_chunk": lambda row: row["gmac_per_item"],
    "gmac_per_second": lambda row: row["gmac_per_item"] * row["fps"] / row["stride"],
    "network_gmac_per_second": lambda row: row["gmac_per_item"] * row["network_fps"] / row["stride"],
}
#: and how probabilities change against fp32.
CHANGES: dict[str, Callable[[Cell], Any]] = {
    "compared_chunks": lambda cell: cell.change and cell.change.chunks,
    "change_median": lambda cell: cell.change and cell.change.median_change,
    "change_p95": lambda cell: cell.change and cell.change.p95_change,
    "change_largest": lambda cell: cell.change and cell.change.largest_change,
    "changed_labels_share": lambda cell: cell.change and cell.change.changed_labels / cell.change.chunks,
    "balanced_accuracy": lambda cell: cell.accuracy and cell.accuracy.balanced,
}


def gather(options: ClipBenchmarkOptions, folder: Path, say: Say) -> list[DataSet]:
    """The user's videos, or those that are labelled, or the rendered home cage."""
    labelled = [] if options.labels is None else [interval.video for interval in read_intervals(options.labels)]
    videos = list(options.videos or dict.fromkeys(labelled))
    if not videos:
        videos = [render_scene(SCENE, SCENE_FRAMES, options.seed, folder, say)[1]]
    model = given_or_full_size_model(options)
    network = model or _untrained(options, videos[0], say)
    step = network.description.frame_step
    return [
        DataSet(video.stem, video, info.width, info.height, network.path, model is not None, step)
        for video, info in zip(videos, map(probe, videos), strict=True)
    ]


def given_or_full_size_model(options: ClipBenchmarkOptions) -> ClipModelFolder | None:
    """The network that was given, or the one that comes with posecli if it is of the published size."""
    if options.model is not None:
        return read_clip_folder(options.model)
    with suppress(ModelError):
        model = read_clip_folder(builtin_behaviours_path())
        if model.description.width == 1:
            return model
    return None


def _untrained(options: ClipBenchmarkOptions, video: Path, say: Say) -> ClipModelFolder:
    say("posecli has no trained network of the published size: an untrained one is taken, and only its speed counts")
    model = untrained_clip_model(options.seed)
    if "int8" in (options.precisions or FIXED_PRECISIONS):
        give_int8(model, video, min(options.sizes, key=lambda size: size.width * size.height), min(options.lengths))
    return model


def change(condition: Condition, _data: DataSet, found: Values, expected: Values) -> ClipGateFigures | None:
    """Change of probabilities of the chunks that could be decoded."""
    both = np.isfinite(found[:, 0]) & np.isfinite(expected[:, 0])
    return compare_probabilities(condition.precision, found[both], expected[both], MAX_CHANGE) if both.any() else None


def true_labels(study: Benchmark) -> dict[str, npt.NDArray[np.int64]]:
    """Labels of the frames of each video that a trained network saw, where labels were given."""
    table = study.design["options"].get("labels")
    if table is None:
        return {}
    intervals = read_intervals(Path(table))
    return {
        data.name: frame_labels(
            [interval for interval in intervals if interval.video.resolve() == data.video.resolve()],
            read_clip_folder(data.model).description.classes,
            probe(data.video).n_frames,
        )
        for data in study.data
        if data.trained
    }


def accuracy(cell: Cell, found: Values, truth: npt.NDArray[np.int64]) -> Accuracy | None:
    """Frame by frame as in a behaviour table; of a video that a clip repeats, its first showing."""
    condition, n_frames = cell.condition, int(cell.rows[0]["frames"])
    frames = min(len(truth), n_frames)
    starts = ChunkPlan(condition.length, condition.stride, condition.frame_step).starts(n_frames)
    classes = tuple(str(number) for number in range(found.shape[1]))
    table = Behaviours(classes, starts[: len(found)], condition.span, found, np.zeros(n_frames))
    probabilities = table.frame_probabilities(range(frames))
    known = (truth[:frames] != UNLABELLED) & np.isfinite(probabilities[:, 0])
    if not known.any():
        return None
    right, said = truth[:frames][known], probabilities[known].argmax(axis=1)
    return Accuracy(balanced_accuracy(right, said, len(classes)), int(known.sum()), len(np.unique(right)))


def change_words(cell: Cell) -> str:
    """The largest change of a probability."""
    return cell.unchanged_words or f"{CHANGES['change_largest'](cell):.2g}"


def command(summary: BenchmarkSummary, cell: Cell) -> list[str]:
    """A line of ``posecli classify``."""
    item, options = cell.condition, summary.study.design["options"]
    video = str(summary.data_of(cell).video) if options["videos"] or options["labels"] else "VIDEO"
    parts = ["classify", quoted(video), "--model", quoted(options["model"] or "MODEL")]
    parts += ["--input-size", f"{item.width}x{item.height}"]
    return [*parts, "--length", str(item.length), "--stride", str(item.stride)]


def method(summary: BenchmarkSummary) -> list[str]:
    """How clips are made, what a chunk is, which network looks at it, and what the change is."""
    return [
        "Clips are H.264 of the video's own size; frames are scaled to the network's size while they are read.",
        f"The network: {network_words(summary)}.",
        "A chunk of `length` frames begins every `stride` frames: with half the stride the network does twice the "
        "work for the same video, so each cost holds for its stride only.",
        "The change is that of a chunk's probabilities, the one that changes most, against fp32 on the same chunks.",
    ]


def network_words(summary: BenchmarkSummary) -> str:
    """The network of a study, for people: its size, what a chunk costs it, and whether it was trained."""
    data = summary.study.data[0]
    description = read_clip_folder(data.model).description
    sizes = dict.fromkeys((c.condition.length, c.condition.height, c.condition.width) for c in summary.cells)
    costs = [
        f"{sum(description.network.multiplications(size).values()) / 1e9:.1f} GMAC for {size[0]}x{size[1]}x{size[2]}"
        for size in sizes
    ]
    kind = "the published size" if description.width == 1 else f"{description.width:g} times the published width"
    untrained = (
        "untrained: its speed is that of a trained one, what it says means nothing, and its eight-bit ranges are for "
        "speed only"
    )
    state = "trained" if data.trained else untrained
    return f"I3D of {kind}, {len(description.classes)} classes, {', '.join(costs)}; {state}"


#: The paper's mice and days: 2,880 hours of video.
MICE, DAYS = 24, 5
#: The paper's cost of an hour of video, USD on a V100; its 16 bits are floats of another kind than bf16.
PAPER_COSTS = {"sync fp32": 0.93, "async fp32": 0.60, "async fp16": 0.57, "async bf16": 0.57, "async int8": 0.46}
#: Precisions in the order of that table.
ORDER = ("fp32", "bf16", "fp16", "int8")


def cost_cells(summary: BenchmarkSummary) -> list[Cell]:
    """Sync in fp32, then async in each precision, for each video and what the network sees of it; on all cores.

    What failed or could not run is among them.
    """
    cells = [cell for cell in summary.cells if cell.condition.cores == summary.most_cores]
    fewest = min((cell.condition.batch_size for cell in cells), default=1)
    shown = [cell for cell in cells if cell.condition.batch_size == fewest and _configuration(cell) in PAPER_COSTS]
    views = list(dict.fromkeys(cell.condition.view for cell in shown))

    def place(cell: Cell) -> tuple[int, bool, str, int]:
        item = cell.condition
        return views.index(item.view), item.pipeline != "sync", item.engine, ORDER.index(item.precision)

    return sorted(shown, key=place)


def _configuration(cell: Cell) -> str:
    return f"{cell.condition.pipeline} {cell.condition.precision}"


def plain_costs(summary: BenchmarkSummary) -> list[dict[str, Any]]:
    """The cost table as plain values, a dict per row."""
    return [_plain(summary, cell) for cell in cost_cells(summary)]


def _plain(summary: BenchmarkSummary, cell: Cell) -> dict[str, Any]:
    item = cell.condition
    names = ("data", "width", "height", "length", "stride", "engine", "pipeline", "precision")
    row: dict[str, Any] = {name: getattr(item, name) for name in names} | {
        "state": cell.state,
        "reason": cell.reason,
        "paper_gain_over_sync": PAPER_COSTS["sync fp32"] / PAPER_COSTS[_configuration(cell)],
    }
    if cell.state != "done":
        return row
    hour = summary.estimate(cell)
    whole = Estimate(Experiment(MICE, DAYS, video_fps=summary.video_fps), hour.fps, hour.per_hour)
    same = {name: getattr(item, name) for name in ("view", "engine", "cores", "batch_size")}
    sync = summary.select(pipeline="sync", precision="fp32", **same)
    return row | {
        "minutes_per_video_hour": 60 * hour.hours_per_video_hour,
        "cost_per_video_hour": hour.cost_per_video_hour,
        "video_hours": whole.experiment.video_hours,
        "cost": whole.cost,
        "gain_over_sync": cell.fps / sync[0].fps if sync else None,
        **{name: value for name, of in CHANGES.items() if (value := of(cell)) is not None},
    }


def cost_table(summary: BenchmarkSummary) -> tuple[list[list[str]], list[str]]:
    """The table for people, its head first, and what is to be said below it."""
    currency = summary.price.currency
    head = ["video", "network sees", "chunk", "stride", "configuration", "min per hour of video"]
    head += [f"{currency} per hour", f"{currency} for {24 * MICE * DAYS:,} h", "against sync", "in the paper"]
    head += ["median change", "largest change", "changed labels", "balanced accuracy"]
    rows = [head, *(_words(cell, row) for cell, row in zip(cost_cells(summary), plain_costs(summary), strict=True))]
    return rows, _sentences(summary)


def _words(cell: Cell, row: dict[str, Any]) -> list[str]:
    words = [row["data"], f"{row['width']}x{row['height']} px", str(row["length"]), str(row["stride"])]
    words.append(f"{row['pipeline']}, {row['engine']} {row['precision']}")
    if cell.state != "done":
        return [*words, f"{cell.state}: {cell.reason.partition(': ')[0]}", *[""] * 8]
    gain = row["gain_over_sync"]
    words += [
        speed(row["minutes_per_video_hour"]),
        f"{row['cost_per_video_hour']:.2g}",
        f"{row['cost']:,.0f}",
        "-" if gain is None else f"{gain:.2f}x",
        f"{row['paper_gain_over_sync']:.2f}x",
    ]
    right = "-" if cell.accuracy is None else f"{100 * cell.accuracy.balanced:.1f} %"
    if cell.change is None:
        return [*words, cell.unchanged_words, "", "", right]
    labels = f"{cell.change.changed_labels} of {cell.change.chunks}"
    return [*words, f"{cell.change.median_change:.2g}", f"{cell.change.largest_change:.2g}", labels, right]


def _sentences(summary: BenchmarkSummary) -> list[str]:
    sentences = [
        f"Price: {summary.price}; video of {summary.video_fps:g} frames/s, start-up left out; {MICE} mice for {DAYS} "
        "days as in the paper. The paper's gains are those of its costs on a V100, whose 16 bits are fp16."
    ]
    if not all(data.trained for data in summary.study.data):
        sentences.append(
            "The network is untrained: speed and cost are those of a trained one, the changes of its probabilities "
            "and labels say nothing of a trained one's."
        )
    known = [cell.accuracy for cell in cost_cells(summary) if cell.accuracy is not None]
    if known:
        fewest = min(known, key=lambda accuracy: accuracy.frames)
        sentences.append(
            f"Balanced accuracy: over the frames of the runs themselves, {fewest.frames} of {fewest.classes} classes "
            "at least; classes that they do not show are left out."
        )
    return sentences

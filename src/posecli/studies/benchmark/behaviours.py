"""What is particular to benchmarks of networks for behaviours: videos, networks, changes of probabilities, and words.

The experiments are those of Govindarajan et al. (2022) with a network of their kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posecli.behaviour.chunks import ChunkPlan
from posecli.behaviour.intervals import UNLABELLED, frame_labels, read_intervals
from posecli.behaviour.metrics import balanced_accuracy
from posecli.behaviour.table import Behaviours
from posecli.errors import ModelError
from posecli.inference.step import Values
from posecli.model.builtin import builtin_behaviours_path
from posecli.model.folder import ClipModelFolder, read_clip_folder
from posecli.options import FIXED_PRECISIONS, MAX_CHANGE
from posecli.precision.gate import ClipGateFigures, compare_probabilities
from posecli.studies.benchmark.conditions import Condition, DataSet
from posecli.studies.benchmark.material import Say, render_scene
from posecli.studies.benchmark.options import ClipBenchmarkOptions
from posecli.studies.benchmark.study import Benchmark
from posecli.studies.benchmark.summary import Accuracy, BenchmarkSummary, Cell, quoted
from posecli.studies.benchmark.untrained import give_int8, untrained_clip_model
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
    return [_data_set(video, network, trained=model is not None) for video in videos]


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


def _data_set(video: Path, model: ClipModelFolder, *, trained: bool) -> DataSet:
    info = probe(video)
    return DataSet(video.stem, video, info.width, info.height, model.path, trained, model.description.frame_step)


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
    data = summary.data[0]
    description = read_clip_folder(data.model).description
    sizes = dict.fromkeys((c.condition.length, c.condition.height, c.condition.width) for c in summary.cells)
    costs = [
        f"{sum(description.network.multiplications(size).values()) / 1e9:.1f} GMAC for {size[0]}x{size[1]}x{size[2]}"
        for size in sizes
    ]
    kind = "the published size" if description.width == 1 else f"{description.width:g} times the published width"
    state = (
        "trained"
        if data.trained
        else "untrained: its speed is that of a trained one, what it says means nothing, and its eight-bit ranges are "
        "for speed only"
    )
    return f"I3D of {kind}, {len(description.classes)} classes, {', '.join(costs)}; {state}"

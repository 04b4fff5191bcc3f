"""How far each condition's probabilities are from fp32's, and how well its labels agree with true ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posecli.behaviour.chunks import ChunkPlan
from posecli.behaviour.intervals import UNLABELLED, frame_labels, read_intervals
from posecli.behaviour.metrics import balanced_accuracy
from posecli.behaviour.table import Behaviours
from posecli.inference.kind import Values
from posecli.model.folder import read_clip_folder
from posecli.options import MAX_CHANGE
from posecli.precision.behaviours import ClipGateFigures, compare_probabilities
from posecli.studies.benchmark.conditions import Condition, DataSet
from posecli.studies.benchmark.study import Benchmark
from posecli.studies.benchmark.summary import Accuracy, Cell, expected_values, load_values
from posecli.video.probe import probe

Labels = npt.NDArray[np.int64]


def with_accuracy(study: Benchmark, cells: Sequence[Cell]) -> list[Cell]:
    """Cells with their change against fp32, and with their accuracy where a trained network saw labelled video."""
    labels = study.design["options"].get("labels")
    truths = {} if labels is None else {data.name: _truth(Path(labels), data) for data in study.data if data.trained}
    return [_judged(study, cell, cells, truths) if cell.state == "done" else cell for cell in cells]


def _judged(study: Benchmark, cell: Cell, cells: Sequence[Cell], truths: dict[str, Labels]) -> Cell:
    found = load_values(study.folder, cell.condition)
    if found is None:
        return cell
    truth = truths.get(cell.condition.data)
    accuracy = None if truth is None else _accuracy(cell, found, truth)
    return replace(cell, change=_change(study, cell.condition, found, cells), accuracy=accuracy)


def _change(study: Benchmark, condition: Condition, found: Values, cells: Sequence[Cell]) -> ClipGateFigures | None:
    expected = expected_values(study, condition, cells)
    if expected is None or condition.precision == "fp32":
        return None
    chunks = min(len(found), len(expected))
    both = np.isfinite(found[:chunks, 0]) & np.isfinite(expected[:chunks, 0])
    if not both.any():
        return None
    return compare_probabilities(condition.precision, found[:chunks][both], expected[:chunks][both], MAX_CHANGE)


def _truth(labels: Path, data: DataSet) -> Labels:
    """Labels of a video's frames; none where the table does not name it."""
    video = data.video.resolve()
    intervals = [interval for interval in read_intervals(labels) if interval.video.resolve() == video]
    return frame_labels(intervals, read_clip_folder(data.model).description.classes, probe(data.video).n_frames)


def _accuracy(cell: Cell, found: Values, truth: Labels) -> Accuracy | None:
    """Frame by frame as in a behaviour table; of a video that a clip repeats, its first showing."""
    condition = cell.condition
    frames = min(len(truth), int(cell.rows[0]["frames"]))
    starts = ChunkPlan(condition.length, condition.stride, condition.frame_step).starts(int(cell.rows[0]["frames"]))
    classes = tuple(str(number) for number in range(found.shape[1]))
    table = Behaviours(classes, starts[: len(found)], condition.span, found, np.zeros(int(cell.rows[0]["frames"])))
    probabilities = table.frame_probabilities(range(frames))
    known = (truth[:frames] != UNLABELLED) & np.isfinite(probabilities[:, 0])
    if not known.any():
        return None
    right, said = truth[:frames][known], probabilities[known].argmax(axis=1)
    return Accuracy(balanced_accuracy(right, said, len(classes)), int(known.sum()), len(np.unique(right)))

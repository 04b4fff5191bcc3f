"""What `posecli evaluate` does with a network for behaviours: classify, compare, and the tables that it prints."""

from __future__ import annotations

import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from posecli.cli.base import Output, aligned, stop_signals
from posecli.cli.progress import AnalysisProgress
from posecli.errors import LabelError, VideoError
from posecli.options import ClassifyOptions
from posecli.support.results import AnalysisReport, VideoResult

if TYPE_CHECKING:
    from posecli.behaviour.agreement import Absent, Agreement, AgreementOptions, BehaviourEvaluation
    from posecli.model.folder import ClipModelFolder

#: The parity gate measures and reports, but every change passes: the evaluation shows what it does.
ANY_CHANGE = 1.0


def measured_behaviours(
    folder: ClipModelFolder, data: Path, flags: Mapping[str, Any], output: Output
) -> Callable[[], BehaviourEvaluation]:
    """Classifies the videos and compares them with their labels; the options are checked before."""
    from posecli.behaviour.agreement import AgreementOptions

    counting = AgreementOptions(flags["slack"], cast("Absent", flags["absent"].replace("-", " ")))
    options = ClassifyOptions(
        engine=flags["engine"],
        batch_size=ClassifyOptions().batch_size if flags["batch_size"] is None else flags["batch_size"],
        stride=flags["stride"],
        pipeline=flags["pipeline"],
        max_change=ANY_CHANGE,
        out_dir=flags["out_dir"],
        overwrite=flags["overwrite"],
        allow_short=True,  # frames that cannot be decoded are counted, but not scored
    )
    return partial(_measure, folder, data, options, counting, output)


def _measure(
    folder: ClipModelFolder, data: Path, options: ClassifyOptions, counting: AgreementOptions, output: Output
) -> BehaviourEvaluation:
    from posecli.behaviour.agreement import BehaviourEvaluation, compare_video
    from posecli.behaviour.intervals import true_labels

    classes = folder.description.classes
    truths = true_labels(*_labels_of(data, classes))
    with stop_signals(), _classified(folder, tuple(truths), options, output) as tables:
        videos = tuple(compare_video(video, truth, tables[video], classes) for video, truth in truths.items())
    return BehaviourEvaluation(classes, videos, counting)


def _labels_of(data: Path, classes: tuple[str, ...]) -> tuple[Path, tuple[str, ...], Path | None]:
    """The table of intervals that DATA stands for, and the video, if it names one."""
    from posecli.synthetic.sample import behaviours_beside

    if data.suffix.casefold() == ".csv":
        return data, classes, None
    if not data.is_file():
        raise LabelError(
            f"'{data}' is not a file: give a table of labelled intervals (.csv), or a video with one beside it"
        )
    table = behaviours_beside(data)
    if not table.is_file():
        raise LabelError(
            f"no labels are beside '{data}', where a table of intervals named '{table.name}' is expected: write one, "
            "or give a table of intervals instead of the video"
        )
    return table, classes, data


@contextmanager
def _classified(
    folder: ClipModelFolder, videos: Iterable[Path], options: ClassifyOptions, output: Output
) -> Iterator[dict[Path, Path]]:
    """Behaviour tables by video; they outlive the block only in a folder that the user gave."""
    from posecli.analysis import classify
    from posecli.inference.predictor import ClipModel

    model = ClipModel(folder, options.engine)
    progress = ClassifyingProgress(output, keeps=options.out_dir is not None)
    with tempfile.TemporaryDirectory(prefix="posecli-evaluate-") as scratch:
        tables: dict[Path, Path] = {}
        for number, group in enumerate(_groups(videos, together=options.out_dir is not None)):
            place = options.out_dir or Path(scratch, str(number))
            tables |= _tables(classify(group, model, replace(options, out_dir=place), progress))
        yield tables


def _groups(videos: Iterable[Path], *, together: bool) -> list[list[Path]]:
    """Videos whose tables can share a folder: recordings of different days often have the same name."""
    if together:
        return [list(videos)]
    seen: Counter[str] = Counter()
    groups: defaultdict[int, list[Path]] = defaultdict(list)
    for video in videos:
        groups[seen[video.stem]].append(video)
        seen[video.stem] += 1
    return list(groups.values())


def _tables(report: AnalysisReport) -> dict[Path, Path]:
    """Each video's table; a video without one ends the evaluation."""
    tables = {}
    for result in report.results:
        if result.table is None:
            error = VideoError(f"'{result.video}' could not be classified, and nothing is evaluated: {result.message}")
            error.exit_code = result.exit_code or error.exit_code
            raise error
        tables[result.video] = result.table
    return tables


class ClassifyingProgress(AnalysisProgress):
    """Prints progress, without the names of tables that are not kept."""

    def __init__(self, output: Output, *, keeps: bool) -> None:
        super().__init__(output)
        self._keeps = keeps

    def video_finished(self, result: VideoResult) -> None:
        if self._keeps or result.table is None:
            super().video_finished(result)
            return
        self._end()
        note = f" ({result.message})" if result.message else ""
        speed = f"{result.seconds:.1f} s, {result.frames_per_second:.1f} fps"
        self._output.say(f"{result.video.name}: {result.frames} frames classified in {speed}{note}")


def behaviour_lines(evaluation: BehaviourEvaluation) -> list[str]:
    """For people: behaviours, confusions, and videos if there are several."""
    frames, chunks = evaluation.frames(), evaluation.chunks()
    several = f" of {len(evaluation.videos)} videos" if len(evaluation.videos) > 1 else ""
    lines = ["", f"{frames.scored} labelled frames{several}", *_behaviours(evaluation, frames), ""]
    lines += ["frames of each labelled behaviour (rows) that were classified as each (columns)"]
    lines += [*_confusion(evaluation, frames), ""]
    if several:
        lines += [*_videos(evaluation), ""]
    return [*lines, *_closing(evaluation, frames, chunks), ""]


def _behaviours(evaluation: BehaviourEvaluation, frames: Agreement) -> list[str]:
    scores, true = frames.scores, frames.confusion.sum(axis=1)
    rows = [["behaviour", "frames", "recall", "precision", "F1"]]
    for number, name in enumerate(evaluation.classes):
        shares = (_percent(scores.recall[number]), _percent(scores.precision[number]), _score(scores.f1[number]))
        rows.append([name, str(true[number]), *shares])
    return aligned(rows)


def _confusion(evaluation: BehaviourEvaluation, frames: Agreement) -> list[str]:
    rows = [["", *evaluation.classes]]
    rows += [
        [name, *map(str, counts)] for name, counts in zip(evaluation.classes, frames.confusion.tolist(), strict=True)
    ]
    return aligned(rows)


def _videos(evaluation: BehaviourEvaluation) -> list[str]:
    rows = [["video", "frames", "balanced accuracy", "accuracy", f"within {evaluation.options.slack} frames"]]
    for video in evaluation.videos:
        own = evaluation.frames(video)
        shares = (own.balanced_accuracy, own.accuracy, own.slack_accuracy)
        rows.append([str(video.video), str(own.scored), *map(_percent, shares)])
    return aligned(rows)


def _closing(evaluation: BehaviourEvaluation, frames: Agreement, chunks: Agreement) -> list[str]:
    slack = evaluation.options.slack
    return [
        f"frames: balanced accuracy {_percent(frames.balanced_accuracy)} ({_rule(evaluation, frames)}), accuracy "
        f"{_percent(frames.accuracy)}, {_percent(frames.slack_accuracy)} with {slack} frames of slack",
        f"chunks of one behaviour, {chunks.scored} of {chunks.total}: balanced accuracy "
        f"{_percent(chunks.balanced_accuracy)} ({_rule(evaluation, chunks)}), accuracy {_percent(chunks.accuracy)}",
    ]


def _rule(evaluation: BehaviourEvaluation, agreement: Agreement) -> str:
    """Which behaviours balanced accuracy averages."""
    there, count = int((agreement.confusion.sum(axis=1) > 0).sum()), len(evaluation.classes)
    if there == count:
        return f"all {count} behaviours"
    if evaluation.options.absent == "zero":
        return f"{count - there} of {count} behaviours are absent and count as 0"
    return f"{there} of {count} behaviours, absent ones left out"


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"


def _score(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"

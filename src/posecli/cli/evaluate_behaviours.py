"""What `posecli evaluate` does with a network for behaviours: classify, compare, and the tables that it prints."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from posecli.cli.base import Output, aligned, percent, rounded, stop_signals
from posecli.cli.progress import AnalysisProgress
from posecli.errors import LabelError, VideoError
from posecli.options import ClassifyOptions
from posecli.support.results import AnalysisReport, VideoResult

if TYPE_CHECKING:
    from posecli.behaviour.agreement import Absent, Agreement, BehaviourEvaluation
    from posecli.model.folder import ClipModelFolder

#: The parity gate measures and reports, but every change passes: the evaluation shows what it does.
ANY_CHANGE = 1.0


def measure_behaviours(
    folder: ClipModelFolder, data: Path, flags: dict[str, Any], output: Output
) -> BehaviourEvaluation:
    """Classify the videos, and compare them with their labels."""
    from posecli.behaviour.agreement import AgreementOptions, BehaviourEvaluation, compare_video
    from posecli.behaviour.intervals import true_labels

    counting = AgreementOptions(flags["slack"], cast("Absent", flags["absent"].replace("-", " ")))
    options = ClassifyOptions(
        **{name: flags[name] for name in ("engine", "stride", "pipeline", "out_dir", "overwrite")},
        batch_size=ClassifyOptions().batch_size if flags["batch_size"] is None else flags["batch_size"],
        max_change=ANY_CHANGE,
        quantize=False,  # the model is measured as it is
        allow_short=True,  # frames that cannot be decoded are counted, but not scored
    )
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
    counts = zip(evaluation.classes, frames.confusion.tolist(), strict=True)
    lines += [*aligned([["", *evaluation.classes], *([name, *map(str, row)] for name, row in counts)]), ""]
    if several:
        lines += [*_videos(evaluation), ""]
    return [*lines, *_closing(evaluation, frames, chunks), ""]


def _behaviours(evaluation: BehaviourEvaluation, frames: Agreement) -> list[str]:
    scores, true = frames.scores, frames.confusion.sum(axis=1)
    figures = zip(evaluation.classes, true, scores.recall, scores.precision, scores.f1, strict=True)
    rows = [
        [name, str(count), percent(recall, 1), percent(precision, 1), rounded(f1)]
        for name, count, recall, precision, f1 in figures
    ]
    return aligned([["behaviour", "frames", "recall", "precision", "F1"], *rows])


def _videos(evaluation: BehaviourEvaluation) -> list[str]:
    rows = [["video", "frames", "balanced accuracy", "accuracy", f"within {evaluation.options.slack} frames"]]
    for video in evaluation.videos:
        own = evaluation.frames(video)
        shares = (own.balanced_accuracy, own.accuracy, own.slack_accuracy)
        rows.append([str(video.video), str(own.scored), *(percent(share, 1) for share in shares)])
    return aligned(rows)


def _closing(evaluation: BehaviourEvaluation, frames: Agreement, chunks: Agreement) -> list[str]:
    slack = evaluation.options.slack
    return [
        f"frames: balanced accuracy {percent(frames.balanced_accuracy, 1)} ({_rule(evaluation, frames)}), accuracy "
        f"{percent(frames.accuracy, 1)}, {percent(frames.slack_accuracy, 1)} with {slack} frames of slack",
        f"chunks of one behaviour, {chunks.scored} of {chunks.total}: balanced accuracy "
        f"{percent(chunks.balanced_accuracy, 1)} ({_rule(evaluation, chunks)}), accuracy {percent(chunks.accuracy, 1)}",
    ]


def _rule(evaluation: BehaviourEvaluation, agreement: Agreement) -> str:
    """Which behaviours balanced accuracy averages."""
    there, count = int((agreement.confusion.sum(axis=1) > 0).sum()), len(evaluation.classes)
    if there == count:
        return f"all {count} behaviours"
    if evaluation.options.absent == "zero":
        return f"{count - there} of {count} behaviours are absent and count as 0"
    return f"{there} of {count} behaviours, absent ones left out"

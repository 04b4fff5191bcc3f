"""What `posecli evaluate` does with a pose network or a pose table, and the tables that it prints."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posecli.cli.base import Output, parse_numbers, percent, rounded
from posecli.errors import UsageError
from posecli.options import EngineOptions, TableChoice

if TYPE_CHECKING:
    from posecli.evaluation import EvaluateOptions, Evaluation
    from posecli.labels import LabeledData

#: Files that hold labels; any other is a video.
LABEL_FILES = (".yaml", ".yml", ".h5", ".csv")
#: Frames per call of the network.
BATCH_SIZE = 8


def measure_poses(model: Path, data: Path, flags: dict[str, Any], output: Output) -> Evaluation:
    """Measure a network, or a pose table, against labels."""
    from posecli.evaluation import EvaluateOptions, evaluate_table
    from posecli.inference.predictor import load_model

    batch_size = BATCH_SIZE if flags["batch_size"] is None else flags["batch_size"]
    if batch_size == "auto":
        raise UsageError("--batchsize auto is for networks for behaviours: give a number of frames")
    options = EvaluateOptions(
        *(parse_numbers(flags["scales"]), flags["pcutoff"], parse_numbers(flags["pck"])),
        *(batch_size, flags["every"], flags["boxes"]),
    )
    if model.suffix == ".h5":
        if options.boxes is not None:
            raise UsageError(f"'{model}' is a pose table, in which points have been found: leave out --boxes")
        return evaluate_table(model, data, options, choices=(flags["choice"], flags["truth_choice"]))
    if flags["choice"] != TableChoice():
        raise UsageError(f"'{model}' is not a pose table: --key and --scorer choose among those of one")
    engine: EngineOptions = flags["engine"]
    loaded = load_model(model, engine, flags["network"])
    description = loaded.description
    output.say(
        f"model {description.scorer} ({description.net_type}, {len(description.bodyparts)} body parts), "
        f"engine {engine.engine}, {engine.precision}"
    )
    if data.is_file() and data.suffix not in LABEL_FILES:
        return _measure_video(loaded, data, options, flags, output)
    if flags["truth_choice"] != TableChoice(option="truth-"):
        raise UsageError(f"'{data}' holds labels: --truth-key and --truth-scorer choose among pose tables")
    return _measure_frames(loaded, data, options, flags, output)


def _measure_video(
    model: Any, video: Path, options: EvaluateOptions, flags: dict[str, Any], output: Output
) -> Evaluation:
    from posecli.cli.progress import frame_progress
    from posecli.evaluation.measure import evaluate_video, every_nth, truth_of_video

    if flags["split"] is not None or flags["held_out"] is not None:
        raise UsageError(f"'{video}' is a video: --split and --held-out choose among labelled frames")
    truth, choice = flags["truth"], flags["truth_choice"]
    frames = every_nth(truth_of_video(video, truth, choice).frames, options)
    with frame_progress(output, video.name, len(options.scales) * len(frames)) as progress:
        return evaluate_video(model, video, truth, options, progress, choice)


def _measure_frames(
    model: Any, path: Path, options: EvaluateOptions, flags: dict[str, Any], output: Output
) -> Evaluation:
    from posecli.cli.progress import frame_progress
    from posecli.evaluation import evaluate_frames
    from posecli.labels import read_labeled_data

    if flags["truth"] is not None:
        raise UsageError(f"'{path}' holds labels of its own: --truth is for videos")
    data = read_labeled_data(path, allow_unlabeled=True)
    splits = _splits(data, flags)
    total = len(options.scales) * sum(len(group) for group in splits.values())
    with frame_progress(output, path.name, total) as progress:
        return evaluate_frames(model, data, options, splits, progress)


def _splits(data: LabeledData, flags: dict[str, Any]) -> dict[str, LabeledData]:
    """Train and test frames, if the flags tell them apart."""
    from posecli.evaluation import ALL
    from posecli.labels.data import read_split, split_frames

    held_out = flags["held_out"]
    if flags["split"] is not None:
        if held_out is not None:
            raise UsageError("--split and --held-out exclude each other: give one of them")
        train, test = read_split(flags["split"], data)
    elif held_out is not None:
        train, test = split_frames(data, _held_out(str(held_out)), flags["seed"])
    else:
        return {ALL: data}
    return {"train": train, "test": test}


def _held_out(text: str) -> float | list[str]:
    """A fraction, or the names in a file."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        lines = Path(text).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"'{text}' is neither a fraction nor a readable list of frame names ({error})") from error
    return [line.strip() for line in lines if line.strip()]


def pose_lines(evaluation: Evaluation) -> list[str]:
    """For people: a block for each group of frames, a line for each scale and body part, and DeepLabCut's errors."""
    from posecli.evaluation import ALL

    width = max(len(part) for part in (*evaluation.bodyparts, "body part"))
    titles = ("points", "mean", "median", "p90", "p99", *(f"<={radius:g} px" for radius in evaluation.radii))
    titles_found = (f"p>={evaluation.cutoff:g}", "mean", "median")
    head = f"{'scale':>6}  {'body part':<{width}}{_cells(titles)}  |{_cells(titles_found)}"
    lines = []
    for split, frames in evaluation.splits.items():
        lines += ["", f"{split}: {int(frames.sum())} frames, errors in px of the full frame", head]
        for scale in evaluation.scales:
            for part in (*evaluation.bodyparts, ALL):
                every = evaluation.summary(split, scale, part)
                found = evaluation.summary(split, scale, part, evaluation.cutoff)
                px = [rounded(value) for value in (every.mean, every.median, every.p90, every.p99)]
                cells = _cells([str(every.points), *px, *map(percent, every.pck)])
                cells_found = _cells([percent(found.share), rounded(found.mean), rounded(found.median)])
                lines.append(f"{scale:>6g}  {part:<{width}}{cells}  |{cells_found}")
    above = f"a likelihood of {evaluation.cutoff:g} or more"
    errors = [
        f"{'' if split == ALL else f'{split} '}error as DeepLabCut counts it, at full size: {plain:.2f} px; "
        + (f"no point has {above}" if math.isnan(cut) else f"{cut:.2f} px of points with {above}")
        for split, (plain, cut) in evaluation.deeplabcut().items()
    ]
    return [*lines, "", *errors]


def _cells(texts: Iterable[str]) -> str:
    return "".join(f"{text:>9}" for text in texts)

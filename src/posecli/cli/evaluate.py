"""``posecli evaluate``: how far a model's points lie from labels, at several scales."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.base import Command, Output, config_option, make_output, output_options
from posecli.cli.model import choice_options, parse_numbers
from posecli.errors import OutputExistsError, UsageError
from posecli.options import ENGINES, FIXED_PRECISIONS, EngineOptions

if TYPE_CHECKING:
    from posecli.evaluation import EvaluateOptions, Evaluation
    from posecli.labels import LabeledData

#: What holds labels; every other file is taken for a video.
LABEL_FILES = (".yaml", ".yml", ".h5", ".csv")


@click.command(cls=Command)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@choice_options
@click.option("--truth", type=click.Path(path_type=Path), help="Table with the true points, where DATA is a video.")
@click.option("--scales", default="1,0.5,0.25,0.125", show_default=True, help="Sizes to show the frames in.")
@click.option("--pcutoff", type=float, help="Likelihood from which on a point counts as found.  [the model's own]")
@click.option("--pck", default="5,10", show_default=True, help="Distances in px: the share of points within each.")
@click.option(
    "--split", type=click.Path(path_type=Path), help="YAML file with the frame names to 'train' and 'test' on."
)
@click.option("--held-out", help="Text file with a frame name to test on per line, or a fraction to draw with --seed.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the frames drawn by --held-out.")
@click.option("--every", type=int, default=1, show_default=True, help="Of a video, use every so many-th frame.")
@click.option(
    "-b",
    "--batchsize",
    "--batch-size",
    "batch_size",
    type=int,
    default=8,
    show_default=True,
    help="Frames per call of the network.",
)
@click.option(
    "--engine", type=click.Choice(ENGINES), default="openvino", show_default=True, help="Runtime of the network."
)
@click.option(
    "--precision",
    type=click.Choice(FIXED_PRECISIONS),
    default="fp32",
    show_default=True,
    help="Arithmetic of the network; no parity gate, since the errors themselves are measured.",
)
@click.option("--threads", type=int, help="Threads for the network.  [every core this process may use]")
@click.option("--csv", type=click.Path(path_type=Path), help="Write every figure into this CSV file.")
@click.option(
    "--figure", type=click.Path(path_type=Path), help="Draw the errors into this PNG file, and an SVG beside it."
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
@config_option
@output_options
def evaluate(model: Path, data: Path, as_json: bool, quiet: bool, verbose: bool, **flags: Any) -> None:
    """Measure how far the points of MODEL lie from those of DATA.

    MODEL is a model folder, a DeepLabCut project or an exported model. DATA is a DeepLabCut project, its labeled-data
    folder or one file of labels; or a video of 'posecli sample', or any video with --truth. Errors are in px of the
    full frame at every scale. A pose table (.h5) may stand for MODEL, and is compared with the table DATA.

    \b
    Examples:
        posecli evaluate openfield-model openfield/config.yaml --held-out test.txt
        posecli evaluate openfield-model sample.mp4 --every 10 --figure errors.png
        posecli evaluate videoDLC_resnet50.h5 truth.h5 --csv errors.csv
    """
    output = make_output(as_json, quiet, verbose)
    from posecli.evaluation import EvaluateOptions, write_evaluation_csv
    from posecli.evaluation_figure import draw_evaluation
    from posecli.figures import save_figure

    options = EvaluateOptions(
        parse_numbers(flags["scales"]),
        flags["pcutoff"],
        parse_numbers(flags["pck"]),
        flags["batch_size"],
        flags["every"],
    )
    csv, figure = _free(flags["csv"], flags["overwrite"]), _free(flags["figure"], flags["overwrite"])
    evaluation = _measure(model, data, options, flags, output)
    for line in (*evaluation.notes, *table_lines(evaluation), *deeplabcut_lines(evaluation)):
        output.say(line)
    if csv is not None:
        write_evaluation_csv(evaluation, csv)
        output.say(f"every figure is in '{csv}'")
    if figure is not None:
        stem = figure.with_suffix("") if figure.suffix in (".png", ".svg") else figure
        drawn = " and ".join(f"'{path}'" for path in save_figure(draw_evaluation(evaluation), stem))
        output.say(f"drawn in {drawn}")
    output.result({"model": str(model), "data": str(data), **evaluation.as_dict()})


def _free(path: Path | None, overwrite: bool) -> Path | None:
    """Refuse a file that is there already, before anything is computed."""
    if path is not None and path.exists() and not overwrite:
        raise OutputExistsError(f"'{path}' is there already: pass --overwrite to replace it, or choose another name")
    return path


def _measure(model: Path, data: Path, options: EvaluateOptions, flags: Mapping[str, Any], output: Output) -> Evaluation:
    from posecli.evaluation import evaluate_table
    from posecli.model.deeplabcut import Choice
    from posecli.predictor import load_model

    if model.suffix == ".h5":
        return evaluate_table(model, data, options)
    choice = Choice(flags["shuffle"], flags["trainset_index"], flags["snapshot"])
    loaded = load_model(model, EngineOptions(flags["engine"], flags["precision"], flags["threads"]), choice)
    description = loaded.description
    output.say(
        f"model {description.scorer} ({description.net_type}, {len(description.bodyparts)} body parts), "
        f"engine {flags['engine']}, {flags['precision']}"
    )
    if data.is_file() and data.suffix not in LABEL_FILES:
        return _measure_video(loaded, data, options, flags, output)
    return _measure_frames(loaded, data, options, flags, output)


def _measure_video(
    model: Any, video: Path, options: EvaluateOptions, flags: Mapping[str, Any], output: Output
) -> Evaluation:
    from posecli.cli.progress import frame_progress
    from posecli.evaluation import evaluate_video
    from posecli.video.probe import probe

    if flags["split"] is not None or flags["held_out"] is not None:
        raise UsageError(f"'{video}' is a video: --split and --held-out choose among labelled frames")
    total = len(options.scales) * math.ceil(probe(video).n_frames / options.every)
    with frame_progress(output, video.name, total) as progress:
        return evaluate_video(model, video, flags["truth"], options, progress)


def _measure_frames(
    model: Any, path: Path, options: EvaluateOptions, flags: Mapping[str, Any], output: Output
) -> Evaluation:
    from posecli.cli.progress import frame_progress
    from posecli.evaluation import ALL, evaluate_frames
    from posecli.labels import read_labeled_data

    if flags["truth"] is not None:
        raise UsageError(f"'{path}' holds labels of its own: --truth is for videos")
    data = read_labeled_data(path, allow_unlabeled=True)
    splits = _splits(data, flags) or {ALL: data}
    total = len(options.scales) * sum(len(group) for group in splits.values())
    with frame_progress(output, path.name, total) as progress:
        return evaluate_frames(model, data, options, splits, progress)


def _splits(data: LabeledData, flags: Mapping[str, Any]) -> dict[str, LabeledData] | None:
    """Frames to train on and to test on, where the flags tell them apart."""
    from posecli.labels import read_split, split_frames

    held_out = flags["held_out"]
    if flags["split"] is not None:
        if held_out is not None:
            raise UsageError("--split and --held-out exclude each other: give one of them")
        train, test = read_split(flags["split"], data)
    elif held_out is not None:
        train, test = split_frames(data, _held_out(str(held_out)), flags["seed"])
    else:
        return None
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


def table_lines(evaluation: Evaluation) -> list[str]:
    """The table for people: a block for each group of frames, a line for each scale and body part."""
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
                px = [_px(value) for value in (every.mean, every.median, every.p90, every.p99)]
                cells = _cells([str(every.points), *px, *map(_percent, every.pck)])
                cells_found = _cells([_percent(found.share), _px(found.mean), _px(found.median)])
                lines.append(f"{scale:>6g}  {part:<{width}}{cells}  |{cells_found}")
    return [*lines, ""]


def _cells(texts: Iterable[str]) -> str:
    return "".join(f"{text:>9}" for text in texts)


def _px(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.0f} %"


def deeplabcut_lines(evaluation: Evaluation) -> list[str]:
    """DeepLabCut's train and test error.

    They are called so where the frames are split, and just error elsewhere.
    """
    from posecli.evaluation import ALL

    return [
        f"{'' if split == ALL else f'{split} '}error as DeepLabCut counts it, at full size: {plain:.2f} px; "
        f"{cut:.2f} px of points with a likelihood of {evaluation.cutoff:g} or more"
        for split, (plain, cut) in evaluation.deeplabcut().items()
    ]

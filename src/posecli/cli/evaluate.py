"""``posecli evaluate``: how far a model's points lie from labels, or how well its behaviours agree with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from posecli.cli.base import (
    PATH,
    Command,
    Output,
    batch_size_option,
    boxes_option,
    engine_options,
    pipeline_option,
    project_options,
    table_choice_options,
)
from posecli.errors import UsageError
from posecli.options import CLIP_PIPELINES, FIXED_PRECISIONS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Options that do nothing with the other kind of network.
ONLY_POSES = (
    *("truth", "scales", "pcutoff", "pck", "split", "held_out", "seed", "every", "boxes"),
    *("shuffle", "trainset_index", "snapshot", "dlc_engine", "detector_snapshot", "statistics"),
    *("key", "scorer", "truth_key", "truth_scorer"),
)
ONLY_BEHAVIOURS = ("stride", "slack", "absent", "pipeline", "out_dir")


@click.command(cls=Command)
@click.argument("model", type=PATH)
@click.argument("data", type=PATH)
@project_options
@click.option("--truth", type=PATH, help="Table of true points, if DATA is a video.")
@table_choice_options("a pose table in MODEL's place")
@table_choice_options("the table of true points", "truth-")
@click.option("--scales", default="1,0.5,0.25,0.125", help="Factors by which frames are resized.")
@click.option("--pcutoff", type=float, help="Likelihood at or above which a point counts as found.  [the model's own]")
@click.option("--pck", default="5,10", help="Distances in px; the share of points within each is reported.")
@click.option("--split", type=PATH, help="YAML file with the names of 'train' and 'test' frames.")
@click.option("--held-out", help="Text file with the name of a test frame per line, or a fraction to draw with --seed.")
@click.option("--seed", default=0, help="Seed for drawing the frames of --held-out.")
@boxes_option(" For labelled frames, those of the videos that they are from.")
@click.option("--every", default=1, help="Use every N-th frame of a video.")
@batch_size_option(
    "Frames, or chunks, per call of the network; auto is for chunks.  [8 frames, 1 chunk]", None, auto=True
)
@engine_options("; there is no parity gate, since errors are measured.", FIXED_PRECISIONS, "fp32")
@click.option("--stride", type=int, help="Behaviours: frames from one chunk's start to the next's.  [the model's own]")
@click.option(
    "--slack",
    default=10,
    help="Behaviours: frames before or after in which a label excuses a prediction (slack accuracy).",
)
@click.option(
    "--absent",
    type=click.Choice(("left-out", "zero")),
    default="left-out",
    help="Behaviours: how one that is labelled nowhere enters balanced accuracy.",
)
@pipeline_option("Behaviours: how reading, inference and decoding overlap; results are the same.", CLIP_PIPELINES)
@click.option(
    "-o",
    "--out-dir",
    type=PATH,
    help="Behaviours: folder in which tables of 'posecli classify' are kept and reused.  [not kept]",
)
@click.option("--csv", type=PATH, help="Write all results into this CSV file.")
@click.option("--figure", type=PATH, help="Plot them into this PNG file, and an SVG beside it.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there already.")
@click.pass_context
def evaluate(ctx: click.Context, /, model: Path, data: Path, output: Output, **flags: Any) -> None:
    """Measure how far the points of MODEL lie from those of DATA, or how well its behaviours agree with DATA.

    MODEL is a model folder, a DeepLabCut project, an exported model, or built-in. DATA is a DeepLabCut project, its
    labeled-data folder or one file of labels; or a video of 'posecli sample', or any video with --truth. Errors are in
    px of the full frame at every scale. A pose table (.h5) may stand for MODEL, and is compared with the table DATA.

    Where MODEL is a network for behaviours (or built-in-behaviours), DATA is a table of labelled intervals (.csv:
    video,start,end,label), or a video with such a table, <video>_behaviours.csv, beside it.

    \b
    Examples:
        posecli evaluate openfield-model openfield/config.yaml --held-out test.txt
        posecli evaluate built-in sample.mp4 --every 10 --figure errors.png
        posecli evaluate videoDLC_resnet50.h5 truth.h5 --csv errors.csv
        posecli evaluate my-behaviours labelled.csv --figure confusion.png
    """
    from posecli.model.folder import named_model
    from posecli.support.figures import save_figure
    from posecli.support.files import refuse_existing, write_whole
    from posecli.support.textfile import csv_text

    csv, figure = flags["csv"], flags["figure"]
    for path in filter(None, (csv, figure)):  # before anything is computed
        refuse_existing(path, overwrite=flags["overwrite"], instead="name")
    found, lines, draw = _evaluated(ctx, named_model(model), data, flags, output)
    output.say(*found.notes, *lines)
    if csv is not None:
        rows = list(found.rows())
        write_whole(csv, csv_text(list(rows[0]), rows).encode())
        output.say(f"all results are in '{csv}'")
    if figure is not None:
        stem = figure.with_suffix("") if figure.suffix in (".png", ".svg") else figure
        drawn = " and ".join(f"'{path}'" for path in save_figure(draw(found), stem))
        output.say(f"drawn in {drawn}")
    output.result({"model": str(model), "data": str(data), **found.as_dict()})


def _evaluated(
    ctx: click.Context, model: Path, data: Path, flags: dict[str, Any], output: Output
) -> tuple[Any, list[str], Callable[[Any], Figure]]:
    """What was measured of either kind of network, in lines for people, and what draws it."""
    from posecli.model.description import ClipDescription
    from posecli.model.folder import is_model_folder, read_any_folder

    folder = read_any_folder(model) if is_model_folder(model) else None
    if folder is not None and isinstance(folder.description, ClipDescription):
        from posecli.cli.evaluate_behaviours import behaviour_lines, measure_behaviours
        from posecli.plots.evaluation import draw_agreement

        _refuse_given(ctx, ONLY_POSES, "poses", f"'{model}', a network for behaviours")
        agreement = measure_behaviours(folder, data, flags, output)
        return agreement, behaviour_lines(agreement), draw_agreement
    from posecli.cli.evaluate_poses import measure_poses, pose_lines
    from posecli.plots.evaluation import draw_evaluation

    _refuse_given(ctx, ONLY_BEHAVIOURS, "behaviours", f"'{model}'")
    errors = measure_poses(model, data, flags, output)
    return errors, pose_lines(errors), draw_evaluation


def _refuse_given(ctx: click.Context, names: Iterable[str], kind: str, model: str) -> None:
    given = [name for name in names if ctx.get_parameter_source(name) is not ParameterSource.DEFAULT]
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"options for {kind} ({flags}) do nothing with {model}: leave them out")

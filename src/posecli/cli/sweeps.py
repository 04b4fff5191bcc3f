"""What the sweep commands share: their options, how they print progress and results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.base import PATH, Output, aligned, config_option, output_options
from posecli.cli.options import (
    AnyCallback,
    all_of,
    batch_size_option,
    crop_option,
    engine_options,
    gathered,
    pipeline_option,
    project_options,
    table_choice_options,
)
from posecli.errors import UsageError
from posecli.options import AnalyzeOptions, Crop
from posecli.studies.sweep.options import SCENE_FRAMES, SCENE_SEED, Progress, SweepObserver, SweepOptions

if TYPE_CHECKING:
    from posecli.model.deeplabcut import NetworkChoice
    from posecli.studies.sweep.versions import Version

DEFAULTS = SweepOptions()


@dataclass(frozen=True)
class Target:
    """Where a sweep's files go, and the network that it is of."""

    folder: Path
    overwrite: bool
    network: NetworkChoice


def _sweep_of(**flags: Any) -> SweepOptions:
    crop = flags.pop("crop")
    analysis = AnalyzeOptions(
        engine=flags.pop("engine"),
        batch_size=flags.pop("batch_size"),
        crop=None if crop is None else Crop.parse(crop),
        pipeline=flags.pop("pipeline"),
    )
    return SweepOptions(analysis=analysis, tolerance=_pixels(flags.pop("tolerance")), **flags)


def _pixels(text: str) -> float:
    """A length in px, with or without its unit.

    >>> _pixels("1px"), _pixels("0.5")
    (1.0, 0.5)
    """
    try:
        return float(text.strip().lower().removesuffix("px"))
    except ValueError:
        raise UsageError(f"tolerance '{text}' is no length: give px, as in 1px or 0.5") from None


#: The callback takes them as ``sweep``.
_SWEEP_FLAGS = (
    *("videos", "model", "frames", "sample", "batch_size", "crop", "engine", "pipeline", "truth", "truth_choice"),
    *("labels", "pcutoff", "tolerance", "max_lost", "window", "resamples", "seed", "hours_per_year"),
)
_sweep_flags = gathered(
    "sweep",
    lambda *values: _sweep_of(**dict(zip(_SWEEP_FLAGS, values, strict=True))),
    _SWEEP_FLAGS,
    # How the frames of every version are analysed.
    click.option(
        "-m",
        "--model",
        type=PATH,
        help="Model folder or DeepLabCut project.  [the built-in network: a mouse from above]",
    ),
    click.option("--frames", type=int, help=f"Use the first N frames.  [all; {SCENE_FRAMES} of the rendered scene]"),
    click.option(
        "--sample",
        type=int,
        help="Look at about N of these frames only, in stretches of a second from all over each video; versions are "
        "encoded whole.  [all]",
    ),
    batch_size_option("Frames per call of the network.", DEFAULTS.batch_size, auto=False),
    crop_option,
    engine_options(", chosen on the originals and the same for all versions."),
    pipeline_option("How reading, inference and decoding overlap."),
    # What the versions are compared by.
    click.option("--truth", type=PATH, help="Pose table with the true points of the one video."),
    table_choice_options("--truth", "truth-"),
    click.option(
        "--labels", type=PATH, help="DeepLabCut project whose labelled frames of these videos count as truth."
    ),
    click.option("--pcutoff", type=float, help="Least likelihood of a point that counts.  [the model's own]"),
    click.option(
        "--tolerance",
        default=f"{DEFAULTS.tolerance:g}px",
        help="Largest mean error of a body part that is still fine; people who label differ by 3 px.",
    ),
    click.option(
        "--max-lost",
        default=DEFAULTS.max_lost,
        help="Largest share of a body part's points that may fall below the cut-off.",
    ),
    click.option("--window", default=DEFAULTS.window, help="Frames of the median filter."),
    click.option("--resamples", default=DEFAULTS.resamples, help="Resamples of the bootstrap."),
    click.option("--seed", default=SCENE_SEED, help="Seed of the bootstrap and of the rendered scene."),
    click.option(
        "--hours-per-year", default=DEFAULTS.hours_per_year, help="Hours of video a year, to state savings for."
    ),
)


def sweep_options(folder: str) -> Callable[[AnyCallback], AnyCallback]:
    """All that sweeps share; the callback takes ``sweep``, ``target`` and ``output``."""
    overwrite = click.option("--overwrite", is_flag=True, help="Start over where another sweep is.")
    out_dir = click.option(
        *("-o", "--out-dir", "folder"),
        type=PATH,
        default=Path(folder),
        help="Folder for everything; the same command continues what is there.",
    )
    target = gathered("target", Target, ("folder", "overwrite", "network"), overwrite, project_options, out_dir)
    return all_of(_sweep_flags, target, config_option, output_options)


class SweepProgress(SweepObserver):
    """Prints how a sweep goes, on standard error."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def say(self, line: str) -> None:
        """A sentence on what happens."""
        self._output.progress(line)

    @contextmanager
    def work(self, name: str, frames: int) -> Iterator[Progress]:
        """Frames that are done."""
        from posecli.cli.progress import frame_progress

        with frame_progress(self._output, name, frames) as progress:
            yield progress


def run_and_show(kind: str, sweep: SweepOptions, versions: Sequence[Version], target: Target, output: Output) -> None:
    """Run a sweep, write its report, and print the table, what came out, and what to use."""
    from posecli.studies.sweep.recommendation import recommend
    from posecli.studies.sweep.report import results, version_table, write_report
    from posecli.studies.sweep.runner import run_sweep

    observer = SweepProgress(output)
    study = run_sweep(
        kind, sweep, versions, target.folder, observer, overwrite=target.overwrite, network=target.network
    )
    report, recommendation = write_report(study), recommend(study)
    content = results(study, recommendation)
    del content["rows"]
    show_table(version_table(study), (*content["findings"], *recommendation.reasons), output)
    for line in recommendation.commands:
        output.say(f"  {line}")
    output.say(f"report: {report.page}")
    output.result({"folder": str(report.folder), "report": str(report.page), **content})


def show_table(table: list[list[str]], sentences: Sequence[str], output: Output) -> None:
    """Print a table, and sentences below it."""
    for line in (*aligned(table), "", *sentences):
        output.say(line)

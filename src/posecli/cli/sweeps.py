"""What the sweep commands share: their options, how they print progress and results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.base import PATH, Output, aligned
from posecli.cli.options import (
    AnyCallback,
    all_of,
    batch_size_option,
    crop_option,
    engine_option,
    pipeline_option,
    precision_option,
    table_choice_options,
    threads_option,
)
from posecli.errors import UsageError
from posecli.options import AnalyzeOptions, Crop, EngineOptions
from posecli.studies.sweep.options import SCENE_FRAMES, SCENE_SEED, Progress, SweepObserver, SweepOptions

if TYPE_CHECKING:
    from posecli.studies.sweep.study import Sweep

DEFAULTS = SweepOptions()
ANALYSIS = AnalyzeOptions()


#: How the frames of every version are analysed.
NETWORK_OPTIONS = (
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
    batch_size_option("Frames per call of the network.", ANALYSIS.batch_size, auto=False),
    crop_option,
    engine_option,
    precision_option(", settled on the originals and the same for all versions."),
    pipeline_option("How reading, network and decoding are laid over each other."),
    threads_option,
)
#: What the versions are compared by.
MEASURE_OPTIONS = (
    click.option("--truth", type=PATH, help="Pose table with the true points of the one video."),
    table_choice_options("--truth", "truth-"),
    click.option(
        "--labels", type=PATH, help="DeepLabCut project whose labelled frames of these videos count as truth."
    ),
    click.option("--pcutoff", type=float, help="Likelihood from which on a point counts.  [the model's own]"),
    click.option(
        "--tolerance",
        default=f"{DEFAULTS.tolerance:g}px",
        help="Mean error of a body part that is still fine; people who label differ by 3 px.",
    ),
    click.option(
        "--max-lost", default=DEFAULTS.max_lost, help="Share of a body part's points that may fall below the cut-off."
    ),
    click.option("--window", default=DEFAULTS.window, help="Of the median filter, frames."),
    click.option("--resamples", default=DEFAULTS.resamples, help="Of the bootstrap."),
    click.option("--seed", default=SCENE_SEED, help="Of the bootstrap and of the rendered scene."),
    click.option(
        "--hours-per-year", default=DEFAULTS.hours_per_year, help="Hours of video that savings are stated for."
    ),
    click.option("--overwrite", is_flag=True, help="Begin anew where another sweep lies."),
)


sweep_options = all_of(*NETWORK_OPTIONS, *MEASURE_OPTIONS)


def folder_option(default: str) -> Callable[[AnyCallback], AnyCallback]:
    """Where a sweep's files go."""
    return click.option(
        "-o",
        "--out-dir",
        "folder",
        type=PATH,
        default=Path(default),
        help="Folder for everything; the same command continues what lies there.",
    )


def sweep_options_of(videos: tuple[Path, ...], flags: dict[str, Any]) -> SweepOptions:
    """Flags as they come from the command line to the options that they mean."""
    analysis = AnalyzeOptions(
        engine=EngineOptions(flags["engine"], flags["precision"], flags["threads"]),
        batch_size=flags["batch_size"],
        crop=None if flags["crop"] is None else Crop.parse(flags["crop"]),
        pipeline=flags["pipeline"],
    )
    same = (
        "model",
        "frames",
        "sample",
        "truth",
        "labels",
        "pcutoff",
        "max_lost",
        "window",
        "resamples",
        "seed",
        "hours_per_year",
    )
    return SweepOptions(
        videos=videos,
        analysis=analysis,
        truth_choice=flags["truth_choice"],
        tolerance=_pixels(flags["tolerance"]),
        keep=flags.get("keep", False),
        **{name: flags[name] for name in same},
    )


def _pixels(text: str) -> float:
    """A length in px, with or without its unit.

    >>> _pixels("1px"), _pixels("0.5")
    (1.0, 0.5)
    """
    try:
        return float(text.strip().lower().removesuffix("px"))
    except ValueError:
        raise UsageError(f"tolerance '{text}' is no length: give px, as in 1px or 0.5") from None


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


def show_results(study: Sweep, output: Output) -> None:
    """Write the report, and print the table, what came out, and what to use."""
    from posecli.studies.sweep.recommendation import recommend
    from posecli.studies.sweep.report import findings, results, version_table, write_report
    from posecli.studies.sweep.summary import SweepSummary

    summary = SweepSummary(study)
    report, recommendation = write_report(summary), recommend(summary)
    for line in aligned(version_table(summary)):
        output.say(line)
    output.say("")
    for sentence in (*findings(summary), *recommendation.reasons):
        output.say(sentence)
    for line in (recommendation.acquisition, recommendation.analysis):
        if line:
            output.say(f"  {line}")
    output.say(f"report: {report.page}")
    content = results(summary, recommendation)
    del content["rows"]
    output.result({"folder": str(report.folder), "report": str(report.page), **content})

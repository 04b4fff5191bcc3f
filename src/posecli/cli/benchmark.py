"""``posecli benchmark``: how fast this machine is, and with which settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli.benchmark.observer import BenchmarkObserver
from posecli.benchmark.options import DESIGNS, LONGEST_SECONDS, BenchmarkOptions
from posecli.cli.base import Command, Output, config_option, duration, make_output, output_options
from posecli.errors import EXIT_INTERRUPTED, UsageError
from posecli.options import DECODERS, ENGINES, FIXED_PRECISIONS, PIPELINES

if TYPE_CHECKING:
    from posecli.benchmark.design import Visit
    from posecli.benchmark.report import Report
    from posecli.benchmark.study import Study
    from posecli.benchmark.summary import Summary

DEFAULTS = BenchmarkOptions()
#: A machine on which everything takes so many times longer than alone is busy.
BUSY = 1.3
#: Lines of one kind that are printed.
LINES_SHOWN = 4


def _listed(values: Sequence[object]) -> str:
    return ",".join(str(value) for value in values)


@click.command(cls=Command)
@click.option("--sizes", default=_listed(DEFAULTS.sizes), show_default=True, help="Frame widths, px.")
@click.option(
    "--batchsizes",
    "--batch-sizes",
    "batch_sizes",
    default=_listed(DEFAULTS.batch_sizes),
    show_default=True,
    help="Frames per call of the network.",
)
@click.option("--decoders", default=_listed(DEFAULTS.decoders), show_default=True, help=f"Any of {_listed(DECODERS)}.")
@click.option(
    "--pipelines",
    default=_listed(DEFAULTS.pipelines),
    show_default=True,
    help=f"Any of {_listed(PIPELINES)}; those with tf- need the tensorflow engine.",
)
@click.option("--engines", default=_listed(DEFAULTS.engines), show_default=True, help=f"Any of {_listed(ENGINES)}.")
@click.option(
    "--precisions", help=f"Any of {_listed(FIXED_PRECISIONS)}.  [those that engine, processor and model have]"
)
@click.option("--cores", help="Cores that a run may use: the process is bound to them.  [1 and all]")
@click.option("--repeats", type=int, default=DEFAULTS.repeats, show_default=True, help="Runs of each condition.")
@click.option("--frames", type=int, help="Frames of a run.  [what the network does in --seconds, whole batches]")
@click.option(
    "--seconds", type=float, default=DEFAULTS.seconds, show_default=True, help="Length of a run that is aimed at."
)
@click.option(
    "--longest",
    type=float,
    help=f"Leave conditions out whose run would take more seconds.  [{LONGEST_SECONDS:g}; none with --frames or 0]",
)
@click.option(
    "--per-process", type=int, help="Repeats of a condition that share a process.  [1; all if it would take long]"
)
@click.option(
    "--video",
    "videos",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Video to measure with; may be given several times.  [the two synthetic scenes]",
)
@click.option(
    "-m",
    "--model",
    type=click.Path(path_type=Path),
    help="Model folder or DeepLabCut project.  [the built-in network; an untrained one where it does not fit]",
)
@click.option(
    "--design",
    type=click.Choice(DESIGNS),
    default=DEFAULTS.design,
    show_default=True,
    help="figures: the combinations that the figures show; full: all of them.",
)
@click.option("--seed", type=int, default=DEFAULTS.seed, show_default=True, help="Of the order of conditions.")
@click.option(
    "-o",
    "--out-dir",
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("posecli-benchmark"),
    show_default=True,
    help="Folder for everything; the same command continues what lies there.",
)
@click.option("--overwrite", is_flag=True, help="Begin anew where another benchmark lies.")
@click.option("--dry-run", is_flag=True, help="Lay the design out, say how long it will take, and stop.")
@click.option("--price", help="Name in the price list.  [one core of a cloud machine]")
@click.option("--per-hour", type=float, help="What an hour of this machine costs, instead of a named price.")
@click.option("--prices", type=click.Path(path_type=Path), help="YAML file with prices.  [posecli's own]")
@click.option("--video-fps", type=float, default=30.0, show_default=True, help="Of the videos that cost is stated for.")
@config_option
@output_options
@click.pass_context
def benchmark(
    ctx: click.Context,
    /,
    folder: Path,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **flags: Any,
) -> None:
    """Measure how fast this machine finds poses, and find the settings to use.

    Repeats the speed experiments of two papers: frame width, batch size, decoder, pipeline, precision, cores. Leaves
    a report with figures, tables and the command to use. Says beforehand how long it will take. Killed, it is
    continued by the same command.

    \b
    Examples:
        posecli benchmark --sizes 80,160,320,640
        posecli benchmark --video day1.mp4 --model openfield-model --batchsizes 1,8,64
        posecli benchmark --config configs/benchmark-mathis-warren-2018.yaml
    """
    output = make_output(as_json, quiet, verbose)
    options = benchmark_options(flags)
    from posecli.benchmark.report import write_report
    from posecli.benchmark.runner import run_benchmark
    from posecli.benchmark.summary import summarize
    from posecli.cost import read_prices

    price = read_prices(flags["prices"]).chosen(flags["price"], flags["per_hour"])
    progress = _Progress(output)
    try:
        study = run_benchmark(options, folder, progress, overwrite=overwrite, dry_run=dry_run)
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted: what was measured is kept in '{folder}', and the same command continues.", err=True)
        ctx.exit(EXIT_INTERRUPTED)
    if dry_run:
        _show_plan(study, output)
        return
    summary = summarize(study, price, flags["video_fps"])
    _show_results(summary, write_report(summary), output)


def benchmark_options(flags: dict[str, Any]) -> BenchmarkOptions:
    """Flags as they come from the command line to the options that they mean."""
    numbers: dict[str, Any] = {
        name: parse_integers(name, flags[name]) for name in ("sizes", "batch_sizes", "cores") if flags[name]
    }
    names: dict[str, Any] = {
        name: tuple(part.strip() for part in flags[name].split(","))
        for name in ("decoders", "pipelines", "engines", "precisions")
        if flags[name]
    }
    same = ("repeats", "frames", "seconds", "longest", "per_process", "videos", "model", "design", "seed")
    return BenchmarkOptions(**numbers, **names, **{name: flags[name] for name in same})


def parse_integers(name: str, text: str) -> tuple[int, ...]:
    """Whole numbers separated by commas.

    >>> parse_integers("sizes", "80, 160")
    (80, 160)
    """
    try:
        return tuple(int(part) for part in str(text).split(","))
    except ValueError:
        option = name.replace("_", "")
        raise UsageError(f"{option} '{text}' are not whole numbers: separate them by commas, as in 80,160") from None


class _Progress(BenchmarkObserver):
    """Prints how a benchmark goes, on standard error."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._head = ""

    def say(self, line: str) -> None:
        """A sentence on what happens."""
        self._output.progress(line)

    def planned(self, study: Study) -> None:
        """What is about to be done, before it is."""
        for line in plan_lines(study):
            self.say(line)

    def visit_started(self, number: int, total: int, visit: Visit, seconds_left: float) -> None:
        """Remember what is being measured."""
        item = visit.condition
        self._head = (
            f"[{number}/{total}, {duration(seconds_left)} left] {item.data} {item.width} px, "
            f"{_count(item.cores, 'core')}, {item.engine} {item.precision}, batch {item.batch_size}, {item.decoder}, "
            f"{item.pipeline}"
        )

    def visit_done(self, rows: Sequence[dict[str, Any]]) -> None:
        """Print what was measured."""
        done = [row["fps"] for row in rows if row["state"] == "done"]
        result = ", ".join(f"{fps:.1f}" for fps in done) + " fps" if done else f"failed: {rows[0]['reason']}"
        self.say(f"{self._head}: {result}")


def plan_lines(study: Study) -> list[str]:
    """What a design holds, and how long it takes."""
    from posecli.benchmark.machine import machine_line

    design = study.design
    conditions = {visit["condition"]["key"] for visit in design["visits"]}
    lines = [machine_line(design["machine"])]
    lines += [
        f"{data.name}: an untrained network looks at it, so only speed means something"
        for data in study.data
        if not data.trained
    ]
    lines += _left_out_lines(design["left_out"])
    slowdown = design["trial"]["slowdown"]
    if slowdown > BUSY:
        lines.append(
            f"other programs keep this machine busy, everything takes {slowdown:.1f} times as long: wait until it is "
            "quiet, or take the speeds for less than its own"
        )
    together = design["repeats_per_process"]
    lines.append(
        f"{_count(len(conditions), 'condition')}, {_count(design['options']['repeats'], 'repeat')} each, "
        f"{len(design['visits'])} processes ({_count(together, 'repeat')} in each): about "
        f"{duration(design['estimated_seconds'])}"
    )
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _left_out_lines(left_out: Sequence[dict[str, Any]]) -> list[str]:
    lines = [f"left out: {left['condition']['key']}: {left['reason']}" for left in left_out[:LINES_SHOWN]]
    more = len(left_out) - LINES_SHOWN
    return [*lines, f"left out: {more} more, which the report names"] if more > 0 else lines


def _show_plan(study: Study, output: Output) -> None:
    for line in plan_lines(study):
        output.say(line)
    output.result({"folder": str(study.folder), "design": study.design})


def _show_results(summary: Summary, report: Report, output: Output) -> None:
    from posecli.benchmark.report import results, winner_table
    from posecli.cli.tables import aligned

    for line in aligned(winner_table(summary)):
        output.say(line)
    output.say("")
    for sentence in summary.findings():
        output.say(sentence)
    output.say("")
    for winner in summary.winners():
        output.say(
            f"{winner.cell.condition.data} at {winner.cell.condition.width} px: {summary.analyze_line(winner.cell)}"
        )
    failed = [cell for cell in summary.cells if cell.state == "failed"]
    for cell in failed:
        output.say(f"failed: {cell.condition.key}: {cell.reason}")
    output.say(f"report: {report.page}")
    output.result({"folder": str(report.folder), "report": str(report.page), **_without_rows(results(summary))})


def _without_rows(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name != "rows"}

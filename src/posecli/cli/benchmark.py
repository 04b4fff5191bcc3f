"""``posecli benchmark``: how fast this machine is, and with which settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.base import PATH, Command, Output, aligned, duration
from posecli.errors import EXIT_INTERRUPTED, UsageError
from posecli.options import DECODERS, ENGINES, FIXED_PRECISIONS, PIPELINES, InputSize
from posecli.studies.benchmark.options import (
    DESIGNS,
    NETWORKS,
    BenchmarkObserver,
    BenchmarkOptions,
    ClipBenchmarkOptions,
    SharedOptions,
)

if TYPE_CHECKING:
    from posecli.studies.benchmark.summary import BenchmarkSummary

DEFAULTS, CLIP_DEFAULTS = BenchmarkOptions(), ClipBenchmarkOptions()
#: Options of one kind of network only, as parameters.
POSE_ONLY, CLIP_ONLY = ("decoders",), ("lengths", "strides", "labels")
#: Options that are taken as they are.
SAME = ("repeats", "frames", "seconds", "longest", "per_process", "videos", "model", "design", "seed", "labels")
#: A machine on which everything takes so many times longer than alone is busy.
BUSY = 1.3
#: Lines of one kind that are printed.
LINES_SHOWN = 4


def _listed(values: Sequence[object]) -> str:
    return ",".join(str(value) for value in values)


def _default(name: str) -> str:
    """Both kinds' default, as a help text ends."""
    pose, clips = (_listed(getattr(options, name)) for options in (DEFAULTS, CLIP_DEFAULTS))
    return f"[{pose}; {clips} with i3d]"


@click.command(cls=Command)
@click.option(
    "--network",
    type=click.Choice(NETWORKS),
    default=DEFAULTS.network,
    help="pose: frames to poses; i3d: chunks of frames to behaviours.",
)
@click.option("--sizes", help=f"Frame widths, px; with i3d the network's input, N or WxH.  {_default('sizes')}")
@click.option(
    *("--batchsizes", "--batch-sizes", "batch_sizes"),
    help=f"Frames, or chunks, per call of the network.  {_default('batch_sizes')}",
)
@click.option("--decoders", help=f"Any of {_listed(DECODERS)}; only for poses.  [all]")
@click.option("--lengths", help=f"Frames of a chunk; only for i3d.  [{_listed(CLIP_DEFAULTS.lengths)}]")
@click.option(
    "--strides",
    help=f"Frames from the start of one chunk to the next; only for i3d.  [{_listed(CLIP_DEFAULTS.strides)}]",
)
@click.option(
    "--pipelines",
    default=_listed(DEFAULTS.pipelines),
    help=f"Any of {_listed(PIPELINES)}; those with tf- need the tensorflow engine.",
)
@click.option("--engines", default=_listed(DEFAULTS.engines), help=f"Any of {_listed(ENGINES)}.")
@click.option(
    "--precisions", help=f"Any of {_listed(FIXED_PRECISIONS)}.  [those that engine, processor and model support]"
)
@click.option("--cores", help="Cores that a run may use: the process is bound to them.  [1 and all]")
@click.option("--repeats", default=DEFAULTS.repeats, help="Runs of each condition.")
@click.option("--frames", type=int, help="Frames of a run.  [what the network does in --seconds, whole batches]")
@click.option(
    "--seconds", type=float, help=f"Target length of a run.  [{DEFAULTS.seconds:g}; {CLIP_DEFAULTS.seconds:g} with i3d]"
)
@click.option(
    "--longest",
    type=float,
    help="Leave out conditions whose run would take more seconds.  "
    f"[{DEFAULTS.longest_seconds:g}; {CLIP_DEFAULTS.longest_seconds:g} with i3d; none with --frames or 0]",
)
@click.option(
    "--per-process", type=int, help="Repeats of a condition that share a process.  [1; all if it would take long]"
)
@click.option(
    *("--video", "videos"), type=PATH, multiple=True, help="Video to measure with; repeatable.  [synthetic scenes]"
)
@click.option(
    "--labels",
    type=PATH,
    help="CSV of labelled intervals, for balanced accuracy; only for i3d. Its videos are taken without --video.",
)
@click.option(
    *("-m", "--model"),
    type=PATH,
    help="Model folder or DeepLabCut project.  [the built-in network; an untrained one where it does not fit]",
)
@click.option(
    "--design",
    type=click.Choice(DESIGNS),
    default=DEFAULTS.design,
    help="figures: the combinations that the figures show; full: all of them.",
)
@click.option("--seed", default=DEFAULTS.seed, help="For the order of conditions.")
@click.option(
    *("-o", "--out-dir", "--out", "folder"),
    type=PATH,
    default=Path("posecli-benchmark"),
    help="Folder for everything; the same command continues what is there.",
)
@click.option("--overwrite", is_flag=True, help="Start over where another benchmark is.")
@click.option("--dry-run", is_flag=True, help="Lay out the design, say how long it will take, and stop.")
@click.option("--price", help="Name in the price list.  [one core of a cloud machine]")
@click.option("--per-hour", type=float, help="What an hour of this machine costs, instead of a named price.")
@click.option("--prices", type=PATH, help="YAML file with prices.  [posecli's own]")
@click.option("--video-fps", default=30.0, help="Frame rate of the videos whose cost is stated.")
@click.pass_context
def benchmark(
    ctx: click.Context, /, folder: Path, overwrite: bool, dry_run: bool, output: Output, **flags: Any
) -> None:
    """Measure how fast this machine finds poses or behaviours, and find the settings to use.

    Repeats the speed experiments of two papers: frame width, batch size, decoder, pipeline, precision, cores. With
    --network i3d those of the second, with its own kind of network. Writes a report with figures, tables and the
    command to use. Prints an estimate of the time first. After an interruption the same command resumes.

    \b
    Examples:
        posecli benchmark --sizes 80,160,320,640
        posecli benchmark --video day1.mp4 -m my-model --batchsizes 1,8,64
        posecli benchmark --config configs/benchmark-mathis-warren-2018.yaml
        posecli benchmark --network i3d --video cage.mp4 --model my-behaviours
    """
    options = benchmark_options(flags)
    from posecli.studies.benchmark.report import summarize
    from posecli.studies.benchmark.runner import run_benchmark
    from posecli.studies.cost import read_prices

    price = read_prices(flags["prices"]).chosen(flags["price"], flags["per_hour"])
    progress = _Progress(output)
    try:
        study = run_benchmark(options, folder, progress, overwrite=overwrite, dry_run=dry_run)
    except KeyboardInterrupt:
        click.echo(f"\nInterrupted: what was measured is kept in '{folder}', and the same command continues.", err=True)
        ctx.exit(EXIT_INTERRUPTED)
    if dry_run:
        for line in _plan_lines(study.design):
            output.say(line)
        output.result({"folder": str(folder), "design": study.design})
    else:
        _report(summarize(study, price, flags["video_fps"]), output)


def benchmark_options(flags: dict[str, Any]) -> SharedOptions:
    """What the flags mean together."""
    network = flags["network"]
    kind = BenchmarkOptions if network == "pose" else ClipBenchmarkOptions
    for name in CLIP_ONLY if network == "pose" else POSE_ONLY:
        if flags.get(name):
            raise UsageError(f"--{name} '{flags[name]}' does not go with --network {network}: leave one of them out")
    given = {name: flags[name] for name in SAME if flags.get(name) is not None}
    for name in ("batch_sizes", "cores", "lengths", "strides"):
        if flags.get(name):
            given[name] = parse_integers(name, flags[name])
    for name in ("decoders", "pipelines", "engines", "precisions"):
        if flags[name]:
            given[name] = tuple(part.strip() for part in flags[name].split(","))
    if flags["sizes"] is not None:
        sizes = str(flags["sizes"])
        wide = network == "pose"
        given["sizes"] = parse_integers("sizes", sizes) if wide else tuple(map(InputSize.parse, sizes.split(",")))
    return kind(**given)


def parse_integers(name: str, text: str) -> tuple[int, ...]:
    """Whole numbers separated by commas."""
    try:
        return tuple(int(part) for part in str(text).split(","))
    except ValueError:
        option = name.replace("_", "")
        raise UsageError(f"{option} '{text}' are not whole numbers: separate them by commas, as in 80,160") from None


class _Progress(BenchmarkObserver):
    """Prints how a benchmark goes, on standard error."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def say(self, line: str) -> None:
        self._output.progress(line)

    def planned(self, design: dict[str, Any]) -> None:
        for line in _plan_lines(design):
            self.say(line)

    def visited(self, number: str, seconds_left: float, condition: str, rows: Sequence[dict[str, Any]]) -> None:
        done = [row["fps"] for row in rows if row["state"] == "done"]
        result = ", ".join(f"{fps:.1f}" for fps in done) + " fps" if done else f"failed: {rows[0]['reason']}"
        self.say(f"[{number}, {duration(seconds_left)} left] {condition}: {result}")


def _plan_lines(design: dict[str, Any]) -> list[str]:
    from posecli.studies.benchmark.study import counted
    from posecli.studies.common.folder import machine_line

    conditions = {visit["condition"]["key"] for visit in design["visits"]}
    lines = [machine_line(design["machine"])]
    lines += [
        f"{data['name']}: its network is untrained, so only speed means something"
        for data in design["data"]
        if not data["trained"]
    ]
    left_out = [f"left out: {left['condition']['key']}: {left['reason']}" for left in design["left_out"]]
    more = len(left_out) - LINES_SHOWN
    lines += [*left_out[:LINES_SHOWN], *([f"left out: {more} more, listed in the report"] if more > 0 else [])]
    slowdown = design["trial"]["slowdown"]
    if slowdown > BUSY:
        lines.append(
            f"other programs keep this machine busy, everything takes {slowdown:.1f} times as long: wait until it is "
            "quiet, or expect speeds below its own"
        )
    together = design["repeats_per_process"]
    lines.append(
        f"{counted(len(conditions), 'condition')}, {counted(design['options']['repeats'], 'repeat')} each, "
        f"{len(design['visits'])} processes ({counted(together, 'repeat')} in each): about "
        f"{duration(design['estimated_seconds'])}"
    )
    return lines


def _report(summary: BenchmarkSummary, output: Output) -> None:
    """Write the report and print what is most important in it."""
    from posecli.studies.benchmark.kinds import command_line, kind_of
    from posecli.studies.benchmark.report import results, winner_table, write_report

    report, content = write_report(summary), results(summary)
    for table in (winner_table(summary), *(rows for _, rows, _ in kind_of(summary).tables(summary))):
        for line in aligned(table):
            output.say(line)
        output.say("")
    for sentence in content["findings"]:
        output.say(sentence)
    output.say("")
    for winner in summary.winners():
        item = winner.cell.condition
        output.say(f"{item.data} at {item.short_view}: {command_line(summary, winner.cell)}")
    for cell in summary.cells:
        if cell.state == "failed":
            output.say(f"failed: {cell.condition.key}: {cell.reason}")
    output.say(f"report: {report.page}")
    del content["rows"]
    output.result({"folder": str(report.folder), "report": str(report.page), **content})

"""``posecli doctor`` and ``estimate``: what works on this machine, and what an experiment takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posecli.cli.base import PATH, Command, Output, aligned, duration
from posecli.errors import UsageError
from posecli.options import at_least
from posecli.support.words import counted, large, readable

if TYPE_CHECKING:
    from posecli.studies.cost import Estimate, Experiment


@click.command(cls=Command, config=False)
@click.pass_context
def doctor(ctx: click.Context, /, output: Output) -> None:
    """Check versions, processor, engines, decoders and disks, and say what to do.

    Works where libraries are broken: each is tried in a process of its own. Ends with exit code 6 if something that
    posecli needs does not work.

    \b
    Examples:
        posecli doctor
        posecli doctor --json
    """
    from posecli.studies.doctor import examine

    report = examine()
    for check in report.checks:
        line = f"{check.status:<4}  {check.name:<17}  {check.found}"
        if check.status == "fail":
            output.warn(line)
        else:
            output.say(line)
        if check.advice:
            (output.warn if check.status == "fail" else output.say)(f"{'':25}{check.advice}")
    output.result(report.as_dict())
    ctx.exit(report.exit_code)


@click.command(cls=Command)
@click.option("--animals", type=int, required=True, help="Animals, each recorded by itself.")
@click.option("--days", type=float, required=True, help="Days of recording.")
@click.option("--hours-per-day", default=24.0, help="Hours recorded a day.")
@click.option("--video-fps", default=30.0, help="Frames per second of the recordings.")
@click.option("--fps", type=float, help="Frames per second that one machine analyses.")
@click.option(
    "--benchmark", "results", type=PATH, help="Take speeds from a benchmark instead: its folder, or its results.json."
)
@click.option("--within", type=float, help="Days in which everything must be analysed.  [as fast as it is recorded]")
@click.option("--price", help="Name in the price list.  [one core of a cloud machine]")
@click.option("--per-hour", type=float, help="What an hour of the machine costs, instead of a named price.")
@click.option("--cores", default=1, help="Cores of the machine, for a price by the core.")
@click.option("--prices", type=PATH, help="YAML file with prices.  [posecli's own]")
def estimate(results: Path | None, fps: float | None, output: Output, **flags: Any) -> None:
    """Say what an experiment takes: hours of computing, machines, money.

    \b
    Examples:
        posecli estimate --animals 24 --days 5 --fps 78.5 --price v100
        posecli estimate --animals 8 --days 30 --fps 60 --per-hour 0.40
        posecli estimate --animals 8 --days 30 --fps 84 --cores 8 --within 14
    """
    from posecli.studies.cost import Estimate, Experiment, read_prices

    experiment = Experiment(flags["animals"], flags["days"], flags["hours_per_day"], flags["video_fps"])
    price = read_prices(flags["prices"]).chosen(flags["price"], flags["per_hour"])
    at_least(1, cores=flags["cores"])
    if (results is None) == (fps is None):
        raise UsageError("no speed, or two of them: give either --fps or --benchmark")
    settings = {f"{fps:g} frames/s": (fps, flags["cores"])} if fps is not None else measured_settings(results)
    output.say(describe(experiment))
    output.say(f"price: {price}{f' ({price.source})' if price.source else ''}")
    estimates = {name: Estimate(experiment, speed, price.of(cores)) for name, (speed, cores) in settings.items()}
    within = experiment.days if flags["within"] is None else flags["within"]
    output.say(*estimate_lines(estimates, within, price.currency))
    output.result(
        {
            "price": str(price),
            "source": price.source,
            "within_days": within,
            "estimates": [
                {"setting": name, **item.as_dict(), "machines": item.machines(within)}
                for name, item in estimates.items()
            ],
        }
    )


def describe(experiment: Experiment) -> str:
    """The experiment in one line, for people."""
    frames = experiment.video_hours * 3600 * experiment.video_fps
    animals, days = counted(experiment.animals, "animal"), counted(experiment.days, "day")
    return (
        f"{animals} x {days} x {experiment.hours_per_day:g} h = "
        f"{counted(experiment.video_hours, 'hour')} of video, {large(frames)} frames"
    )


def estimate_lines(estimates: dict[str, Estimate], within: float, currency: str) -> list[str]:
    """Lines of a table with a row per setting."""
    table = [
        [
            "setting",
            "speed",
            "h per video-h",
            "machine-hours",
            "on one machine",
            f"machines for {counted(within, 'day')}",
        ]
    ]
    table[0] += [f"{currency} per video-h", f"{currency} in all"]
    for name, item in estimates.items():
        row = [name, f"{item.fps:.4g} fps", f"{item.hours_per_video_hour:.3g}", readable(item.machine_hours)]
        days = item.days()
        row += [counted(days, "day") if days >= 1 else duration(86400 * days), str(item.machines(within))]
        table.append([*row, readable(item.cost_per_video_hour), readable(item.cost)])
    return aligned(table)


def measured_settings(path: Path | None) -> dict[str, tuple[float, int]]:
    """Speeds and cores from a benchmark: for each video and width the standard method and the fastest setting."""
    assert path is not None
    content = _read_results(path)
    conditions = {item["key"]: item for item in content["conditions"] if item["state"] == "done"}
    settings = {}
    for winner in content["winners"]:
        best = conditions[winner["key"]]
        standard = _standard(conditions, best)
        for title, item in (("standard method", standard), ("fastest", best)):
            if item is not None:
                words = f"{item['engine']} {item['precision']}, batch {item['batch_size']}, {item['pipeline']}"
                settings[f"{item['data']} {item['width']} px, {title}: {words}"] = (item["fps"], item["cores"])
    if not settings:
        raise UsageError(f"'{path}' holds no condition that was measured: continue the benchmark, or give --fps")
    return settings


def _standard(conditions: dict[str, Any], best: dict[str, Any]) -> dict[str, Any] | None:
    """The standard method on the same video, with as many cores."""
    same = {name: best[name] for name in ("data", "width", "cores", "engine")}
    wanted = same | {"decoder": "standard", "pipeline": "sync", "precision": "fp32"}
    return next((item for item in conditions.values() if wanted.items() <= item.items()), None)


def _read_results(path: Path) -> dict[str, Any]:
    from posecli.studies.benchmark.report import RESULTS_FORMAT
    from posecli.studies.common.folder import JSON_FILE

    file = path / JSON_FILE if path.is_dir() else path
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"'{file}' does not exist: give the folder of a benchmark that was run to its end") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"'{file}' cannot be read ({error}): run the benchmark again") from error
    if not isinstance(content, dict) or content.get("format") != RESULTS_FORMAT:
        raise UsageError(f"'{file}' is no benchmark's result: give its folder, or its {JSON_FILE}")
    return content

"""Frames per second of the whole ``posecli analyze`` command against its network alone, per frame width and batch size.

    python benchmarks/analyze_speed.py VIDEO MODEL --precision int8

VIDEO is shrunk to each width, and repeated until it lasts. Every condition is a process of its own. In each round the
conditions come in pseudorandom order, so that a change in the machine's speed does not look like an effect; within one
the network alone and the pipelines take turns, and ratios are taken there.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import Run, machine, make_clip, markdown_table, run_network_only, run_posecli, write_results

PIPELINES = ("async", "sync")
#: Lets every precision run whatever it does to the points; only its speed is measured here.
ANY_SHIFT = 1000
#: Seconds of the pilot that finds how many frames last as long as is wanted.
PILOT_SECONDS = 2.0


@dataclass(frozen=True)
class Round:
    """One turn of one condition.

    Attributes
    ----------
    network_fps
        Of the network alone.
    runs
        Of the whole command, by pipeline.
    """

    network_fps: float
    runs: dict[str, Run]


def main() -> None:
    """Measure, and write ``results/analyze-speed-<engine>-<precision>.*``."""
    arguments = parsed_arguments()
    settings = ["--engine", arguments.engine, "--precision", arguments.precision]
    conditions = [(width, batch) for width in arguments.widths for batch in arguments.batchsizes]
    rounds: dict[tuple[int, int], list[Round]] = {condition: [] for condition in conditions}
    facts = machine()
    order = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        clips = {width: lasting_clip(width, arguments, settings, Path(scratch)) for width in arguments.widths}
        for _ in range(arguments.rounds):
            order.shuffle(conditions)
            for width, batch in conditions:
                done = one_round(clips[width], arguments, settings, batch)
                rounds[width, batch].append(done)
                whole = ", ".join(f"{name} {run.fps:.1f}" for name, run in done.runs.items())
                print(f"{width} px, batch {batch}: network alone {done.network_fps:.1f} fps, {whole}", flush=True)
            if all(rounds.values()):
                keep(arguments, facts, rounds)


def keep(arguments: argparse.Namespace, facts: dict[str, Any], rounds: dict[tuple[int, int], list[Round]]) -> None:
    """Write what is known after each round: all of them take long."""
    rows = [summary(width, batch, done) for (width, batch), done in sorted(rounds.items())]
    finished = min(len(done) for done in rounds.values())
    content = {"machine": facts, "rounds": finished, "seed": arguments.seed, "rows": rows}
    title = f"{arguments.engine} engine, {arguments.precision}"
    name = arguments.name or f"analyze-speed-{arguments.engine}-{arguments.precision}"
    write_results(name, content, report(title, facts, finished, rows))


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--widths", type=int, nargs="+", default=[80, 160, 320, 640])
    parser.add_argument("--batchsizes", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long the network is to work in each run")
    parser.add_argument("--seed", type=int, default=2018)
    parser.add_argument("--name", help="name of the result files")
    return parser.parse_args()


def lasting_clip(width: int, arguments: argparse.Namespace, settings: Sequence[object], folder: Path) -> Path:
    """A clip that keeps the network busy for the seconds wanted, in whole batches of every size."""
    batch = max(arguments.batchsizes)
    pilot = make_clip(arguments.video, width, batch, folder)
    fps = run_network_only(pilot, arguments.model, settings, batch, PILOT_SECONDS)
    batches = max(2, round(arguments.seconds * fps / batch))
    return make_clip(arguments.video, width, batches * batch, folder)


def one_round(clip: Path, arguments: argparse.Namespace, settings: Sequence[object], batch: int) -> Round:
    """The network alone and each pipeline, one after the other."""
    network = run_network_only(clip, arguments.model, settings, batch, arguments.seconds)
    flags = ["-b", batch, *settings, "--max-shift", ANY_SHIFT]
    runs = {
        name: run_posecli(clip, arguments.model, clip.parent / "out", [*flags, "--pipeline", name])
        for name in PIPELINES
    }
    return Round(network, runs)


def needed_share(width: int) -> float:
    """Share of the network's own rate that the whole command is to reach."""
    return 0.93 if width >= 160 else 0.85


def summary(width: int, batch: int, rounds: Sequence[Round]) -> dict[str, Any]:
    """One condition: medians, the shares round by round, start-up and memory."""
    runs = [turn.runs["async"] for turn in rounds]
    shares = [turn.runs["async"].fps / turn.network_fps for turn in rounds]
    ahead = [turn.runs["async"].fps / turn.runs["sync"].fps for turn in rounds]
    return {
        "width": width,
        "batch": batch,
        "frames": runs[0].frames,
        "network fps": statistics.median(turn.network_fps for turn in rounds),
        "async fps": statistics.median(run.fps for run in runs),
        "sync fps": statistics.median(turn.runs["sync"].fps for turn in rounds),
        "share": statistics.median(shares),
        "lowest": min(shares),
        "highest": max(shares),
        "needed": needed_share(width),
        "reached": "yes" if statistics.median(shares) >= needed_share(width) else "NO",
        "async/sync": statistics.median(ahead),
        "network busy": statistics.median(run.stage_seconds["network"] / run.loop_seconds for run in runs),
        "start-up s": statistics.median(run.process_seconds - run.loop_seconds for run in runs),
        "peak MiB": statistics.median(run.peak_mib for run in runs),
    }


def report(title: str, facts: dict[str, Any], rounds: int, rows: list[dict[str, Any]]) -> str:
    """The result for people."""
    missed = [f"{row['width']} px batch {row['batch']}" for row in rows if row["reached"] != "yes"]
    verdict = f"Missed at {', '.join(missed)}." if missed else "Reached everywhere."
    return (
        f"# `posecli analyze`, whole command, {title}\n\n{facts['processor']}, {facts['cores']} cores, "
        f"{facts['date']}; medians of {rounds} rounds. `network` is the network alone, on frames in memory; `async` "
        "and `sync` are the whole command, from the first frame read to the table closed; start-up is the rest of its "
        "process, parity gate included. `share` is async / network within a round, with its range; 0.93 of the network "
        f"is needed, 0.85 below 160 px. {verdict}\n\n{markdown_table(rows)}"
    )


if __name__ == "__main__":
    main()

"""Frames per second of the whole ``posecli analyze`` command, per frame width and batch size.

    python benchmarks/analyze_speed.py VIDEO MODEL

VIDEO is shrunk to each width first. Every condition is a process of its own; conditions come in pseudorandom
order, so that a change in the machine's speed does not look like an effect, and are repeated in rounds.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from pathlib import Path
from typing import Any

from common import Run, machine, make_clip, markdown_table, run_posecli, write_results

#: Frames per width: some ten seconds of work each on two cores.
FRAMES = {80: 1216, 160: 512, 320: 128, 640: 64}


def main() -> None:
    """Measure, and write ``results/analyze-speed-<engine>-<precision>.*``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--widths", type=int, nargs="+", default=list(FRAMES))
    parser.add_argument("--batchsizes", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=2018)
    arguments = parser.parse_args()
    conditions = [(width, batch) for width in arguments.widths for batch in arguments.batchsizes]
    runs: dict[tuple[int, int], list[Run]] = {condition: [] for condition in conditions}
    settings = ["--engine", arguments.engine, "--precision", arguments.precision]
    name = f"analyze-speed-{arguments.engine}-{arguments.precision}"
    facts = machine()
    order = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for _ in range(arguments.rounds):
            order.shuffle(conditions)
            for width, batch in conditions:
                clip = make_clip(arguments.video, width, FRAMES.get(width, 128), folder)
                runs[width, batch].append(run_posecli(clip, arguments.model, folder / "out", ["-b", batch, *settings]))
                print(f"{width} px, batch {batch}: {runs[width, batch][-1].fps:.1f} fps", flush=True)
    rows = [summary(width, batch, done) for (width, batch), done in sorted(runs.items())]
    content = {"machine": facts, "rounds": arguments.rounds, "seed": arguments.seed, "rows": rows}
    title = f"{arguments.engine} engine, {arguments.precision}"
    write_results(name, content, report(title, facts, arguments.rounds, rows))


def summary(width: int, batch: int, runs: list[Run]) -> dict[str, Any]:
    """One condition: median and range of the speed, start-up, memory, and who was busy."""
    fps = [run.fps for run in runs]
    busiest = statistics.median(run.stage_seconds["network"] / run.loop_seconds for run in runs)
    return {
        "width": width,
        "batch": batch,
        "frames": runs[0].frames,
        "fps median": statistics.median(fps),
        "fps lowest": min(fps),
        "fps highest": max(fps),
        "network busy": f"{busiest:.0%}",
        "start-up s": statistics.median(run.process_seconds - run.loop_seconds for run in runs),
        "peak MiB": statistics.median(run.peak_mib for run in runs),
    }


def report(title: str, facts: dict[str, Any], rounds: int, rows: list[dict[str, Any]]) -> str:
    """The result for people."""
    return (
        f"# `posecli analyze`, whole command, {title}\n\n{facts['processor']}, {facts['cores']} cores, "
        f"{facts['date']}; median of {rounds} rounds. Speed is of the "
        "loop from the first frame read to the table closed; start-up is the rest of the process.\n\n"
        f"{markdown_table(rows)}"
    )


if __name__ == "__main__":
    main()

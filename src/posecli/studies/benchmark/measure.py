"""One condition, measured in this process: whole loop, network only, reading only, as a row for each repeat."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from posecli.studies.benchmark.bench import Bench, Job
from posecli.studies.benchmark.benches import open_bench
from posecli.studies.benchmark.load import peak_mib


def measure(job: Job) -> list[dict[str, Any]]:
    """Measure a condition's repeats; one row each.

    Parameters
    ----------
    job
        What to measure.

    Returns
    -------
    list of dict
        Plain values, for JSON. ``fps`` is the steady state's; ``curve`` holds frames done and seconds, ``spans`` the
        first repeat's stages as (stage, thread, start, end).
    """
    bench = open_bench(job)
    return [_measured(bench, number) for number in job.repeats]


def _measured(bench: Bench[Any], number: int) -> dict[str, Any]:
    load_before = os.getloadavg()[0]
    network_fps, read_fps = bench.network_fps(), bench.read_fps()
    run = bench.run()
    if number == 0:
        bench.job.poses.parent.mkdir(parents=True, exist_ok=True)
        np.save(bench.job.poses, run.values)
    cost = bench.multiply_adds
    return {
        "repeat": number,
        "frames": run.stages.frames,
        "items": len(run.values),
        "seconds": run.stages.seconds,
        "fps": run.steady_fps,
        "loop_fps": run.loop_fps,
        "network_fps": network_fps,
        "read_fps": read_fps,
        "gmac_per_item": None if cost is None else cost / 1e9,
        "cpu_seconds": run.cpu_seconds,
        "peak_mib": peak_mib(),
        "open_seconds": bench.open_seconds,
        "warm_up_seconds": bench.warm_up_seconds,
        "load_before": load_before,
        "background_cores": run.background_cores,
        "network_threads": bench.engine.info.threads,
        "device": bench.engine.info.device,
        **{f"{stage}_seconds": busy for stage, busy in run.stages.stage_seconds.items()},
        "curve": run.recorder.curve(),
        "spans": run.recorder.first_spans() if number == 0 else [],
    }

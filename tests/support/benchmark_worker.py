"""A stand-in for the worker of `posecli.studies.benchmark` that measures nothing, or fails as it is told to.

``BENCHMARK_FAULTS`` is a JSON object: a part of a condition's key, and what happens there: ``error``, ``slow`` or
``hang``.
"""

import json
import os
import time
from typing import Any

#: Seconds that are slept for a fault.
SECONDS = {"slow": 0.1, "hang": 60.0}


def answer(job: dict[str, Any], patience: float) -> dict[str, Any]:
    """What a worker says to a job, at once and in this process."""
    condition = job["condition"]
    key = "-".join(str(condition[name]) for name in ("data", "width", "cores", "precision", "batch_size", "pipeline"))
    for part, fault in json.loads(os.environ.get("BENCHMARK_FAULTS", "{}")).items():
        if part in key:
            if fault == "error":
                return {"error": "the abacus is broken: mend it"}
            time.sleep(SECONDS[fault])
    if job.get("trial"):
        obstacles = [
            item | {"reason": None if item["precision"] in ("fp32", "bf16") else "this abacus has no such beads"}
            for item in job["candidates"]
        ]
        return {"start_seconds": 0.1, "items": 32, "cpu_seconds": 0.01, "seconds": 0.01, "obstacles": obstacles}
    return {"rows": [row(condition, job["frames"], number) for number in job["repeats"]]}


def row(condition: dict[str, Any], frames: int, number: int) -> dict[str, Any]:
    """One repeat: as fast as the batch is large, with some spread."""
    batch_gain = 1 - 0.5 / condition["batch_size"]
    fps = 1000.0 * condition["cores"] * batch_gain * (1 + 0.01 * number) * 80 / condition["width"]
    seconds = frames / fps
    busy = {"read_seconds": 0.02, "network_seconds": 0.95, "decode_seconds": 0.02, "write_seconds": 0.01}
    thread = "posecli-read" if condition["pipeline"] == "async" else "MainThread"
    behind = frames - int(condition["length"]) * int(condition["frame_step"])
    return {
        "repeat": number,
        "frames": frames,
        "items": 1 + max(0, -(-behind // int(condition["stride"]))),
        "seconds": seconds,
        "fps": fps,
        "loop_fps": fps,
        "network_fps": 1.1 * fps,
        "read_fps": 20 * fps,
        "gmac_per_item": None if condition["decoder"] else 2.0,
        "cpu_seconds": seconds,
        "peak_mib": 100.0,
        "open_seconds": 0.1,
        "warm_up_seconds": 0.1,
        "load_before": 0.0,
        "background_cores": 0.0,
        "network_threads": condition["cores"],
        "device": "CPU",
        "cores_bound": True,
        **{name: share * seconds for name, share in busy.items()},
        "curve": [(frames * part // 4, seconds * part / 4) for part in (1, 2, 3, 4)],
        "spans": [] if number else [("read", thread, 0.0, 0.01), ("network", "MainThread", 0.01, seconds)],
    }

"""A stand-in for the worker of `posecli.studies.benchmark` that measures nothing, or fails as it is told to.

``BENCHMARK_FAULTS`` is a JSON object: a part of a condition's key, and what happens there: ``error``, ``exit``,
``kill``, ``garbage``, ``list`` or ``hang``.
"""

import json
import os
import signal
import sys
import time
from typing import Any


def main() -> None:
    job = json.load(sys.stdin)
    condition = job["condition"]
    key = "-".join(str(condition[name]) for name in ("data", "width", "cores", "precision", "batch_size", "pipeline"))
    for part, fault in json.loads(os.environ.get("BENCHMARK_FAULTS", "{}")).items():
        if part in key:
            print(FAULTS[fault](), flush=True)
            return
    if job.get("trial"):
        obstacles = [
            (*item, None if item[1] in ("fp32", "bf16") else "this abacus has no such beads")
            for item in job["candidates"]
        ]
        print(
            json.dumps(
                {"start_seconds": 0.1, "items": 32, "cpu_seconds": 0.01, "seconds": 0.01, "obstacles": obstacles}
            )
        )
        return
    print(json.dumps({"rows": [row(condition, job["frames"], number) for number in job["repeats"]]}))


def row(condition: dict[str, Any], frames: int, number: int) -> dict[str, Any]:
    """One repeat: as fast as the batch is large, with some spread."""
    fps = (
        1000.0
        * condition["cores"]
        * (1 - 0.5 / condition["batch_size"])
        * (1 + 0.01 * number)
        * 80
        / condition["width"]
    )
    seconds = frames / fps
    busy = {"read_seconds": 0.02, "network_seconds": 0.95, "decode_seconds": 0.02, "write_seconds": 0.01}
    thread = "posecli-read" if condition["pipeline"] == "async" else "MainThread"
    return {
        "repeat": number,
        "frames": frames,
        "items": items_of(condition, frames),
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


def items_of(condition: dict[str, Any], frames: int) -> int:
    """Frames or chunks."""
    behind = frames - int(condition["length"]) * int(condition["frame_step"])
    return 1 + max(0, -(-behind // int(condition["stride"])))


def exit_now() -> str:
    sys.exit("it fell over")


def kill_now() -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


def hang() -> str:
    time.sleep(60)
    return ""


FAULTS = {
    "error": lambda: json.dumps({"error": "the abacus is broken: mend it"}),
    "exit": exit_now,
    "kill": kill_now,
    "garbage": lambda: "not JSON",
    "list": lambda: "[]",
    "hang": hang,
}

if __name__ == "__main__":
    main()

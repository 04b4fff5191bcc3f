"""One condition in a process of its own: a job as JSON on standard input, one line of JSON on standard output.

The process first takes only the cores that the condition allows, before any library has counted them. A condition that
cannot run is an answer, not a crash.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

#: Variables by which numerical libraries are told how many threads to start.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> None:
    """Read a job, do it, answer."""
    job = json.load(sys.stdin)
    pinned = take_cores(job["condition"]["cores"])
    try:
        answer = _trial(job) if job.get("trial") else _rows(job, pinned)
    except MemoryError:
        answer = {"error": "not enough memory for this condition"}
    except Exception as error:  # whatever it is, it is this condition's result
        answer = {"error": _reason(error)}
    print(json.dumps(answer), flush=True)


def take_cores(count: int) -> bool:
    """Bind this process to the first cores that it may use, and tell libraries; whether the system could bind it."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(count)
    if not hasattr(os, "sched_setaffinity"):
        return False
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    return True


def _reason(error: Exception) -> str:
    from posecli.errors import PoseCliError

    if isinstance(error, PoseCliError):
        return str(error)
    return f"internal error: {type(error).__name__}: {error}"


def _rows(job: dict[str, Any], pinned: bool) -> dict[str, Any]:
    return {"rows": [row | {"cores_bound": pinned} for row in _bench(job).measured()]}


def _trial(job: dict[str, Any]) -> dict[str, Any]:
    """Processor time of start-up and of the network, and what keeps each engine from each precision."""
    from posecli.engine import engine_obstacle
    from posecli.options import EngineOptions
    from posecli.studies.benchmark.kinds import KINDS

    bench = _bench(job)
    start_seconds, wall = time.process_time(), time.perf_counter()
    items = bench.run_network()
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - start_seconds
    read_folder = KINDS[job["network"]].read_folder
    obstacles = [
        (engine, precision, model, engine_obstacle(read_folder(Path(model)), EngineOptions(engine, precision)))
        for engine, precision, model in job["candidates"]
    ]
    return {
        "start_seconds": start_seconds,
        "items": items,
        "cpu_seconds": cpu_seconds,
        "seconds": seconds,
        "obstacles": obstacles,
    }


def _bench(job: dict[str, Any]) -> Any:
    """The job's condition, its network compiled and warm."""
    from posecli.studies.benchmark.bench import Job
    from posecli.studies.benchmark.conditions import Condition
    from posecli.studies.benchmark.kinds import KINDS

    clip, model, poses = (Path(job[name]) for name in ("clip", "model", "poses"))
    condition, repeats = Condition(**job["condition"]), tuple(job["repeats"])
    return KINDS[job["network"]].bench(Job(condition, clip, model, job["frames"], repeats, poses))


if __name__ == "__main__":
    main()

"""One condition in a process of its own: a job as JSON on standard input, one line of JSON on standard output.

The process first takes only the cores that the condition allows, before any library has counted them. A condition that
cannot run is an answer, not a crash.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: This module as a process.
COMMAND = (sys.executable, "-m", "posecli.studies.benchmark.worker")
#: Variables by which numerical libraries are told how many threads to start.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def ask(job: dict[str, Any], patience: float, command: Sequence[str] = COMMAND) -> dict[str, Any]:
    """A process's answer to a job; ``{"error": ...}`` where it died or took more than `patience` seconds."""
    with subprocess.Popen(  # noqa: S603  # our own worker
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            output, errors = process.communicate(json.dumps(job), timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            return {"error": f"stopped after {patience:.0f} s, many times as long as expected"}
        except BaseException:
            process.kill()
            raise
    try:
        said = json.loads(output.strip().splitlines()[-1])
        return said if isinstance(said, dict) else {"error": f"the process answered '{said}'"}
    except (IndexError, ValueError):
        return {"error": _how_it_died(process.returncode, errors)}


def _how_it_died(code: int, errors: str) -> str:
    last = "".join(f": {line}" for line in errors.strip().splitlines()[-1:])
    if code == -9:
        return f"killed by the system, as when there is not enough memory{last}"
    return f"the process ended with {'signal' if code < 0 else 'code'} {abs(code)} and no answer{last}"


def main() -> None:
    """Answer the job on standard input, in a process with its cores and no others."""
    job = json.load(sys.stdin)
    pinned = take_cores(job["condition"]["cores"])
    print(json.dumps(answer(job, pinned=pinned)), flush=True)


def answer(job: dict[str, Any], *, pinned: bool) -> dict[str, Any]:
    """Do a job, in a process that is bound to its cores or not."""
    from posecli.errors import PoseCliError

    try:
        if job.get("trial"):
            return _trial(job)
        return {"rows": [row | {"cores_bound": pinned} for row in _bench(job).measured()]}
    except MemoryError:
        return {"error": "not enough memory for this condition"}
    except PoseCliError as error:
        return {"error": str(error)}
    except Exception as error:  # whatever it is, it is this condition's result
        return {"error": f"internal error: {type(error).__name__}: {error}"}


def take_cores(count: int) -> bool:
    """Bind this process to the first cores that it may use, and tell libraries; whether the system could bind it."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(count)))
    if not hasattr(os, "sched_setaffinity"):
        return False
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    return True


def _trial(job: dict[str, Any]) -> dict[str, Any]:
    """Processor time of start-up and of the network, and what keeps each engine from each precision."""
    from posecli.engine import engine_obstacle
    from posecli.options import EngineOptions

    bench = _bench(job)
    start_seconds, wall = time.process_time(), time.perf_counter()
    items = bench.run_network()
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - start_seconds
    obstacles = []
    for item in job["candidates"]:
        folder, engine = type(bench).read_folder(Path(item["model"])), EngineOptions(item["engine"], item["precision"])
        obstacles.append(item | {"reason": engine_obstacle(folder, engine)})
    times = {"start_seconds": start_seconds, "cpu_seconds": cpu_seconds, "seconds": seconds}
    return times | {"items": items, "obstacles": obstacles}


def _bench(job: dict[str, Any]) -> Any:
    from posecli.studies.benchmark.bench import Job
    from posecli.studies.benchmark.kinds import KINDS
    from posecli.studies.benchmark.study import Condition

    clip, model, poses = (Path(job[name]) for name in ("clip", "model", "poses"))
    condition, repeats = Condition(**job["condition"]), tuple(job["repeats"])
    return KINDS[job["network"]].bench(Job(condition, clip, model, job["frames"], repeats, poses))


if __name__ == "__main__":
    main()

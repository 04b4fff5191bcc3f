"""Workers: asking one for a visit and waiting for what it says, and how long the visits that are left will take."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from posecli.studies.benchmark.design import Visit

WORKER = (sys.executable, "-m", "posecli.studies.benchmark.worker")


def ask(job: dict[str, Any], patience: float, command: Sequence[str] = WORKER) -> dict[str, Any]:
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
        answer = json.loads(output.strip().splitlines()[-1])
        return answer if isinstance(answer, dict) else {"error": f"the process answered '{answer}'"}
    except (IndexError, ValueError):
        return {"error": _how_it_died(process.returncode, errors)}


def _how_it_died(code: int, errors: str) -> str:
    words = errors.strip().splitlines()
    last = f": {words[-1]}" if words else ""
    if code == -9:
        return f"killed by the system, as when there is not enough memory{last}"
    return f"the process ended with {'signal' if code < 0 else 'code'} {abs(code)} and no answer{last}"


class Pace:
    """How long it will take, from how long it took against the guess."""

    def __init__(self, visits: Sequence[Visit]) -> None:
        self._left = sum(visit.seconds for visit in visits)
        self._guessed = 0.0
        self._start = time.perf_counter()

    @property
    def seconds_left(self) -> float:
        """Guess of the time that is left."""
        # The first visits say little: the guess before them counts as much as a minute of measurement.
        taken = time.perf_counter() - self._start
        return self._left * (taken + 60) / (self._guessed + 60)

    def done(self, visit: Visit) -> None:
        """A visit is over."""
        self._left -= visit.seconds
        self._guessed += visit.seconds

"""What a run costs the machine besides time: processor seconds, memory, and what other programs took meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

from posecli.support.hardware import busy_seconds


class BackgroundLoad:
    """Processor time of this process, and of all others beside it, from now on."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._own = time.process_time()
        self._all = busy_seconds()

    def since(self) -> tuple[float, float]:
        """Own processor seconds, and cores that others kept busy."""
        own = time.process_time() - self._own
        others = busy_seconds() - self._all - own
        return own, max(0.0, others / (time.perf_counter() - self._wall))


def peak_mib() -> float:
    """Most memory that this process has held so far, MiB.

    On Linux from its own status: what ``getrusage`` says may be the parent's, from before the program was started.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except (OSError, ValueError):
        pass
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024

"""What a run costs the machine besides time: processor seconds, memory, and what other programs took meanwhile."""

from __future__ import annotations

import os
import time
from pathlib import Path


class BackgroundLoad:
    """Processor time of this process, and of all others beside it, from now on."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._own = time.process_time()
        self._all = busy_seconds()

    def since(self) -> tuple[float, float | None]:
        """Own processor seconds, and cores that others kept busy."""
        own = time.process_time() - self._own
        busy = busy_seconds()
        if busy is None or self._all is None:
            return own, None
        return own, max(0.0, (busy - self._all - own) / (time.perf_counter() - self._wall))


def busy_seconds() -> float | None:
    """Processor seconds that the whole machine has spent working since it was started; ``None`` off Linux."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        user, nice, system, _idle, _wait, irq, softirq = (int(text) for text in fields[1:8])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


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

"""What this process may use of the machine."""

from __future__ import annotations

import math
import os
from pathlib import Path

#: Where Linux tells a container's or a job's share of the processors: quota and period in microseconds.
CGROUP_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
#: A control group's limit and use of memory, bytes.
CGROUP_MEMORY = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current"))
MEMORY_INFO = Path("/proc/meminfo")


def usable_cores() -> int:
    """Cores that this process may keep busy: the least of its affinity, its control group and its SLURM job.

    >>> 1 <= usable_cores() <= os.cpu_count()
    True
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [affinity, _cgroup_cores(), _slurm_cores()]
    return max(1, min(limit for limit in limits if limit is not None))


def free_memory() -> int | None:
    """Bytes that this process may still take, of the machine's and its control group's; ``None`` if unknown."""
    limits = [free for free in (_machine_memory(), _cgroup_memory()) if free is not None]
    return min(limits, default=None)


def _machine_memory() -> int | None:
    try:
        lines = MEMORY_INFO.read_text().splitlines()
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)
    except (OSError, ValueError, IndexError):
        return None


def _cgroup_memory() -> int | None:
    try:
        limit, used = (path.read_text().strip() for path in CGROUP_MEMORY)
        return None if limit == "max" else max(0, int(limit) - int(used))
    except (OSError, ValueError):
        return None


def _cgroup_cores() -> int | None:
    try:
        quota, period = CGROUP_CPU_MAX.read_text().split()
        return None if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return None


def _slurm_cores() -> int | None:
    cores = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(cores) if cores.isdecimal() and int(cores) > 0 else None

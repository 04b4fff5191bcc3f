"""What this process may use of the machine."""

from __future__ import annotations

import math
import os
from pathlib import Path

#: Where Linux tells a container's or a job's share of the processors: quota and period in microseconds.
CGROUP_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """Cores that this process may keep busy: the least of its affinity, its control group and its SLURM job.

    >>> 1 <= usable_cores() <= os.cpu_count()
    True
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [affinity, _cgroup_cores(), _slurm_cores()]
    return max(1, min(limit for limit in limits if limit is not None))


def _cgroup_cores() -> int | None:
    try:
        quota, period = CGROUP_CPU_MAX.read_text().split()
        return None if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return None


def _slurm_cores() -> int | None:
    cores = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(cores) if cores.isdecimal() and int(cores) > 0 else None

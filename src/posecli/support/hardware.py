"""What this machine is, what it is doing, and how much of it this process may use."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path

import psutil

#: Where Linux tells a container's or a job's share of the processors: quota and period in microseconds.
CGROUP_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
#: A control group's limit and use of memory, bytes.
CGROUP_MEMORY = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current"))
PROCESSOR_INFO = Path("/proc/cpuinfo")


def usable_cores() -> int:
    """Cores that this process may keep busy: the least of its affinity, its control group and its SLURM job.

    >>> 1 <= usable_cores() <= os.cpu_count()
    True
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [affinity, _cgroup_cores(), _slurm_cores()]
    return max(1, min(limit for limit in limits if limit is not None))


def free_memory() -> int:
    """Bytes that this process may still take, of the machine's and its control group's."""
    available = psutil.virtual_memory().available
    try:
        limit, used = (path.read_text().strip() for path in CGROUP_MEMORY)
        return available if limit == "max" else min(available, max(0, int(limit) - int(used)))
    except (OSError, ValueError):
        return available


def total_memory() -> int:
    """Bytes of the machine's memory."""
    return psutil.virtual_memory().total


def busy_seconds() -> float:
    """Processor seconds that all programs together have taken since the machine was started."""
    times = psutil.cpu_times()
    kinds = ("user", "nice", "system", "irq", "softirq")  # not all systems tell all
    return sum(getattr(times, kind, 0.0) for kind in kinds)


def processor() -> tuple[str, frozenset[str]]:
    """The processor's name and its features (``avx2``, ...), which only Linux tells."""
    try:
        lines = PROCESSOR_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = fields.get("model name") or platform.machine()
    return name, frozenset((fields.get("flags") or fields.get("Features", "")).split())


def _cgroup_cores() -> int | None:
    try:
        quota, period = CGROUP_CPU_MAX.read_text().split()
        return None if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return None


def _slurm_cores() -> int | None:
    cores = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(cores) if cores.isdecimal() and int(cores) > 0 else None

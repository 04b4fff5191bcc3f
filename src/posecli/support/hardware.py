"""What this machine is, what it is doing, and how much of it this process may use."""

from __future__ import annotations

import math
import os
import platform
from contextlib import suppress
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
    limits = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    with suppress(OSError, ValueError):  # there is no such file, or the quota is "max"
        quota, period = CGROUP_CPU_MAX.read_text().split()
        limits.append(math.ceil(int(quota) / int(period)))
    job = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if job.isdecimal() and int(job) > 0:
        limits.append(int(job))
    return max(1, min(limits))


def free_memory() -> int:
    """Bytes that this process may still take, of the machine's and its control group's."""
    available = psutil.virtual_memory().available
    with suppress(OSError, ValueError):  # there is no such file, or the limit is "max"
        limit, used = (int(path.read_text()) for path in CGROUP_MEMORY)
        return min(available, max(0, limit - used))
    return available


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

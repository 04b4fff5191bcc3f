"""The cores that a process may use: the least of affinity, control group and SLURM job; and the memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from posecli.support import hardware
from posecli.support.hardware import free_memory, usable_cores


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine of 16 cores without limits; the file is its control group's."""
    limit = tmp_path / "cpu.max"
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)))
    monkeypatch.setattr(hardware, "CGROUP_CPU_MAX", limit)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    return limit


def test_without_limits() -> None:
    assert usable_cores() == 16


@pytest.mark.parametrize(
    ("content", "cores"),
    [("max 100000", 16), ("400000 100000", 4), ("150000 100000", 2), ("50000 100000", 1), ("nonsense", 16)],
)
def test_control_group(sixteen_cores: Path, content: str, cores: int) -> None:
    sixteen_cores.write_text(content)
    assert usable_cores() == cores


@pytest.mark.parametrize(("value", "cores"), [("3", 3), ("64", 16), ("0", 16), ("", 16), ("many", 16)])
def test_slurm_job(monkeypatch: pytest.MonkeyPatch, value: str, cores: int) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", value)
    assert usable_cores() == cores


def test_least_of_all(sixteen_cores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sixteen_cores.write_text("500000 100000")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "6")
    assert usable_cores() == 5


MEMORY_INFO = "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    4000000 kB\n"


@pytest.mark.parametrize(
    ("info", "limit", "used", "free"),
    [
        (MEMORY_INFO, "max", "5", 4_000_000 * 1024),
        (MEMORY_INFO, "1000", "300", 700),
        (MEMORY_INFO, "1000", "1300", 0),
        (MEMORY_INFO, None, None, 4_000_000 * 1024),
        (None, "1000", "300", 700),
        (None, "max", "5", None),
        ("MemAvailable: many\n", None, None, None),
    ],
)
def test_free_memory_is_the_least(
    info: str | None,
    limit: str | None,
    used: str | None,
    free: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = [tmp_path / name for name in ("meminfo", "memory.max", "memory.current")]
    for path, content in zip(paths, (info, limit, used), strict=True):
        if content is not None:
            path.write_text(content)
    monkeypatch.setattr(hardware, "MEMORY_INFO", paths[0])
    monkeypatch.setattr(hardware, "CGROUP_MEMORY", tuple(paths[1:]))
    assert free_memory() == free

"""What a process may use of the machine: the least of affinity, control group and SLURM job."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from posecli.support import hardware
from posecli.support.hardware import busy_seconds, free_memory, processor, usable_cores


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


@pytest.mark.parametrize(
    ("limit", "used", "free"),
    [("max", "5", 4000), ("1000", "300", 700), ("1000", "1300", 0), ("9000", "300", 4000), (None, None, 4000)],
)
def test_free_memory_is_the_least(
    limit: str | None, used: str | None, free: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = tmp_path / "memory.max", tmp_path / "memory.current"
    for path, content in zip(paths, (limit, used), strict=True):
        if content is not None:
            path.write_text(content)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=4000))
    monkeypatch.setattr(hardware, "CGROUP_MEMORY", paths)
    assert free_memory() == free


@pytest.mark.parametrize(
    ("content", "name", "features"),
    [
        ("model name\t: Abacus 9\nflags\t\t: avx2 fma\n", "Abacus 9", {"avx2", "fma"}),
        ("Features\t: asimd\n", platform.machine(), {"asimd"}),
        (None, platform.processor() or platform.machine(), set()),
    ],
)
def test_processor(
    content: str | None, name: str, features: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cpuinfo"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(hardware, "PROCESSOR_INFO", path)
    assert processor() == (name, frozenset(features))


def test_the_machine_works() -> None:
    assert busy_seconds() > 0

"""What a speed was measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from posecli.support.hardware import usable_cores
from posecli.tables.manifest import describe_machine

#: Processor features that decide how fast a network can run.
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd")


def describe_bench() -> dict[str, Any]:
    """Hardware, system and software, as a reader of a speed needs them."""
    name, features = processor()
    return describe_machine() | {
        "processor": name,
        "features": features,
        "usable_cores": usable_cores(),
        "memory_gib": memory_gib(),
        "load_before": os.getloadavg()[0],
    }


def processor() -> tuple[str, list[str]]:
    """The processor's name, and those of its features that matter here."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set((fields.get("flags") or fields.get("Features", "")).split())
    return fields.get("model name") or platform.machine(), [name for name in FEATURES if name in flags]


def memory_gib() -> float | None:
    """Memory of the machine, GiB; ``None`` where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    except (OSError, ValueError):
        return None


def machine_line(bench: dict[str, Any]) -> str:
    """The machine in one line.

    >>> machine_line({"processor": "Abacus 9", "features": ["beads"], "usable_cores": 2, "memory_gib": 7.8})
    'Abacus 9 (beads), 2 cores, 8 GiB'
    """
    features = f" ({', '.join(bench['features'])})" if bench["features"] else ""
    memory = f", {bench['memory_gib']:.0f} GiB" if bench["memory_gib"] else ""
    return f"{bench['processor']}{features}, {bench['usable_cores']} cores{memory}"

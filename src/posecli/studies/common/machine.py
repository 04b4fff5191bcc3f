"""The machine that a speed was measured on."""

from __future__ import annotations

import os
from typing import Any

import psutil

from posecli.support.hardware import processor, usable_cores
from posecli.tables.manifest import describe_machine

#: Processor features that decide how fast a network can run.
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd")


def describe_bench() -> dict[str, Any]:
    """Hardware, system and software, as plain values."""
    name, features = processor()
    return describe_machine() | {
        "processor": name,
        "features": [feature for feature in FEATURES if feature in features],
        "usable_cores": usable_cores(),
        "memory_gib": psutil.virtual_memory().total / (1 << 30),
        "load_before": os.getloadavg()[0],
    }


def machine_line(bench: dict[str, Any]) -> str:
    """The machine in one line.

    >>> machine_line({"processor": "Abacus 9", "features": ["beads"], "usable_cores": 2, "memory_gib": 7.8})
    'Abacus 9 (beads), 2 cores, 8 GiB'
    """
    features = f" ({', '.join(bench['features'])})" if bench["features"] else ""
    memory = f", {bench['memory_gib']:.0f} GiB" if bench["memory_gib"] else ""
    return f"{bench['processor']}{features}, {bench['usable_cores']} cores{memory}"

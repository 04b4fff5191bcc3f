"""The generated part of ``parity.md``: every network against DeepLabCut's own poses, and the trained ones."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from speed_tables import markdown, read_result

NOT_YET = "Not measured yet."
ENGINE_NAMES = {"openvino": "OpenVINO", "tensorflow": "TensorFlow"}


def parity_blocks() -> dict[str, str]:
    """Blocks of the page, by name."""
    networks, trained = read_result("parity-networks"), read_result("trained-networks")
    return {
        "networks": NOT_YET if networks is None else networks_table(networks),
        "trained": NOT_YET if trained is None else trained_table(trained),
    }


def networks_table(result: dict[str, Any]) -> str:
    """A row per network and engines, with the largest differences at any size."""
    head = [
        "network",
        "DeepLabCut's engine",
        "posecli's engine",
        "sizes",
        "points",
        "DeepLabCut is sure",
        "near-ties",
        "in the padding",
        "px",
        "likelihood",
    ]
    table = [head]
    order = {row["network"]: place for place, row in reversed([*enumerate(result["rows"])])}
    engines = ("engine", "posecli's engine")
    ordered = sorted(result["rows"], key=lambda row: (order[row["network"]], *(row[name] for name in engines)))
    for (network, *both), group in groupby(ordered, key=lambda row: [row["network"], *(row[name] for name in engines)]):
        rows = list(group)
        table.append(
            [
                f"`{network}`",
                both[0],
                ENGINE_NAMES[both[1]],
                ", ".join(row["size"] for row in rows),
                *(str(sum(row[name] for row in rows)) for name in ("points", "sure", "near-ties", "in the padding")),
                f"{max(row['largest shift px'] for row in rows):.0e}",
                f"{max(row['largest likelihood change'] for row in rows):.0e}",
            ]
        )
    return markdown(table)


def trained_table(result: dict[str, Any]) -> str:
    """A row per network and precision."""
    head = ["network", "precision", "points seen", "median px", "99 % px", "largest px", "likelihood"]
    rows = [
        [
            f"`{row['network']}`",
            row["precision"],
            f"{row['points seen']} of {row['of']}",
            *(f"{row[name]:.2g}" for name in ("median px", "p99 px", "largest px", "largest change of likelihood")),
            *(f"{row[name]:.2g}" if row[name] != "" else "" for name in ("gate's median px", "gate's p99 px")),
            f"{row['convolutions in int8']} of {row['of convolutions']}" if row["precision"] == "int8" else "",
        ]
        for row in result["rows"]
    ]
    return markdown([[*head, "gate: median px", "gate: 99 % px", "convolutions in int8"], *rows])

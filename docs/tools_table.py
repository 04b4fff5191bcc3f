"""The generated part of ``other-tools.md``: what other tools made of a table by posecli."""

from __future__ import annotations

from typing import Any

from speed_tables import markdown, read_result

NOT_YET = "Not tried yet."


def tools_blocks() -> dict[str, str]:
    """Blocks of the page, by name."""
    result = read_result("round-trip")
    return {"round-trip": NOT_YET if result is None else round_trip(result)}


def round_trip(result: dict[str, Any]) -> str:
    """A row per tool and step."""
    rows = [[row["tool"], f"`{row['step']}`", row["result"], row["made"]] for row in result["rows"]]
    table = markdown([["tool", "step", "result", "made"], *rows])
    packages = result["machine"]["packages"]
    return f"{result['machine']['date']}, posecli {packages['posecli']}, pandas {packages['pandas']}:\n\n{table}"
